//! A mail server that speaks SMTP to the letter: STARTTLS or TLS, a login, lines that end as they must.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::server::{Certificate, certificate};
use crate::{
    Channel, Kind, Mail, MailSecurity, Network, Target,
    testing::{hostile, notice},
};

/// A mail as it was taken: from, to, and the text.
type Taken = (String, Vec<String>, String);

#[derive(Clone)]
struct MailServer {
    port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    /// Answers to the ends of the next mails, instead of 250.
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    acceptor: TlsAcceptor,
    is_wrapped: bool,
    has_starttls: bool,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl MailServer {
    async fn start(certificate: &Certificate, is_wrapped: bool, has_starttls: bool) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = MailServer {
            port: listener.local_addr().expect("an address").port(),
            taken: Arc::default(),
            answers: Arc::default(),
            acceptor: certificate.acceptor.clone(),
            is_wrapped,
            has_starttls,
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move { server.serve(connection).await });
            }
        });
        server
    }

    async fn serve(self, connection: TcpStream) -> Option<()> {
        if self.is_wrapped {
            let tls = self.acceptor.accept(connection).await.ok()?;
            return self.talk(&mut BufStream::new(tls), true).await.map(drop);
        }
        let mut plain = BufStream::new(connection);
        if self.talk(&mut plain, false).await? {
            let tls = self.acceptor.accept(plain.into_inner()).await.ok()?;
            self.talk(&mut BufStream::new(tls), true).await?;
        }
        Some(())
    }

    /// Answers whether the client asked for TLS.
    async fn talk(&self, stream: &mut BufStream<impl Stream>, is_secure: bool) -> Option<bool> {
        let was_greeted = is_secure && !self.is_wrapped;
        if !was_greeted {
            say(stream, "220 mail.example ESMTP").await?;
        }
        let (mut is_in, mut from, mut to) = (false, String::new(), Vec::new());
        loop {
            let line = line(stream).await?;
            let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match word.as_str() {
                "EHLO" if is_secure => say(stream, "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN").await?,
                "EHLO" if self.has_starttls => say(stream, "250-mail.example\r\n250-8BITMIME\r\n250 STARTTLS").await?,
                "EHLO" => say(stream, "250 mail.example").await?,
                "STARTTLS" if !is_secure => {
                    say(stream, "220 go ahead").await?;
                    return Some(true);
                }
                "AUTH" if is_secure => {
                    let given = STANDARD.decode(line.strip_prefix("AUTH PLAIN ")?).ok()?;
                    is_in = given == b"\0robot\0password-SECRET";
                    say(stream, if is_in { "235 in" } else { "535 5.7.8 password-SECRET? no" }).await?;
                }
                "MAIL" if is_in => {
                    from = line.clone();
                    say(stream, "250 ok").await?;
                }
                "RCPT" if is_in => {
                    to.push(line.clone());
                    say(stream, "250 ok").await?;
                }
                "DATA" if is_in && !to.is_empty() => {
                    say(stream, "354 go on").await?;
                    let text = data(stream).await?;
                    let answer = self.answers.lock().unwrap().pop_front().unwrap_or("250 queued");
                    if answer.starts_with("250") {
                        self.taken.lock().unwrap().push((from.clone(), std::mem::take(&mut to), text));
                    }
                    say(stream, answer).await?;
                }
                "NOOP" => say(stream, "250 ok").await?,
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    return Some(false);
                }
                _ => say(stream, "503 not now").await?,
            }
        }
    }
}

async fn say(stream: &mut BufStream<impl Stream>, line: &str) -> Option<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// A line without its end, which must be CR LF.
async fn line(stream: &mut BufStream<impl Stream>) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let byte = stream.read_u8().await.ok()?;
        bytes.push(byte);
        if byte == b'\n' {
            let text = String::from_utf8(bytes).expect("text");
            let text = text.strip_suffix("\r\n").expect("a line ends with CR LF").to_owned();
            assert!(!text.contains('\r') && text.len() <= 998, "a line as RFC 5321 wants it");
            return Some(text);
        }
    }
}

