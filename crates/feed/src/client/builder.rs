//! The settings of a [`Client`], checked before the first request.

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::HeaderValue;
use reqwest::{Certificate, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use super::{BuildError, Client};
use crate::PATH;

/// The feed's own address.
pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// The largest body that is accepted unless told otherwise: 5,000 activities of 50 KiB each.
pub const DEFAULT_MAX_BODY_BYTES: usize = 256 << 20;

/// Which proxy requests go through.
#[derive(Clone, Default)]
pub enum Proxy {
    /// What the system says: `HTTPS_PROXY`, `NO_PROXY` and the platform's settings.
    #[default]
    System,
    /// None.
    Direct,
    /// This one, as URL (`http://`, `https://`, `socks5://`); may hold user and password.
    Url(SecretString),
}

/// Builds a [`Client`].
pub struct Builder {
    base_url: String,
    key: SecretString,
    timeout: Duration,
    connect_timeout: Duration,
    proxy: Proxy,
    ca_file: Option<PathBuf>,
    user_agent: String,
    max_body_bytes: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            base_url: DEFAULT_BASE_URL.into(),
            key: SecretString::default(),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            proxy: Proxy::System,
            ca_file: None,
            user_agent: concat!("auditlake/", env!("CARGO_PKG_VERSION")).into(),
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
        }
    }
}

impl Builder {
    /// The address that [`PATH`] stands under; [`DEFAULT_BASE_URL`] if not given.
    pub fn base_url(self, url: impl Into<String>) -> Self {
        Builder { base_url: url.into(), ..self }
    }

    /// The key. White space around it is dropped, as files and commands add it.
    pub fn key(self, key: SecretString) -> Self {
        Builder { key, ..self }
    }

    /// How long a request may take with its whole body; a minute if not given.
    pub fn timeout(self, timeout: Duration) -> Self {
        Builder { timeout, ..self }
    }

    /// How long connecting may take; 10 s if not given.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Builder { connect_timeout, ..self }
    }

    /// The proxy; the system's if not given.
    pub fn proxy(self, proxy: Proxy) -> Self {
        Builder { proxy, ..self }
    }

    /// Certificates (PEM) that are trusted besides the platform's, as of a proxy that opens TLS.
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Builder { ca_file: Some(path.into()), ..self }
    }

    /// The user agent; `auditlake/VERSION` if not given.
    pub fn user_agent(self, user_agent: impl Into<String>) -> Self {
        Builder { user_agent: user_agent.into(), ..self }
    }

    /// The largest body after decompression; [`DEFAULT_MAX_BODY_BYTES`] if not given.
    pub fn max_body_bytes(self, max_body_bytes: usize) -> Self {
        Builder { max_body_bytes, ..self }
    }

    /// Checks everything and makes the client. Reads the CA file; does not touch the network.
    pub fn build(self) -> Result<Client, BuildError> {
        // Whoever came first has installed one already: then that one it is.
        _ = rustls::crypto::ring::default_provider().install_default();
        let base_url = base_url(&self.base_url)?;
        let key = key_header(&self.key)?;
        let plain = self.http(false)?;
        let http = self.http(true)?;
        Ok(Client { http, plain, base_url, key, max_body_bytes: self.max_body_bytes })
    }

    fn http(&self, gzip: bool) -> Result<reqwest::Client, BuildError> {
        let builder = reqwest::Client::builder()
            // A redirect would carry the key to whatever host it names.
            .redirect(redirect::Policy::none())
            // Each request is counted and noted by the caller: none may be repeated behind its back.
            .retry(reqwest::retry::never())
            .timeout(self.timeout)
            .connect_timeout(self.connect_timeout)
            .user_agent(&self.user_agent)
            .http2_adaptive_window(true)
            .gzip(gzip);
        let builder = match &self.proxy {
            Proxy::System => builder,
            Proxy::Direct => builder.no_proxy(),
            Proxy::Url(url) => builder.proxy(reqwest::Proxy::all(url.expose_secret()).map_err(|_| BuildError::Proxy)?),
        };
        let builder = builder.tls_certs_merge(self.extra_roots()?);
        builder.build().map_err(|error| BuildError::Http(error.without_url()))
    }

    fn extra_roots(&self) -> Result<Vec<Certificate>, BuildError> {
        let Some(path) = &self.ca_file else { return Ok(Vec::new()) };
        let pem = std::fs::read(path).map_err(|source| BuildError::CaFile { path: path.clone(), source })?;
        match Certificate::from_pem_bundle(&pem) {
            Ok(roots) if !roots.is_empty() => Ok(roots),
            _ => Err(BuildError::CaPem { path: path.clone() }),
        }
    }
}

/// The key as a header that debug output leaves out.
pub(super) fn key_header(key: &SecretString) -> Result<HeaderValue, BuildError> {
    let text = key.expose_secret().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BuildError::Key);
    }
    let mut header = HeaderValue::from_str(text).map_err(|_| BuildError::Key)?;
    header.set_sensitive(true);
    Ok(header)
}

/// The base URL without a slash at its end, and without the feed's path if somebody pasted all of it.
fn base_url(text: &str) -> Result<Arc<str>, BuildError> {
    let url = Url::parse(text.trim()).map_err(|_| BuildError::BaseUrl("is not a URL: write it as https://HOST"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(BuildError::BaseUrl("must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BuildError::BaseUrl("must not hold a user or password: the key goes into its own setting"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(BuildError::BaseUrl("must not have a query or fragment"));
    }
    let text = url.as_str().trim_end_matches('/');
    Ok(text.strip_suffix(PATH).unwrap_or(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_the_base_url() {
        for text in ["https://feed.example", "https://feed.example/", " https://feed.example/v1/compliance/activities "]
        {
            assert_eq!(&*base_url(text).expect(text), "https://feed.example", "{text}");
        }
        assert_eq!(&*base_url("http://[::1]:8080/gateway/").expect("valid"), "http://[::1]:8080/gateway");
        for text in ["", "feed.example", "ftp://feed.example", "https://a:b@feed.example", "https://feed.example?x=1"] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_setting_shows_a_secret() {
        let key = "sk-ant-api01-\u{7}secret";
        let error = Client::builder().key(key.into()).build().expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("secret"));
        let url = "https://user:secret@feed.example";
        let error = Client::builder().key("k".into()).base_url(url).build().expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("secret"));
        let client = Client::builder().key("sk-ant-api01-secret\n".into()).build().expect("valid");
        let shown = format!("{client:?}");
        assert!(!shown.contains("secret") && shown.contains("api.anthropic.com"), "{shown}");
    }

    #[test]
    fn names_the_ca_file_at_fault() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let build =
            |path: &std::path::Path| Client::builder().key("k".into()).ca_file(path).build().expect_err("refused");
        assert!(matches!(build(file.path()), BuildError::CaPem { .. }));
        assert!(matches!(build("missing.pem".as_ref()), BuildError::CaFile { .. }));
    }
}
