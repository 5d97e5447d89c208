//! What every answer carries, and under which names the site answers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use axum::{body::Body, http::Request};
use support::TestSite;

async fn status_under(site: &TestSite, host: &str) -> u16 {
    site.send(Request::get("/healthz").header("host", host).body(Body::empty()).unwrap()).await.status.as_u16()
}

#[tokio::test]
async fn answers_under_known_names_only() {
    let site = TestSite::with(|site| site.hosts = vec!["Lake.example.com:443".to_owned()]);
    for host in
        ["127.0.0.1", "127.0.0.1:8080", "localhost:8080", "[::1]:8080", "lake.example.com", "LAKE.example.com:9"]
    {
        assert_eq!(status_under(&site, host).await, 200, "{host}");
    }
    for host in ["", "evil.example.com", "127.0.0.1.evil.example.com", "192.0.2.1:8080", "localhost@evil.example.com"] {
        assert_eq!(status_under(&site, host).await, 421, "{host}");
    }
    let nameless = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(site.send(nameless).await.status, 421);
    // The request line counts, not the header beside it.
    let two = Request::get("http://evil.example.com/").header("host", "127.0.0.1").body(Body::empty()).unwrap();
    assert_eq!(site.send(two).await.status, 421);
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let site = TestSite::new();
    for path in [
        "/",
        "/overview/live",
        "/nowhere",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/status",
        "/assets/none.js",
        "/activity/x",
    ] {
        let answer = site.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn links_from_elsewhere_open_pages_and_nothing_more() {
    let site = TestSite::new();
    let send = async |path: &'static str, mode: &'static str, to: &'static str| {
        let request = support::request("GET", path).header("sec-fetch-site", "cross-site");
        let request = request.header("sec-fetch-mode", mode).header("sec-fetch-dest", to);
        site.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    assert_eq!(send("/", "navigate", "document").await, 200);
    assert_eq!(send("/", "navigate", "iframe").await, 403);
    assert_eq!(send("/overview/live", "no-cors", "script").await, 403);
    assert_eq!(send("/live", "cors", "empty").await, 403);
}

#[tokio::test]
async fn assets_are_kept_for_ever() {
    let site = TestSite::new();
    let page = site.get("/").await;
    let mut urls = page.attributes("script", "src");
    urls.extend(page.attributes("link", "href"));
    assert!(urls.len() >= 5, "{urls:?}");
    for url in urls {
        let answer = site.get(&url).await;
        assert_eq!(answer.status, 200, "{url}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable", "{url}");
        assert!(!answer.body.is_empty() && !answer.header("content-type").is_empty(), "{url}");
    }
    assert_eq!(site.get("/assets/app-0.css").await.status, 404);
}
