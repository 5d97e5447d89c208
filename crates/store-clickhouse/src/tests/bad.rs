//! Bad states: a server that is away at any point of a commit, answers that are lost, processes that vanish, accounts that may not.

use std::time::{Duration, Instant};

use auditlake_store::{
    Columns, Commit, LedgerEntry, LedgerQuery, Order, Reader, Select, StoreError, Writer,
    contract::{commit, sample},
};
use serde_json::json;

use super::engine::{fault, fresh, mend};
use crate::{ClickStore, Options, client::Server};

pub(super) async fn open(options: &Options) -> ClickStore {
    ClickStore::open(options.clone()).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A commit of these activities with a checkpoint and an entry of the ledger.
pub(super) fn page(raws: &[String], mark: &str) -> Commit {
    let entry = LedgerEntry { at: jiff::Timestamp::now(), kind: "page".into(), batch: Some(0), detail: json!({}) };
    let mut page = commit(raws);
    page.checkpoints.push(("tail".into(), Some(json!(mark))));
    page.ledger.push(entry);
    page
}

pub(super) async fn raws(store: &ClickStore) -> Vec<String> {
    let select = Select { columns: Columns::Raw, order: Order::Arrival, ..Select::default() };
    let rows = store.select(&select).await.unwrap().collect().await.unwrap();
    let mut all = Vec::new();
    for rows in &rows {
        let column = arrow::array::AsArray::as_string::<i32>(rows.column_by_name("rawLog").unwrap());
        all.extend(column.iter().flatten().map(str::to_owned));
    }
    all.sort();
    all
}

pub(super) fn sorted(raws: &[String]) -> Vec<String> {
    let mut all = raws.to_vec();
    all.sort();
    all
}

/// What is there is just what these commits brought: rows, checkpoint, ledger.
pub(super) async fn holds(store: &ClickStore, truth: &[String], mark: &str, entries: usize) {
    assert_eq!(raws(store).await, sorted(truth));
    assert_eq!(store.status().await.unwrap().activities, truth.len() as u64);
    assert_eq!(store.checkpoints("main").await.unwrap()["tail"], json!(mark));
    assert_eq!(store.ledger(&LedgerQuery::default()).await.unwrap().len(), entries);
    let text = "select count() from anthropic_logs".to_owned();
    let query = auditlake_store::SqlQuery { text, params: Default::default(), timeout: None, max_rows: None };
    let rows = auditlake_store::Sql::sql(store, query).await.unwrap().collect().await.unwrap();
    let count = arrow::array::AsArray::as_primitive::<arrow::datatypes::UInt64Type>(rows[0].column(0)).value(0);
    assert_eq!(count, truth.len() as u64, "people see the same");
}

#[tokio::test]
async fn is_whole_wherever_a_commit_ends() {
    for step in ["INSERT%20INTO%20activity", "INSERT%20INTO%20ledger_entry", "INSERT%20INTO%20state"] {
        let Some(options) = fresh().await else { return };
        let store = open(&options).await;
        let all = sample(60);
        store.commit(page(&all[..20], "one")).await.unwrap();
        fault(&options.database, &format!("kind=away&count=5&match={step}")).await;
        let failed = store.commit(page(&all[10..40], "two")).await;
        assert!(matches!(&failed, Err(error) if error.to_string().contains("does not answer")), "{step}: {failed:?}");
        holds(&store, &all[..20], "one", 1).await;
        mend(&options.database).await;
        let done = store.commit(page(&all[10..], "three")).await.unwrap();
        assert_eq!((done.total().new, done.total().known), (40, 10), "{step}");
        assert!(done.seq > 1 && *store.commits().borrow() == done.seq, "{step}");
        holds(&store, &all, "three", 2).await;
        holds(&open(&options).await, &all, "three", 2).await;
    }
}

#[tokio::test]
async fn counts_once_what_was_sent_twice() {
    for step in ["INSERT%20INTO%20activity", "INSERT%20INTO%20ledger_entry", "INSERT%20INTO%20state"] {
        let Some(options) = fresh().await else { return };
        let store = open(&options).await;
        let all = sample(40);
        store.commit(page(&all[..20], "one")).await.unwrap();
        fault(&options.database, &format!("kind=late&count=2&match={step}")).await;
        let done = store.commit(page(&all, "two")).await.unwrap();
        assert_eq!((done.seq, done.total().new), (2, 20), "{step}");
        holds(&store, &all, "two", 2).await;
        holds(&open(&options).await, &all, "two", 2).await;
    }
}

#[tokio::test]
async fn takes_over_from_who_vanished() {
    let Some(options) = fresh().await else { return };
    let options = Options { lease: Duration::from_secs(2), ..options };
    let first = open(&options).await;
    let all = sample(60);
    first.commit(page(&all[..20], "one")).await.unwrap();
    let second = open(&options).await;
    // Its rows come, and it is not heard of any more.
    fault(&options.database, "kind=away&count=5&match=INSERT%20INTO%20ledger_entry").await;
    first.commit(page(&all[20..40], "two")).await.unwrap_err();
    mend(&options.database).await;
    let begun = Instant::now();
    let done = second.commit(page(&all[20..], "three")).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "as soon as its right has run out: {:?}", begun.elapsed());
    assert_eq!(done.total().new, 40);
    holds(&second, &all, "three", 2).await;
    second.close().await.unwrap();
    let late = first.commit(page(&all[20..40], "two")).await.unwrap();
    assert_eq!((late.total().new, late.seq), (0, done.seq + 1), "what was let go of needs no wait and leaves no gap");
    holds(&first, &all, "two", 3).await;
}

