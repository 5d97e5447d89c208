//! Cookies: read from a request, written for an answer.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, header};

/// Browsers take a name that begins so only by TLS, and only from this host itself: neither another service under the same
/// domain nor somebody on the line can plant it.
const HOST: &str = "__Host-";

/// The name as it stands in the header.
fn full(name: &str, is_secure: bool) -> Cow<'_, str> {
    if is_secure { Cow::Owned(format!("{HOST}{name}")) } else { Cow::Borrowed(name) }
}

/// The value of the cookie of this name. A name that stands there twice is somebody's trick: none is taken.
pub fn read<'a>(headers: &'a HeaderMap, name: &str, is_secure: bool) -> Option<&'a str> {
    let name = full(name, is_secure);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(own, _)| **own == *name).map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// A cookie for this browser's requests to this site, that no script can read; an empty value takes it back.
pub fn write(name: &str, value: &str, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let age = if value.is_empty() { "; Max-Age=0" } else { "" };
    let name = full(name, is_secure);
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn reads_one() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=1; session=abc; b=2"));
        assert_eq!(read(&headers, "session", false), Some("abc"));
        assert_eq!(read(&headers, "sess", false), None);
        headers.append(header::COOKIE, HeaderValue::from_static("session=other"));
        assert_eq!(read(&headers, "session", false), None);
        assert_eq!(write("s", "x", true).unwrap(), "__Host-s=x; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(write("s", "", false).unwrap(), "s=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn a_planted_one_counts_for_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("session=planted; __Host-session=own"));
        assert_eq!(read(&headers, "session", true), Some("own"));
        headers.insert(header::COOKIE, HeaderValue::from_static("session=planted"));
        assert_eq!(read(&headers, "session", true), None);
    }
}
