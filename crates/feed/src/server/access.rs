//! A word to the owner about every request, so that reading compliance data leaves a trace itself.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::extract::ConnectInfo;
use http::request::Parts;
use jiff::Timestamp;
use uuid::Uuid;

/// Hears of every request after it is answered and before the answer is sent. Must not wait.
pub trait AccessLog: Send + Sync + 'static {
    /// A request was answered.
    fn record(&self, access: Access);
}

/// A request and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// When it came in.
    pub at: Timestamp,
    /// `GET`, mostly.
    pub method: String,
    /// Path and query.
    pub url: String,
    /// The status that it was answered.
    pub status: u16,
    /// The `request-id` that it was answered.
    pub request_id: String,
    /// The key, if it was a good one.
    pub key_id: Option<String>,
    /// Where the connection comes from, if the server was started so that it knows.
    pub ip: Option<IpAddr>,
    /// The `user-agent` header.
    pub user_agent: Option<String>,
    /// How many activities the answer holds.
    pub activities: usize,
    /// How long answering took.
    pub elapsed: Duration,
}

/// Urls and user agents are kept up to here: a stranger must not fill the log.
const MAX_CHARS: usize = 4_096;

impl Access {
    /// What is known when a request comes in.
    pub(super) fn begin(request: &Parts) -> Access {
        let text = |text: &str| text.chars().take(MAX_CHARS).collect::<String>();
        let url = request.uri.path_and_query().map_or("/", |url| url.as_str());
        let user_agent = request.headers.get(http::header::USER_AGENT);
        Access {
            at: Timestamp::now(),
            method: text(request.method.as_str()),
            url: text(url),
            status: 0,
            request_id: new_request_id(),
            key_id: None,
            ip: request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()),
            user_agent: user_agent.map(|value| text(&String::from_utf8_lossy(value.as_bytes()))),
            activities: 0,
            elapsed: Duration::ZERO,
        }
    }
}

/// An id of the form that the feed's own have: `req_01` and 22 letters and digits, later ones sorting later.
fn new_request_id() -> String {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut number = Uuid::now_v7().as_u128();
    let mut digits = [DIGITS[0]; 22];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 58) as usize];
        number /= 58;
    }
    format!("req_01{}", String::from_utf8_lossy(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_new_and_sorted() {
        let ids: Vec<String> = (0..1_000).map(|_| new_request_id()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id.len() == 28 && id.starts_with("req_01")));
    }
}