#[tokio::test]
async fn finishes_a_migration_that_was_broken_off() {
    let Some(options) = fresh().await else { return };
    for after in [0, 2, 7] {
        fault(&options.database, &format!("kind=away&count=1&after={after}&match=CREATE")).await;
        assert!(ClickStore::open(options.clone()).await.is_err(), "after {after}");
    }
    mend(&options.database).await;
    let all = sample(9);
    open(&options).await.commit(page(&all, "one")).await.unwrap();
    holds(&open(&options).await, &all, "one", 1).await;
}

#[tokio::test]
async fn says_what_is_wrong() {
    let Some(options) = fresh().await else { return };
    let nobody = Options { url: "http://127.0.0.1:9".to_owned(), ..options.clone() };
    let begun = Instant::now();
    let error = ClickStore::open(nobody).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("the ClickHouse server does not answer"), "{error}");
    assert!(error.is_away() && error.hint().is_some_and(|hint| hint.contains("store.url")), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "whoever can wait asks again");

    fault(&options.database, "kind=refuse&count=9&match=CREATE").await;
    let error = ClickStore::open(options.clone()).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("the account may not define tables"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("run a command once as an account that may")), "{error:?}");
    fault(&options.database, "kind=readonly&count=9").await;
    let error = ClickStore::open(options.clone()).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("the account may not set anything for a question"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("readonly = 2")), "{error:?}");
    mend(&options.database).await;

    let store = open(&options).await;
    fault(&options.database, "kind=refuse&count=9&match=INSERT").await;
    let error = store.commit(page(&sample(3), "one")).await.unwrap_err();
    assert!(error.to_string().contains("the account may not do this"), "{error}");
    assert_eq!(open(&options).await.status().await.unwrap().activities, 0, "reading goes on");
    mend(&options.database).await;

    let server = Server::new(&options).of_database(&options.database);
    server.execute("testing", "INSERT INTO schema_version (version, views) VALUES (99, '')").await.unwrap();
    let error = ClickStore::open(options).await.map(drop).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
    for error in [error, StoreError::Locked(String::new())] {
        assert!(error.hint().is_some_and(|hint| !hint.contains("directory")), "{error:?}");
    }
}

#[tokio::test]
async fn says_what_to_do_where_memory_is_short() {
    let Some(options) = fresh().await else { return };
    let store = open(&options).await;
    let all = sample(40);
    store.commit(page(&all[..20], "one")).await.unwrap();
    fault(&options.database, "kind=memory&count=1&match=count()").await;
    let error = store.status().await.unwrap_err();
    let StoreError::Limit { hint, .. } = &error else { panic!("{error:?}") };
    assert!(hint.contains("name a time") && error.to_string().contains("memory limit exceeded"), "{error}: {hint}");
    for step in ["INSERT%20INTO%20activity", "INSERT%20INTO%20state%20FORMAT"] {
        fault(&options.database, &format!("kind=memory&count=1&match={step}")).await;
        let failed = store.commit(page(&all, "two")).await;
        assert!(matches!(failed, Err(StoreError::Limit { .. })), "{step}: {failed:?}");
        holds(&store, &all[..20], "one", 1).await;
    }
    mend(&options.database).await;
    store.commit(page(&all, "three")).await.unwrap();
    holds(&store, &all, "three", 2).await;
}

#[tokio::test]
async fn tells_everything_else_where_it_may_not_ask_for_sizes() {
    let Some(options) = fresh().await else { return };
    let store = open(&options).await;
    store.commit(page(&sample(20), "one")).await.unwrap();
    assert!(store.status().await.unwrap().bytes > 0);
    fault(&options.database, "kind=refuse&count=1&match=system.parts").await;
    let status = store.status().await.unwrap();
    assert_eq!((status.activities, status.bytes), (20, 0));
}
