//! What a collector needs of the store beside the rows: drift, late rows, own requests, provenance, and what is there already.

use arrow::array::AsArray;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{batch, commit, number, numbers, read::sql, sample};
use crate::{
    Commit, Counts, Drift, DriftKind, DriftQuery, DriftRow, Engine, Lateness, LedgerEntry, SourceInfo, Span, Window,
    content_hash,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap_or_default()
}

fn seen(kind: DriftKind, name: &str, value: &str, second: i64) -> Drift {
    Drift {
        kind,
        event_name: "claude_chat_created".to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
        first_seen: at(second),
        last_seen: at(second),
        count: 1,
        example: "activity_1".to_owned(),
    }
}

async fn all(store: &impl Engine) -> Vec<DriftRow> {
    store.drift(&DriftQuery::default()).await.expect("drift")
}

pub(super) async fn counts_drift(store: &impl Engine, spell: &dyn Fn(&str) -> String) {
    // Every sixth activity of the sample has a type that no catalogue has.
    let rows = sample(60);
    store.commit(commit(&rows[..30])).await.expect("commit");
    store.commit(commit(&rows)).await.expect("commit");
    let types: Vec<DriftRow> = all(store).await.into_iter().filter(|row| row.kind == DriftKind::Type).collect();
    assert_eq!(types.len(), 1);
    let row = &types[0];
    assert_eq!((row.event_name.as_str(), row.count, row.source.as_str()), ("something_new_happened", 10, "main"));
    assert!(row.first_seen < row.last_seen && row.example.starts_with("activity_"), "only new rows count: {row:?}");
    let mut more = Commit::new(SourceInfo::new("other"));
    more.drift.push(seen(DriftKind::Changed, "it's \"odd\"", "activity_1", 10));
    store.commit(more).await.expect("commit");
    let mut more = Commit::new(SourceInfo::new("other"));
    more.drift.push(seen(DriftKind::Changed, "it's \"odd\"", "activity_1", 20));
    more.drift.push(seen(DriftKind::Missing, "", "activity_2", 5));
    store.commit(more).await.expect("commit");
    let query = DriftQuery { source: Some("other".to_owned()), ..DriftQuery::default() };
    let rows = store.drift(&query).await.expect("drift");
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (rows[0].kind, rows[0].count, rows[0].first_seen, rows[0].last_seen),
        (DriftKind::Changed, 2, at(10), at(20))
    );
    assert_eq!((rows[0].name.as_str(), rows[1].kind), ("it's \"odd\"", DriftKind::Missing));
    let late = DriftQuery { since: Some(at(15)), ..query };
    assert_eq!(store.drift(&late).await.expect("drift").len(), 1);
    let shown =
        sql(store, &spell("select count(*) as n from drift where kind = 'changed' and source_id = 'other'")).await;
    assert_eq!(number(&shown), 1);
}

pub(super) async fn bounds_drift(store: &impl Engine) {
    for round in 0..3 {
        let mut many = Commit::new(SourceInfo::new("main"));
        many.drift = (0..400).map(|n| seen(DriftKind::Value, "mood", &format!("value {round} {n}"), n)).collect();
        store.commit(many).await.expect("commit");
    }
    let rows = all(store).await;
    assert_eq!(rows.len(), DriftKind::MAX_PER_TYPE + 1, "the rest is one entry");
    let rest = rows.iter().find(|row| row.event_name.is_empty()).expect("the rest");
    assert_eq!((rest.name.as_str(), rest.value.as_str()), ("", ""));
    assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 1_200, "nothing is left out of the count");
}

pub(super) async fn marks_what_is_late(store: &impl Engine, spell: &dyn Fn(&str) -> String) {
    let rows = sample(30);
    store.commit(commit(&rows[..10])).await.expect("commit");
    let mut again = commit(&rows);
    let window = |n: usize| Timestamp::from_second(1_790_000_000 + (n as i64 / 3) * 977).unwrap_or_default();
    // The fourth and fifth moment, three activities each; those of the fourth are partly there.
    again.read_before.push(Span { from: window(9), to: window(15) });
    again.received_at = window(9) + SignedDuration::from_hours(2);
    again.ledger.push(LedgerEntry { at: at(0), kind: "page".into(), batch: Some(0), detail: json!({}) });
    let done = store.commit(again).await.expect("commit");
    assert_eq!(done.batches, [Counts { new: 20, known: 10, late: 5 }]);
    assert_eq!((done.lateness.count, done.lateness.max_seconds), (5, 7_200));
    assert_eq!(done.lateness.buckets.iter().sum::<u64>(), 5);
    assert_eq!(done.lateness.median_seconds(), Some(7_200));
    assert_eq!(Lateness::default().median_seconds(), None);
    let ledger = store.ledger(&crate::LedgerQuery::default()).await.expect("ledger");
    assert_eq!(ledger[0].late, 5);
    let shown = sql(store, &spell("select count(*) as n from activities where late")).await;
    assert_eq!(number(&shown), 5);
}

