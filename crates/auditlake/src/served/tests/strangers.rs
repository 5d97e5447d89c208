//! What strangers may send to the lake's own pages: nothing brings a panic or a 500.
//!
//! The short run is part of every test run. The long one takes as many minutes as `FEED_FUZZ_MINUTES` says (10 if it does
//! not say), while what it asks is written into the lake as every read is:
//! `FEED_FUZZ_MINUTES=10 cargo test -p auditlake --bin auditlake -- --ignored --nocapture fuzz_the_lake_for_minutes`.

use std::time::Instant;

use feed::fuzz::{self, Strings, Tally};

use super::*;

/// Sends so many query strings.
async fn run(lake: &Lake, strings: &mut Strings, count: usize) -> Tally {
    let ask = async |query: &str| -> Option<(u16, Bytes)> {
        let uri: http::Uri = format!("{}?{query}", feed::PATH).parse().ok()?;
        let request = Request::get(uri).header("x-api-key", &lake.key).body(Body::empty()).unwrap();
        let (status, _, body) = lake.ask(request).await;
        Some((status.as_u16(), body))
    };
    fuzz::run(strings, count, ask).await
}

#[tokio::test]
async fn no_query_string_brings_a_500() {
    let lake = lake(&sample(60), |config| config.feed.requests_per_minute = u32::MAX).await;
    let Tally { sent, pages } = run(&lake, &mut Strings::new(1), 2_000).await;
    assert!(sent > 1_000 && pages > 200 && pages < sent, "{sent} sent, {pages} pages: the strings are too much alike");
    assert_eq!(lake.reads().await.len(), sent, "each of them is written down");
}

#[tokio::test]
#[ignore = "takes minutes: FEED_FUZZ_MINUTES, 10 if not given"]
async fn fuzz_the_lake_for_minutes() {
    let minutes = std::env::var("FEED_FUZZ_MINUTES").ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(10.0);
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let seed = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    let lake = lake(&sample(2_000), |config| config.feed.requests_per_minute = u32::MAX).await;
    let (mut strings, mut all) = (Strings::new(seed), Tally::default());
    while Instant::now() < end {
        let Tally { sent, pages } = run(&lake, &mut strings, 1_000).await;
        all = Tally { sent: all.sent + sent, pages: all.pages + pages };
    }
    println!("seed {seed}: {} query strings over the lake, {} pages, no panic, no 500", all.sent, all.pages);
    lake.writing.finish(Duration::from_secs(60)).await;
}
