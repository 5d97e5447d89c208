//! The conformance checks: all green on a feed that keeps the contract, and the right ones red on feeds that do not.

use std::sync::Arc;

use axum::{Router, body::Body, middleware};
use bytes::Bytes;
use feed::{
    ApiError, Cursor, Order, Page, Query, Source,
    conformance::{self, Options, Outcome, Report},
    memory::MemorySource,
};
use http::{Request, Response};

use crate::world::{client, memory, serve, serve_router, server};

async fn check(base_url: &str) -> Report {
    let options = Options { sample: 160, retries: 0, ..Options::default() };
    conformance::run(&client(base_url), &options, |_| {}).await
}

#[tokio::test]
async fn a_feed_that_keeps_the_contract_is_all_green() {
    let mut lines = Vec::new();
    let base = serve(server(memory(400))).await;
    let report = conformance::run(&client(&base), &Options::default(), |check| lines.push(check.to_string())).await;
    println!("{}", lines.join("\n"));
    assert_eq!((report.names(Outcome::Fail), report.names(Outcome::Skip)), (vec![], vec![]));
    assert!(report.checks.len() >= 80, "{}", report.checks.len());
    assert!(report.is_green() && report.count(Outcome::Pass) == report.checks.len());
    let mut names: Vec<_> = report.checks.iter().map(|check| check.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), report.checks.len(), "names are unique");
}

#[tokio::test]
async fn an_empty_feed_skips_and_does_not_fail() {
    let report = check(&serve(server(memory(0))).await).await;
    assert_eq!(report.names(Outcome::Fail), Vec::<&str>::new());
    assert!(report.count(Outcome::Skip) > 30 && report.names(Outcome::Skip).contains(&"sample"));
    let nobody = check("http://127.0.0.1:9").await;
    assert!(nobody.names(Outcome::Fail).contains(&"sample") && nobody.count(Outcome::Pass) == 0);
}

/// A feed that answers some queries otherwise.
struct Instead<F>(MemorySource, F);

#[async_trait::async_trait]
impl<F> Source for Instead<F>
where
    F: Fn(&Query) -> Option<Result<Page, ApiError>> + Send + Sync + 'static,
{
    async fn page(&self, query: &Query) -> Result<Page, ApiError> {
        match (self.1)(query) {
            Some(answer) => answer,
            None => self.0.page(query).await,
        }
    }
}

/// Checks a feed with as large a sample as anybody takes.
async fn check_whole(source: impl Source) -> Report {
    let options = Options { retries: 0, ..Options::default() };
    conformance::run(&client(&serve(server(source)).await), &options, |_| {}).await
}

#[tokio::test]
async fn a_feed_that_gives_no_sample_is_not_green() {
    let failing = |query: &Query| query.created_at.lt.map(|_| Err(ApiError::internal()));
    let report = check_whole(Instead(memory(600), failing)).await;
    assert_red(&report, &["sample"], &["answers", "limit-zero", "key-missing"]);
    let small = |query: &Query| (query.limit > 200).then(|| Err(ApiError::invalid("limit: at most 200")));
    let report = check_whole(Instead(memory(600), small)).await;
    assert_red(&report, &["sample", "limit-most"], &["answers", "limit-one", "page-fields"]);
    let forgetful = |query: &Query| query.created_at.lt.map(|_| Ok(Page::default()));
    let report = check_whole(Instead(memory(600), forgetful)).await;
    assert_red(&report, &["sample"], &["answers", "activity-envelope", "key-missing"]);
}

#[tokio::test]
async fn one_activity_without_an_actor_is_seen_wherever_it_stands() {
    // Number 299 of 600 is about the three hundredth from either end.
    let spoil = |page: Page| {
        let change = |raw: Bytes| match raw.windows(5).any(|text| text == b"x299\"") {
            true => Bytes::from(String::from_utf8_lossy(&raw).replace("\"actor\":", "\"actress\":")),
            false => raw,
        };
        Page { data: page.data.into_iter().map(change).collect(), ..page }
    };
    let report = check_whole(Broken(memory(600), move |_: &MemorySource, query| (query, spoil as fn(Page) -> Page)));
    assert_red(&report.await, &["sample", "activity-envelope"], &["answers", "key-missing"]);
}

