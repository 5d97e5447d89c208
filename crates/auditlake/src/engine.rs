//! The store of a deployment: the embedded engine in the data directory, or a ClickHouse server.
//!
//! Everything else asks the port's traits. Only here is it known that there are two.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use async_trait::async_trait;
use auditlake_store::{
    Bucket, Commit, Committed, CountBy, DriftQuery, DriftRow, Enriched, Enriching, Facets, FeedPage, FeedQuery,
    FeedReader, Fingerprint, Group, Histogram, Insight, LateEnrichment, Latest, LedgerQuery, LedgerRow, Position,
    Reader, Recall, Result as Stored, Rows, Select, Sql, SqlQuery, Status, StoreError, Tally, Window, Writer,
    alert::{Act, Alert, AlertLine, AlertQuery, Alerts, Detected, Observe, Observed},
    lookup::{Lookup, LookupCount, LookupQuery, Lookups},
    moving::{Movable, MovedCommit, Part, Stretch},
    outbox::{Delivery, DeliveryCount, DeliveryLog, DeliveryQuery, Due, NewDelivery, Outbox, Outcome, Told, Which},
};
use jiff::Timestamp;
use store_clickhouse::ClickStore;
use store_duckdb::DuckStore;
use tokio::{sync::watch, task::JoinHandle};

use crate::{config::Config, datadir::DataDir, hinted, log, stop};

/// A server that is away is asked again after so long.
const PAUSE: Duration = Duration::from_secs(2);

/// An open store. Cheap to clone.
#[derive(Clone)]
pub enum Store {
    /// A file in the data directory.
    Duck(DuckStore),
    /// A database of a server.
    Click(ClickStore),
}

/// What one process at a time does with a store: it collects a source, or detects and delivers.
pub enum Duty {
    /// There are no others.
    Alone,
    Shared(store_clickhouse::Duty),
}

impl Duty {
    /// To detect and to deliver.
    pub const DETECTION: &'static str = store_clickhouse::Duty::DETECTION;

    /// The rank before which no other goes.
    pub const FIRST: u8 = store_clickhouse::Duty::FIRST;

    /// The name of the duty to collect a source.
    pub fn of_source(id: &str) -> String {
        store_clickhouse::Duty::of_source(id)
    }

    /// Keeps it. Ready when another process has it, or is to have it.
    pub async fn lost(&mut self) {
        match self {
            Duty::Alone => std::future::pending().await,
            Duty::Shared(duty) => duty.lost().await,
        }
    }

    /// Lets go of it.
    pub async fn end(self) -> Stored<()> {
        match self {
            Duty::Alone => Ok(()),
            Duty::Shared(duty) => duty.end().await,
        }
    }
}

/// Whose SQL it is that a store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Duck,
    Click,
}

impl Dialect {
    /// A time as microseconds since 1970.
    pub fn micros(self, time: &str) -> String {
        match self {
            Dialect::Duck => format!("epoch_us({time})"),
            Dialect::Click => format!("toUnixTimestamp64Micro({time})"),
        }
    }

    /// Microseconds since 1970 as a time.
    pub fn moment(self, micros: i64) -> String {
        match self {
            Dialect::Duck => format!("make_timestamp({micros})"),
            Dialect::Click => format!("fromUnixTimestamp64Micro({micros}, 'UTC')"),
        }
    }

    /// How often a positive number fits into another.
    pub fn quotient(self, number: &str, by: i64) -> String {
        match self {
            Dialect::Duck => format!("({number} // {by})"),
            Dialect::Click => format!("intDiv({number}, {by})"),
        }
    }
}

macro_rules! either {
    ($store:expr, $one:ident => $call:expr) => {
        match $store {
            Store::Duck($one) => $call,
            Store::Click($one) => $call,
        }
    };
}

impl Store {
    /// Opens the store that is configured.
    pub async fn open(config: &Config, data: &DataDir) -> Result<Store> {
        let store = Self::open_any(config, data).await?;
        match store.progress().await? {
            None => Ok(store),
            Some(_) => Err(hinted(
                "the store is the target of a copy that was never finished",
                "finish it: run the same `auditlake store copy` again",
            )),
        }
    }

    async fn open_any(config: &Config, data: &DataDir) -> Result<Store> {
        match config.store.server().await? {
            Some(options) => {
                let place = format!("database {} of {}", options.database, options.url);
                let store = ClickStore::open(options).await;
                Ok(Store::Click(store.with_context(|| format!("cannot open the store in {place}"))?))
            }
            None => {
                let store = DuckStore::open(config.store_options(data));
                Ok(Store::Duck(store.with_context(|| format!("cannot open the store in {}", data.path().display()))?))
            }
        }
    }

