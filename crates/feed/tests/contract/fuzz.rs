//! What strangers may send: no query string, cursor or header brings a panic or a 500.
//!
//! The short run is part of every test run. The long one takes as many minutes as `FEED_FUZZ_MINUTES` says (10 if it
//! does not say): `FEED_FUZZ_MINUTES=10 cargo test -p feed --test contract -- --ignored fuzz_for_minutes`.

use std::time::{Duration, Instant};

use axum::body::Body;
use feed::cursor::Position;
use http::Request;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, RngSeed, TestRunner},
};
use tower::ServiceExt;

use crate::world::{KEY, memory, server};

const NAMES: [&str; 17] = [
    "activity_types[]",
    "activity_types%5B%5D",
    "exclude_activity_types[]",
    "actor_ids[]",
    "user_ids[]",
    "organization_ids[]",
    "created_at.gte",
    "created_at.gt",
    "created_at.lte",
    "created_at.lt",
    "after_id",
    "before_id",
    "limit",
    "order",
    "created_at",
    "%",
    "",
];

/// Texts that could stand behind a name: right, nearly right, and anything.
fn values() -> impl Strategy<Value = String> {
    let cursor = (any::<i64>(), "(activity_)?[0-9a-zA-Z]{0,30}")
        .prop_map(|(created_at_us, id)| Position { created_at_us, id }.encode());
    let mangled = (cursor.clone(), any::<prop::sample::Index>(), any::<char>()).prop_map(|(cursor, at, letter)| {
        let mut letters: Vec<char> = cursor.chars().collect();
        let at = at.index(letters.len());
        letters[at] = letter;
        letters.into_iter().collect()
    });
    prop_oneof![
        cursor,
        mangled,
        "activity_[0-9]{4}x[0-9]",
        "-?[0-9]{1,22}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?(Z|z|[+-][0-9]{2}:?[0-9]{2})?",
        "(asc|desc|claude_chat_created|user_1|org_1|)",
        ".{0,40}",
        "%[0-9a-fA-F]{0,2}%?[0-9a-zA-Z%]{0,10}",
    ]
}

fn query_strings() -> impl Strategy<Value = String> {
    let raw = "[ -~]{0,80}";
    let pairs =
        prop::collection::vec((prop::sample::select(&NAMES[..]), values(), any::<bool>()), 0..6).prop_map(|pairs| {
            let pair = |(name, value, encoded): (&str, String, bool)| {
                let value = if encoded { form_urlencoded::byte_serialize(value.as_bytes()).collect() } else { value };
                format!("{name}={value}")
            };
            pairs.into_iter().map(pair).collect::<Vec<_>>().join("&")
        });
    prop_oneof![1 => raw.prop_map(String::from), 4 => pairs]
}

/// Sends so many query strings; how many could be sent, and how many of them were answered with a page.
async fn fuzz(router: &axum::Router, runner: &mut TestRunner, count: usize) -> (usize, usize) {
    let (mut sent, mut pages) = (0, 0);
    let strategy = query_strings();
    for _ in 0..count {
        let query = strategy.new_tree(runner).expect("a value").current();
        let Ok(uri) = format!("{}?{query}", feed::PATH).parse::<http::Uri>() else { continue };
        let request = Request::get(uri).header("x-api-key", KEY).body(Body::empty()).expect("a request");
        let response = router.clone().oneshot(request).await.expect("never fails");
        let status = response.status().as_u16();
        assert!(status == 200 || status == 400, "{status} for {query:?}");
        sent += 1;
        pages += usize::from(status == 200);
    }
    (sent, pages)
}

fn router() -> axum::Router {
    server(memory(40)).requests_per_minute(u32::MAX).standalone()
}

fn runner(seed: u64) -> TestRunner {
    let config = Config { rng_algorithm: RngAlgorithm::ChaCha, rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    TestRunner::new(config)
}

#[tokio::test]
async fn no_query_string_brings_a_500() {
    let (sent, pages) = fuzz(&router(), &mut runner(1), 4_000).await;
    assert!(sent > 1_000 && pages > 100 && pages < sent, "{sent} sent, {pages} pages: the strings are too much alike");
}

#[tokio::test]
async fn no_header_brings_a_500() {
    let mut runner = runner(2);
    let strategy = prop::collection::vec(any::<u8>(), 0..60);
    for _ in 0..500 {
        let bytes = strategy.new_tree(&mut runner).expect("a value").current();
        let Ok(value) = http::HeaderValue::from_bytes(&bytes) else { continue };
        let request = Request::get(feed::PATH)
            .header("x-api-key", &value)
            .header("user-agent", &value)
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
    let (router, mut runner) = (router(), runner(seed));
    let (mut sent, mut pages) = (0, 0);
    while Instant::now() < end {
        let (more_sent, more_pages) = fuzz(&router, &mut runner, 10_000).await;
        (sent, pages) = (sent + more_sent, pages + more_pages);
    }
    println!("seed {seed}: {sent} query strings, {pages} pages, no panic, no 500");
}
