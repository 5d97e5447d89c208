//! Cookies: read from a request, written for an answer.

use axum::http::{HeaderMap, HeaderValue, header};

/// The value of the cookie of this name. A name that stands there twice is somebody's trick: none is taken.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(own, _)| *own == name).map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// A cookie for this browser's requests to this site, that no script can read; an empty value takes it back.
pub fn write(name: &str, value: &str, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let age = if value.is_empty() { "; Max-Age=0" } else { "" };
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
        assert_eq!(read(&headers, "session"), Some("abc"));
        assert_eq!(read(&headers, "sess"), None);
        headers.append(header::COOKIE, HeaderValue::from_static("session=other"));
        assert_eq!(read(&headers, "session"), None);
        assert_eq!(write("s", "x", true).unwrap(), "s=x; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(write("s", "", false).unwrap(), "s=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }
}
