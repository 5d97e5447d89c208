//! The served feed over a lake of its own: a real store, the real router, no network.

mod contract;
mod strangers;

use std::{collections::HashSet, sync::Arc, time::Duration};

use activity::Activity;
use auditlake_store::{Batch, BatchBuilder, Commit, FeedQuery, FeedReader, SourceInfo, Writer};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use bytes::Bytes;
use feed::{Page, Query, Source, memory::MemorySource, server::Access, server::SCOPE};
use jiff::Timestamp;
use store_duckdb::{DuckStore, Options};
use tower::ServiceExt;

use super::{access::activity, *};
use crate::keys::{KeyStore, NewKey, shown};

/// A lake, its feed and a key to it.
struct Lake {
    store: DuckStore,
    router: Router,
    writing: Writing,
    data: DataDir,
    key: String,
    _dir: tempfile::TempDir,
}

async fn lake(activities: &[String], change: impl FnOnce(&mut Config)) -> Lake {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::new(dir.path().to_owned());
    let store = DuckStore::open(Options { threads: Some(1), ..Options::in_dir(data.path()) }).unwrap();
    let mut commit = Commit::new(SourceInfo::new("main"));
    commit.batches.push(batch(activities));
    store.commit(commit).await.unwrap();
    let mut config = Config::default();
    change(&mut config);
    let address = "127.0.0.1:8420".parse().unwrap();
    let (router, writing) = serve(
        &config,
        &data,
        Arc::new(store.clone()),
        address,
        Arc::new(enrich::Enricher::new(enrich::Options::default())),
    );
    let key = new_key(&data, SCOPE);
    Lake { store, router, writing, data, key, _dir: dir }
}

fn new_key(data: &DataDir, scope: &str) -> String {
    let new = NewKey { name: None, scopes: vec![scope.to_owned()], requests_per_minute: None };
    shown(&KeyStore::new(data).create(new).unwrap().1).to_owned()
}

fn batch(activities: &[String]) -> Batch {
    let mut rows = BatchBuilder::default();
    for raw in activities {
        rows.push(&activity::Record::of(&Activity::parse_str(raw).unwrap()));
    }
    rows.finish()
}

/// Activities with ties, odd spacing, odd spellings of times and a type that no catalogue has.
fn sample(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| {
            let at = Timestamp::from_second(1_780_000_000 + number as i64 / 3).unwrap();
            let kind = ["claude_chat_viewed", "sso_login_failed", "quite_new_thing"][number % 3];
            let organization = ["null", "\"org_1\"", "\"org_2\""][number % 7 % 3];
            let uuid = organization.replace("org_", "abcdef01-2345-6789-abcd-ef012345670");
            format!(
                "{{\"id\":\"activity_{:05}\", \"created_at\":\"{at}\",\"type\":\"{kind}\",\"organization_id\":{organization},\
                 \"organization_uuid\":{uuid},\"actor\":{{\"type\":\"user_actor\",\"user_id\":\"user_{}\"}},\"x\":\"\\u00e9\",\"n\":1.50}}",
                number * 7919 % 100_000,
                number % 5
            )
        })
        .collect()
}

impl Lake {
    async fn get(&self, key: &str, query: &str) -> (StatusCode, HeaderMap, Bytes) {
        let request =
            Request::get(format!("{}?{query}", feed::PATH)).header("x-api-key", key).header("user-agent", "t/1");
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap())
    }

    async fn page(&self, query: &str) -> Page {
        let (status, _, body) = self.get(&self.key, query).await;
        assert_eq!(status, StatusCode::OK, "{query}: {body:?}");
        Page::parse(&body).unwrap()
    }

    async fn walk(&self, query: &Query) -> Vec<Bytes> {
        let (mut query, mut all) = (query.clone(), Vec::new());
        loop {
            let page = self.page(&query.encode()).await;
            all.extend(page.data);
            query.cursor = page.last_id.map(feed::Cursor::After);
            if !page.has_more {
                return all;
            }
        }
    }

    /// What the readers left behind, when all of it is written.
    async fn reads(self) -> Vec<String> {
        let query = FeedQuery { limit: 5_000, exclude_sources: vec!["main".into()], ..FeedQuery::default() };
        self.writing.finish(Duration::from_secs(60)).await;
        self.store.feed_page(&query).await.unwrap().rows.into_iter().map(|row| row.raw).collect()
    }
}

