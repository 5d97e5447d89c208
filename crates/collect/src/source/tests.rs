//! Whatever happens, the store ends up with the truth: faults of every kind, kills at every await point, late arrivals.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use auditlake_store::Covered;
use bytes::Bytes;
use feed::{
    ApiError, Cursor, Source,
    client::{Error, ErrorKind, Exchange, Response},
    memory::MemorySource,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tokio::time::Instant;

use super::*;
use crate::{
    InProcess, Job, stop,
    testing::{Log, MemoryStore},
};

mod bad;
mod dropped;
mod future;
mod odd;
mod rounds;
mod said;
mod sizes;
mod whose;

/// The event time at which a test begins.
fn start() -> Timestamp {
    "2020-06-01T00:00:00Z".parse().unwrap()
}

fn after(seconds: f64) -> Timestamp {
    start() + SignedDuration::from_secs_f64(seconds)
}

fn row(id: usize, at: Timestamp) -> Bytes {
    let actor = r#"{"type":"system_actor"}"#;
    let text =
        format!(r#"{{"id":"activity_{id:06}","created_at":"{at:.6}","actor":{actor},"type":"claude_chat_created"}}"#);
    Bytes::from(text)
}

/// A feed whose activities appear as (paused) time goes on, and that fails in every way.
struct Flaky {
    begun: Instant,
    /// When each row can be read, in seconds, and the row; ordered by that.
    rows: Vec<(f64, Bytes)>,
    /// What can be read, made anew when more can.
    shown: Mutex<(usize, MemorySource)>,
    rng: Mutex<Pcg64Mcg>,
    /// How many requests of a hundred fail.
    faults: u32,
    requests: AtomicU32,
}

impl Flaky {
    fn new(mut rows: Vec<(f64, Bytes)>, faults: u32, seed: u64) -> Self {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        Flaky {
            begun: Instant::now(),
            rows,
            shown: Mutex::new((0, MemorySource::default())),
            rng: Mutex::new(Pcg64Mcg::seed_from_u64(seed)),
            faults,
            requests: AtomicU32::new(0),
        }
    }

    fn source(&self) -> MemorySource {
        let now = self.begun.elapsed().as_secs_f64();
        let count = self.rows.partition_point(|(at, _)| *at <= now);
        let mut shown = self.shown.lock().unwrap();
        if shown.0 != count {
            *shown = (count, MemorySource::new(self.rows[..count].iter().map(|(_, row)| row.clone())).unwrap());
        }
        shown.1.clone()
    }

    fn fault(&self, query: &Query, dice: u32) -> Option<ErrorKind> {
        let api = |error: ApiError| Some(ErrorKind::Api(error));
        match dice {
            0 => api(ApiError::new(503, "busy")),
            1 => api(ApiError::rate_limited("too many", Some(Duration::from_secs(2)))),
            2 => api(ApiError { should_retry: Some(false), ..ApiError::internal() }),
            3 => Some(ErrorKind::Invalid(feed::PageError::NotAnObject { index: 1 })),
            4 if query.cursor.is_some() => api(ApiError::unknown_cursor("x")),
            5 => api(ApiError::authentication("revoked")),
            _ => api(ApiError::internal()),
        }
    }
}

#[async_trait]
impl Upstream for Flaky {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let (wait, fails, dice, early) = {
            let mut rng = self.rng.lock().unwrap();
            (
                rng.random_range(0..400u64),
                rng.random_range(0..100) < self.faults,
                rng.random_range(0..8u32),
                rng.random_bool(0.25),
            )
        };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let exchange = Exchange {
            query: query.encode(),
            sent_at: Timestamp::now(),
            elapsed: Duration::from_millis(wait),
            status: Some(200),
            request_id: Some(format!("req_{number}")),
            rate_limit: Default::default(),
            date: None,
            body_bytes: None,
            body_sha256: None,
        };
        if fails && let Some(kind) = self.fault(query, dice) {
            return Err(Error { kind, exchange: Box::new(exchange) });
        }
        let mut page = self.source().page(query).await.unwrap();
        if self.faults > 0 && page.data.len() == query.limit as usize && early {
            page.has_more = false;
        }
        if self.faults > 0 && dice == 7 && page.data.len() > 1 && query.limit as usize > page.data.len() {
            page.data.push(page.data[0].clone());
        }
        Ok(Response { page, exchange })
    }
}

/// A future that is dropped after so many polls: a kill at an await point.
struct Killed<F>(Pin<Box<F>>, u32);

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Self::Output> {
        if self.1 == 0 {
            return Poll::Ready(None);
        }
        self.1 -= 1;
        self.0.as_mut().poll(context).map(Some)
    }
}

