//! What strangers may send: no query string, cursor or header brings a panic or a 500.
//!
//! The short run is part of every test run. The long one takes as many minutes as `FEED_FUZZ_MINUTES` says (10 if it
//! does not say): `FEED_FUZZ_MINUTES=10 cargo test -p feed --test contract -- --ignored --nocapture fuzz_for_minutes`. The
//! same two go over the lake in the tests of `auditlake`.

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use feed::fuzz::{self, Strings, Tally};
use http::Request;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, RngSeed, TestRunner},
};
use tower::ServiceExt;

use crate::world::{KEY, memory, server};

/// Sends so many query strings.
async fn run(router: &axum::Router, strings: &mut Strings, count: usize) -> Tally {
    let ask = async |query: &str| -> Option<(u16, Bytes)> {
        let uri = format!("{}?{query}", feed::PATH).parse::<http::Uri>().ok()?;
        let request = Request::get(uri).header("x-api-key", KEY).body(Body::empty()).expect("a request");
        let response = router.clone().oneshot(request).await.expect("never fails");
        Some((response.status().as_u16(), to_bytes(response.into_body(), usize::MAX).await.expect("a body")))
    };
    fuzz::run(strings, count, ask).await
}

fn router() -> axum::Router {
    server(memory(40)).requests_per_minute(u32::MAX).behind_proxy(true).standalone()
}

#[tokio::test]
async fn no_query_string_brings_a_500() {
    let Tally { sent, pages } = run(&router(), &mut Strings::new(1), 4_000).await;
    assert!(sent > 1_000 && pages > 400 && pages < sent, "{sent} sent, {pages} pages: the strings are too much alike");
}

#[tokio::test]
async fn no_header_brings_a_500() {
    let config = Config { rng_algorithm: RngAlgorithm::ChaCha, rng_seed: RngSeed::Fixed(2), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let strategy = prop::collection::vec(any::<u8>(), 0..60);
    for _ in 0..500 {
        let bytes = strategy.new_tree(&mut runner).expect("a value").current();
        let Ok(value) = http::HeaderValue::from_bytes(&bytes) else { continue };
        let request = Request::get(feed::PATH)
            .header("x-api-key", &value)
            .header("user-agent", &value)
            .header("host", &value)
            .header("x-forwarded-for", &value)
            .header("accept-encoding", &value);
        let response = router().oneshot(request.body(Body::empty()).expect("a request")).await.expect("never fails");
        assert_eq!(response.status(), 401);
    }
}

#[tokio::test]
#[ignore = "takes minutes: FEED_FUZZ_MINUTES, 10 if not given"]
async fn fuzz_for_minutes() {
    let minutes = std::env::var("FEED_FUZZ_MINUTES").ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(10.0);
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let seed = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    let (router, mut strings, mut all) = (router(), Strings::new(seed), Tally::default());
    while Instant::now() < end {
        let Tally { sent, pages } = run(&router, &mut strings, 10_000).await;
        all = Tally { sent: all.sent + sent, pages: all.pages + pages };
    }
    println!("seed {seed}: {} query strings, {} pages, no panic, no 500", all.sent, all.pages);
}
