//! What the server answers, header by header, and what the client makes of it.

use std::{sync::Arc, time::Duration};

use feed::{
    ApiError, ErrorType, Page, Query, Source,
    client::{Client, ErrorKind, Proxy},
};

use crate::world::{KEY, KeptLog, client, client_with, memory, serve, server};

/// Asks with plain HTTP: status, headers and body as they come.
async fn get(base_url: &str, path: &str, key: Option<&str>) -> (u16, http::HeaderMap, String) {
    request(base_url, http::Method::GET, path, key).await
}

async fn request(base: &str, method: http::Method, path: &str, key: Option<&str>) -> (u16, http::HeaderMap, String) {
    let mut request = http().request(method, format!("{base}{path}")).header("user-agent", "a test");
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.text().await.expect("a body"))
}

fn http() -> reqwest::Client {
    _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

#[tokio::test]
async fn every_error_is_as_documented() {
    let base = serve(server(memory(10))).await;
    let path = feed::PATH;
    let mut lines = Vec::new();
    for (path, key) in [
        (path.to_owned(), None),
        (path.to_owned(), Some("")),
        (path.to_owned(), Some("sk-ant-api01-nobody")),
        (path.to_owned(), Some("sk-ant-api03-wrong-kind")),
        (path.to_owned(), Some("revoked")),
        (path.to_owned(), Some("unavailable")),
        (path.to_owned(), Some("scopeless")),
        (format!("{path}/"), Some(KEY)),
        ("/".to_owned(), Some(KEY)),
        (format!("{path}?limit=0"), Some(KEY)),
        (format!("{path}?after_id=zzz"), Some(KEY)),
        (format!("{path}?before_id=activity_nowhere"), Some(KEY)),
        (format!("{path}?activity_types[]=nonsense"), Some(KEY)),
    ] {
        let (status, headers, body) = get(&base, &path, key).await;
        assert!(headers.get("request-id").is_some_and(|id| id.as_bytes().starts_with(b"req_")), "{path}");
        assert_eq!(headers["content-type"], "application/json");
        let limited = headers.contains_key("anthropic-ratelimit-requests-limit");
        assert_eq!(limited, matches!(status, 400 | 403 | 404), "{status} {path}");
        lines.push(format!("{status} {body}"));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    401 {"error":{"type":"authentication_error","message":"x-api-key header is required"}}
    401 {"error":{"type":"authentication_error","message":"x-api-key header is empty"}}
    401 {"error":{"type":"authentication_error","message":"invalid x-api-key"}}
    401 {"error":{"type":"authentication_error","message":"invalid x-api-key: a Claude API key (sk-ant-api03-) cannot read compliance data, use a Compliance Access Key"}}
    401 {"error":{"type":"authentication_error","message":"invalid x-api-key: this key has been revoked"}}
    500 {"error":{"type":"api_error","message":"internal server error"}}
    403 {"error":{"type":"permission_error","message":"missing required scopes. Got: [read:users] Needed: [read:compliance_activities]"}}
    404 {"error":{"type":"not_found_error","message":"unknown path: this feed answers at /v1/compliance/activities"}}
    404 {"error":{"type":"not_found_error","message":"unknown path: this feed answers at /v1/compliance/activities"}}
    400 {"error":{"type":"invalid_request_error","message":"limit: must be an integer between 1 and 5000, got \"0\""}}
    400 {"error":{"type":"invalid_request_error","message":"unknown cursor \"zzz\": pass back a first_id or last_id of this feed unchanged"}}
    400 {"error":{"type":"invalid_request_error","message":"unknown cursor \"activity_nowhere\": pass back a first_id or last_id of this feed unchanged"}}
    400 {"error":{"type":"invalid_request_error","message":"activity_types[]: unknown activity type \"nonsense\""}}
    "#);
    let (status, headers, body) = request(&base, http::Method::POST, path, Some(KEY)).await;
    assert_eq!((status, &headers["allow"]), (405, &http::HeaderValue::from_static("GET, HEAD")));
    assert!(body.contains("invalid_request_error") && headers.contains_key("anthropic-ratelimit-requests-limit"));
    let (status, _, body) = request(&base, http::Method::HEAD, path, Some(KEY)).await;
    assert_eq!((status, body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_page_comes_with_all_that_a_ledger_needs() {
    let source = memory(10);
    let client = client(&serve(server(source.clone())).await);
    let response = client.page(&Query { limit: 3, ..Query::default() }).await.expect("a page");
    assert_eq!(response.page.data, source.all(&Query::default())[..3]);
    let exchange = &response.exchange;
    assert_eq!((exchange.status, exchange.query.as_str()), (Some(200), "limit=3"));
    assert!(exchange.request_id.as_ref().is_some_and(|id| id.starts_with("req_")));
    assert_eq!(exchange.body_bytes, Some(response.page.to_json().len() as u64));
    assert_eq!(exchange.body_sha256_hex().map(|hash| hash.len()), Some(64));
    assert_eq!(exchange.rate_limit.limit, Some(1_000_000));
    assert_eq!(exchange.rate_limit.remaining, Some(999_999));
    assert!(exchange.rate_limit.reset.is_some_and(|reset| reset >= exchange.sent_at));
    assert!(exchange.clock_skew().is_some_and(|skew| skew.abs() < jiff::SignedDuration::from_secs(3)));
    assert!(exchange.elapsed > Duration::ZERO);
}

#[tokio::test]
async fn a_used_up_budget_is_a_429() {
    let base = serve(server(memory(1)).requests_per_minute(3)).await;
    // What fails to authenticate costs nothing, what lacks the scope costs one, and so does what is not there.
    for _ in 0..5 {
        assert_eq!(get(&base, feed::PATH, Some("nobody")).await.0, 401);
        assert_eq!(get(&base, "/v1/nothing", Some("nobody")).await.0, 404);
    }
    assert_eq!(get(&base, feed::PATH, Some("scopeless")).await.0, 403);
    let (status, headers, _) = get(&base, "/v1/nothing", Some(KEY)).await;
    assert_eq!((status, &headers["anthropic-ratelimit-requests-remaining"]), (404, &1.into()));
    let ask = client(&base);
    assert!(ask.page(&Query::default()).await.is_ok());
    assert_eq!(get(&base, "/v1/nothing", Some(KEY)).await.0, 429);
    let error = ask.page(&Query::default()).await.expect_err("over the budget");
    let api = error.api().expect("an answer");
    assert_eq!((api.status, &api.kind), (429, &ErrorType::RateLimit));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));
    assert!(error.is_retryable());
    assert_eq!(error.exchange.rate_limit.remaining, Some(0));
    assert_eq!(api.request_id, error.exchange.request_id);
}

#[tokio::test]
async fn a_key_may_have_a_budget_of_its_own() {
    let base = serve(server(memory(1))).await;
    let two = client_with(&base, "two");
    assert!(two.page(&Query::default()).await.is_ok() && two.page(&Query::default()).await.is_ok());
    assert_eq!(two.page(&Query::default()).await.expect_err("over").label(), "rate_limit_error");
    assert!(client(&base).page(&Query::default()).await.is_ok());
}

#[tokio::test]
async fn the_owner_hears_of_every_request() {
    let log = Arc::new(KeptLog::default());
    let base = serve(server(memory(4)).access_log(log.clone())).await;
    let (_, headers, _) = get(&base, "/v1/compliance/activities?limit=2", Some(KEY)).await;
    get(&base, "/nowhere", None).await;
    for (path, key) in [(feed::PATH, "revoked"), ("/nowhere", KEY), ("/nowhere", "revoked"), (feed::PATH, "nobody")] {
        get(&base, path, Some(key)).await;
    }
    request(&base, http::Method::DELETE, feed::PATH, Some(KEY)).await;
    let kept = log.0.lock().expect("a lock").clone();
    assert_eq!(headers["request-id"], kept[0].request_id.as_str());
    assert_eq!((kept[0].status, kept[0].activities, kept[0].key_id.as_deref()), (200, 2, Some("apikey_reader")));
    assert_eq!(kept[0].url, "/v1/compliance/activities?limit=2");
    assert_eq!((kept[0].method.as_str(), kept[0].user_agent.as_deref()), ("GET", Some("a test")));
    assert!(kept[0].ip.is_some_and(|ip| ip.is_loopback()));
    assert_eq!(kept[0].host.as_deref(), base.strip_prefix("http://"));
    let known: Vec<_> =
        kept.iter().map(|access| (access.status, access.key_id.as_deref(), access.is_charged)).collect();
    let (reader, revoked) = (Some("apikey_reader"), Some("apikey_revoked"));
    let expected = [
        (200, reader, true),
        (404, None, false),
        (401, revoked, false),
        (404, reader, true),
        (404, revoked, false),
        (401, None, false),
        (405, reader, true),
    ];
    assert_eq!(known, expected);
}

#[tokio::test]
async fn a_proxy_is_believed_only_if_there_is_one() {
    for (is_proxied, told, expected) in [
        (false, "203.0.113.9", "127.0.0.1"),
        (true, "203.0.113.9", "203.0.113.9"),
        (true, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (true, "2001:db8::7", "2001:db8::7"),
        (true, "nonsense", "127.0.0.1"),
        (true, "", "127.0.0.1"),
    ] {
        let log = Arc::new(KeptLog::default());
        let base = serve(server(memory(1)).access_log(log.clone()).behind_proxy(is_proxied)).await;
        // The first line is what a client writes itself, the last one what the proxy adds.
        let request = http().get(format!("{base}{}", feed::PATH)).header("x-forwarded-for", "192.0.2.1");
        request.header("x-forwarded-for", told).send().await.expect("an answer");
        let ip = log.0.lock().expect("a lock")[0].ip;
        assert_eq!(ip.map(|ip| ip.to_string()).as_deref(), Some(expected), "{is_proxied} {told:?}");
    }
}

/// An access log that fails.
struct FailingLog;

impl feed::server::AccessLog for FailingLog {
    fn record(&self, _: feed::server::Access) {
        panic!("a fault in the log")
    }
}

/// A source that fails in the ways that a source can.
struct Failing(bool);

#[async_trait::async_trait]
impl Source for Failing {
    async fn page(&self, _: &Query) -> Result<Page, ApiError> {
        if self.0 { panic!("a fault in the source") } else { Err(ApiError::new(503, "the store is busy")) }
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_goes_on() {
    let base = serve(server(Failing(true))).await;
    for _ in 0..2 {
        let (status, headers, body) = get(&base, feed::PATH, Some(KEY)).await;
        assert_eq!(
            (status, body.as_str()),
            (500, r#"{"error":{"type":"api_error","message":"internal server error"}}"#)
        );
        assert!(headers.contains_key("request-id"));
    }
    let base = serve(server(memory(1)).access_log(Arc::new(FailingLog))).await;
    assert_eq!(get(&base, feed::PATH, Some(KEY)).await.0, 200);
    let error = client(&serve(server(Failing(false))).await).page(&Query::default()).await.expect_err("busy");
    assert_eq!(error.to_string(), "the feed answered 503 overloaded_error: the store is busy");
}

#[tokio::test]
async fn the_routes_go_beside_others() {
    let other = axum::Router::new().route("/", axum::routing::get(|| async { "home" })).fallback(|| async { "lost" });
    let base = crate::world::serve_router(other.merge(server(memory(1)).router())).await;
    assert_eq!(get(&base, "/", None).await.2, "home");
    assert_eq!(get(&base, "/v2", None).await.2, "lost");
    assert_eq!(get(&base, feed::PATH, Some(KEY)).await.0, 200);
    for rest in ["", "/", "/messages", "/compliance", "/compliance/", "/compliance/nothing", "/compliance/activities/"]
    {
        let (status, headers, body) = get(&base, &format!("/v1{rest}"), None).await;
        assert!(status == 404 && headers.contains_key("request-id"), "{rest}");
        assert!(body.contains("not_found_error"), "{rest}: {body}");
    }
}

#[tokio::test]
async fn no_error_shows_the_key_or_follows_a_redirect() {
    let echo = |headers: http::HeaderMap| async move { (http::StatusCode::BAD_GATEWAY, format!("{headers:?}")) };
    let away = || async { (http::StatusCode::FOUND, [("location", "https://elsewhere.example/")]) };
    for router in [axum::Router::new().fallback(echo), axum::Router::new().fallback(away)] {
        let error =
            client(&crate::world::serve_router(router).await).page(&Query::default()).await.expect_err("no page");
        assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
        assert!(matches!(error.api().map(|api| api.status), Some(502 | 302)));
    }
    let error = client("http://127.0.0.1:9").page(&Query::default()).await.expect_err("nobody listens");
    assert!(matches!(error.kind, ErrorKind::Connect(_)) && error.is_retryable());
    assert!(!format!("{error:?}").contains(KEY));
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused() {
    let base = serve(server(memory(200))).await;
    let build =
        |bytes| Client::builder().base_url(&base).key(KEY.into()).proxy(Proxy::Direct).max_body_bytes(bytes).build();
    let small = build(5_000).expect("a client");
    let error = small.page(&Query::default()).await.expect_err("too large");
    assert!(matches!(error.kind, ErrorKind::TooLarge { limit: 5_000 }) && !error.is_retryable());
    assert!(small.page(&Query { limit: 5, ..Query::default() }).await.is_ok());
    assert!(build(1 << 20).expect("a client").page(&Query::default()).await.is_ok());
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_is_configured() {
    // A proxy for plain HTTP is asked like the feed, only with the whole address: here it is the feed.
    let proxy = serve(server(memory(3))).await;
    let builder = Client::builder().base_url("http://feed.invalid").key(KEY.into());
    let client = builder.proxy(Proxy::Url(proxy.into())).build().expect("a client");
    assert_eq!(client.page(&Query::default()).await.expect("a page").page.data.len(), 3);
}