fn options(dir: &std::path::Path) -> SourceOptions {
    SourceOptions {
        interval: Duration::from_secs(10),
        backfill_from: Some(after(-40_000.0)),
        page_limit: 7,
        parallel: 3,
        refused_wait: Duration::from_secs(20),
        rounds: vec![Round { every: Duration::from_secs(900), span: SignedDuration::from_hours(2) }],
        ..SourceOptions::new(SourceInfo::new("acme"), dir)
    }
}

/// Rows of a past in bursts and of a present of ten minutes, some of them late, some at the same moment.
fn history(seed: u64, past: usize, present: usize) -> Vec<(f64, Bytes)> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut rows = Vec::new();
    for id in 0..past {
        let burst = f64::from(rng.random_range(0..5u32)) * 8_000.0;
        let at = -burst - rng.random_range(0.0..if id % 3 == 0 { 8_000.0 } else { 20.0 });
        rows.push((0.0, row(id, after(at.max(-40_000.0)))));
    }
    for id in past..past + present {
        let seen = rng.random_range(0.0..600.0f64);
        let late = if id % 4 == 0 { rng.random_range(0.0..290.0) } else { 0.0 };
        rows.push((seen, row(id, after((seen - late).floor()))));
    }
    rows
}

fn truth(rows: &[(f64, Bytes)]) -> BTreeSet<String> {
    let id = |row: &Bytes| serde_json::from_slice::<serde_json::Value>(row).unwrap()["id"].as_str().unwrap().to_owned();
    rows.iter().map(|(_, row)| id(row)).collect()
}

fn ids(store: &MemoryStore) -> BTreeSet<String> {
    store.ids().into_iter().collect()
}

