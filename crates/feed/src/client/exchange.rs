//! What is known of one request and its answer besides the page: all that a ledger, a budget and a metric ask for.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

/// One request and what came back, whether or not it was a page. Fields are `None` where the answer did not get so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The query string that was asked, without the `?`.
    pub query: String,
    /// When the request was sent, by this machine's clock.
    pub sent_at: Timestamp,
    /// From sending to the last byte, or to the failure.
    pub elapsed: Duration,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The `request-id` header.
    pub request_id: Option<String>,
    /// The rate-limit headers.
    pub rate_limit: RateLimit,
    /// The `date` header: the server's clock, to the second.
    pub date: Option<Timestamp>,
    /// The length of the body after decompression.
    pub body_bytes: Option<u64>,
    /// The SHA-256 of the body after decompression.
    pub body_sha256: Option<[u8; 32]>,
}

/// The rate-limit headers, `anthropic-ratelimit-requests-…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimit {
    /// Requests a minute.
    pub limit: Option<u64>,
    /// Requests left.
    pub remaining: Option<u64>,
    /// When the whole limit is there again.
    pub reset: Option<Timestamp>,
}

impl Exchange {
    pub(crate) fn new(query: &str) -> Exchange {
        Exchange {
            query: query.to_owned(),
            sent_at: Timestamp::now(),
            elapsed: Duration::ZERO,
            status: None,
            request_id: None,
            rate_limit: RateLimit::default(),
            date: None,
            body_bytes: None,
            body_sha256: None,
        }
    }

    pub(super) fn note_head(&mut self, status: u16, headers: &HeaderMap) {
        self.status = Some(status);
        self.request_id = text(headers, "request-id").map(str::to_owned);
        self.date = text(headers, "date").and_then(http_date);
        self.rate_limit = RateLimit {
            limit: number(headers, "anthropic-ratelimit-requests-limit"),
            remaining: number(headers, "anthropic-ratelimit-requests-remaining"),
            reset: text(headers, "anthropic-ratelimit-requests-reset").and_then(|text| text.parse().ok()),
        };
    }

    /// How far the server's clock is ahead of this machine's, as well as one answer can tell (a second, and half of the
    /// time that the answer took).
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        let middle = self.sent_at.checked_add(self.elapsed / 2).ok()?;
        // The header drops the fraction: half a second is its expectation.
        Some(self.date?.duration_since(middle) + SignedDuration::from_millis(500))
    }

    /// The body's SHA-256 in hexadecimal.
    pub fn body_sha256_hex(&self) -> Option<String> {
        use std::fmt::Write;
        self.body_sha256.map(|digest| {
            digest.iter().fold(String::with_capacity(64), |mut out, byte| {
                _ = write!(out, "{byte:02x}");
                out
            })
        })
    }
}

/// A header's value, if it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

fn http_date(text: &str) -> Option<Timestamp> {
    httpdate::parse_http_date(text).ok()?.try_into().ok()
}

/// `retry-after`: seconds, or an HTTP date measured against the server's own clock where it says it.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, "retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let date = text(headers, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(date.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

/// `x-should-retry`.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    text(headers, "x-should-retry")?.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a header")))
            .collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |pairs: &[_]| retry_after(&headers(pairs)).map(|wait| wait.as_secs_f64());
        assert_eq!(wait(&[("retry-after", "7")]), Some(7.0));
        assert_eq!(wait(&[("retry-after", "0.5")]), Some(0.5));
        let date = ("date", "Wed, 07 Oct 2026 10:00:00 GMT");
        assert_eq!(wait(&[date, ("retry-after", "Wed, 07 Oct 2026 10:00:30 GMT")]), Some(30.0));
        assert_eq!(wait(&[date, ("retry-after", "Wed, 07 Oct 2026 09:00:00 GMT")]), Some(0.0));
        for nonsense in ["-1", "soon", "", "NaN", "inf", "1e300"] {
            assert_eq!(wait(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn notes_what_the_head_says() {
        let mut exchange = Exchange::new("limit=1");
        exchange.sent_at = "2026-10-07T09:59:59Z".parse().expect("a time");
        exchange.elapsed = Duration::from_secs(2);
        exchange.note_head(
            200,
            &headers(&[
                ("request-id", "req_1"),
                ("date", "Wed, 07 Oct 2026 10:00:05 GMT"),
                ("anthropic-ratelimit-requests-limit", "600"),
                ("anthropic-ratelimit-requests-remaining", "many"),
                ("anthropic-ratelimit-requests-reset", "2026-10-07T10:01:00Z"),
            ]),
        );
        assert_eq!((exchange.status, exchange.request_id.as_deref()), (Some(200), Some("req_1")));
        assert_eq!((exchange.rate_limit.limit, exchange.rate_limit.remaining), (Some(600), None));
        assert_eq!(exchange.rate_limit.reset, Some("2026-10-07T10:01:00Z".parse().expect("a time")));
        assert_eq!(exchange.clock_skew(), Some(SignedDuration::from_millis(5_500)));
    }
}
