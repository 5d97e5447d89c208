//! Counts along several lines, against a plain list.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use activity::{Activity, Record};
use arrow::array::{Array, AsArray};
use jiff::Timestamp;

use super::{commit, sample};
use crate::{
    CountBy, Engine, Facets, Latest, Tally, Window,
    filter::{self, Filter},
};

/// What the truth knows of a sample.
struct Row {
    time: Timestamp,
    kind: String,
    category: String,
    organization: Option<String>,
    count: Option<String>,
    resources: Vec<String>,
    raw: String,
}

fn truth(all: &[String]) -> Vec<Row> {
    let row = |raw: &String| {
        let activity = Activity::parse_str(raw).expect("an activity");
        let record = Record::of(&activity);
        let value: serde_json::Value = serde_json::from_str(raw).expect("JSON");
        Row {
            time: activity.created_at,
            kind: activity.kind.to_string(),
            category: record.category.to_string(),
            organization: activity.organization_id.as_deref().map(str::to_owned),
            count: value["count"].as_u64().map(|count| count.to_string()),
            resources: record.resources.iter().map(ToString::to_string).collect(),
            raw: raw.clone(),
        }
    };
    all.iter().map(row).collect()
}

fn tally(by: &[&str]) -> Tally {
    let by = by.iter().map(|&column| column.to_owned()).collect();
    Tally { by, width: None, filter: Filter::All, window: Window::default(), limit: 10_000 }
}

pub(super) async fn tallies(store: &impl Engine) {
    let nothing = store.tally(&tally(&[])).await.expect("tally");
    assert_eq!((nothing.len(), nothing[0].count, nothing[0].first), (1, 0, None), "nothing is counted as none");
    let all = sample(300);
    store.commit(commit(&all)).await.expect("commit");
    let rows = truth(&all);

    let whole = store.tally(&tally(&[])).await.expect("tally");
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].count, 300);
    assert_eq!(whole[0].first, rows.iter().map(|row| row.time).min());
    assert_eq!(whole[0].last, rows.iter().map(|row| row.time).max());

    let mut expected = BTreeMap::<Vec<Option<String>>, u64>::new();
    for row in &rows {
        *expected.entry(vec![Some(row.kind.clone()), row.organization.clone()]).or_default() += 1;
    }
    let found = store.tally(&tally(&["eventName", "organizationID"])).await.expect("tally");
    assert!(found.is_sorted_by(|a, b| a.count >= b.count), "the largest first");
    assert_eq!(found.into_iter().map(|group| (group.values, group.count)).collect::<BTreeMap<_, _>>(), expected);

    let filter = filter::parse("category:chats").expect("a filter");
    let hours = Tally { width: Some(Duration::from_secs(3_600)), filter, ..tally(&["eventName"]) };
    let mut expected = BTreeMap::<(i64, String), u64>::new();
    for row in rows.iter().filter(|row| row.category == "chats") {
        *expected.entry((row.time.as_second().div_euclid(3_600) * 3_600, row.kind.clone())).or_default() += 1;
    }
    let found = store.tally(&hours).await.expect("tally");
    assert!(found.is_sorted_by(|a, b| a.start <= b.start), "the oldest first");
    let key = |group: &crate::Group| {
        (group.start.map_or(0, Timestamp::as_second), group.values[0].clone().unwrap_or_default())
    };
    assert_eq!(found.iter().map(|group| (key(group), group.count)).collect::<BTreeMap<_, _>>(), expected);

    let mut expected = BTreeMap::<Option<String>, u64>::new();
    for row in &rows {
        *expected.entry(row.count.clone()).or_default() += 1;
    }
    let found = store.tally(&tally(&["raw.count"])).await.expect("tally");
    let found: BTreeMap<_, _> = found.into_iter().map(|group| (group.values[0].clone(), group.count)).collect();
    assert_eq!(found, expected, "a path into the raw log");

    let mut expected = BTreeMap::<String, u64>::new();
    for resource in rows.iter().flat_map(|row| row.resources.iter().collect::<BTreeSet<_>>()) {
        *expected.entry(resource.clone()).or_default() += 1;
    }
    let found = store.tally(&tally(&["resource"])).await.expect("tally");
    let named = found.into_iter().filter_map(|group| Some((group.values[0].clone()?, group.count)));
    assert_eq!(named.collect::<BTreeMap<_, _>>(), expected, "each resource for itself");

    assert_eq!(store.tally(&Tally { limit: 3, ..tally(&["eventName"]) }).await.expect("tally").len(), 3);
    for wrong in ["no such column", "raw.a'b", "raw.", "eventName; drop table activity"] {
        assert!(store.tally(&tally(&[wrong])).await.is_err(), "{wrong}");
    }
}

pub(super) async fn facets(store: &impl Engine) {
    store.commit(commit(&sample(300))).await.expect("commit");
    let columns = ["eventName", "outcome", "actorEmail", "organizationID"].map(str::to_owned);
    for text in ["", "drop", "type:claude_chat_viewed"] {
        let filter = filter::parse(text).expect("a filter");
        let window = Window { since: Timestamp::from_second(1_790_010_000).ok(), until: None };
        let facets = Facets { columns: columns.to_vec(), filter: filter.clone(), window, limit: 4 };
        let found = store.facets(&facets).await.expect("facets");
        assert_eq!(found.len(), columns.len());
        for (column, found) in columns.iter().zip(found) {
            let alone = CountBy { column: column.clone(), filter: filter.clone(), window, limit: 4 };
            assert_eq!(found, store.count_by(&alone).await.expect("count"), "{column} of {text}");
        }
    }
}

pub(super) async fn latest(store: &impl Engine) {
    let all = sample(200);
    store.commit(commit(&all)).await.expect("commit");
    let filter = filter::parse("type:claude_*").expect("a filter");
    let latest = Latest { filter, window: Window::default(), each: 2, limit: 1_000 };
    let batches = store.latest(&latest).await.expect("latest").collect().await.expect("rows");
    let mut found = Vec::new();
    for batch in &batches {
        let column = batch.column_by_name("rawLog").expect("column").as_string::<i32>();
        found.extend((0..column.len()).map(|at| column.value(at).to_owned()));
    }
    let mut rows = truth(&all);
    rows.retain(|row| row.kind.starts_with("claude_"));
    let id = |raw: &str| Activity::parse_str(raw).expect("an activity").id.into_owned();
    rows.sort_by_key(|row| std::cmp::Reverse((row.time, id(&row.raw))));
    let mut seen = BTreeMap::<(String, Option<String>), u64>::new();
    rows.retain(|row| {
        let count = seen.entry((row.kind.clone(), row.organization.clone())).or_default();
        *count += 1;
        *count <= 2
    });
    assert_eq!(found, rows.into_iter().map(|row| row.raw).collect::<Vec<_>>());
}
