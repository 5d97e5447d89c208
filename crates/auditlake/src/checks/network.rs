//! The way to the feed: proxy, name; and failures to connect in plain words.

use std::{error::Error as StdError, io, time::Duration};

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::CertificateError;
use secrecy::ExposeSecret;
use tokio::{net::lookup_host, time::timeout};

use super::{Finding, Patient, chain};

const PROXY: &str = "proxy";
const NAME: &str = "name";
pub const CONNECTION: &str = "connection";

/// Which way requests go, and whether the name of the feed is known.
pub async fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let base = patient.client.base_url();
    let Ok(uri) = base.parse::<Uri>() else { return };
    let proxy = proxy(patient, &uri);
    findings.push(match &proxy {
        Some(proxy) => Finding::ok(PROXY, format!("requests go through {proxy}")),
        None => Finding::ok(PROXY, "none: requests go to the feed directly"),
    });
    // A proxy resolves the name itself.
    let (None, Some(host)) = (proxy, uri.host()) else { return };
    let host = host.trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    findings.push(match timeout(Duration::from_secs(10), lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
            addresses.dedup();
            Finding::ok(NAME, format!("{host} is {}", addresses.join(", ")))
        }
        Ok(Err(error)) => Finding::fail(
            NAME,
            format!("the name {host} cannot be resolved: {error}"),
            "look at base_url and at this machine's DNS; where only a proxy reaches the internet, set HTTPS_PROXY or proxy",
        ),
        Err(_) => Finding::fail(NAME, format!("no answer for the name {host} in 10 s"), "look at this machine's DNS"),
    });
}

/// The proxy for this address without user and password, if one is in use.
pub fn proxy(patient: &Patient<'_>, uri: &Uri) -> Option<String> {
    let shown = |uri: &Uri| {
        let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default())
    };
    match &patient.source.proxy {
        Some(proxy) => proxy.expose_secret().parse::<Uri>().ok().map(|uri| format!("{} (setting proxy)", shown(&uri))),
        None => Matcher::from_system().intercept(uri).map(|found| format!("{} (environment)", shown(found.uri()))),
    }
}

/// Why there is no connection, and what to do.
pub fn no_connection(base: &str, has_proxy: bool, error: &(dyn StdError + 'static)) -> Finding {
    if let Some(tls) = tls(error) {
        return tls_trouble(tls);
    }
    let told = chain(error);
    let text = told.to_lowercase();
    let (saw, todo) = match io_kind(error) {
        Some(io::ErrorKind::ConnectionRefused) if has_proxy => {
            ("the proxy refuses the connection", "see whether the proxy runs, and whether its port is right")
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            ("nothing listens at this address: the connection is refused", "look at base_url and its port")
        }
        _ if text.contains("dns error") || text.contains("failed to lookup") => {
            ("the name cannot be resolved", "look at base_url and at this machine's DNS")
        }
        _ if text.contains("407") || text.contains("proxy auth") => {
            ("the proxy wants a login", "put user and password into the proxy's URL: http://USER:PASSWORD@HOST:PORT")
        }
        _ if has_proxy && (text.contains("tunnel") || text.contains("proxy")) => {
            ("the proxy does not let us through", "ask who runs the proxy to allow the feed's host, port 443")
        }
        _ if text.contains("http/0.9") || text.contains("corrupt message") || text.contains("invalidcontenttype") => {
            ("what answers speaks no TLS", "look at base_url: is it http:// instead of https://, or another port?")
        }
        _ if text.contains("timed out") => (
            "no connection in time: something on the way drops it",
            "ask whether a firewall lets this machine reach the feed, or needs a proxy (HTTPS_PROXY)",
        ),
        _ => ("no connection", "look at the network, the proxy and base_url"),
    };
    Finding::fail(CONNECTION, format!("{base}: {saw} ({told})"), todo)
}

/// The failure of TLS somewhere below an error.
fn tls<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An error of I/O holds another one, but does not give it as its cause.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(tls) = tls(inner)
        {
            return Some(tls);
        }
        cause = error.source();
    }
    None
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

fn tls_trouble(error: &rustls::Error) -> Finding {
    const CLOCK: &str = "look at this machine's clock first; if it is right, tell whoever runs the feed or the proxy";
    const CUSTOM: &str = "if your company opens TLS on a proxy, set ca_file to its certificate (PEM); if not, somebody else answers: stop here";
    let (saw, todo) = match error {
        rustls::Error::InvalidCertificate(kind) => match kind {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("the certificate has expired".to_owned(), CLOCK)
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("the certificate is not valid yet".to_owned(), CLOCK)
            }
            CertificateError::UnknownIssuer => {
                ("the certificate is signed by nobody whom this machine trusts".to_owned(), CUSTOM)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                "the certificate is for another name than base_url has".to_owned(),
                "use the name that stands in the certificate",
            ),
            CertificateError::Revoked => ("the certificate is revoked".to_owned(), CUSTOM),
            other => (format!("the certificate is not accepted: {other}"), CUSTOM),
        },
        rustls::Error::InvalidMessage(_) => (
            "what answers speaks no TLS".to_owned(),
            "look at base_url: is it http:// instead of https://, or another port?",
        ),
        other => (format!("TLS fails: {other}"), "look at what stands between this machine and the feed"),
    };
    Finding::fail(CONNECTION, saw, todo)
}