async fn data(stream: &mut BufStream<impl Stream>) -> Option<String> {
    let mut text = String::new();
    loop {
        let line = line(stream).await?;
        if line == "." {
            return Some(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
}

fn mail(server: &MailServer, security: MailSecurity) -> Mail {
    Mail {
        host: "127.0.0.1".into(),
        port: Some(server.port),
        security,
        user: Some("robot".into()),
        password: Some("password-SECRET\n".into()),
        from: "Auditlake <auditlake@example.com>".into(),
        to: vec!["soc@example.com".into(), "boss@example.com".into()],
    }
}

/// The channel, trusting the certificate, and the directory that holds it.
fn open(mail: Mail, certificate: &Certificate) -> Box<dyn Channel> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, &certificate.pem).expect("written");
    let network = Network { ca_file: Some(path), ..super::network() };
    Target::Email(mail).open(&network).expect("settings")
}

#[tokio::test]
async fn takes_every_notice() {
    let certificate = certificate();
    for (is_wrapped, security) in [(false, MailSecurity::Starttls), (true, MailSecurity::Tls)] {
        let server = MailServer::start(&certificate, is_wrapped, true).await;
        let channel = open(mail(&server, security), &certificate);
        for notice in [notice(), hostile(80), hostile(1 << 20).bounded()] {
            super::send(&*channel, &notice).await.expect("taken");
        }
        assert!(channel.check().await.expect("it works").contains("no mail"));
        let taken = server.taken.lock().unwrap().clone();
        assert_eq!(taken.len(), 3);
        for (from, to, text) in taken {
            assert_eq!(from.split_whitespace().next(), Some("MAIL"), "{from}");
            assert!(from.contains("<auditlake@example.com>"));
            assert_eq!(to, ["RCPT TO:<soc@example.com>", "RCPT TO:<boss@example.com>"]);
            let head = text.split("\n\n").next().unwrap_or_default();
            assert_eq!(head.matches("\nSubject: ").count(), 1, "{head}");
            assert!(!head.to_lowercase().contains("\nbcc"), "{head}");
            assert!(head.contains("Message-ID: <dlv_1@example.com>"), "{head}");
        }
    }
}

#[tokio::test]
async fn nothing_is_said_without_tls() {
    let certificate = certificate();
    let server = MailServer::start(&certificate, false, false).await;
    let channel = open(mail(&server, MailSecurity::Starttls), &certificate);
    assert!(super::send(&*channel, &notice()).await.is_err());
    let stranger = self::certificate();
    let server = MailServer::start(&stranger, false, true).await;
    let channel = open(mail(&server, MailSecurity::Starttls), &certificate);
    let failure = super::send(&*channel, &notice()).await.expect_err("not trusted");
    assert_eq!(failure.kind, Kind::Unreachable, "{failure}");
    assert!(server.taken.lock().unwrap().is_empty());
}

#[tokio::test]
async fn answers_say_whether_to_try_again() {
    let certificate = certificate();
    let server = MailServer::start(&certificate, false, true).await;
    let channel = open(mail(&server, MailSecurity::Starttls), &certificate);
    for (answer, kind, message) in [
        ("451 4.3.0 later", Kind::Failed, "the mail server answered 451"),
        ("421 4.3.2 closing", Kind::Busy(None), "the mail server answered 421"),
        ("554 5.7.1 no", Kind::Refused, "the mail server answered 554"),
    ] {
        server.answers.lock().unwrap().push_back(answer);
        let failure = super::send(&*channel, &notice()).await.expect_err("it fails");
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.to_string().starts_with(message), "{failure}");
    }
    super::send(&*channel, &notice()).await.expect("it works again");
    let mut wrong = mail(&server, MailSecurity::Starttls);
    wrong.password = Some("wrong-SECRET".into());
    let failure = super::send(&*open(wrong, &certificate), &notice()).await.expect_err("not let in");
    assert_eq!(failure.kind, Kind::Refused, "{failure}");
    assert!(!format!("{failure:?}").contains("wrong-SECRET"));
    let mut nobody = mail(&server, MailSecurity::Starttls);
    nobody.port = Some(1);
    let failure = super::send(&*open(nobody, &certificate), &notice()).await.expect_err("nobody there");
    assert_eq!(failure.kind, Kind::Unreachable, "{failure}");
}