/// A feed that breaks the contract in what it gives.
struct Broken<F>(MemorySource, F);

#[async_trait::async_trait]
impl<F> Source for Broken<F>
where
    F: Fn(&MemorySource, Query) -> (Query, fn(Page) -> Page) + Send + Sync + 'static,
{
    async fn page(&self, query: &Query) -> Result<Page, ApiError> {
        let (query, spoil) = (self.1)(&self.0, query.clone());
        Ok(spoil(self.0.page(&query).await?))
    }
}

/// Checks a feed that asks another query than it was asked.
async fn asking(change: impl Fn(&mut Query) + Send + Sync + 'static) -> Report {
    let broken = move |_: &MemorySource, mut query: Query| {
        change(&mut query);
        (query, (|page| page) as fn(Page) -> Page)
    };
    check(&serve(server(Broken(memory(200), broken))).await).await
}

/// Checks a feed that spoils its pages.
async fn giving(spoil: fn(Page) -> Page) -> Report {
    check(&serve(server(Broken(memory(200), move |_: &MemorySource, query| (query, spoil)))).await).await
}

/// Checks a feed whose answers are changed on their way.
async fn answering(change: fn(Response<Body>) -> Response<Body>) -> Report {
    let layer = middleware::from_fn(move |request: Request<Body>, next: middleware::Next| async move {
        change(next.run(request).await)
    });
    check(&serve_router(server(memory(200)).standalone().layer(layer)).await).await
}

/// Checks a feed whose requests are changed on their way.
async fn hearing(change: fn(&str) -> String) -> Report {
    let inner = server(memory(200)).standalone();
    let outer = Router::new().fallback(move |mut request: Request<Body>| {
        let inner = inner.clone();
        async move {
            let url = change(&request.uri().to_string());
            *request.uri_mut() = url.parse().expect("a url");
            tower::ServiceExt::oneshot(inner, request).await
        }
    });
    check(&serve_router(outer).await).await
}

/// These checks fail, among others perhaps; and these do not.
#[track_caller]
fn assert_red(report: &Report, red: &[&str], green: &[&str]) {
    let failed = report.names(Outcome::Fail);
    for name in red {
        assert!(failed.contains(name), "{name} should fail; failed: {failed:?}");
    }
    for name in green {
        assert!(!failed.contains(name), "{name} should not fail; failed: {failed:?}");
    }
}

#[tokio::test]
async fn broken_order_is_seen() {
    let report = asking(|query| query.order = Order::Desc).await;
    assert_red(
        &report,
        &["order-asc", "order-mirror", "walk-asc", "window-asc"],
        &["order-desc", "walk-older", "type-one"],
    );
    let ties = |mut page: Page| {
        // Neighbours of one instant change places, here and there.
        for at in (0..page.data.len().saturating_sub(1)).step_by(4) {
            let instant =
                |raw: &Bytes| raw.windows(14).position(|w| w == b"\"created_at\":\"").map(|p| raw.slice(p..p + 40));
            if instant(&page.data[at]) == instant(&page.data[at + 1]) {
                page.data.swap(at, at + 1);
            }
        }
        page
    };
    assert_red(&giving(ties).await, &["order-ties", "walk-single"], &["order-newest-first", "order-asc", "limit-all"]);
}