/// Collects until the store has as many rows as the truth and the past is read, or an hour has passed.
async fn collect(collector: &Collector, store: &MemoryStore, count: usize) {
    let (stopper, stop) = stop();
    let run = collector.run(stop);
    let enough = async {
        let mut state = collector.state();
        loop {
            let is_done = state.borrow_and_update().backfill.is_some_and(|backfill| backfill.is_done());
            if is_done && store.stored().rows.len() >= count {
                break;
            }
            if tokio::time::timeout(Duration::from_secs(1), state.changed()).await.is_err()
                && store.stored().rows.len() >= count
            {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        stopper.stop();
    };
    let both = async { tokio::join!(run, enough).0.unwrap() };
    let _ = tokio::time::timeout(Duration::from_secs(3_600), both).await;
}

fn paused<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_store_equals_the_truth(seed in any::<u64>(), faults in 0u32..40, kills in 0usize..12, past in 0usize..300) {
        paused(async {
            let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
            let rows = history(seed, past, 60);
            let truth = truth(&rows);
            let upstream = Arc::new(Flaky::new(rows, faults, seed));
            let mut rng = Pcg64Mcg::seed_from_u64(seed ^ 1);
            let collector = || {
                Collector::new(options(dir.path()), upstream.clone(), Arc::new(Budget::new(6_000, 0.2)), store.clone())
            };
            for kill in 0..kills {
                let (_stopper, stop) = stop();
                let collector = collector();
                store.fail(u32::from(kill % 4 == 3));
                let _ = Killed(Box::pin(collector.run(stop)), rng.random_range(1..120)).await;
                // What a process that was killed had begun is there or is not by the time that the next one looks.
                drop(collector.desk.coverage.lock().await);
            }
            collect(&collector(), &store, truth.len()).await;
            let missing: Vec<_> = truth.difference(&ids(&store)).cloned().collect();
            assert_eq!(missing, [""; 0]);
            assert_eq!(ids(&store).len(), truth.len());
            let stored = store.stored();
            let entered: u64 = stored.ledger.iter().map(|entry| entry.new).sum();
            assert_eq!(entered, truth.len() as u64, "every row has its ledger entry");
            drop(stored);
            assert_eq!(told(&store), covered(&store), "the ledger tells what the checkpoint says");
        });
    }
}

/// What is covered by the checkpoint of the usual source.
fn covered(store: &MemoryStore) -> Vec<Covered> {
    let checkpoint = store.stored().checkpoints["acme"].get(Covered::CHECKPOINT).cloned();
    checkpoint.map(|value| serde_json::from_value(value).unwrap()).unwrap_or_default()
}

/// The same by the ledger.
fn told(store: &MemoryStore) -> Vec<Covered> {
    store.account("acme").covered().to_vec()
}

/// A collector of these rows without faults.
fn calm(rows: Vec<(f64, Bytes)>, store: &Arc<MemoryStore>, dir: &std::path::Path) -> (Collector, Arc<Flaky>) {
    let upstream = Arc::new(Flaky::new(rows, 0, 1));
    (Collector::new(options(dir), upstream.clone(), Arc::new(Budget::new(6_000, 0.0)), store.clone()), upstream)
}

#[tokio::test(start_paused = true)]
async fn one_activity_from_the_future_does_not_hide_the_present() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let now = Timestamp::now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let mut rows = vec![(0.0, row(0, at(86_400)))];
    rows.extend((1..20).map(|id| (f64::from(id) * 20.0, row(id as usize, at(i64::from(id) * 20 - 400)))));
    let (collector, _) = calm(rows, &store, dir.path());
    collect(&collector, &store, 20).await;
    assert_eq!(store.ids().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_not_read_again_after_a_restart() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let rows = history(7, 300, 0);
    let (collector, upstream) = calm(rows.clone(), &store, dir.path());
    collect(&collector, &store, 300).await;
    assert_eq!(collector.state().borrow().phase, Phase::Stopped);
    let first = upstream.requests.load(Ordering::Relaxed);
    let (collector, upstream) = calm(rows, &store, dir.path());
    collect(&collector, &store, 300).await;
    let second = upstream.requests.load(Ordering::Relaxed);
    assert!(first > 43 && second < 10, "{first} requests, then {second}");
}

#[tokio::test(start_paused = true)]
async fn more_of_the_past_is_read_when_it_is_asked_for() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let rows: Vec<_> = (0..100).map(|id| (0.0, row(id, after(-600.0 * id as f64)))).collect();
    let (collector, _) = calm(rows, &store, dir.path());
    collect(&collector, &store, 67).await;
    assert_eq!(store.ids().len(), 67);
    let (_stopper, stop) = stop();
    let report = collector.read(Job::Backfill, after(-50_000.0), after(-30_000.0), stop, &|_| {}).await.unwrap();
    assert!(report.is_done);
    assert_eq!(report.tally.new, 17);
    assert_eq!(store.ids().len(), 84);
}

/// An upstream that answers as told.
struct Told(Mutex<Option<ApiError>>, InProcess<MemorySource>);

