//! The whole contract over the lake's own pages: every check of the conformance suite, any walk, many readers.

use feed::{
    Cursor, Order, Window,
    client::{Client, Proxy},
    conformance::{self, Outcome},
};
use jiff::SignedDuration;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use tokio::net::TcpListener;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_check_passes() {
    let lake = lake(&sample(500), |_| {}).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = lake.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    let serving = tokio::spawn(async move { axum::serve(listener, service).await });
    let client = Client::builder().base_url(&url).key(lake.key.clone().into()).proxy(Proxy::Direct).build().unwrap();
    let report = conformance::run(&client, &conformance::Options::default(), |_| {}).await;
    let wrong: Vec<_> = report.checks.iter().filter(|check| check.outcome != Outcome::Pass).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(report.checks.len() >= 80, "{}", report.checks.len());
    serving.abort();
}

fn some_of(values: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let some = prop::sample::subsequence(values, 1..=2);
    prop_oneof![2 => Just(Vec::new()), 1 => some.prop_map(|values| values.into_iter().map(str::to_owned).collect())]
}

/// Bounds lie on and beside activities, where mistakes would be.
fn bound() -> impl Strategy<Value = Option<Timestamp>> {
    let instant = (0..30i64, -1..=1i64).prop_map(|(second, beside)| {
        Timestamp::from_second(1_780_000_000 + second).unwrap() + SignedDuration::from_nanos(400 * beside)
    });
    prop::option::weighted(0.3, instant)
}

prop_compose! {
    fn queries()(
        types in some_of(&["claude_chat_viewed", "sso_login_failed", "quite_new_thing"]),
        excluded in any::<bool>(),
        actor_ids in some_of(&["user_1", "user_2", "user_9"]),
        organization_ids in some_of(&["org_1", "abcdef01-2345-6789-abcd-ef0123456702", "org_9"]),
        (gte, gt, lte, lt) in (bound(), bound(), bound(), bound()),
        limit in 1u32..20,
        asc in any::<bool>(),
    ) -> Query {
        let (activity_types, exclude_activity_types) = if excluded { (vec![], types) } else { (types, vec![]) };
        let (created_at, order) = (Window { gte, gt, lte, lt }, if asc { Order::Asc } else { Order::Desc });
        Query { activity_types, exclude_activity_types, actor_ids, organization_ids, created_at, cursor: None, limit, order }
    }
}

/// From behind a row to the first one, page by page.
async fn walk_back(lake: &Lake, query: &Query, from: String) -> Vec<Bytes> {
    let mut query = Query { cursor: Some(Cursor::Before(from)), ..query.clone() };
    let mut all = Vec::new();
    loop {
        let page = lake.page(&query.encode()).await;
        assert!(!page.has_more || page.data.len() == query.limit as usize, "a page that is not the last is full");
        all.splice(0..0, page.data);
        match page.first_id {
            Some(first) if page.has_more => query.cursor = Some(Cursor::Before(first)),
            _ => return all,
        }
    }
}

#[tokio::test]
async fn any_walk_is_the_truth() {
    let all = sample(90);
    let truth = MemorySource::new(all.iter().map(|raw| Bytes::from(raw.clone()))).unwrap();
    let lake = lake(&all, |config| config.feed.requests_per_minute = u32::MAX).await;
    let mut runner = TestRunner::deterministic();
    let mut rows = 0;
    for _ in 0..80 {
        let query = queries().new_tree(&mut runner).unwrap().current();
        let expected = truth.all(&query);
        assert_eq!(lake.walk(&query).await, expected, "{query:?}");
        rows += expected.len();
        // And back from a row in the middle, by its bare id.
        let middle = expected.len() / 2;
        let Some(row) = expected.get(middle) else { continue };
        let id = Activity::parse_str(std::str::from_utf8(row).unwrap()).unwrap().id.to_string();
        assert_eq!(walk_back(&lake, &query, id).await, expected[..middle], "{query:?}");
    }
    assert!(rows > 500, "{rows} rows: the queries ask for hardly anything");
}

#[tokio::test]
async fn an_organization_is_known_in_capitals_too() {
    let lake = lake(&sample(30), |_| {}).await;
    let uuid = "abcdef01-2345-6789-abcd-ef0123456701";
    let small = lake.page(&format!("organization_ids[]={uuid}")).await;
    let large = lake.page(&format!("organization_ids[]={}", uuid.to_uppercase())).await;
    assert_eq!(small, large);
    let of_others = lake.page("organization_ids[]=org_9").await;
    assert!(small.data.len() > of_others.data.len() && small.data.len() < 30);
}

#[tokio::test]
async fn fifty_readers_ask_every_second_with_the_defaults() {
    let lake = lake(&sample(30), |_| {}).await;
    // Fourteen seconds of theirs at once: more than upstream lets through in a minute.
    let polls = (0..50).map(|_| async {
        for _ in 0..14 {
            assert_eq!(lake.get(&lake.key, "limit=1").await.0, StatusCode::OK);
        }
    });
    futures::future::join_all(polls).await;
}
