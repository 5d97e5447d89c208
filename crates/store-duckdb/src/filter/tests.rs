//! Random filters over random activities: the engine finds what the reference finds.
#![allow(clippy::unwrap_used, reason = "a test that ends there has failed")]

use std::collections::{BTreeMap, BTreeSet};

use activity::{Activity, Enrichment, Record};
use arrow::array::AsArray;
use auditlake_store::{
    Columns, Commit, Insight, Order, Reader, Select, SourceInfo, Tally, Window, Writer,
    contract::random::{Dice, activities, batch_of, enrichment, filters, source},
    filter::{self, EnrichedView, Filter, Known, RecordView, Test},
};
use duckdb::{params_from_iter, types::Value};

use super::*;
use crate::{DuckStore, Options};

/// How many filters are tried.
const ROUNDS: usize = 1_500;

/// A store with these activities, from source `main` and, every third, from `Other`.
async fn store_of(raws: &[String]) -> (DuckStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = DuckStore::open(Options { threads: Some(2), ..Options::in_dir(dir.path()) }).unwrap();
    for name in ["main", "Other"] {
        store
            .commit(Commit { batches: vec![batch_of(raws, name)], ..Commit::new(SourceInfo::new(name)) })
            .await
            .unwrap();
    }
    (store, dir)
}

async fn found(store: &DuckStore, filter: &Filter) -> Result<BTreeSet<String>, String> {
    let mut values = Vec::new();
    let condition = compile(filter, &mut values);
    let shown = format!("{condition} with {values:?}");
    store
        .read("testing a filter", move |connection, _| {
            let mut statement = connection.prepare(&format!("SELECT event_id FROM activity WHERE {condition}"))?;
            statement.query_map(params_from_iter(values), |row| row.get(0))?.collect()
        })
        .await
        .map_err(|error| format!("{error}: {shown}"))
}

#[tokio::test]
async fn finds_what_the_reference_finds() {
    let mut dice = Dice(7);
    let raws: Vec<String> = (0..400).map(|at| activities::random(&mut dice, at)).collect();
    let parsed: Vec<Activity> =
        raws.iter().map(|raw| Activity::parse_str(raw).unwrap_or_else(|error| panic!("{raw}: {error}"))).collect();
    let records: Vec<Record> = parsed.iter().map(Record::of).collect();
    let enrichments: Vec<Enrichment> = (0..raws.len()).map(enrichment).collect();
    let by_id: BTreeMap<&str, &str> = parsed.iter().map(|activity| (&*activity.id, activity.raw)).collect();
    assert_eq!(by_id.len(), raws.len(), "each id once");
    let (store, _dir) = store_of(&raws).await;
    let mut some = 0;
    for round in 0..ROUNDS {
        let filter = filters::random(&mut dice, 3);
        let truth: BTreeSet<String> = records
            .iter()
            .zip(&enrichments)
            .enumerate()
            .filter(|(at, (record, enrichment))| {
                filter::matches(&filter, &EnrichedView { record, source: source(*at), enrichment })
            })
            .map(|(_, (record, _))| record.activity.id.to_string())
            .collect();
        let found = found(&store, &filter).await.unwrap_or_else(|error| panic!("{round}: {filter:?}: {error}"));
        if let Some(id) = found.symmetric_difference(&truth).next() {
            panic!("{round}: {filter}\n{filter:?}\nfound {}: {id}\n{}", found.contains(id), by_id[id.as_str()]);
        }
        some += usize::from(!truth.is_empty());
    }
    assert!(some > ROUNDS / 3, "filters that find something: {some}");
}

/// Pieces of raw logs stand in the text, in what is stored apart from it, across the edge of both, and in times.
#[tokio::test]
async fn words_are_found_wherever_they_stand() {
    let mut dice = Dice(23);
    let raws: Vec<String> = (0..300).map(|at| activities::random(&mut dice, at)).collect();
    let parsed: Vec<Activity> = raws.iter().map(|raw| Activity::parse_str(raw).unwrap()).collect();
    let lower: Vec<String> = raws.iter().map(|raw| raw.to_ascii_lowercase()).collect();
    let (store, _dir) = store_of(&raws).await;
    for round in 0..600 {
        let raw = &raws[dice.below(raws.len())];
        let from = raw.floor_char_boundary(dice.below(raw.len()));
        let to = raw.ceil_char_boundary((from + 1 + dice.below(24)).min(raw.len()));
        let word = &raw[from..to];
        let word = if dice.one_in(2) { word.to_ascii_uppercase() } else { word.to_owned() };
        let forms: Vec<String> = filter::word_forms(&word).iter().map(|form| form.to_ascii_lowercase()).collect();
        let truth: BTreeSet<String> = (parsed.iter().zip(&lower))
            .filter(|(_, lower)| forms.iter().any(|form| lower.contains(form.as_str())))
            .map(|(activity, _)| activity.id.to_string())
            .collect();
        assert_eq!(found(&store, &Filter::Word(word.clone())).await.unwrap(), truth, "{round}: {word:?}");
        assert!(!truth.is_empty());
    }
}

