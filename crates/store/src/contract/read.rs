//! Typed questions and SQL, against a plain list.

use std::{collections::BTreeMap, time::Duration};

use activity::{Activity, Record};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::UInt64Type,
};
use jiff::Timestamp;

use super::{commit, enriched_batch, enrichment, number, sample};
use crate::{
    Columns, Commit, CountBy, Engine, Histogram, Order, Select, Seqs, SourceInfo, SqlQuery, StoreError, Window,
    filter::{self, Filter},
    schema::UNIFIED,
};

/// The raw logs that a question finds, in its order.
pub(super) async fn raws(store: &impl Engine, select: &Select) -> Vec<String> {
    let select = Select { columns: Columns::Raw, ..select.clone() };
    let rows = store.select(&select).await.expect("select").collect().await.expect("rows");
    texts(&rows, "rawLog")
}

fn texts(rows: &[RecordBatch], name: &str) -> Vec<String> {
    let mut all = Vec::new();
    for rows in rows {
        let column = rows.column_by_name(name).expect("column").as_string::<i32>();
        all.extend((0..column.len()).map(|at| column.value(at).to_owned()));
    }
    all
}

pub(super) async fn sql(store: &impl Engine, text: &str) -> Vec<RecordBatch> {
    store.sql(statement(text)).await.expect(text).collect().await.expect(text)
}

fn statement(text: &str) -> SqlQuery {
    SqlQuery { text: text.to_owned(), params: BTreeMap::new(), timeout: None, max_rows: None }
}

fn time_of(raw: &str) -> (Timestamp, String) {
    let activity = Activity::parse_str(raw).expect("an activity");
    (activity.created_at, activity.id.into_owned())
}

pub(super) async fn shows_the_unified_record(store: &impl Engine, spell: &dyn Fn(&str) -> String) {
    let all = sample(10);
    store.commit(commit(&all)).await.expect("commit");
    let rows = sql(store, "select * from anthropic_logs").await;
    let names: Vec<String> = rows[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, UNIFIED.map(|(name, _)| name), "46 columns in their order");
    let rows = store.select(&Select::default()).await.expect("select");
    let names: Vec<String> = rows.schema.fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, UNIFIED.map(|(name, _)| name));
    let rows = sql(
        store,
        "select id, actorEmail, actor, resources, tags, srcIP from anthropic_logs where eventID = 'activity_000000'",
    )
    .await;
    assert_eq!(texts(&rows, "id"), ["main:activity_000000"]);
    assert_eq!(texts(&rows, "actorEmail"), ["u0@example.com"]);
    assert_eq!(texts(&rows, "srcIP"), ["192.0.2.0"]);
    for (test, count) in [
        ("actor['email'] = 'u0@example.com'", 1),
        ("actor['id'] = 'apikey_01'", 3),
        ("actor['nested.a'] = 'true'", 3),
        ("tags['outcome'] = 'failure'", 2),
        ("list_contains(resources, 'claude_chat_3')", 0),
        ("list_contains(resources, 'claude_chat_1')", 1),
        ("readOnly", 4),
        ("serviceName = 'claude.ai'", 8),
    ] {
        let rows = sql(store, &spell(&format!("select count(*) as n from anthropic_logs where {test}"))).await;
        assert_eq!(number(&rows), count, "{test}");
    }
}

pub(super) async fn selects(store: &impl Engine) {
    let all = sample(300);
    store.commit(commit(&all[..100])).await.expect("commit");
    store.commit(commit(&all[100..])).await.expect("commit");
    let mut truth = all.clone();
    truth.sort_by_key(|raw| time_of(raw));
    let oldest = Select { order: Order::Oldest, ..Select::default() };
    assert_eq!(raws(store, &oldest).await, truth, "oldest first, ties by id");
    truth.reverse();
    assert_eq!(raws(store, &Select::default()).await, truth, "newest first, ties by id");
    let limited = Select { limit: Some(7), ..Select::default() };
    assert_eq!(raws(store, &limited).await, truth[..7]);
    let (since, until) = (time_of(&truth[200]).0, time_of(&truth[50]).0);
    let window = Window { since: Some(since), until: Some(until) };
    let expected: Vec<String> = truth.iter().filter(|raw| (since..until).contains(&time_of(raw).0)).cloned().collect();
    assert_eq!(raws(store, &Select { window, ..Select::default() }).await, expected, "since is in, until is out");
    let second = Select {
        seqs: Seqs { after: Some(1), until: Some(2) },
        order: Order::Arrival,
        columns: Columns::Summary,
        ..Select::default()
    };
    let rows = store.select(&second).await.expect("select").collect().await.expect("rows");
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
    assert!(rows[0].column_by_name("seq").expect("seq").as_primitive::<UInt64Type>().iter().all(|seq| seq == Some(2)));
}

