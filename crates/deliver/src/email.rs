//! Mail: a message of text and HTML over SMTP with STARTTLS or TLS.
//!
//! Notices of one alert are one thread, and every attempt of a delivery has the same `Message-ID`. No text of an activity reaches a
//! header but the subject, which is one line without control characters before the library encodes it.

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    channel::{Channel, Letter},
    failure::{Failure, Kind, SettingError},
    http::Network,
    notice::Notice,
    text,
};

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// It begins plain and must change to TLS before anything is said. Port 587.
    Starttls,
    /// TLS from the first byte. Port 465.
    Tls,
    /// None: for a relay on this machine only. Port 25.
    None,
}

/// Where mail goes, and through whom.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server.
    pub host: String,
    /// Its port, if it is not the usual one.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// The user, if the server asks for one.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<SecretString>,
    /// The sender, `Name <name@host>` or the address alone.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

pub(crate) struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Email {
    pub(crate) fn new(mail: &Mail, network: &Network) -> Result<Email, SettingError> {
        let address = |name: &str, text: &str| {
            text.parse::<Mailbox>().map_err(|_| {
                SettingError::new(format!("{name}: {text:?} is no mail address"), "write name@host or Name <name@host>")
            })
        };
        let from = address("from", &mail.from)?;
        let to = mail.to.iter().map(|text| address("to", text)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(SettingError::new("`to` names nobody", "write to = [\"name@host\"]"));
        }
        let (tls, port) = match mail.security {
            MailSecurity::Starttls => (Tls::Required(parameters(mail, network)?), 587),
            MailSecurity::Tls => (Tls::Wrapper(parameters(mail, network)?), 465),
            MailSecurity::None => (Tls::None, 25),
        };
        let host = mail.host.trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if mail.security == MailSecurity::None && !is_here {
            return Err(SettingError::new(
                "security = \"none\" would send alerts, and a password, in the open",
                "use starttls or tls; none is for a relay on this machine",
            ));
        }
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
            .port(mail.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(network.timeout()));
        match (&mail.user, &mail.password) {
            (Some(user), Some(password)) => {
                let password = password.expose_secret().trim().to_owned();
                builder = builder.credentials(Credentials::new(user.clone(), password));
            }
            (None, None) => {}
            _ => return Err(SettingError::new("a user and a password go together", "set both, or none")),
        }
        Ok(Email { transport: builder.build(), from, to })
    }

    fn message(&self, letter: Letter<'_>) -> Result<Message, lettre::error::Error> {
        let (notice, host) = (letter.notice, self.from.email.domain());
        let thread = format!("<{}@{host}>", plain_id(&notice.alert.id));
        let date = std::time::SystemTime::from(notice.at);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(subject(notice))
            .date(date)
            .message_id(Some(format!("<{}@{host}>", plain_id(letter.id))))
            .in_reply_to(thread.clone())
            .references(thread)
            .header(Automatic)
            .header(DeliveryId(plain_id(letter.id)));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        builder.multipart(MultiPart::alternative_plain_html(plain(notice), html(notice)))
    }
}

fn parameters(mail: &Mail, network: &Network) -> Result<TlsParameters, SettingError> {
    // Whoever came first has installed one already: then that one it is.
    _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(pem) = network.roots()? {
        let none = || SettingError::new("ca_file holds no certificate", "name a file of certificates in PEM");
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|_| none())?);
    }
    builder.build().map_err(|error| SettingError::new(format!("TLS: {error}"), "look at host and ca_file"))
}

#[async_trait]
impl Channel for Email {
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure> {
        let message =
            self.message(letter).map_err(|error| Failure::new(Kind::Refused, format!("no message: {error}")))?;
        self.transport.send(message).await.map(drop).map_err(|error| failure(&error))
    }

    /// Connects, changes to TLS and logs in, and sends nothing.
    async fn check(&self) -> Result<String, Failure> {
        match self.transport.test_connection().await {
            Ok(true) => Ok("the mail server lets us in; no mail was sent".to_owned()),
            Ok(false) => Err(Failure::new(Kind::Failed, "the mail server does not answer as one")),
            Err(error) => Err(failure(&error)),
        }
    }
}

fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let code = error.status().map(|code| code.to_string());
    match code {
        Some(code) if matches!(code.as_str(), "530" | "534" | "535" | "538") => {
            Failure::new(Kind::Refused, format!("the mail server answered {code}"))
                .saying(&said)
                .hint("it does not accept user and password")
        }
        // 421: the service is closing; 4yz: this message, now.
        Some(code) if code == "421" => {
            Failure::new(Kind::Busy(None), format!("the mail server answered {code}")).saying(&said)
        }
        Some(code) if error.is_transient() => {
            Failure::new(Kind::Failed, format!("the mail server answered {code}")).saying(&said)
        }
        Some(code) => Failure::new(Kind::Refused, format!("the mail server answered {code}")).saying(&said),
        None if error.is_tls() => Failure::new(Kind::Unreachable, "no TLS with the mail server").saying(&said),
        None if error.is_client() => Failure::new(Kind::Refused, "the mail server lacks what is needed").saying(&said),
        None => Failure::new(Kind::Unreachable, "cannot reach the mail server").saying(&said),
    }
}

/// Says that no person wrote this, so that no absence message comes back (RFC 3834).
#[derive(Clone)]
struct Automatic;

impl Header for Automatic {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Automatic)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The same on every attempt, for whoever sorts mail.
#[derive(Clone)]
struct DeliveryId(String);