/// What a mark stands for touches other text only if somebody stores it otherwise: then the edge is looked at, too.
#[test]
fn words_are_found_across_a_mark() {
    let time = jiff::Timestamp::UNIX_EPOCH;
    for (rest, word, is_there) in [
        (r#"{"a":"x-~1~-y"}"#, "x-a_1-y", true),
        (r#"{"a":"x-~1~-y"}"#, "x-a_2-y", false),
        (r#"{"a":"~1~","b":"x"}"#, "A_1", true),
        (r#"{"a":"~1~","b":"x"}"#, "_1\",\"b", true),
        (r#"{"a":"~2~"}"#, "1970", true),
        (r#"{"a":"~2~"}"#, "01-01t00", true),
        (r#"{"a":"~2~"}"#, "1971", false),
    ] {
        let rest = rest.replace("~1~", "\u{1}").replace("~2~", "\u{2}");
        let stored = row::Stored { rest: &rest, id: "A_1", time, resources: "" };
        assert_eq!(row::RawTest::new(&Filter::Word(word.to_owned())).passes(&stored), is_there, "{word} in {rest:?}");
    }
}

/// All texts in a value.
fn texts(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(list) => list.iter().for_each(|one| texts(one, into)),
        serde_json::Value::Object(members) => members.values().for_each(|one| texts(one, into)),
        serde_json::Value::String(text) => into.push(text.clone()),
        other => into.push(other.to_string()),
    }
}

#[tokio::test]
async fn names_are_found_column_by_column() {
    let mut dice = Dice(19);
    let raws: Vec<String> = (0..400).map(|at| activities::random(&mut dice, at)).collect();
    let parsed: Vec<Activity> = raws.iter().map(|raw| Activity::parse_str(raw).unwrap()).collect();
    let records: Vec<Record> = parsed.iter().map(Record::of).collect();
    let (store, _dir) = store_of(&raws).await;
    store.prepare().await.unwrap();
    let mut names = Vec::new();
    for raw in &raws {
        texts(&serde_json::from_str(raw).unwrap(), &mut names);
    }
    let fields = [Known::Actor, Known::Key, Known::Email, Known::User, Known::Ip, Known::Target, Known::Resource];
    let (mut some, mut asked) = (0, 0);
    for round in 0..600 {
        let mut one = || {
            let name = &names[dice.below(names.len())];
            let name = if dice.one_in(3) { name.to_ascii_uppercase() } else { name.clone() };
            Filter::test(dice.pick(&fields), Test::Equals(name))
        };
        let list = [one(), one(), one()];
        let filter = Filter::or(list.into_iter().take(1 + round % 3));
        if !crate::hits::are_named(&filter) {
            continue;
        }
        let truth: BTreeSet<String> = records
            .iter()
            .enumerate()
            .filter(|(at, record)| filter::matches(&filter, &RecordView { record, source: source(*at) }))
            .map(|(_, record)| record.activity.id.to_string())
            .collect();
        let select = Select { filter: filter.clone(), limit: Some(1_000), columns: Columns::Raw, ..Select::default() };
        let mut found = BTreeSet::new();
        for piece in store.select(&select).await.unwrap().collect().await.unwrap() {
            let ids = piece.column_by_name("eventID").unwrap().as_string::<i32>();
            found.extend(ids.iter().flatten().map(str::to_owned));
        }
        if let Some(id) = found.symmetric_difference(&truth).next() {
            let raw = parsed.iter().find(|activity| *activity.id == **id).unwrap().raw;
            panic!("{round}: {filter}, found {}: {raw}", found.contains(id));
        }
        let total = Tally { by: Vec::new(), width: None, filter: filter.clone(), window: Window::default(), limit: 1 };
        assert_eq!(store.tally(&total).await.unwrap()[0].count, truth.len() as u64, "{round}: {filter}");
        some += usize::from(!truth.is_empty());
        asked += 1;
    }
    assert!(some > 60 && asked > 300, "{some} of {asked} find something");
}

#[tokio::test]
async fn a_page_is_the_head_of_all_rows() {
    let mut dice = Dice(11);
    let raws: Vec<String> = (0..300).map(|at| activities::random(&mut dice, at)).collect();
    let (store, _dir) = store_of(&raws).await;
    let ids = async |select: Select| -> Vec<String> {
        let mut ids = Vec::new();
        for piece in store.select(&select).await.unwrap().collect().await.unwrap() {
            ids.extend(piece.column_by_name("eventID").unwrap().as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        ids
    };
    for round in 0..120 {
        let filter = filters::random(&mut dice, 2);
        for order in [Order::Newest, Order::Oldest] {
            let all = Select { filter: filter.clone(), order, columns: Columns::Raw, ..Select::default() };
            let limit = 1 + dice.below(40);
            let page = ids(Select { limit: Some(limit as u64), ..all.clone() }).await;
            let mut all = ids(all).await;
            all.truncate(limit);
            assert_eq!(page, all, "{round}: {filter}, {limit}, {order:?}");
        }
    }
}

#[tokio::test]
async fn asks_what_the_store_adds() {
    let mut dice = Dice(3);
    let raws: Vec<String> = (0..90).map(|at| activities::random(&mut dice, at)).collect();
    let (store, _dir) = store_of(&raws).await;
    for (text, count) in [
        ("seq:1", 60),
        ("seq:2.0", 30),
        ("seq:1.5", 0),
        ("seq:>1", 30),
        ("seq:<=1.5", 60),
        ("seq:*", 90),
        ("-seq:2", 60),
        ("sourceTTL:>=0", 90),
        ("received:>1h", 90),
        ("received:>2100-01-01", 0),
        ("-received:*", 0),
        ("source:other", 30),
        ("record_id:other:*", 30),
        ("source_type:anthropic-*", 90),
        ("workspaceID:*", 90),
    ] {
        let filter = filter::parse(text).unwrap();
        assert_eq!(found(&store, &filter).await.unwrap().len(), count, "{text}");
    }
}

#[tokio::test]
async fn keeps_its_functions_to_itself() {
    let (store, _dir) = store_of(&[r#"{"id":"a","created_at":"2026-01-01T00:00:00Z","type":"t"}"#.to_owned()]).await;
    let one = |text: &'static str| {
        let store = store.clone();
        async move {
            store
                .read("asking", move |connection, _| {
                    connection.query_row(text, [], |row| row.get::<_, Option<bool>>(0))
                })
                .await
        }
    };
    assert_eq!(one(r#"SELECT auditlake_passes('["=","x"]', 'X')"#).await.unwrap(), Some(true));
    assert_eq!(one(r#"SELECT auditlake_passes('["=","x"]', NULL)"#).await.unwrap(), Some(false));
    assert_eq!(one(r#"SELECT auditlake_passes(NULL, 'x')"#).await.unwrap(), Some(false));
    assert_eq!(
        one(r#"SELECT auditlake_raw_passes('["and"]', 'no json', 'i', TIMESTAMP 'infinity', NULL)"#).await.unwrap(),
        Some(false)
    );
    for text in [
        "SELECT auditlake_passes('', 'x')",
        "SELECT bool_or(auditlake_passes(event_name, event_name)) FROM activity",
        r#"SELECT auditlake_raw_passes('["or",["word"]]', raw_rest, event_id, event_time, NULL) FROM activity"#,
    ] {
        assert!(one(text).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn takes_the_longest_filters() {
    let (store, _dir) =
        store_of(&[r#"{"id":"a","created_at":"2026-01-01T00:00:00Z","type":"t","k":{"n":[1]}}"#.to_owned()]).await;
    let many = |text: &dyn Fn(usize) -> String| (0..1_000).map(text).collect::<Vec<_>>().join(" OR ");
    let deep = (0..63).fold("k.n:1".to_owned(), |inner, at| {
        if at % 2 == 0 { format!("(x:1 OR {inner})") } else { format!("(-y:1 {inner})") }
    });
    let mixed = deep.replace("x:1", "country:x").replace("-y:1", "-type:y");
    for text in [many(&|n| format!("type:t{n}")) + " OR type:T", many(&|n| format!("w{n}")) + " OR k.n:<2", deep, mixed]
    {
        let filter = filter::parse(&text).unwrap();
        assert_eq!(found(&store, &filter).await.unwrap().len(), 1, "{}", &text[..80]);
        assert_eq!(found(&store, &Filter::negated(filter)).await.unwrap().len(), 0, "{}", &text[..80]);
    }
    let nothing = Filter::Or(Vec::new());
    assert_eq!(found(&store, &nothing).await.unwrap().len(), 0);
    assert_eq!(
        found(&store, &Filter::And(vec![Filter::All, Filter::test(Known::Type, Test::Exists)])).await.unwrap().len(),
        1
    );
}

#[test]
fn filters_come_back_from_their_text() {
    let mut dice = Dice(11);
    for _ in 0..2_000 {
        let filter = filters::random(&mut dice, 4);
        assert_eq!(wire::decode(&wire::encode(&filter)), Some(filter));
    }
    assert_eq!(wire::decode("[\"raw\",[\"a\"],[\"<\",{\"bits\":-1}]]"), None);
    let mut values: Vec<Value> = Vec::new();
    let text = "'; DROP TABLE activity; --";
    let condition = compile(
        &Filter::And(vec![Filter::Word(text.into()), Filter::test(Known::Type, Test::Equals(text.into()))]),
        &mut values,
    );
    assert!(!condition.contains("DROP") && values.len() == 2, "{condition}");
}

#[tokio::test]
async fn records_made_here_are_those_of_the_view() {
    let mut dice = Dice(21);
    let raws: Vec<String> = (0..1_500).map(|at| activities::random(&mut dice, at)).collect();
    let (store, _dir) = store_of(&raws).await;
    let together = async |rows: auditlake_store::Rows| {
        let schema = rows.schema.clone();
        let pieces = rows.collect().await.unwrap();
        (schema.clone(), arrow::compute::concat_batches(&schema, &pieces).unwrap())
    };
    let sql = auditlake_store::SqlQuery {
        text: "SELECT * FROM anthropic_logs ORDER BY eventTime, eventID".to_owned(),
        params: BTreeMap::new(),
        timeout: None,
        max_rows: None,
    };
    let (schema, view) = together(auditlake_store::Sql::sql(&store, sql).await.unwrap()).await;
    let select = Select { order: Order::Oldest, limit: Some(10_000), ..Select::default() };
    let (own, made) = together(store.select(&select).await.unwrap()).await;
    assert_eq!(schema, own);
    assert!(view.num_rows() > 1_400);
    for (field, (a, b)) in schema.fields().iter().zip(view.columns().iter().zip(made.columns())) {
        for row in 0..view.num_rows() {
            assert!(a.slice(row, 1).to_data() == b.slice(row, 1).to_data(), "{} of row {row}", field.name());
        }
    }
}

#[tokio::test]
async fn a_statement_with_fewer_columns_has_the_same_answer() {
    let mut dice = Dice(22);
    let raws: Vec<String> = (0..600).map(|at| activities::random(&mut dice, at)).collect();
    let (store, _dir) = store_of(&raws).await;
    let ask = async |text: String| {
        let sql = auditlake_store::SqlQuery { text, params: BTreeMap::new(), timeout: None, max_rows: None };
        let rows = auditlake_store::Sql::sql(&store, sql).await?;
        let schema = rows.schema.clone();
        let pieces = rows.collect().await?;
        Ok::<_, auditlake_store::StoreError>((
            schema.clone(),
            arrow::compute::concat_batches(&schema, &pieces).unwrap(),
        ))
    };
    for text in [
        "SELECT eventName, count(*) AS n FROM @anthropic_logs GROUP BY ALL ORDER BY n DESC, 1",
        "SELECT l.eventID, actor['type'], tags['client'], enrichments[1].data, rawLog FROM @anthropic_logs AS l ORDER BY 1",
        "WITH t AS (SELECT EVENTID, unnest(resources) AS r FROM @anthropic_logs) SELECT r, count(*) FROM t GROUP BY 1 ORDER BY 2 DESC, 1",
        "SELECT a.eventID FROM @activities a JOIN @anthropic_logs b USING (eventID) WHERE a.identity IS NOT NULL AND b.srcCity <> '' ORDER BY 1",
        "SELECT count(*) FROM @activities WHERE NOT EXISTS (SELECT 1 FROM @anthropic_logs x WHERE x.id = activities.id)",
        "SELECT category, max_by(eventID, (eventTime, eventID)) FROM @activities GROUP BY 1 ORDER BY 1",
    ] {
        let (schema, answer) = ask(text.replace('@', "")).await.unwrap();
        let (whole_schema, whole) = ask(text.replace('@', "main.")).await.unwrap();
        assert_eq!((schema, &answer), (whole_schema, &whole), "{text}");
        assert!(answer.num_rows() > 0, "{text}");
    }
    // An error speaks of the statement as it was written.
    for text in ["SELECT eventNam FROM anthropic_logs", "SELECT raw_rest FROM anthropic_logs"] {
        let error = ask(text.to_owned()).await.unwrap_err().to_string();
        assert!(!error.contains("event_name") && !error.contains("FROM activity"), "{error}");
    }
}