pub(super) async fn counts(store: &impl Engine) {
    let all = sample(200);
    store.commit(commit(&all)).await.expect("commit");
    let mut truth = BTreeMap::<String, u64>::new();
    for raw in &all {
        *truth.entry(Activity::parse_str(raw).expect("an activity").kind.into_owned()).or_default() += 1;
    }
    let count = CountBy { column: "eventName".into(), filter: Filter::All, window: Window::default(), limit: 100 };
    let found = store.count_by(&count).await.expect("count");
    assert!(found.is_sorted_by(|a, b| a.1 >= b.1), "the most frequent first");
    assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), truth);
    let unknown = CountBy { column: "no such column; drop table activity".into(), ..count };
    assert!(store.count_by(&unknown).await.is_err());
    let histogram = Histogram { filter: Filter::All, window: Window::default(), width: Duration::from_secs(3_600) };
    let mut truth = BTreeMap::<Timestamp, u64>::new();
    for raw in &all {
        let hour = time_of(raw).0.as_second().div_euclid(3_600) * 3_600;
        *truth.entry(Timestamp::from_second(hour).unwrap_or_default()).or_default() += 1;
    }
    let found = store.histogram(&histogram).await.expect("histogram");
    assert_eq!(
        found.into_iter().map(|bucket| (bucket.start, bucket.count)).collect::<Vec<_>>(),
        truth.into_iter().collect::<Vec<_>>()
    );
}

/// Filters of every kind; what an engine finds is what [`filter::matches`] finds.
pub const FILTERS: [&str; 36] = [
    "type:sso_login_failed",
    "type:SSO_login_*",
    "-type:sso_login_failed",
    "actor:u3@example.com",
    "actor:apikey_01",
    "email:*@EXAMPLE.com",
    "email:*",
    "-email:*",
    "user:user_2",
    "key:apikey_01",
    "ip:192.0.2.0/30",
    "ip:2001:db8::/32",
    "ip:192.0.2.4",
    "org:org_1",
    "-org:*",
    "category:chats",
    "outcome:failure",
    "product:claude.ai",
    "readOnly:true",
    "guessed:true",
    "resource:claude_chat_3",
    "target:*",
    "claude_chat_id:claude_chat_1*",
    "count:>8",
    "count:<=3 OR count:16",
    "list.id:proj_12",
    "actor.nested.a:true",
    "title:\"<script>alert(1)</script>\"",
    "title:*drop*",
    "drop",
    "\"ünïcode\" OR script",
    "time:>2026-09-22",
    "created_at:<=2026-09-21T15:00:00Z",
    "NOT (type:claude_* OR count:<5)",
    "(type:claude_chat_created title:plain) OR actor_type:api_actor count:>10",
    "title:'*'",
];

pub(super) async fn filters(store: &impl Engine) {
    let all = sample(400);
    store.commit(commit(&all)).await.expect("commit");
    for text in FILTERS {
        let filter = filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut truth: Vec<&String> = all.iter().filter(|raw| is_match(&filter, raw)).collect();
        truth.sort_by_key(|raw| time_of(raw));
        let found = raws(store, &Select { filter, order: Order::Oldest, ..Select::default() }).await;
        assert_eq!(found.len(), truth.len(), "{text}");
        assert!(found.iter().eq(truth.iter().copied()), "{text}");
    }
}

fn is_match(filter: &Filter, raw: &str) -> bool {
    let activity = Activity::parse_str(raw).expect("an activity");
    let record = Record::of(&activity);
    filter::matches(filter, &filter::RecordView { record: &record, source: "main" })
}

pub(super) async fn answers_sql(store: &impl Engine) {
    store.commit(commit(&sample(100))).await.expect("commit");
    let mut query =
        statement("select count(*) as n from anthropic_logs where eventName = $type and eventTime > $since");
    query.params.insert("type".into(), "claude_chat_viewed".into());
    query.params.insert("since".into(), "2020-01-01".into());
    let rows = store.sql(query).await.expect("parameters").collect().await.expect("rows");
    assert_eq!(number(&rows), 17);
    let few = SqlQuery { max_rows: Some(10), ..statement("select eventID from anthropic_logs") };
    let cut = store.sql(few).await.expect("sql").collect().await;
    assert!(matches!(cut, Err(StoreError::Limit { .. })), "more rows than allowed: {cut:?}");
    for text in
        ["", ";", "select 1; select 2", "select nothing", "selec 1", "delete from activity", "drop view anthropic_logs"]
    {
        let failed = match store.sql(statement(text)).await {
            Ok(rows) => rows.collect().await.map(drop),
            Err(error) => Err(error),
        };
        assert!(matches!(failed, Err(StoreError::Statement(_))), "{text}: {failed:?}");
    }
    assert_eq!(store.status().await.expect("status").activities, 100);
}