pub(super) async fn tags_own_reads(store: &impl Engine, spell: &dyn Fn(&str) -> String) {
    let rows = sample(12);
    let mut first = Commit::new(SourceInfo::new("main"));
    let mut tagged = batch(&rows[..8]);
    tagged.tag_own_reads(vec![5, 2]);
    first.batches.push(tagged);
    store.commit(first).await.expect("commit");
    let own = "select eventID, tags['own_read'] as tag from activities where ownRead order by 1";
    let ids = |rows: Vec<arrow::array::RecordBatch>| -> Vec<String> {
        rows.iter()
            .flat_map(|rows| rows.column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    let id = |n: usize| format!("activity_{:06}", (n * 7_919) % 1_000_003);
    let mut expected = vec![id(2), id(5)];
    expected.sort();
    let found = sql(store, &spell(own)).await;
    assert_eq!(found[0].column(1).as_string::<i32>().value(0), "true");
    assert_eq!(ids(found), expected);
    let mut later = Commit::new(SourceInfo::new("main"));
    later.own_reads.push(id(0));
    store.commit(later).await.expect("commit");
    expected.push(id(0));
    expected.sort();
    assert_eq!(ids(sql(store, &spell(own)).await), expected, "a tag that comes later");
}

pub(super) async fn leads_rows_to_their_entries(store: &impl Engine, spell: &dyn Fn(&str) -> String) {
    let rows = sample(30);
    let mut pages = Commit::new(SourceInfo::new("main"));
    let entry = |batch: Option<usize>, id: &str| LedgerEntry {
        at: at(0),
        kind: if batch == Some(9) { "error" } else { "page" }.into(),
        batch: batch.filter(|batch| *batch != 9),
        detail: json!({"request_id": id}),
    };
    pages.ledger = vec![entry(Some(9), "req_0"), entry(Some(0), "req_1"), entry(Some(1), "req_2")];
    pages.batches = vec![batch(&rows[..10]), batch(&rows[5..30])];
    store.commit(pages).await.expect("commit");
    let text = "select request_id, count(*) as n from (select l.detail->>'request_id' as request_id from activities a \
                join ledger l on l.seq = a.seq and l.entry = a.entry) group by 1 order by 1";
    let found = sql(store, &spell(text)).await;
    let requests: Vec<&str> = found[0].column(0).as_string::<i32>().iter().flatten().collect();
    let counts = numbers(&found, 1);
    assert_eq!((requests, counts.as_slice()), (vec!["req_1", "req_2"], [10, 20].as_slice()));
}

pub(super) async fn recalls_what_is_stored(store: &impl Engine) {
    let rows = sample(30);
    let mut first = commit(&rows[..20]);
    first.received_at = at(7);
    let page = |second, id: &str| LedgerEntry {
        at: at(second),
        kind: "page".into(),
        batch: None,
        detail: json!({"request_id": id}),
    };
    first.ledger = vec![page(1, "req_1"), page(2, "req_2")];
    store.commit(first).await.expect("commit");
    let third = Timestamp::from_second(1_790_000_000 + 977 * 3).unwrap_or_default();
    let window = Window { since: Some(third), until: Some(third + SignedDuration::from_secs(1)) };
    let mut found = store.fingerprints(window).await.expect("fingerprints");
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found.len(), 3);
    for one in &found {
        let raw = rows.iter().find(|raw| raw.contains(&one.id)).expect("the activity");
        assert_eq!((one.content, one.received_at, one.time), (content_hash(raw.as_bytes()), at(7), third));
        assert_eq!(one.source, "main");
        assert!(raw.contains(&one.event_name));
        assert!(one.organizations.iter().flatten().all(|organization| raw.contains(organization.as_str())));
    }
    let ids = vec![found[0].id.clone(), "nobody's".to_owned(), "it's".to_owned()];
    let logs = store.raw_logs(&ids).await.expect("raw logs");
    assert_eq!(logs.len(), 1);
    assert!(rows.contains(&logs[0].1) && logs[0].0 == ids[0]);
    assert_eq!(store.requests("main", 1).await.expect("requests"), [("req_2".to_owned(), at(2))]);
    assert_eq!(store.requests("main", 9).await.expect("requests").len(), 2);
    assert!(store.requests("other", 9).await.expect("requests").is_empty());
}
