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
    /// The key, if there is one of that text, and be it a revoked one.
    pub key_id: Option<String>,
    /// Whether a request of the budget was spent on it. Of those that cost nothing anybody can send any number.
    pub is_charged: bool,
    /// The name and port that it was sent to, as it says itself: anybody can write anything there.
    pub host: Option<String>,
    /// Where it comes from, if the server was started so that it knows; behind a proxy, what the proxy says.
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
    /// What is known when a request comes in, `is_proxied` by a proxy that is believed.
    pub(super) fn begin(request: &Parts, is_proxied: bool) -> Access {
        let text = |text: &str| text.chars().take(MAX_CHARS).collect::<String>();
        let url = request.uri.path_and_query().map_or("/", |url| url.as_str());
        let user_agent = request.headers.get(http::header::USER_AGENT);
        let host = match request.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()),
        };
        Access {
            at: Timestamp::now(),
            method: text(request.method.as_str()),
            url: text(url),
            status: 0,
            request_id: new_request_id(),
            key_id: None,
            is_charged: false,
            host: host.map(text),
            ip: peer(request, is_proxied),
            user_agent: user_agent.map(|value| text(&String::from_utf8_lossy(value.as_bytes()))),
            activities: 0,
            elapsed: Duration::ZERO,
        }
    }
}

/// Who asks: whoever has connected, or whom the proxy before us names.
fn peer(request: &Parts, is_proxied: bool) -> Option<IpAddr> {
    if is_proxied {
        // The last one is what the proxy itself has seen; those before it anybody can write.
        let told = request.headers.get_all("x-forwarded-for").iter().next_back().and_then(|line| line.to_str().ok());
        let last = told.and_then(|line| line.rsplit(',').next()).map(str::trim);
        if let Some(address) = last.and_then(|last| last.parse().ok()) {
            return Some(address);
        }
    }
    request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
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