#[tokio::test]
async fn every_walk_is_the_truth_byte_for_byte() {
    let all = sample(200);
    let truth = MemorySource::new(all.iter().map(|raw| Bytes::from(raw.clone()))).unwrap();
    let lake = lake(&all, |_| {}).await;
    for text in [
        "limit=7",
        "limit=200&order=asc",
        "limit=5000",
        "limit=9&activity_types[]=quite_new_thing&activity_types[]=sso_login_failed",
        "limit=9&exclude_activity_types[]=quite_new_thing&order=asc",
        "limit=9&actor_ids[]=user_1&user_ids[]=user_2&organization_ids[]=org_1",
        "limit=11&created_at.gt=2026-05-28T20:26:45Z&created_at.lte=2026-05-28T20:27:10.0000005Z",
        "limit=11&created_at.gte=2026-05-28T20:26:45.0000005Z&created_at.lt=2026-05-28T20:27:10Z&order=asc",
        "created_at.lt=2001-01-01T00:00:00Z",
    ] {
        let query = Query::parse(text, |_| true).unwrap();
        assert_eq!(lake.walk(&query).await, truth.all(&query), "{text}");
    }
}

#[tokio::test]
async fn cursors_may_be_ids_and_lie_anywhere() {
    let all = sample(30);
    let lake = lake(&all, |_| {}).await;
    let truth = MemorySource::new(all.iter().map(|raw| Bytes::from(raw.clone()))).unwrap();
    let id = Activity::parse_str(&all[14]).unwrap().id.to_string();
    for text in [format!("limit=5&after_id={id}"), format!("limit=5&before_id={id}&order=asc")] {
        let query = Query::parse(&text, |_| true).unwrap();
        assert_eq!(lake.page(&text).await, truth.page(&query).await.unwrap(), "{text}");
    }
    let strange = feed::cursor::Position { created_at_us: i64::MAX, id: "x".into() }.encode();
    for cursor in ["activity_none", "nonsense", &strange] {
        let (status, _, body) = lake.get(&lake.key, &format!("after_id={cursor}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{cursor}: {body:?}");
    }
}

#[tokio::test]
async fn types_are_known_once_the_lake_has_seen_them() {
    let lake = lake(&sample(3), |_| {}).await;
    assert_eq!(lake.page("activity_types[]=quite_new_thing").await.data.len(), 1);
    assert!(lake.page("activity_types[]=claude_chat_created").await.data.is_empty());
    let (status, _, body) = lake.get(&lake.key, "exclude_activity_types[]=newer_still").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body,
        r#"{"error":{"type":"invalid_request_error","message":"exclude_activity_types[]: unknown activity type \"newer_still\""}}"#
    );
    let mut commit = Commit::new(SourceInfo::new("main"));
    let newer = sample(2)[1].replace("activity_07919", "activity_new").replace("sso_login_failed", "newer_still");
    commit.batches.push(batch(&[newer]));
    lake.store.commit(commit).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(lake.page("activity_types[]=newer_still").await.data.len(), 1);
}

#[tokio::test]
async fn keys_open_as_far_as_they_may() {
    let lake = lake(&sample(3), |_| {}).await;
    let other = new_key(&lake.data, "read:something_else");
    let (status, _, body) = lake.get(&other, "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(String::from_utf8_lossy(&body).contains("Got: [read:something_else] Needed: [read:compliance_activities]"));
    let keys = KeyStore::new(&lake.data);
    let id = keys.list().unwrap()[0].id.clone();
    assert_eq!(lake.get(&lake.key, "").await.0, StatusCode::OK);
    keys.revoke(&id).unwrap();
    let (status, headers, body) = lake.get(&lake.key, "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers.contains_key("request-id") && String::from_utf8_lossy(&body).contains("revoked"));
}

#[tokio::test]
async fn readers_leave_an_activity_each() {
    let lake = lake(&sample(5), |_| {}).await;
    let mut answered = HashSet::new();
    for (key, query) in [(&*lake.key, "limit=2"), (&*lake.key, "limit=0"), ("sk-ant-api01-none", "")] {
        let (_, headers, _) = lake.get(key, query).await;
        answered.insert(headers["request-id"].to_str().unwrap().to_owned());
    }
    assert_eq!(lake.page("limit=5000").await.data.len(), 5, "the feed does not show them");
    let keys = KeyStore::new(&lake.data);
    let key = keys.list().unwrap()[0].id.clone();
    for (method, path) in [("GET", "/v1/messages"), ("DELETE", feed::PATH)] {
        let request = Request::builder().method(method).uri(path).header("x-api-key", &lake.key);
        let (_, headers, _) = lake.ask(request.body(Body::empty()).unwrap()).await;
        assert!(headers.contains_key("anthropic-ratelimit-requests-remaining"), "{method} {path}");
        answered.insert(headers["request-id"].to_str().unwrap().to_owned());
    }
    keys.revoke(&key).unwrap();
    answered.insert(lake.get(&lake.key, "").await.1["request-id"].to_str().unwrap().to_owned());
    let reads = lake.reads().await;
    assert_eq!(reads.len(), 7);
    let mut seen = Vec::new();
    for raw in &reads {
        let value: serde_json::Value = serde_json::from_str(raw).unwrap();
        simulate::validate::validate(&value).unwrap();
        if answered.remove(value["request_id"].as_str().unwrap()) {
            seen.push((
                value["status_code"].as_u64().unwrap(),
                value["actor"]["api_key_id"].as_str().unwrap().to_owned(),
            ));
        }
    }
    seen.sort();
    let mut expected = [200, 400, 401, 404, 405].map(|status| (status, key.clone())).to_vec();
    expected.insert(3, (401, "unknown".into()));
    assert_eq!(seen, expected);
}

/// The address and the URL of what a request with these headers leaves behind.
async fn left_behind(change: impl FnOnce(&mut Config), headers: &[(&str, &str)]) -> (String, String) {
    let lake = lake(&sample(1), change).await;
    let mut request = Request::get(format!("{}?limit=1", feed::PATH)).header("x-api-key", &lake.key);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    assert_eq!(lake.ask(request.body(Body::empty()).unwrap()).await.0, StatusCode::OK);
    let value: serde_json::Value = serde_json::from_str(&lake.reads().await[0]).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&value["actor"]["ip_address"]), text(&value["url"]).replace("/v1/compliance/activities?limit=1", ""))
}

