//! Why there is no page. No text in here can hold a key: URLs are stripped from the transport's errors, and what a server
//! echoes is searched for the key before it becomes a message.

use std::{path::PathBuf, time::Duration};

use super::Exchange;
use crate::{ApiError, page::PageError};

/// A request that gave no page, and what is known of it all the same.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    /// Why.
    #[source]
    pub kind: ErrorKind,
    /// The request and as much of the answer as there was.
    pub exchange: Box<Exchange>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// The feed answered with an error.
    #[error("the feed answered {0}")]
    Api(ApiError),
    /// No connection: name, address, proxy or TLS.
    #[error("cannot connect to the feed")]
    Connect(#[source] reqwest::Error),
    /// No answer, or not all of it, in time.
    #[error("the feed did not answer in time")]
    Timeout(#[source] reqwest::Error),
    /// The connection ended before the answer began.
    #[error("the connection to the feed ended before it answered")]
    Dropped(#[source] reqwest::Error),
    /// The connection ended within the body.
    #[error("the feed's answer was cut short")]
    Cut(#[source] reqwest::Error),
    /// The body is complete, but no page.
    #[error("the feed's answer cannot be read")]
    Invalid(#[source] PageError),
    /// The body is larger than is accepted; a smaller `limit` may help.
    #[error("the feed's answer is larger than {limit} bytes: ask for fewer activities or raise the bound")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The caller gave up while waiting.
    #[error("cancelled while waiting for the feed")]
    Cancelled,
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match &self.kind {
            ErrorKind::Api(error) => error.is_retryable(),
            ErrorKind::Connect(_) | ErrorKind::Timeout(_) | ErrorKind::Dropped(_) => true,
            ErrorKind::Cut(_) | ErrorKind::Invalid(_) => true,
            ErrorKind::TooLarge { .. } | ErrorKind::Cancelled => false,
        }
    }

    /// What the feed asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.api().and_then(|error| error.retry_after)
    }

    /// The feed's own error, if it answered with one.
    pub fn api(&self) -> Option<&ApiError> {
        match &self.kind {
            ErrorKind::Api(error) => Some(error),
            _ => None,
        }
    }

    /// A short fixed name of the kind, for metrics and the ledger.
    pub fn label(&self) -> &str {
        match &self.kind {
            ErrorKind::Api(error) => error.kind.as_str(),
            ErrorKind::Connect(_) => "connect",
            ErrorKind::Timeout(_) => "timeout",
            ErrorKind::Dropped(_) => "dropped",
            ErrorKind::Cut(_) => "cut",
            ErrorKind::Invalid(_) => "invalid",
            ErrorKind::TooLarge { .. } => "too_large",
            ErrorKind::Cancelled => "cancelled",
        }
    }
}

impl ErrorKind {
    /// A failure before the head of the answer.
    pub(super) fn of_send(error: reqwest::Error) -> ErrorKind {
        let error = error.without_url();
        match () {
            () if error.is_timeout() => ErrorKind::Timeout(error),
            () if error.is_connect() => ErrorKind::Connect(error),
            () => ErrorKind::Dropped(error),
        }
    }

    /// A failure within the body.
    pub(super) fn of_body(error: reqwest::Error) -> ErrorKind {
        let error = error.without_url();
        if error.is_timeout() { ErrorKind::Timeout(error) } else { ErrorKind::Cut(error) }
    }
}

/// Settings that make no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base URL; it is not repeated, for it may hold a password.
    #[error("the base URL of the feed {0}")]
    BaseUrl(&'static str),
    /// The key; it is not repeated.
    #[error("the key is empty or holds characters that no key has: pass the key alone, without quotes or line breaks")]
    Key,
    /// The file of the custom CA cannot be read.
    #[error("cannot read the CA file {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of the custom CA holds no certificate.
    #[error("the CA file {} holds no certificate in PEM form", path.display())]
    CaPem {
        /// The file.
        path: PathBuf,
    },
    /// The proxy's URL; it is not repeated, for it may hold a password.
    #[error("the proxy's URL is not valid: use http://, https:// or socks5:// with host and port")]
    Proxy,
    /// The HTTP client refuses its settings.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
}
