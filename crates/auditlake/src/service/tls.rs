//! TLS before the pages: certificate and key from files, which are read again when they change.
//!
//! Handshakes run beside each other, each for a bounded time, so that nobody who connects and says nothing keeps others out. Who
//! speaks plain HTTP is told so, and browsers that came by TLS once are told to come by nothing else.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
    serve::{IncomingStream, Listener},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{config::Config, hinted};

/// A handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// So many at the same time.
const HANDSHAKES: usize = 200;
/// The first byte of every TLS connection.
const HELLO: u8 = 22;
/// For whoever speaks plain HTTP.
const PLAIN: &str = "error: this port speaks HTTPS alone\nhint: ask for the same address with https://\n";
/// Browsers ask for a name by nothing but TLS for so long: a year.
const TLS_ALONE: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Certificate and key.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    stamp: Option<[Stamp; 2]>,
    config: Arc<ServerConfig>,
}

/// By what a replaced file is told from the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, i64, i64);

impl Tls {
    /// The files that the configuration names, if it does.
    ///
    /// # Errors
    /// If one of them is missing, or they are no certificate with its key.
    pub fn open(config: &Config) -> Result<Option<Tls>> {
        let (cert, key) = match (&config.server.tls_cert, &config.server.tls_key) {
            (None, None) => return Ok(None),
            (Some(cert), Some(key)) => (cert.clone(), key.clone()),
            _ => {
                return Err(hinted(
                    "only one of server.tls_cert and server.tls_key is set",
                    "set both: the certificate with its chain, and its key, as PEM files",
                ));
            }
        };
        let stamp = stamp(&cert, &key);
        let config = read(&cert, &key)?;
        Ok(Some(Tls { cert, key, held: Mutex::new(Held { stamp, config }) }))
    }

    /// What connections are secured by, as the files are now. Files that cannot be read leave what was read before.
    fn config(&self) -> Arc<ServerConfig> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.cert, &self.key);
        if stamp != held.stamp {
            held.stamp = stamp;
            match read(&self.cert, &self.key) {
                Ok(config) => {
                    tracing::info!("the certificate was read again: {}", self.cert.display());
                    held.config = config;
                }
                Err(error) => tracing::error!("the changed certificate is not taken, the one before is: {error:#}"),
            }
        }
        held.config.clone()
    }
}

fn stamp(cert: &PathBuf, key: &PathBuf) -> Option<[Stamp; 2]> {
    let of = |path: &PathBuf| {
        let data = std::fs::metadata(path).ok()?;
        Some(Stamp(data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
    };
    Some([of(cert)?, of(key)?])
}

fn read(cert: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>> {
    let hint = "tls_cert is a PEM file with the certificate first and its chain behind it, tls_key one with its key";
    let certificates = || CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>();
    let wrong = |path: &PathBuf, error: &dyn std::fmt::Display| {
        hinted(format!("cannot take {} for TLS: {error}", path.display()), hint)
    };
    let chain = certificates().map_err(|error| wrong(cert, &error))?;
    if chain.is_empty() {
        return Err(wrong(cert, &"there is no certificate in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set TLS up")?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| wrong(cert, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Connections whose handshake is done.
pub struct Secured {
    local: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    accepting: JoinHandle<()>,
}

impl Secured {
    pub fn new(listener: TcpListener, tls: Tls) -> io::Result<Secured> {
        let local = listener.local_addr()?;
        let (done, ready) = mpsc::channel(16);
        let accepting = tokio::spawn(accept(listener, tls, done));
        Ok(Secured { local, ready, accepting })
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(mut listener: TcpListener, tls: Tls, done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    let room = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let (stream, peer) = Listener::accept(&mut listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off Nagle's algorithm");
        }
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let (acceptor, done) = (TlsAcceptor::from(tls.config()), done.clone());
        tokio::spawn(async move {
            match timeout(HANDSHAKE, shake_hands(acceptor, stream)).await {
                Ok(Ok(Some(stream))) => {
                    drop(permit);
                    let _ = done.send((stream, peer)).await;
                }
                Ok(Ok(None)) => tracing::debug!(%peer, "plain HTTP was spoken where TLS is"),
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            }
        });
    }
}

/// `None` for somebody who speaks plain HTTP, and has been told.
async fn shake_hands(acceptor: TlsAcceptor, mut stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 || first[0] == HELLO || !first[0].is_ascii_alphabetic() {
        return acceptor.accept(stream).await.map(Some);
    }
    // What has come is read, as an answer is lost where a connection ends with something unread.
    let mut request = [0; 16 << 10];
    let _ = stream.read(&mut request).await?;
    let length = PLAIN.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{PLAIN}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(None)
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // Nothing accepts any more: the service is ending.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.local)
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Secured>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Secured>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// Tells it as plain connections do, and the browser to come by TLS from now on. What holds for a name holds for all of its ports,
/// so this machine's own names are left out: other programs have pages there.
pub async fn tell_both(mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(Peer(address))) = request.extensions().get::<ConnectInfo<Peer>>().copied() {
        request.extensions_mut().insert(ConnectInfo(address));
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let is_named = host.is_some_and(|host| !web::guard::is_loopback_name(host));
    let mut response = next.run(request).await;
    if is_named {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, TLS_ALONE);
    }
    response
}
