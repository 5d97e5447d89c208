//! Feeds that are odd: they echo, fall silent, forget, change their minds, or hold a page that nobody can read.

use std::sync::atomic::AtomicBool;

use auditlake_store::{DriftKind, Span};
use feed::PageError;

use super::*;

/// A feed that can be changed at will, and that shows each request as an activity if told to.
pub(super) struct Odd {
    pub(super) rows: Mutex<Vec<Bytes>>,
    pub(super) begun: Instant,
    pub(super) echoes: AtomicBool,
    /// No page with one of these rows can be read.
    pub(super) poison: Mutex<Vec<String>>,
    /// No page can be read at all.
    pub(super) is_down: AtomicBool,
    /// Whether each question fails when it is asked first, and those that have been.
    pub(super) hiccups: AtomicBool,
    asked: Mutex<BTreeSet<String>>,
    /// How it fails.
    pub(super) fails: Mutex<fn() -> ErrorKind>,
    /// What stands before it passes no page of more rows.
    pub(super) widest: AtomicU32,
    pub(super) requests: AtomicU32,
    /// Before the numbers of its requests.
    name: &'static str,
}

impl Odd {
    pub(super) fn new(rows: Vec<Bytes>) -> Arc<Self> {
        Self::named("req", rows)
    }

    pub(super) fn named(name: &'static str, rows: Vec<Bytes>) -> Arc<Self> {
        Arc::new(Odd {
            rows: Mutex::new(rows),
            begun: Instant::now(),
            echoes: false.into(),
            poison: Mutex::default(),
            is_down: false.into(),
            hiccups: false.into(),
            asked: Mutex::default(),
            fails: Mutex::new(|| ErrorKind::Invalid(PageError::NotAnObject { index: 0 })),
            widest: AtomicU32::new(u32::MAX),
            requests: AtomicU32::new(0),
            name,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        after(1_000.0 + self.begun.elapsed().as_secs_f64())
    }

    fn access(&self, id: &str) {
        let text = format!(
            r#"{{"id":"activity_{id}","created_at":"{at:.6}","actor":{{"type":"api_actor","api_key_id":"k"}},"type":"compliance_api_accessed","request_id":"{id}"}}"#,
            at = self.now()
        );
        self.rows.lock().unwrap().push(Bytes::from(text));
    }

    fn replace(&self, change: impl Fn(&str) -> Option<String>) {
        let mut rows = self.rows.lock().unwrap();
        *rows = rows.iter().filter_map(|row| change(std::str::from_utf8(row).unwrap()).map(Bytes::from)).collect();
    }
}

#[async_trait]
impl Upstream for Odd {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let id = format!("{}_{}", self.name, self.requests.fetch_add(1, Ordering::Relaxed));
        let source = MemorySource::new(self.rows.lock().unwrap().iter().cloned()).unwrap();
        let exchange = Exchange {
            query: query.encode(),
            sent_at: Timestamp::now(),
            elapsed: Duration::from_millis(50),
            status: Some(200),
            request_id: Some(id.clone()),
            rate_limit: Default::default(),
            date: Some(self.now()),
            body_bytes: None,
            body_sha256: Some([7; 32]),
        };
        if self.echoes.load(Ordering::Relaxed) {
            self.access(&id);
        }
        let page = source.page(query).await.unwrap();
        if page.data.len() > self.widest.load(Ordering::Relaxed) as usize {
            let kind = ErrorKind::Api(ApiError::new(504, "too much for a gateway"));
            return Err(Error { kind, exchange: Box::new(exchange) });
        }
        let bad = self.poison.lock().unwrap().clone();
        let is_bad = |row: &Bytes| bad.iter().any(|id| String::from_utf8_lossy(row).contains(id.as_str()));
        let is_new = self.asked.lock().unwrap().insert(query.encode());
        let is_down = self.is_down.load(Ordering::Relaxed) || (is_new && self.hiccups.load(Ordering::Relaxed));
        if is_down || page.data.iter().any(is_bad) {
            let kind = (*self.fails.lock().unwrap())();
            return Err(Error { kind, exchange: Box::new(exchange) });
        }
        Ok(Response { page, exchange })
    }
}

pub(super) fn collector(upstream: &Arc<Odd>, store: &Arc<MemoryStore>, dir: &std::path::Path) -> Collector {
    let options = SourceOptions { stalled_after: Duration::from_secs(120), ..options(dir) };
    Collector::new(options, upstream.clone(), Arc::new(Budget::new(6_000, 0.0)), store.clone())
}

/// Runs until the state is as wanted.
pub(super) async fn until(collector: &Collector, wanted: impl FnMut(&SourceState) -> bool) -> SourceState {
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        let found = tokio::time::timeout(Duration::from_secs(7_200), state.wait_for(wanted)).await;
        stopper.stop();
        found.expect("in two hours").unwrap().clone()
    };
    tokio::join!(collector.run(stop), watch).1
}