#[tokio::test]
async fn it_is_told_who_asked_and_where() {
    let told = [("host", "lake.example.com"), ("x-forwarded-for", "192.0.2.1, 203.0.113.9")];
    let seen = left_behind(|_| {}, &told).await;
    assert_eq!(seen, ("0.0.0.0".into(), "http://127.0.0.1:8420".into()), "a stranger's words count for nothing");
    let proxied = |config: &mut Config| {
        config.server.behind_proxy = true;
        config.server.hosts = vec!["lake.example.com".into()];
    };
    assert_eq!(left_behind(proxied, &told).await, ("203.0.113.9".into(), "https://lake.example.com".into()));
    let secured = |config: &mut Config| config.server.tls_cert = Some("lake.crt".into());
    assert_eq!(left_behind(secured, &[("host", "localhost:8420")]).await.1, "https://localhost:8420");
}

#[tokio::test]
async fn own_reads_are_served_if_wanted() {
    let lake = lake(&sample(1), |config| config.feed.serve_own_reads = true).await;
    lake.page("").await;
    let mut commits = lake.store.commits();
    while lake.page("activity_types[]=compliance_api_accessed").await.data.is_empty() {
        commits.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_flood_of_strangers_is_not_kept_whole() {
    let lake = lake(&sample(1), |config| config.feed.requests_per_minute = 5).await;
    for number in 0..700 {
        let expected = if number < 695 { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let key = if number < 695 { "nobody" } else { &lake.key };
        assert_eq!(lake.get(key, "").await.0, expected);
    }
    assert_eq!(lake.get(&lake.key, "").await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(lake.reads().await.len(), 605, "600 strangers and those who were answered");
}

#[test]
fn an_activity_of_a_reader() {
    let access = Access {
        at: "2026-10-01T08:09:10.5Z".parse().unwrap(),
        method: "HEAD".into(),
        url: "/v1/compliance/activities?limit=1&x=\"".into(),
        status: 200,
        request_id: "req_011".into(),
        key_id: Some("apikey_01A".into()),
        is_charged: true,
        host: None,
        ip: Some("::ffff:192.0.2.7".parse().unwrap()),
        user_agent: None,
        activities: 1,
        elapsed: Duration::ZERO,
    };
    let mut value: serde_json::Value = serde_json::from_str(&activity(&access, "http://127.0.0.1:8420")).unwrap();
    assert!(value["id"].as_str().unwrap().starts_with("activity_01"));
    value["id"] = "activity_01…".into();
    insta::assert_snapshot!(value.to_string(), @r#"{"id":"activity_01…","created_at":"2026-10-01T08:09:10.500000Z","organization_id":null,"organization_uuid":null,"actor":{"type":"api_actor","api_key_id":"apikey_01A","ip_address":"192.0.2.7","user_agent":""},"type":"compliance_api_accessed","request_id":"req_011","request_method":"GET","url":"http://127.0.0.1:8420/v1/compliance/activities?limit=1&x=\"","status_code":200,"request_body":null}"#);
}
