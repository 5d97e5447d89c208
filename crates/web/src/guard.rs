//! Who may ask: names of the site, callers of the API, and what browsers are told to refuse.
//!
//! Everything that the binary serves goes through [`protect`], which is what keeps a web page of somebody else from
//! reading a log on the loopback interface; what is not for everybody's eyes goes through [`check_token`] as well.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::{ApiError, Who};

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// On every answer. `cache-control` stands only where the answer itself says nothing: compliance data stays nowhere. Our own pages
/// are told where a request comes from, nobody else is: with `no-referrer` browsers would hide the origin of our own forms, too.
const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Lets through only requests under a name of the loopback interface or one of `hosts`, and only those that another
/// site's page did not make; puts the security headers on every answer.
pub fn protect(router: Router, hosts: &[String]) -> Router {
    let hosts: Arc<[String]> = hosts.iter().map(bare_name).collect();
    router.layer(from_fn_with_state(hosts, check_origin)).layer(from_fn(add_headers))
}

/// Lets through only requests that carry the token or come from a page of this site.
pub fn check_token<S: Clone + Send + Sync + 'static>(router: Router<S>, token: &SecretString) -> Router<S> {
    router.layer(from_fn_with_state(token.clone(), check_bearer))
}

async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn check_origin(State(hosts): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let name = host_of(&request).map(bare_name);
    // An attacker's page reaches us by a name that leads here, never by an address of ours: where the service listens on
    // every address, each of them will do.
    let any = hosts.iter().any(|host| host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()));
    let is_ours = |name: &str| {
        is_loopback(name) || hosts.iter().any(|host| host == name) || (any && name.parse::<IpAddr>().is_ok())
    };
    if !name.as_deref().is_some_and(is_ours) {
        return foreign_host(name).into_response();
    }
    if is_from_elsewhere(request.method(), request.headers()) || is_sent_from_elsewhere(&request) {
        return from_elsewhere().into_response();
    }
    next.run(request).await
}

async fn check_bearer(State(token): State<SecretString>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let own_page = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    if own_page || Who::current().has_session || has_token(headers, &token) {
        return next.run(request).await;
    }
    let message = if headers.contains_key(header::AUTHORIZATION) {
        "the token is not this service's"
    } else {
        "this needs the service's token"
    };
    let hint = "send `Authorization: Bearer <token>` with the token from the data directory";
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message).hint(hint).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Whether a request carries the token.
pub(crate) fn has_token(headers: &HeaderMap, token: &SecretString) -> bool {
    bearer(headers).is_some_and(|given| is_same(given, token.expose_secret()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

/// In a time that does not tell where the first difference is. An empty token is nobody's.
fn is_same(given: &str, token: &str) -> bool {
    !token.is_empty() && bool::from(given.as_bytes().ct_eq(token.as_bytes()))
}

/// What the request asks for, from the request line if it stands there.
fn host_of(request: &Request) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST)?.to_str().ok(),
    }
}

/// The name without port, brackets and final dot, in lower case.
fn bare_name(host: &(impl AsRef<str> + ?Sized)) -> String {
    let host = host.as_ref().trim();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or_default(),
        None => host,
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a name, with a port or without, leads to this machine alone.
pub fn is_loopback_name(host: &str) -> bool {
    is_loopback(&bare_name(host))
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether the page of another site made this request, other than by a link that somebody follows.
fn is_from_elsewhere(method: &Method, headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    let foreign = is("sec-fetch-site", "cross-site") || is("sec-fetch-site", "same-site");
    foreign && !(*method == Method::GET && is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document"))
}

/// Whether a request that may change something comes from another site's page, by what a browser says of its origin. A program
/// says nothing of the kind. Of `null` nobody can tell whose page it is: browsers that are told to hide where people come from
/// send it with our own forms, too. It passes here, as what decides comes later: a form carries a token of its session, and the
/// API asks for its own; a page of another site has neither.
fn is_sent_from_elsewhere(request: &Request) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD) || request.headers().contains_key("sec-fetch-site") {
        return false;
    }
    match request.headers().get(header::ORIGIN) {
        None => false,
        Some(origin) if origin == "null" => false,
        Some(origin) => host_in(origin).is_none_or(|host| host_of(request) != Some(host)),
    }
}

/// Whether a page of this site asks, or somebody who typed the address, as far as the browser tells. Another site's page may
/// lead here by a link, but not put the engine to work.
pub(crate) fn is_asked_here(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        // Without TLS browsers do not say it. Then the page on which the link stands tells, if anything does.
        None => headers.get(header::REFERER).is_none_or(|page| {
            let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            host_in(page).is_some_and(|host| own == Some(host))
        }),
    }
}

/// Name and port in an address that begins with a scheme.
fn host_in(address: &HeaderValue) -> Option<&str> {
    let (_, rest) = address.to_str().ok()?.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

fn foreign_host(name: Option<String>) -> ApiError {
    let message = match name {
        Some(name) => format!("this service is not known as `{}`", name.chars().take(100).collect::<String>()),
        None => "the request does not say which host it is for".to_owned(),
    };
    ApiError::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message)
        .hint("ask for 127.0.0.1 or localhost, or add the name to the configured host names")
}

pub(crate) fn from_elsewhere() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "cross_site", "another site's page may not ask this service")
        .hint("open the address in a tab of its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (host, name) in [
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]:8080", "::1"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("LocalHost.:80", "localhost"),
            ("lake.example.com", "lake.example.com"),
        ] {
            assert_eq!(bare_name(host), name);
        }
        for name in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(name), "{name}");
        }
        for name in ["", "0.0.0.0", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "2130706433"] {
            assert!(!is_loopback(name), "{name}");
        }
    }

    #[test]
    fn tokens() {
        assert!(is_same("abc", "abc"));
        for (given, token) in [("", ""), ("abc", ""), ("", "abc"), ("abd", "abc"), ("abcd", "abc")] {
            assert!(!is_same(given, token), "{given} {token}");
        }
    }
}