#[tokio::test]
async fn broken_filters_are_seen() {
    let report = asking(|query| query.activity_types.clear()).await;
    assert_red(
        &report,
        &["type-one", "type-two", "type-complement", "mixed-type-actor"],
        &["type-exclude", "actor-one"],
    );
    let report = asking(|query| query.exclude_activity_types.truncate(1)).await;
    assert_red(&report, &["type-exclude-two"], &["type-exclude", "type-complement", "filtered-walk-back"]);
    let report = asking(|query| query.actor_ids.truncate(1)).await;
    assert_red(&report, &["actor-merged"], &["actor-one", "actor-alias", "actor-unknown"]);
    let report = asking(|query| query.organization_ids.retain(|id| id.starts_with("org_"))).await;
    assert_red(&report, &["organization-uuid"], &["organization-id", "organization-null"]);
    let report = hearing(|url| url.replace("user_ids", "no_ids")).await;
    assert_red(&report, &["actor-alias", "actor-merged"], &["actor-one"]);
    let report = hearing(|url| url.replace("%5b%5d", "%5bx%5d")).await;
    assert_red(&report, &["type-encoded-brackets"], &["type-one"]);
}

#[tokio::test]
async fn rows_without_an_organization_are_missed() {
    struct Strict(MemorySource);
    #[async_trait::async_trait]
    impl Source for Strict {
        async fn page(&self, query: &Query) -> Result<Page, ApiError> {
            let mut page = self.0.page(query).await?;
            if !query.organization_ids.is_empty() {
                page.data.retain(|raw| !String::from_utf8_lossy(raw).contains("\"organization_id\":null,"));
            }
            Ok(page)
        }
    }
    let report = check(&serve(server(Strict(memory(200)))).await).await;
    assert_red(&report, &["organization-null", "organization-id"], &["type-one", "walk-older"]);
}

#[tokio::test]
async fn broken_windows_are_seen() {
    let report = asking(|query| {
        query.created_at.gte = query.created_at.gte.take().inspect(|at| query.created_at.gt = Some(*at))
    })
    .await;
    assert_red(&report, &["window-gte", "window-whole", "window-halves"], &["window-gt"]);
    let report = asking(|query| query.created_at.lt = None).await;
    assert_red(&report, &["window-lt", "window-halves"], &["window-lte", "limit-one"]);
    let report =
        asking(|query| query.created_at.lte = query.created_at.lte.map(|at| at - jiff::SignedDuration::from_micros(1)))
            .await;
    assert_red(&report, &["window-lte", "window-instant"], &["window-lt", "window-gte"]);
    let report = hearing(|url| url.replace("%2B02", "Z").replace("Z:00", "Z")).await;
    assert_red(&report, &["window-offset"], &["window-gte"]);
}

#[tokio::test]
async fn broken_walks_are_seen() {
    let report = giving(|page| Page { has_more: false, ..page }).await;
    assert_red(&report, &["walk-older", "walk-asc", "limit-one", "limit-all-but-one"], &["limit-all", "type-one"]);
    let report = asking(|query| {
        // The oldest mistake: before_id gives the newest of all, not the page beside the cursor.
        if matches!(query.cursor, Some(Cursor::Before(_))) {
            query.cursor = None;
        }
    })
    .await;
    assert_red(
        &report,
        &["walk-adjacent", "walk-back", "walk-before-start"],
        &["walk-older", "cursor-retry", "walk-other-limit"],
    );
    let report = giving(|mut page| {
        if page.data.len() > 1 && page.has_more {
            page.data.remove(0);
        }
        page
    })
    .await;
    assert_red(&report, &["walk-older", "limit-some"], &["type-one"]);
    let report = giving(|page| Page { last_id: page.first_id.clone(), ..page }).await;
    assert_red(&report, &["walk-older", "walk-past-end"], &["walk-single", "order-asc"]);
    let report = giving(|page| Page { has_more: !page.data.is_empty(), ..page }).await;
    assert_red(&report, &["limit-all", "window-whole"], &["limit-one"]);
    let report = giving(|page| Page { first_id: page.first_id.or(Some("x".into())), ..page }).await;
    assert_red(&report, &["empty-window", "walk-past-end"], &["walk-older"]);
}