pub(super) async fn shows_enrichment(store: &impl Engine, spell: &dyn Fn(&str) -> String) {
    let all = sample(60);
    let batches = vec![enriched_batch(&all)];
    store.commit(Commit { batches, ..Commit::new(SourceInfo::new("main")) }).await.expect("commit");
    for (test, count) in [
        ("srcASCountryCode = 'DE' and srcASNumber = 64496 and srcASOrganization = 'Example Company'", 15),
        ("srcCity = 'Berlin' and srcLatitude = 52.52 and srcLongitude = 13.0 and srcConnectionType is null", 15),
        ("srcASNumber = 4200000000 and srcISP = 'Net' and srcUserType = 'cellular' and srcLatitude = 0", 15),
        ("srcASCountryCode is null and srcASNumber is null and srcLatitude is null and srcUserType is null", 15),
        ("tags['client'] = 'claude-web' and tags['browser'] = 'Chrome' and tags['os_version'] is null", 20),
        ("tags['client_version'] = '2.0.17' and tags['category'] is not null", 20),
        ("cardinality(tags) = 3", 20),
        ("enrichments is null", 3),
        ("len(list_filter(enrichments, lambda e: e.name = 'geoip')) = 1", 45),
        ("len(list_filter(enrichments, lambda e: e.provider = 'Sample-City 2026-01-02')) = 1", 15),
        ("len(list_filter(enrichments, lambda e: e.data['department'] = 'Engineering')) = 1", 12),
    ] {
        let rows = sql(store, &spell(&format!("select count(*) as n from anthropic_logs where {test}"))).await;
        assert_eq!(number(&rows), count, "{test}");
    }
    for (test, count) in [
        ("client = 'claude-code' and clientVersion = '2.0.17' and browser is null", 20),
        ("device = 'desktop' and os = 'macOS'", 20),
        ("personName = 'Ada' and department = 'Engineering' and manager = 'boss@example.com'", 12),
        ("isServiceAccount", 12),
        ("not isServiceAccount", 12),
        ("identity = 'user_3'", 14),
        ("identity = 'apikey_01'", 16),
    ] {
        let rows = sql(store, &spell(&format!("select count(*) as n from activities where {test}"))).await;
        assert_eq!(number(&rows), count, "{test}");
    }
    let records: Vec<Activity> = all.iter().map(|raw| Activity::parse_str(raw).expect("an activity")).collect();
    for text in ENRICHED_FILTERS {
        let filter = filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut truth: Vec<&String> = Vec::new();
        for (at, activity) in records.iter().enumerate() {
            let (record, enrichment) = (Record::of(activity), enrichment(at));
            let view = filter::EnrichedView { record: &record, source: "main", enrichment: &enrichment };
            truth.extend(filter::matches(&filter, &view).then_some(&all[at]));
        }
        assert!(!truth.is_empty(), "{text} finds something");
        truth.sort_by_key(|raw| time_of(raw));
        let found = raws(store, &Select { filter, order: Order::Oldest, ..Select::default() }).await;
        assert!(found.iter().eq(truth.iter().copied()), "{text}: {} instead of {}", found.len(), truth.len());
    }
    for (column, expected) in [
        ("srcASCountryCode", vec![("DE", 15), ("NL", 15), ("US", 15)]),
        ("client", vec![("claude-code", 20), ("claude-web", 20)]),
        ("department", vec![("Engineering", 12)]),
    ] {
        let count = CountBy { column: column.into(), filter: Filter::All, window: Window::default(), limit: 9 };
        let found = store.count_by(&count).await.expect(column);
        assert!(found.iter().map(|(value, rows)| (value.as_str(), *rows)).eq(expected), "{column}: {found:?}");
    }
}

/// Filters over what enrichment adds.
const ENRICHED_FILTERS: [&str; 20] = [
    "country:de",
    "-country:*",
    "city:\u{ef}*",
    "asn:64496",
    "asn:>65000",
    "as_org:It*s*Net*",
    "latitude:52.520",
    "latitude:<1",
    "longitude:13",
    "client:claude-*",
    "client:claude-code client_version:2.*",
    "browser:chrome os:macos device:desktop",
    "tags.browser:Chrome",
    "tags:2.0.17",
    "department:engineering OR person:robot",
    "service_account:false",
    "-service_account:*",
    "identity:apikey_01",
    "enrichments:\"Sample-City 2026-01-02\"",
    "enrichments:geoip -enrichments:directory",
];
