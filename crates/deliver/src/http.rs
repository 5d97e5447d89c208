//! Posting over HTTP for the destinations that are addresses: one request, and what its answer means.
//!
//! The address itself is a secret (whoever has a webhook's address may write there), so it is stripped from every error.

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, StatusCode};
use reqwest::{Certificate, Client, RequestBuilder, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::failure::{Failure, Kind, SettingError};

/// So much of an answer is read.
const MAX_ANSWER_BYTES: usize = 16 << 10;

/// How to get out of this network.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// The proxy (`http://`, `https://`, `socks5://`, may hold user and password); the system's if `None`.
    pub proxy: Option<SecretString>,
    /// No proxy, whatever the system says.
    pub is_direct: bool,
    /// Certificates (PEM) that are trusted besides the platform's.
    pub ca_file: Option<PathBuf>,
    /// How long an attempt may take; [`Network::TIMEOUT`] if `None`.
    pub timeout: Option<Duration>,
}

impl Network {
    /// How long an attempt may take unless told otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Self::TIMEOUT)
    }

    /// The text of the CA file, if one is configured.
    pub(crate) fn roots(&self) -> Result<Option<Vec<u8>>, SettingError> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let read = std::fs::read(path);
        read.map(Some).map_err(|error| {
            SettingError::new(
                format!("cannot read ca_file {}: {error}", path.display()),
                "name a file of certificates in PEM",
            )
        })
    }

    pub(crate) fn client(&self) -> Result<Client, SettingError> {
        // Whoever came first has installed one already: then that one it is.
        _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            // A redirect would carry the message, and the address's secret, to whatever host it names.
            .redirect(redirect::Policy::none())
            // Each attempt is counted by the queue.
            .retry(reqwest::retry::never())
            .timeout(self.timeout())
            .connect_timeout(self.timeout().min(Duration::from_secs(10)))
            .user_agent(concat!("auditlake/", env!("CARGO_PKG_VERSION")));
        let builder = match &self.proxy {
            _ if self.is_direct => builder.no_proxy(),
            None => builder,
            Some(url) => builder.proxy(
                reqwest::Proxy::all(url.expose_secret())
                    .map_err(|_| SettingError::new("the proxy is no URL", "write it as http://HOST:PORT"))?,
            ),
        };
        let builder = match self.roots()? {
            None => builder,
            Some(pem) => match Certificate::from_pem_bundle(&pem) {
                Ok(roots) if !roots.is_empty() => builder.tls_certs_merge(roots),
                _ => {
                    return Err(SettingError::new(
                        "ca_file holds no certificate",
                        "name a file of certificates in PEM",
                    ));
                }
            },
        };
        builder.build().map_err(|error| SettingError::new(error.without_url().to_string(), "look at proxy and ca_file"))
    }
}

/// Whether plain HTTP may be used: to this machine only, unless the destination protects its content itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    ToLoopback,
    Anywhere,
}

/// Checks an address. It is a secret, so no error shows it.
pub(crate) fn address(text: &SecretString, plain: Plain) -> Result<Url, SettingError> {
    let url = Url::parse(text.expose_secret().trim())
        .map_err(|_| SettingError::new("the url is not a URL", "paste it as the service shows it, with https://"))?;
    let is_here = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => return Err(SettingError::new("the url names no host", "paste it as the service shows it")),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here || plain == Plain::Anywhere => Ok(url),
        "http" => Err(SettingError::new(
            "the url begins with http://, so that everybody on the way could read it",
            "use https://",
        )),
        _ => Err(SettingError::new("the url must begin with https://", "paste it as the service shows it")),
    }
}

/// The answer of a server that took the request.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub body: String,
}

/// Sends a request. Everything but 2xx is a failure.
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, Failure> {
    let mut response = request.send().await.map_err(|error| of_send(&error))?;
    let status = response.status();
    let after = retry_after(response.headers());
    let mut body = Vec::new();
    // The status has said it all already: an answer that breaks off or is too long changes nothing.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - body.len())]);
        if body.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    match status.as_u16() {
        200..=299 => Ok(Answer { status, body }),
        _ => Err(of_status(status, after).saying(&body)),
    }
}

fn of_send(error: &reqwest::Error) -> Failure {
    let cause = {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        // The outermost text would hold the address; the innermost is the system's or TLS's word.
        if std::ptr::addr_eq(cause, error as &dyn std::error::Error) { String::new() } else { cause.to_string() }
    };
    match () {
        () if error.is_timeout() => Failure::new(Kind::Unreachable, "no answer in time"),
        () if error.is_connect() => Failure::new(Kind::Unreachable, "cannot connect").saying(&cause),
        () if error.is_builder() => Failure::new(Kind::Refused, "the request cannot be made").saying(&cause),
        () => Failure::new(Kind::Unreachable, "the connection ended before an answer").saying(&cause),
    }
}

fn of_status(status: StatusCode, after: Option<Duration>) -> Failure {
    let message = format!("it answered {}", status.as_u16());
    match status.as_u16() {
        429 => Failure::new(Kind::Busy(after), message),
        503 if after.is_some() => Failure::new(Kind::Busy(after), message),
        408 | 425 | 500..=599 => Failure::new(Kind::Failed, message),
        401 | 403 => Failure::new(Kind::Refused, message).hint("its key or address is no longer good: make a new one"),
        404 | 410 => Failure::new(Kind::Refused, message).hint("its address is unknown there: make a new one"),
        300..=399 => Failure::new(Kind::Refused, message)
            .hint("it redirects elsewhere, which is not followed: configure the address itself"),
        407 => Failure::new(Kind::Unreachable, message).hint("the proxy asks for a user and password"),
        _ => Failure::new(Kind::Refused, message),
    }
}

/// `retry-after`: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_shows_the_address() {
        for url in ["hooks.example/SECRET", "ftp://hooks.example/SECRET", "http://hooks.example/SECRET", "https:///"] {
            let error = address(&url.into(), Plain::ToLoopback).unwrap_err();
            assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        }
        for url in ["https://hooks.example/x", "http://127.0.0.1:1/x", "http://[::1]/x", " http://localhost/x\n"] {
            assert!(address(&url.into(), Plain::ToLoopback).is_ok(), "{url}");
        }
        assert!(address(&"http://siem.internal/x".into(), Plain::Anywhere).is_ok());
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        let kind = |status, after| of_status(StatusCode::from_u16(status).unwrap(), after).kind;
        for status in [400, 401, 403, 404, 405, 410, 413, 422, 301] {
            assert_eq!(kind(status, None), Kind::Refused, "{status}");
        }
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(kind(status, None), Kind::Failed, "{status}");
        }
        let minute = Some(Duration::from_secs(60));
        assert_eq!(
            (kind(429, minute), kind(503, minute), kind(429, None)),
            (Kind::Busy(minute), Kind::Busy(minute), Kind::Busy(None))
        );
    }
}