#[tokio::test]
async fn lenient_feeds_are_seen() {
    let cut = |url: &str| {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let good = |pair: &&str| !["limit=0", "limit=5001", "limit=-1", "limit=abc", "order=newest"].contains(pair);
        format!("{path}?{}", query.split('&').filter(good).collect::<Vec<_>>().join("&"))
    };
    let report = hearing(cut).await;
    let red = ["limit-zero", "limit-too-large", "limit-negative", "limit-word", "order-unknown", "error-body"];
    assert_red(&report, &red, &["limit-one", "order-asc", "cursor-both"]);
    let report = asking(|query| {
        let known = |cursor: &str| cursor != "no-page-gave-this";
        query.cursor = query
            .cursor
            .take()
            .filter(|cursor| matches!(cursor, Cursor::After(text) | Cursor::Before(text) if known(text)));
    })
    .await;
    assert_red(&report, &["cursor-unknown-after", "cursor-unknown-before"], &["cursor-both", "walk-older"]);
    let any_type = server(memory(200)).known_types(|_| true);
    assert_red(&check(&serve(any_type).await).await, &["type-unknown"], &["type-one"]);
}

#[tokio::test]
async fn broken_errors_and_headers_are_seen() {
    let report = answering(|mut response| {
        response.headers_mut().remove("request-id");
        response.headers_mut().remove("anthropic-ratelimit-requests-reset");
        response
    })
    .await;
    let red = ["request-id", "request-id-on-errors", "rate-limit-headers", "rate-limit-on-errors"];
    assert_red(&report, &red, &["answers", "key-missing", "walk-older"]);
    let report = answering(|response| {
        let (mut parts, body) = response.into_parts();
        if parts.status == 401 || parts.status == 400 {
            parts.status = http::StatusCode::FORBIDDEN;
        }
        Response::from_parts(parts, body)
    })
    .await;
    assert_red(&report, &["key-missing", "key-empty", "key-unknown", "limit-zero"], &["path-unknown", "request-id"]);
    let report = answering(|mut response| {
        if response.status() != 200 {
            *response.body_mut() = Body::from(r#"{"message":"no"}"#);
            response.headers_mut().remove("content-length");
        }
        response
    })
    .await;
    assert_red(&report, &["error-body", "window-bad-timestamp", "limit-zero"], &["answers", "walk-older"]);
}

#[tokio::test]
async fn broken_activities_are_seen() {
    fn replace(page: Page, from: &str, to: &str) -> Page {
        let change = |raw: Bytes| Bytes::from(String::from_utf8_lossy(&raw).replace(from, to));
        Page { data: page.data.into_iter().map(change).collect(), ..page }
    }
    let report = giving(|page| replace(page, "\"organization_uuid\":null,", "")).await;
    assert_red(&report, &["activity-organization"], &["activity-envelope", "walk-older"]);
    let report = giving(|page| replace(page, "\"type\":\"user_actor\",", "")).await;
    assert_red(&report, &["activity-envelope"], &["page-fields"]);
    let report = giving(|page| replace(page, "Z\",", "\",")).await;
    assert_red(&report, &["activity-envelope"], &["page-fields", "key-missing"]);
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let report = giving(|page| {
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        replace(page, "\"n\":1.0", &format!("\"n\":{count}"))
    })
    .await;
    assert_red(&report, &["same-bytes", "cursor-retry"], &["walk-older", "type-one"]);
}

#[tokio::test]
async fn open_doors_are_seen() {
    struct Anybody;
    #[async_trait::async_trait]
    impl feed::server::Keys for Anybody {
        async fn identify(&self, _: &str) -> Result<feed::server::KeyIdentity, feed::server::KeyError> {
            Ok(feed::server::KeyIdentity::reader("apikey_anybody"))
        }
    }
    let open = feed::server::Server::new(Arc::new(memory(200)), Arc::new(Anybody));
    let report = check(&serve(open.requests_per_minute(1_000_000)).await).await;
    assert_red(&report, &["key-unknown"], &["key-missing", "key-empty"]);
}
