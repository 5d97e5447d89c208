//! An HTTP server that judges what it gets, and fails as it is told to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use tokio::io::AsyncReadExt;
use tokio_rustls::{TlsAcceptor, rustls};

use crate::{Kind, Target, testing::notice};

/// What a server gets.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What goes wrong with the next request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Status(u16),
    TooMany(&'static str),
    Redirect,
    Hang,
    LongAnswer,
}

/// Status and body for a request.
pub(super) type Judge = fn(&Request) -> (u16, String);

#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    judge: Judge,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    taken: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(super) async fn start(judge: Judge) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Server { url, judge, faults: Arc::default(), taken: Arc::default() };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(super) fn fail(&self, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// What was taken as right.
    pub(super) fn taken(&self) -> Vec<Request> {
        self.taken.lock().unwrap().clone()
    }
}

async fn answer(State(server): State<Server>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let fault = server.faults.lock().unwrap().pop_front();
    match fault {
        Some(Fault::Status(status)) => {
            return (StatusCode::from_u16(status).unwrap(), "out\r\nof order").into_response();
        }
        Some(Fault::TooMany(after)) => {
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", after)]).into_response();
        }
        Some(Fault::Redirect) => return (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response(),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::LongAnswer) => return (StatusCode::BAD_REQUEST, "x".repeat(1 << 20)).into_response(),
        None => {}
    }
    let request = Request { path: uri.path().to_owned(), headers, body };
    let (status, body) = (server.judge)(&request);
    if status < 300 {
        server.taken.lock().unwrap().push(request);
    }
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn anything(_: &Request) -> (u16, String) {
    (200, String::new())
}

fn webhook(url: &str) -> Target {
    Target::Webhook { url: format!("{url}/SECRET?key=SECRET").into(), secret: None, token: None }
}

#[tokio::test]
async fn every_fault_says_what_it_means() {
    let server = Server::start(anything).await;
    let channel = super::open(&webhook(&server.url));
    for (fault, kind, message) in [
        (Fault::Status(500), Kind::Failed, "it answered 500: out of order"),
        (Fault::Status(400), Kind::Refused, "it answered 400: out of order"),
        (Fault::Status(404), Kind::Refused, "it answered 404: out of order"),
        (Fault::TooMany("7"), Kind::Busy(Some(Duration::from_secs(7))), "it answered 429"),
        (Fault::TooMany("soon"), Kind::Busy(None), "it answered 429"),
        (Fault::Redirect, Kind::Refused, "it answered 302"),
    ] {
        server.fail(&[fault]);
        let failure = super::send(&*channel, &notice()).await.expect_err("it fails");
        assert_eq!((failure.kind, failure.to_string().as_str()), (kind, message));
    }
    server.fail(&[Fault::LongAnswer]);
    assert!(super::send(&*channel, &notice()).await.expect_err("it fails").to_string().len() < 300);
    super::send(&*channel, &notice()).await.expect("it works again");
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn who_cannot_be_reached_is_said_without_the_address() {
    let refused = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = format!("http://{}", refused.local_addr().expect("an address"));
    drop(refused);
    let dropping = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let drops = format!("http://{}", dropping.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = dropping.accept().await {
            _ = connection.read(&mut [0; 64]).await;
        }
    });
    let server = Server::start(anything).await;
    server.fail(&[Fault::Hang]);
    let mut impatient = super::network();
    impatient.timeout = Some(Duration::from_millis(300));
    for url in [nobody, drops, server.url.clone()] {
        let channel = webhook(&url).open(&impatient).expect("settings");
        let failure = super::send(&*channel, &notice()).await.expect_err("it fails");
        assert_eq!(failure.kind, Kind::Unreachable, "{failure}");
        assert!(!format!("{failure:?}").contains("SECRET"), "{failure:?}");
    }
}

/// A certificate of our own making for 127.0.0.1, and what trusts it.
pub(super) struct Certificate {
    pub(super) pem: String,
    pub(super) acceptor: TlsAcceptor,
}

pub(super) fn certificate() -> Certificate {
    _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("made");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate and its key");
    Certificate { pem: made.cert.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let certificate = certificate();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let acceptor = certificate.acceptor.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(connection).await else { continue };
            _ = tls.read(&mut [0; 4096]).await;
            _ = tokio::io::AsyncWriteExt::write_all(&mut tls, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            _ = tokio::io::AsyncWriteExt::shutdown(&mut tls).await;
        }
    });
    let failure = super::send(&*super::open(&webhook(&url)), &notice()).await.expect_err("not trusted");
    assert_eq!(failure.kind, Kind::Unreachable, "{failure}");
    assert!(!format!("{failure:?}").contains("SECRET"), "{failure:?}");
    let dir = tempfile::tempdir().expect("a directory");
    let mut trusting = super::network();
    trusting.ca_file = Some(dir.path().join("ca.pem"));
    std::fs::write(dir.path().join("ca.pem"), &certificate.pem).expect("written");
    let channel = webhook(&url).open(&trusting).expect("settings");
    super::send(&*channel, &notice()).await.expect("trusted by ca_file");
}
