//! What is kept in memory says what the rows say, after each commit and after rows were changed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use activity::{Activity, Enrichment, Record};
use auditlake_store::{
    CountBy, Enriching, Facets, Insight, LateEnrichment, Reader, Tally, Window, Writer,
    contract::{commit, sample},
    filter::{self, Filter, RecordView, matches},
};

use jiff::{SignedDuration, Timestamp};

use super::{Stretch, TABLE, covers};
use crate::{DuckStore, Options};

const HALF_DAY: Duration = Duration::from_secs(12 * 3_600);
/// Of the groups, of kept rows, of both, and of neither.
const FILTERS: [&str; 22] = [
    "",
    "category:chats",
    "type:claude_* -outcome:failure",
    "actor_type:user_actor OR read_only:true",
    "org:org_1",
    "org:ORG_1 email:*@example.com",
    "-org:org_1 ip:*",
    "actor:u3@example.com",
    "actor:directory_1 type:claude_*",
    "resource:*",
    "target:* category:chats",
    "drop",
    "-drop outcome:success",
    "email:*@example.com",
    "ip:192.0.2.1",
    "key:APIKEY_01 category:chats",
    "actor:(u3@example.com OR U1@example.com OR directory_1)",
    "ip:(192.0.2.1 OR 192.0.2.3) -actor:u3@example.com",
    "actor:U3@EXAMPLE.COM ip:192.0.2.3",
    "-actor:u3@example.com -type:claude_*",
    "resource:claude_chat_9 OR target:claude_chat_9",
    "target:CLAUDE_CHAT_12",
];

async fn check(store: &DuckStore, all: &[String]) {
    let activities: Vec<Activity> = all.iter().map(|raw| Activity::parse_str(raw).unwrap()).collect();
    let records: Vec<Record> = activities.iter().map(Record::of).collect();
    for text in FILTERS {
        let filter = filter::parse(text).unwrap();
        let passes = |record: &&Record| matches(&filter, &RecordView { record, source: "main" });
        let found: Vec<&Activity> = records.iter().filter(passes).map(|record| record.activity).collect();
        // Each question twice: rows that are kept are found again.
        for window in [Window::default(), Window::default(), parting_half_days(&activities)] {
            let is_inside = |activity: &&Activity| {
                let time = activity.created_at;
                window.since.is_none_or(|since| time >= since) && window.until.is_none_or(|until| time < until)
            };
            let found: Vec<&Activity> = found.iter().copied().filter(is_inside).collect();
            let mut expected = BTreeMap::<(i64, String), u64>::new();
            for activity in &found {
                let start = activity.created_at.as_second().div_euclid(43_200) * 43_200;
                *expected.entry((start, activity.kind.to_string())).or_default() += 1;
            }
            let tally = Tally {
                by: vec!["eventName".to_owned()],
                width: Some(HALF_DAY),
                filter: filter.clone(),
                window,
                limit: 100_000,
            };
            let groups = store.tally(&tally).await.unwrap();
            let key =
                |group: &auditlake_store::Group| (group.start.unwrap().as_second(), group.values[0].clone().unwrap());
            let counted: BTreeMap<_, _> = groups.iter().map(|group| (key(group), group.count)).collect();
            assert_eq!(counted, expected, "{text:?} of {}", all.len());

            let whole = store.tally(&Tally { by: Vec::new(), width: None, ..tally }).await.unwrap();
            assert_eq!(whole[0].count, found.len() as u64, "{text:?}");
            assert_eq!(whole[0].first, found.iter().map(|activity| activity.created_at).min(), "{text:?}");
            assert_eq!(whole[0].last, found.iter().map(|activity| activity.created_at).max(), "{text:?}");

            let columns = ["eventName", "actorLabel", "srcIP", "actorEmail", "outcome"].map(str::to_owned).to_vec();
            let facets = Facets { columns, filter: filter.clone(), window, limit: 100_000 };
            let lists = store.facets(&facets).await.unwrap();
            for (column, list) in facets.columns.iter().zip(lists) {
                let by = Tally { by: vec![column.clone()], width: None, window, ..tally_of(&filter) };
                let groups = store.tally(&by).await.unwrap();
                let named = groups.into_iter().filter_map(|group| Some((group.values[0].clone()?, group.count)));
                assert_eq!(list, named.collect::<Vec<_>>(), "{column} of {text:?}");
            }
        }
    }
    assert_eq!(store.status().await.unwrap().activities, all.len() as u64);
}