pub(super) fn past(count: usize) -> Vec<Bytes> {
    (0..count).map(|id| row(id, after(-100.0 * (id + 1) as f64))).collect()
}

pub(super) fn is_done(state: &SourceState) -> bool {
    state.backfill.is_some_and(|backfill| backfill.is_done()) && !state.covered.is_empty()
}

#[tokio::test(start_paused = true)]
async fn own_requests_are_known_also_after_a_restart() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(10));
    upstream.echoes.store(true, Ordering::Relaxed);
    upstream.access("somebody_else");
    let first = until(&collector(&upstream, &store, dir.path()), |state| is_done(state) && state.own_reads > 12).await;
    assert!(first.echo.is_some_and(|echo| echo < Duration::from_secs(30)), "{:?}", first.echo);
    let before = store.stored().rows.len();
    until(&collector(&upstream, &store, dir.path()), |state| state.new > 5).await;
    let stored = store.stored();
    assert!(stored.rows.len() > before);
    let accessed = stored.rows.values().filter(|row| row.print.event_name == "compliance_api_accessed");
    let untagged: Vec<&str> = accessed.filter(|row| !row.own_read).map(|row| row.print.id.as_str()).collect();
    assert_eq!(untagged, ["activity_somebody_else"]);
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_falls_silent_is_not_taken_for_a_quiet_organisation() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(10));
    let quiet = collector(&upstream, &store, dir.path());
    let (stopper, stop) = stop();
    let mut state = quiet.state();
    let watch = async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(state.borrow().phase, Phase::Following, "a feed that never shows requests is not stalled");
        upstream.echoes.store(true, Ordering::Relaxed);
        state.wait_for(|state| state.own_reads > 3).await.unwrap();
        upstream.echoes.store(false, Ordering::Relaxed);
        let stalled = state.wait_for(|state| state.phase == Phase::Stalled).await.unwrap().clone();
        assert!(stalled.trouble.unwrap().message.contains("has not shown our own requests for 2 minutes"));
        upstream.echoes.store(true, Ordering::Relaxed);
        state.wait_for(|state| state.phase == Phase::Following && state.trouble.is_none()).await.unwrap();
        stopper.stop();
    };
    tokio::join!(quiet.run(stop), watch).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_changes_or_goes_upstream_is_drift_and_the_first_record_stays() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let named = |row: Bytes| {
        let text = String::from_utf8(row.to_vec()).unwrap();
        Bytes::from(text.replace(r#""actor""#, r#""claude_chat_id":"chat","organization_id":"org_1","actor""#))
    };
    let upstream = Odd::new(past(60).into_iter().map(named).collect());
    let collector = collector(&upstream, &store, dir.path());
    until(&collector, is_done).await;
    let first: Vec<String> = store.stored().rows.values().map(|row| row.raw.clone()).collect();
    upstream.replace(|row| {
        let is = |id: &str| row.contains(id);
        match () {
            () if is("activity_000007") || is("activity_000031") => None,
            () if is("activity_000011") => Some(row.replace(r#""chat""#, "null")),
            () if is("activity_000012") => Some(row.replace("org_1", "org_2")),
            // The same in other bytes.
            () => Some(row.replace(r#""actor":{"#, r#""actor" : { "#)),
        }
    });
    let (_stopper, stop) = stop();
    let report = collector.read(Job::Reconcile, after(-10_000.0), after(0.0), stop, &|_| {}).await.unwrap();
    let stored = store.stored();
    let mut drift: Vec<(DriftKind, &str, &str)> =
        stored.drift.iter().map(|drift| (drift.kind, drift.name.as_str(), drift.value.as_str())).collect();
    drift.sort();
    assert_eq!(
        drift,
        [
            (DriftKind::Changed, "organization_id", "activity_000012"),
            (DriftKind::Poorer, "claude_chat_id", "activity_000011"),
            (DriftKind::Missing, "", "activity_000007"),
            (DriftKind::Missing, "", "activity_000031"),
        ]
    );
    assert_eq!((report.tally.drift, report.tally.new, report.is_done), (4, 0, true));
    assert_eq!(stored.rows.values().map(|row| row.raw.clone()).collect::<Vec<_>>(), first);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_nobody_can_read_costs_only_its_moment() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(300));
    upstream.poison.lock().unwrap().push("activity_000123".to_owned());
    let collector = collector(&upstream, &store, dir.path());
    let state = until(&collector, is_done).await;
    assert_eq!(store.ids().len(), 299);
    let at = after(-12_400.0);
    let holds = |span: &Span| span.from <= at && at < span.to && span.to.duration_since(span.from).as_millis() < 1;
    assert!(matches!(&*state.unreadable, [span] if holds(span)), "{:?}", state.unreadable);
    assert!(!state.covered.iter().any(|part| (part.from..part.to).contains(&at)), "it is a gap");
    assert!(store.stored().drift.iter().any(|drift| drift.kind == DriftKind::Unreadable));
    // The rounds of reading again try it once more.
    upstream.poison.lock().unwrap().clear();
    let state = until(&collector, |state| state.unreadable.is_empty() && state.new > 0 && is_done(state)).await;
    assert_eq!(store.ids().len(), 300);
    assert!(state.covered.iter().any(|part| (part.from..part.to).contains(&at)));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_read_does_not_stop_following() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(20));
    let collector = collector(&upstream, &store, dir.path());
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        state.wait_for(is_done).await.unwrap();
        upstream.poison.lock().unwrap().push("activity_000500".to_owned());
        for id in 495..530 {
            let at = upstream.now();
            upstream.rows.lock().unwrap().push(row(id, at));
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        for _ in 0..10_000 {
            if store.ids().len() == 54 {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    assert_eq!(store.ids().len(), 54, "all but the one");
    assert!(!store.ids().contains(&"activity_000500".to_owned()));
    assert!(!collector.state().borrow().unreadable.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_has_been_read_is_known_without_gaps() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(200));
    let collector = collector(&upstream, &store, dir.path());
    let state = until(&collector, is_done).await;
    let spans: Vec<Span> = state.covered.iter().map(|part| Span { from: part.from, to: part.to }).collect();
    let whole = auditlake_store::merged(spans);
    assert_eq!(whole.len(), 1, "{whole:?}");
    assert_eq!(whole[0].from, after(-40_000.0));
    assert!(whole[0].to >= after(-100.0));
    let saved = store.stored().checkpoints["acme"]["covered"].clone();
    let covered = collector.state().borrow().covered.clone();
    assert_eq!(serde_json::from_value::<Vec<auditlake_store::Covered>>(saved).unwrap(), covered);
}

#[tokio::test(start_paused = true)]
async fn a_round_that_a_restart_broke_off_goes_on() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(50));
    until(&collector(&upstream, &store, dir.path()), is_done).await;
    let mut left = Saved::new(after(-2_000.0), after(-1_000.0));
    left.round = Some(("7200s".to_owned(), after(5.0)));
    let saved = serde_json::json!(left);
    store.stored().checkpoints.get_mut("acme").unwrap().insert("reconcile".to_owned(), saved);
    upstream.rows.lock().unwrap().push(row(999, after(-1_500.5)));
    let state = until(&collector(&upstream, &store, dir.path()), |state| state.late == 1).await;
    assert_eq!(state.lateness.count, 1);
    assert!(store.stored().rows["activity_000999"].late);
}

/// A feed that gives one page for ever, each time with another cursor.
struct Wheel(MemorySource, AtomicU32);

#[async_trait]
impl Source for Wheel {
    async fn page(&self, query: &Query) -> Result<feed::Page, ApiError> {
        let mut page = self.0.page(&Query { cursor: None::<Cursor>, ..query.clone() }).await?;
        page.has_more = true;
        page.last_id = Some(format!("cursor_{}", self.1.fetch_add(1, Ordering::Relaxed)));
        Ok(page)
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_comes_again_under_another_cursor_is_noticed() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let source = MemorySource::new((0..20).map(|id| row(id, after(-(id as f64))))).unwrap();
    let upstream = Arc::new(InProcess::new(Wheel(source, AtomicU32::new(0))));
    let collector = Collector::new(options(dir.path()), upstream, Arc::default(), store.clone());
    let state = until(&collector, |state| state.trouble.as_ref().is_some_and(|trouble| trouble.kind == "stuck")).await;
    assert!(state.requests < 50);
}