#[async_trait]
impl Upstream for Told {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        let error = self.0.lock().unwrap().clone();
        match error {
            None => self.1.page(query).await,
            Some(error) => {
                let mut answer = self.1.page(query).await?.exchange;
                answer.status = Some(error.status);
                Err(Error { kind: ErrorKind::Api(error), exchange: Box::new(answer) })
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_said_and_outlived() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let source = MemorySource::new([row(1, start())]).unwrap();
    let upstream =
        Arc::new(Told(Mutex::new(Some(ApiError::authentication("API key revoked"))), InProcess::new(source)));
    let collector = Collector::new(options(dir.path()), upstream.clone(), Arc::default(), store.clone());
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        let refused = state.wait_for(|state| state.phase == Phase::Refused).await.unwrap().clone();
        let trouble = refused.trouble.unwrap();
        assert!(
            trouble.message.contains("API key revoked") && trouble.hint.contains("create a new one"),
            "{trouble:?}"
        );
        *upstream.0.lock().unwrap() = None;
        let well = state.wait_for(|state| state.new == 1).await.unwrap().clone();
        assert_eq!(well.trouble, None);
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    let failed = store.stored().ledger.iter().find(|entry| entry.kind == "error").cloned().unwrap();
    assert_eq!(failed.detail["error"], "authentication_error");
}

/// A feed that gives the same page for ever.
struct Circle(MemorySource);

#[async_trait]
impl Source for Circle {
    async fn page(&self, query: &Query) -> Result<feed::Page, ApiError> {
        let mut page = self.0.page(&Query { cursor: None::<Cursor>, ..query.clone() }).await?;
        page.has_more = true;
        Ok(page)
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_goes_in_circles_is_noticed() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let source = Circle(MemorySource::new((0..20).map(|id| row(id, after(-(id as f64))))).unwrap());
    let upstream = Arc::new(InProcess::new(source));
    let collector = Collector::new(options(dir.path()), upstream, Arc::default(), store.clone());
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        let state = state.wait_for(|state| state.trouble.as_ref().is_some_and(|trouble| trouble.kind == "stuck")).await;
        assert!(state.unwrap().requests < 50);
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_indexed_late_is_found_by_reading_again() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let mut rows: Vec<_> = (0..50).map(|id| (0.0, row(id, after(-100.0 * id as f64)))).collect();
    // Half an hour late, far behind every overlap.
    rows.extend((50..55).map(|id| (600.0, row(id, after(-1_200.0 - id as f64)))));
    let (collector, _) = calm(rows, &store, dir.path());
    collect(&collector, &store, 55).await;
    assert_eq!((store.ids().len(), collector.state().borrow().late), (55, 5));
    let (_stopper, stop) = stop();
    let report = collector.read(Job::Reconcile, after(-5_000.0), after(0.0), stop, &|_| {}).await.unwrap();
    assert_eq!((report.tally.new, report.tally.drift), (0, 0));
    assert!(report.tally.known >= 55, "{report:?}");
}

/// A feed that takes 300 ms a page, and notes when it was asked.
struct Slow(InProcess<MemorySource>, Mutex<Vec<Instant>>);

#[async_trait]
impl Upstream for Slow {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        self.1.lock().unwrap().push(Instant::now());
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.0.page(query).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_feed_is_read_at_the_rate_that_it_allows() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let rows = 30_000;
    let source = MemorySource::new((0..rows).map(|id| row(id, after(-(id as f64))))).unwrap();
    let upstream = Arc::new(Slow(InProcess::new(source), Mutex::default()));
    let interval = Duration::from_secs(60);
    let options = SourceOptions { page_limit: 50, parallel: 8, interval, ..options(dir.path()) };
    let collector = Collector::new(options, upstream.clone(), Arc::new(Budget::new(600, 0.0)), store.clone());
    let begun = Instant::now();
    collect(&collector, &store, rows).await;
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(store.ids().len(), rows);
    let asked = upstream.1.lock().unwrap().clone();
    let busiest = asked
        .iter()
        .map(|at| asked.iter().filter(|other| *other >= at && **other < *at + Duration::from_secs(60)).count());
    assert!(busiest.max().unwrap() <= 600);
    let rate = rows as f64 / took / 50.0 * 60.0;
    assert!(rate >= 540.0, "{rate} pages worth of rows a minute, {} requests in {took} s", asked.len());
}