    /// As [`Store::open`], by whoever can wait for a server that is away.
    pub async fn open_in_time(config: &Config, data: &DataDir) -> Result<Store> {
        let mut has_told = false;
        loop {
            let is_away = |error: &anyhow::Error| {
                error.chain().any(|cause| cause.downcast_ref::<StoreError>().is_some_and(StoreError::is_away))
            };
            match Self::open(config, data).await {
                Err(error) if is_away(&error) => {
                    if !has_told {
                        let message = format!("{}: it is tried again until it does", stop::told(&error));
                        log::say(&message);
                        log::hint(&message, stop::hint_of(&error).unwrap_or_default());
                    }
                    has_told = true;
                    tokio::time::sleep(PAUSE).await;
                }
                done => {
                    if has_told && done.is_ok() {
                        log::say("the store is there");
                    }
                    return done;
                }
            }
        }
    }

    /// As [`Store::take_duty`], waiting for a process that was killed.
    ///
    /// # Errors
    /// As [`Store::take_duty`].
    pub async fn await_duty(&self, name: &str) -> Stored<Duty> {
        match self {
            Store::Duck(_) => Ok(Duty::Alone),
            Store::Click(store) => Ok(Duty::Shared(store.await_duty(name).await?)),
        }
    }

    /// Follows other processes on the same server and gives them their turns, until the answer is aborted.
    pub fn attend(&self) -> Option<JoinHandle<()>> {
        match self {
            Store::Duck(_) => None,
            Store::Click(store) => Some(tokio::spawn(store.clone().attend())),
        }
    }

    /// Takes what one process does at a time.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another one does it.
    pub async fn take_duty(&self, name: &str, rank: u8) -> Stored<Duty> {
        match self {
            Store::Duck(_) => Ok(Duty::Alone),
            Store::Click(store) => Ok(Duty::Shared(store.take_duty(name, rank).await?)),
        }
    }

    /// Makes what questions about single things are answered from sooner.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn prepare(&self) -> Stored<()> {
        match self {
            Store::Duck(store) => store.prepare().await,
            Store::Click(_) => Ok(()),
        }
    }

    /// Tidies up after writing: what the write-ahead log holds goes into the file, or others may write to the database.
    pub async fn checkpoint(&self) -> Stored<()> {
        match self {
            Store::Duck(store) => store.checkpoint().await,
            Store::Click(store) => store.close().await,
        }
    }
}

#[async_trait]
impl Writer for Store {
    async fn commit(&self, commit: Commit) -> Stored<Committed> {
        either!(self, store => store.commit(commit).await)
    }
    async fn checkpoints(&self, source: &str) -> Stored<BTreeMap<String, serde_json::Value>> {
        either!(self, store => store.checkpoints(source).await)
    }
    fn commits(&self) -> watch::Receiver<u64> {
        either!(self, store => store.commits())
    }
}

#[async_trait]
impl Reader for Store {
    async fn status(&self) -> Stored<Status> {
        either!(self, store => store.status().await)
    }
    async fn select(&self, select: &Select) -> Stored<Rows> {
        either!(self, store => store.select(select).await)
    }
    async fn count_by(&self, count: &CountBy) -> Stored<Vec<(String, u64)>> {
        either!(self, store => store.count_by(count).await)
    }
    async fn histogram(&self, histogram: &Histogram) -> Stored<Vec<Bucket>> {
        either!(self, store => store.histogram(histogram).await)
    }
    async fn ledger(&self, query: &LedgerQuery) -> Stored<Vec<LedgerRow>> {
        either!(self, store => store.ledger(query).await)
    }
    async fn drift(&self, query: &DriftQuery) -> Stored<Vec<DriftRow>> {
        either!(self, store => store.drift(query).await)
    }
}

#[async_trait]
impl Insight for Store {
    async fn tally(&self, tally: &Tally) -> Stored<Vec<Group>> {
        either!(self, store => store.tally(tally).await)
    }
    async fn facets(&self, facets: &Facets) -> Stored<Vec<Vec<(String, u64)>>> {
        either!(self, store => store.facets(facets).await)
    }
    async fn latest(&self, latest: &Latest) -> Stored<Rows> {
        either!(self, store => store.latest(latest).await)
    }
}

#[async_trait]
impl FeedReader for Store {
    async fn feed_page(&self, query: &FeedQuery) -> Stored<FeedPage> {
        either!(self, store => store.feed_page(query).await)
    }
    async fn locate(&self, id: &str) -> Stored<Option<Position>> {
        either!(self, store => store.locate(id).await)
    }
}

#[async_trait]
impl Sql for Store {
    async fn sql(&self, query: SqlQuery) -> Stored<Rows> {
        either!(self, store => store.sql(query).await)
    }
}

#[async_trait]
impl Recall for Store {
    async fn fingerprints(&self, window: Window) -> Stored<Vec<Fingerprint>> {
        either!(self, store => store.fingerprints(window).await)
    }
    async fn raw_logs(&self, ids: &[String]) -> Stored<Vec<(String, String)>> {
        either!(self, store => store.raw_logs(ids).await)
    }
    async fn requests(&self, source: &str, limit: usize) -> Stored<Vec<(String, Timestamp)>> {
        either!(self, store => store.requests(source, limit).await)
    }
}

#[async_trait]
impl Enriching for Store {
    async fn enrich(&self, late: LateEnrichment) -> Stored<Enriched> {
        either!(self, store => store.enrich(late).await)
    }
}