impl Header for DeliveryId {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("X-Auditlake-Delivery")
    }
    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(DeliveryId(text.to_owned()))
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// The id as the left side of a message id.
fn plain_id(id: &str) -> String {
    let is_plain = |sign: &char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
    id.chars().filter(is_plain).take(100).collect()
}

fn subject(notice: &Notice) -> String {
    let severity = notice.alert.severity.as_str().to_uppercase();
    text::line(&format!("[{severity}] {}: {}", notice.what(), notice.alert.title), 180)
}

fn plain(notice: &Notice) -> String {
    let alert = &notice.alert;
    let mut out = format!("{}: {}\n\n", notice.what(), text::line(&alert.title, 1_000));
    if let Some(deed) = notice.deed() {
        out.push_str(&format!("{}\n\n", text::line(&deed, 2_500)));
    }
    if !alert.summary.is_empty() {
        out.push_str(&format!("{}\n\n", text::block(&alert.summary, 8_000)));
    }
    for (name, value) in notice.facts() {
        out.push_str(&format!("{name}: {}\n", text::line(&value, 1_000)));
    }
    if !alert.next_steps.is_empty() {
        out.push_str("\nWhat to do next\n");
        for (at, step) in alert.next_steps.iter().enumerate() {
            out.push_str(&format!("{}. {}\n", at + 1, text::line(&step.text, 1_000)));
        }
    }
    if let Some(link) = alert.link.as_deref().and_then(text::link) {
        out.push_str(&format!("\nOpen the alert: {link}\n"));
    }
    out.push_str(&format!("\nAuditlake alert {}\n", text::line(&alert.id, 255)));
    out
}

fn html(notice: &Notice) -> String {
    let alert = &notice.alert;
    let line = |text: &str| text::html(&text::line(text, 1_000));
    let block = |text: &str, most| text::html(&text::block(text, most)).replace('\n', "<br>\n");
    let mut out = format!(
        "<!doctype html>\n<html><head><meta charset=\"utf-8\"></head><body style=\"font-family:sans-serif\">\n<h2>{}: {}</h2>\n",
        notice.what(),
        line(&alert.title)
    );
    if let Some(deed) = notice.deed() {
        out.push_str(&format!("<p>{}</p>\n", line(&deed)));
    }
    if !alert.summary.is_empty() {
        out.push_str(&format!("<p>{}</p>\n", block(&alert.summary, 8_000)));
    }
    out.push_str("<table>\n");
    for (name, value) in notice.facts() {
        out.push_str(&format!("<tr><th align=\"left\">{}</th><td>{}</td></tr>\n", text::html(name), line(&value)));
    }
    out.push_str("</table>\n");
    if !alert.next_steps.is_empty() {
        let steps: String = alert.next_steps.iter().map(|step| format!("<li>{}</li>\n", line(&step.text))).collect();
        out.push_str(&format!("<h3>What to do next</h3>\n<ol>\n{steps}</ol>\n"));
    }
    if let Some(link) = alert.link.as_deref().and_then(text::link) {
        out.push_str(&format!("<p><a href=\"{}\">Open the alert</a></p>\n", text::html(&link)));
    }
    out.push_str(&format!("<p style=\"color:#666\">Auditlake alert {}</p>\n</body></html>\n", line(&alert.id)));
    out
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::testing::{hostile, notice};

    fn mail() -> Mail {
        Mail {
            host: "mail.example".into(),
            port: None,
            security: MailSecurity::Starttls,
            user: None,
            password: None,
            from: "Auditlake <auditlake@example.com>".into(),
            to: vec!["soc@example.com".into(), "Ünal <u@example.com>".into()],
        }
    }

    fn written(notice: &Notice) -> String {
        let email = Email::new(&mail(), &Network::default()).unwrap();
        let message = email.message(Letter { id: "dlv_1", at: Timestamp::UNIX_EPOCH, notice }).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn is_a_message_of_text_and_html() {
        insta::assert_snapshot!(format!(
            "{}\n=====\n{}\n=====\n{}",
            subject(&notice()),
            plain(&notice()),
            html(&notice())
        ));
        let text = written(&notice());
        assert!(text.contains("Message-ID: <dlv_1@example.com>\r\n"), "{text}");
        assert!(
            text.contains("Auto-Submitted: auto-generated\r\n") && text.contains("multipart/alternative"),
            "{text}"
        );
    }

    #[test]
    fn no_header_is_smuggled_in() {
        let text = written(&hostile(200));
        let head = text.split("\r\n\r\n").next().unwrap();
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(
            names,
            [
                "From",
                "Subject",
                "Date",
                "Message-ID",
                "In-Reply-To",
                "References",
                "Auto-Submitted",
                "X-Auditlake-Delivery",
                "To",
                "MIME-Version",
                "Content-Type"
            ]
        );
        let html = html(&hostile(200));
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("https://evil"), "{html}");
    }

    #[test]
    fn settings_are_checked() {
        let refused = |change: &dyn Fn(&mut Mail)| {
            let mut mail = mail();
            change(&mut mail);
            Email::new(&mail, &Network::default()).err().expect("refused").to_string()
        };
        assert!(refused(&|mail| mail.to.clear()).contains("nobody"));
        assert!(refused(&|mail| mail.from = "nobody\r\nBcc: x@example.com".into()).contains("no mail address"));
        assert!(refused(&|mail| mail.security = MailSecurity::None).contains("in the open"));
        assert!(refused(&|mail| mail.user = Some("u".into())).contains("go together"));
    }
}
