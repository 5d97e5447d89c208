//! What every answer carries, and under which names the site answers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use axum::{body::Body, http::Request};
use support::{
    TestSite,
    desk::{Browser, PASSWORD, access, users},
    request,
};

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
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
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

/// A form as browsers send it off the loopback interface without TLS, where they say nothing of the site it is from.
#[tokio::test]
async fn forms_count_by_their_origin_and_their_token() {
    let site = TestSite::with(|site| {
        site.hosts = vec!["192.0.2.2".to_owned()];
        site.access = Some(access(&users()));
    });
    // Its own, and none, as browsers and extensions send it that hide where people come from.
    for origin in ["http://192.0.2.2:8420", "null"] {
        let mut browser = Browser::new(&site);
        browser.headers = vec![("host", "192.0.2.2:8420"), ("origin", origin)];
        let answer = browser.log_in("analyst", PASSWORD).await;
        assert_eq!(answer.status, 303, "{origin}: {}", answer.text());
        assert_eq!(browser.post("/logout", &[]).await.status, 403, "{origin} without the form's token");
        assert_eq!(browser.submit("/", "/logout", &[]).await.status, 303, "{origin}");
    }
    // Somebody else's page, though it has found out the token of a form.
    for origin in
        ["http://evil.example", "http://192.0.2.2", "http://192.0.2.2:8421", "https://192.0.2.2:8420.evil.example"]
    {
        let mut browser = Browser::new(&site);
        browser.headers = vec![("host", "192.0.2.2:8420")];
        browser.get("/login").await;
        browser.headers.push(("origin", origin));
        let answer = browser.log_in("analyst", PASSWORD).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert!(answer.text().contains("cross_site"), "{origin}");
    }
}

#[tokio::test]
async fn without_an_origin_nothing_is_open() {
    let site = TestSite::new();
    for (path, kind) in [("/api/v1/sql", "application/json"), ("/rules/a/switch", "application/x-www-form-urlencoded")]
    {
        let request = request("POST", path).header("origin", "null").header("content-type", kind);
        let status = site.send(request.body(Body::from("{}")).unwrap()).await.status.as_u16();
        assert!(matches!(status, 401 | 403), "{path}: {status}");
    }
}

#[tokio::test]
async fn statements_run_only_for_whoever_asks_here() {
    let site = TestSite::new();
    let send = async |path: &'static str, name: &'static str, value: &'static str| {
        let request = request("GET", path).header(name, value);
        let request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        site.send(request.body(Body::empty()).unwrap()).await
    };
    for (name, value) in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("referer", "http://127.0.0.1:8080/sql?q=x"),
        ("accept", "text/csv"),
    ] {
        let saved = send("/sql.csv?q=select%201", name, value).await;
        assert_eq!((saved.status.as_u16(), saved.header("content-type")), (200, "text/csv; charset=utf-8"), "{value}");
        let page = send("/sql?q=select%201", name, value).await;
        assert_eq!((page.status.as_u16(), page.texts(".answer").len()), (200, 1), "{value}");
    }
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("referer", "http://evil.example/"),
        ("referer", "http://127.0.0.1:8081/"),
    ] {
        assert_eq!(send("/sql.csv?q=select%201", name, value).await.status, 403, "{value}");
        let page = send("/sql?q=select%201", name, value).await;
        assert_eq!((page.status.as_u16(), page.texts(".answer").len()), (200, 0), "{value} waits for a click");
    }
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