#[async_trait]
impl Alerts for Store {
    async fn position(&self, subscriber: &str) -> Stored<u64> {
        either!(self, store => store.position(subscriber).await)
    }
    async fn detected(&self, detected: Detected) -> Stored<Vec<Alert>> {
        either!(self, store => store.detected(detected).await)
    }
    async fn alerts(&self, query: &AlertQuery) -> Stored<Vec<Alert>> {
        either!(self, store => store.alerts(query).await)
    }
    async fn lines(&self) -> Stored<Vec<AlertLine>> {
        either!(self, store => store.lines().await)
    }
    async fn alert(&self, id: &str) -> Stored<Option<Alert>> {
        either!(self, store => store.alert(id).await)
    }
    async fn act(&self, id: &str, act: Act) -> Stored<Option<Alert>> {
        either!(self, store => store.act(id, act).await)
    }
    fn news(&self) -> watch::Receiver<u64> {
        either!(self, store => store.news())
    }
}

#[async_trait]
impl Observed for Store {
    async fn observe(&self, observe: &Observe) -> Stored<Rows> {
        either!(self, store => store.observe(observe).await)
    }
    async fn followed_since(&self) -> Stored<BTreeMap<String, Timestamp>> {
        either!(self, store => store.followed_since().await)
    }
}

#[async_trait]
impl Outbox for Store {
    async fn enqueue(&self, handled: u64, new: Vec<NewDelivery>) -> Stored<u64> {
        either!(self, store => store.enqueue(handled, new).await)
    }
    async fn handled(&self) -> Stored<Option<u64>> {
        either!(self, store => store.handled().await)
    }
    async fn told(&self, alerts: &[String]) -> Stored<Vec<Told>> {
        either!(self, store => store.told(alerts).await)
    }
    async fn told_open(&self) -> Stored<Vec<Delivery>> {
        either!(self, store => store.told_open().await)
    }
    async fn due(&self, destination: &str, now: Timestamp, limit: usize) -> Stored<Due> {
        either!(self, store => store.due(destination, now, limit).await)
    }
    async fn settle(&self, id: &str, outcome: Outcome) -> Stored<()> {
        either!(self, store => store.settle(id, outcome).await)
    }
    fn queued(&self) -> watch::Receiver<u64> {
        either!(self, store => store.queued())
    }
}

#[async_trait]
impl DeliveryLog for Store {
    async fn deliveries(&self, query: &DeliveryQuery) -> Stored<Vec<Delivery>> {
        either!(self, store => store.deliveries(query).await)
    }
    async fn delivery_counts(&self) -> Stored<Vec<DeliveryCount>> {
        either!(self, store => store.delivery_counts().await)
    }
    async fn send_again(&self, which: &Which, now: Timestamp) -> Stored<u64> {
        either!(self, store => store.send_again(which, now).await)
    }
    async fn forget_deliveries(&self, before: Timestamp) -> Stored<u64> {
        either!(self, store => store.forget_deliveries(before).await)
    }
}

#[async_trait]
impl Lookups for Store {
    async fn note(&self, lookups: Vec<Lookup>) -> Stored<()> {
        either!(self, store => store.note(lookups).await)
    }
    async fn lookups(&self, query: &LookupQuery) -> Stored<Vec<Lookup>> {
        either!(self, store => store.lookups(query).await)
    }
    async fn lookup_counts(&self, query: &LookupQuery) -> Stored<Vec<LookupCount>> {
        either!(self, store => store.lookup_counts(query).await)
    }
    async fn forget_lookups(&self, before: Timestamp) -> Stored<u64> {
        either!(self, store => store.forget_lookups(before).await)
    }
}

#[async_trait]
impl Movable for Store {
    async fn commits_after(&self, after: u64, limit: u64) -> Stored<Vec<MovedCommit>> {
        either!(self, store => store.commits_after(after, limit).await)
    }
    async fn ledger_between(&self, after: u64, until: u64) -> Stored<Vec<LedgerRow>> {
        either!(self, store => store.ledger_between(after, until).await)
    }
    async fn rows_between(&self, after: u64, until: u64) -> Stored<Rows> {
        either!(self, store => store.rows_between(after, until).await)
    }
    async fn items(&self, part: Part, skip: u64, limit: u64) -> Stored<Vec<serde_json::Value>> {
        either!(self, store => store.items(part, skip, limit).await)
    }
    async fn progress(&self) -> Stored<Option<serde_json::Value>> {
        either!(self, store => store.progress().await)
    }
    async fn set_progress(&self, progress: Option<serde_json::Value>) -> Stored<()> {
        either!(self, store => store.set_progress(progress).await)
    }
    async fn drop_after(&self, seq: u64) -> Stored<()> {
        either!(self, store => store.drop_after(seq).await)
    }
    async fn take(&self, stretch: Stretch, progress: serde_json::Value) -> Stored<()> {
        either!(self, store => store.take(stretch, progress).await)
    }
    async fn clear(&self, part: Part) -> Stored<()> {
        either!(self, store => store.clear(part).await)
    }
    async fn take_items(&self, part: Part, items: Vec<serde_json::Value>) -> Stored<()> {
        either!(self, store => store.take_items(part, items).await)
    }
}