/// Ends within the first and within the last half day.
fn parting_half_days(all: &[Activity]) -> Window {
    let times = || all.iter().map(|activity| activity.created_at);
    let inside = |time: Option<Timestamp>, seconds| time.map(|time| time + SignedDuration::from_secs(seconds));
    Window { since: inside(times().min(), 4_321), until: inside(times().max(), -4_321) }
}

#[test]
fn ends_that_part_half_days_are_counted_by_rows() {
    let window = |since: &str, until: &str| Window { since: since.parse().ok(), until: until.parse().ok() };
    let whole = window("2026-04-01T12:00:00Z", "2026-04-03T00:00:00Z");
    let parting = window("2026-04-01T12:00:00.000001Z", "2026-04-03T01:00:00Z");
    let before_1970 = window("1969-12-31T13:00:00Z", "1970-01-01T12:00:01Z");
    assert_eq!(Stretch::of(whole).table(), TABLE);
    assert_eq!(Stretch::of(Window::default()).table(), TABLE);
    for window in [parting, before_1970] {
        assert!(Stretch::of(window).has_groups());
        assert_eq!(Stretch::of(window).table().matches("UNION ALL").count(), 2);
    }
    assert!(!Stretch::of(window("2026-04-01T12:00:01Z", "2026-04-02T11:00:00Z")).has_groups());
    assert!(!covers(&Filter::All, window("2026-04-01T12:00:01Z", "2026-04-02T11:00:00Z"), None, &[]));
    assert!(covers(&Filter::All, parting, None, &["category"]) && !covers(&Filter::All, parting, None, &["srcIP"]));
}

fn tally_of(filter: &Filter) -> Tally {
    Tally { by: Vec::new(), width: None, filter: filter.clone(), window: Window::default(), limit: 100_000 }
}

#[tokio::test]
async fn says_what_the_rows_say() {
    let dir = tempfile::tempdir().unwrap();
    let store = DuckStore::open(Options { threads: Some(2), ..Options::in_dir(dir.path()) }).unwrap();
    let all = sample(400);
    for (from, to) in [(0, 0), (0, 150), (150, 151), (151, 400)] {
        store.commit(commit(&all[from..to])).await.unwrap();
        if to == 150 {
            check(&store, &all[..to]).await;
            store.prepare().await.unwrap();
        }
        check(&store, &all[..to]).await;
    }
    let clients = CountBy { column: "client".to_owned(), filter: Filter::All, window: Window::default(), limit: 10 };
    assert_eq!(store.count_by(&clients).await.unwrap(), []);
    let said = Enrichment { agent: Some("Known\u{1f}1".into()), ..Enrichment::default() };
    let with = Arc::new(move |_: &Record| said.clone());
    let changed = store.enrich(LateEnrichment { window: Window::default(), with }).await.unwrap();
    let counted: u64 = store.count_by(&clients).await.unwrap().iter().map(|(_, count)| count).sum();
    assert_eq!(counted, changed.agents, "rows that say something else are counted anew");
    check(&store, &all).await;
}

#[tokio::test]
async fn rows_are_kept_of_few_filters() {
    let dir = tempfile::tempdir().unwrap();
    let store = DuckStore::open(Options { threads: Some(2), ..Options::in_dir(dir.path()) }).unwrap();
    let all = sample(30);
    store.commit(commit(&all)).await.unwrap();
    for at in 0..250 {
        let filter = filter::parse(&format!("nobody{at}")).unwrap();
        assert_eq!(store.tally(&tally_of(&filter)).await.unwrap()[0].count, 0);
    }
    let tables = store
        .read("counting tables", |connection, _| {
            let text = "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'hits_%'";
            connection.query_row(text, [], |row| row.get::<_, i64>(0))
        })
        .await
        .unwrap();
    assert!((150..=201).contains(&tables), "{tables} tables");
}
