//! Bad states of a feed, one each, from which a source recovers by itself: gone for a day, every cursor rejected, one page
//! for ever until somebody repairs it; and two sources that have one budget between them.

use std::sync::atomic::AtomicBool;

use super::*;

/// A feed whose rows come as (paused) time goes on, and that is away for a while.
struct Away {
    feed: Flaky,
    /// From when to when, in seconds.
    away: (f64, f64),
    asked_in_vain: AtomicU32,
}

#[async_trait]
impl Upstream for Away {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        let now = self.feed.begun.elapsed().as_secs_f64();
        if (self.away.0..self.away.1).contains(&now) {
            self.asked_in_vain.fetch_add(1, Ordering::Relaxed);
            let mut exchange = self.feed.page(&Query { limit: 1, ..Query::default() }).await?.exchange;
            exchange.status = Some(503);
            let kind = ErrorKind::Api(ApiError::new(503, "down for a day"));
            return Err(Error { kind, exchange: Box::new(exchange) });
        }
        self.feed.page(query).await
    }
}

const DAY: f64 = 86_400.0;

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_gone_for_a_day_costs_nothing() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    // A row every 100 s for a day and a half, each tenth indexed some minutes late, also while nobody can read.
    let mut rows: Vec<(f64, Bytes)> = (0..100).map(|id| (0.0, row(id, after(-300.0 * id as f64)))).collect();
    rows.extend((0..1_296).map(|at| {
        let (happened, late) = (100.0 * f64::from(at), if at % 10 == 0 { 200.0 } else { 0.0 });
        (happened + late, row(100 + at as usize, after(happened)))
    }));
    let truth = truth(&rows);
    let upstream = Arc::new(Away {
        feed: Flaky::new(rows, 0, 1),
        away: (3_600.0, 3_600.0 + DAY),
        asked_in_vain: AtomicU32::new(0),
    });
    let collector = Collector::new(options(dir.path()), upstream.clone(), Arc::default(), store.clone());
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        let down = state.wait_for(|state| state.trouble.is_some()).await.unwrap().clone();
        let trouble = down.trouble.unwrap();
        assert!(!trouble.is_refused && trouble.hint.contains("asked again by itself"), "{trouble:?}");
        assert_eq!(down.phase, Phase::Retrying);
        let well = state.wait_for(|state| state.trouble.is_none()).await.unwrap().clone();
        assert!(upstream.feed.begun.elapsed().as_secs_f64() >= 3_600.0 + DAY);
        assert!(upstream.feed.begun.elapsed().as_secs_f64() <= 3_600.0 + DAY + 120.0, "it is noticed soon");
        assert_eq!(well.phase, Phase::Following);
        tokio::time::sleep(Duration::from_secs(60_000)).await;
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    let missing: Vec<_> = truth.difference(&ids(&store)).cloned().collect();
    assert_eq!(missing, [""; 0]);
    assert_eq!(ids(&store).len(), truth.len());
    let vain = upstream.asked_in_vain.load(Ordering::Relaxed);
    assert!((500..50_000).contains(&vain), "{vain} requests in a day to a feed that is down");
}

/// A feed that knows no cursor any more, not even one that it has just given.
struct Forgetful(InProcess<MemorySource>, AtomicU32);

#[async_trait]
impl Upstream for Forgetful {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        let mut answer = self.0.page(&Query { cursor: None, ..query.clone() }).await?;
        if query.cursor.is_none() {
            return Ok(answer);
        }
        self.1.fetch_add(1, Ordering::Relaxed);
        answer.exchange.status = Some(400);
        let error = ApiError::unknown_cursor("activity_000001");
        Err(Error { kind: ErrorKind::Api(error), exchange: Box::new(answer.exchange) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_rejects_every_cursor_is_read_all_the_same() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let rows: Vec<(f64, Bytes)> = (0..500).map(|id| (0.0, row(id, after(-30.0 * id as f64)))).collect();
    let source = MemorySource::new(rows.iter().map(|(_, row)| row.clone())).unwrap();
    let upstream = Arc::new(Forgetful(InProcess::new(source), AtomicU32::new(0)));
    let collector = Collector::new(options(dir.path()), upstream.clone(), Arc::default(), store.clone());
    collect(&collector, &store, rows.len()).await;
    assert_eq!(ids(&store), truth(&rows));
    assert!(upstream.1.load(Ordering::Relaxed) > 20);
    assert_eq!(collector.state().borrow().trouble, None, "a rejected cursor is nothing that a person must hear of");
}

/// A feed that gives one page for ever until it is repaired.
pub(super) struct Repaired(pub(super) MemorySource, pub(super) Arc<AtomicBool>);

#[async_trait]
impl Source for Repaired {
    async fn page(&self, query: &Query) -> Result<feed::Page, ApiError> {
        if self.1.load(Ordering::Relaxed) {
            return self.0.page(query).await;
        }
        let mut page = self.0.page(&Query { cursor: None::<Cursor>, ..query.clone() }).await?;
        page.has_more = true;
        Ok(page)
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_repeated_one_page_is_read_to_its_end_when_it_is_repaired() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let rows: Vec<(f64, Bytes)> = (0..200).map(|id| (0.0, row(id, after(-40.0 * id as f64)))).collect();
    let source = MemorySource::new(rows.iter().map(|(_, row)| row.clone())).unwrap();
    let is_repaired = Arc::new(AtomicBool::new(false));
    let upstream = Arc::new(InProcess::new(Repaired(source, is_repaired.clone())));
    let collector = Collector::new(options(dir.path()), upstream, Arc::default(), store.clone());
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        let is_stuck = |state: &SourceState| state.trouble.as_ref().is_some_and(|trouble| trouble.kind == "stuck");
        let begun = state.wait_for(is_stuck).await.unwrap().requests;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let asked = state.borrow().requests - begun;
        assert!(asked < 600, "{asked} requests in ten minutes to a feed that leads nowhere");
        is_repaired.store(true, Ordering::Relaxed);
        let is_well = |state: &SourceState| state.trouble.is_none() && state.new == 200;
        tokio::time::timeout(Duration::from_secs(3_600), state.wait_for(is_well)).await.unwrap().unwrap();
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    assert_eq!(ids(&store), truth(&rows));
}

#[tokio::test(start_paused = true)]
async fn two_sources_under_one_organisation_share_its_budget() {
    let dir = tempfile::tempdir().unwrap();
    let count = 20_000;
    let source = MemorySource::new((0..count).map(|id| row(id, after(-(id as f64))))).unwrap();
    let upstream = Arc::new(Slow(InProcess::new(source), Mutex::default()));
    // 600 a minute, a fifth of them left to others.
    let budget = Arc::new(Budget::new(Budget::DEFAULT_LIMIT, Budget::DEFAULT_LEFT_SHARE));
    let one = |name: &str| {
        let store = Arc::new(MemoryStore::new());
        let interval = Duration::from_secs(60);
        let options =
            SourceOptions { info: SourceInfo::new(name), page_limit: 20, parallel: 8, interval, ..options(dir.path()) };
        (Collector::new(options, upstream.clone(), budget.clone(), store.clone()), store)
    };
    let ((first, first_store), (second, second_store)) = (one("first"), one("second"));
    let begun = Instant::now();
    tokio::join!(collect(&first, &first_store, count), collect(&second, &second_store, count));
    assert_eq!((first_store.ids().len(), second_store.ids().len()), (count, count));
    let asked = upstream.1.lock().unwrap().clone();
    let within =
        |at: &Instant| asked.iter().filter(|other| *other >= at && **other < *at + Duration::from_secs(60)).count();
    let busiest = asked.iter().map(within).max().unwrap();
    assert!(busiest <= 480, "{busiest} requests in a minute by both");
    let (took, pages) = (begun.elapsed().as_secs_f64(), asked.len() as f64);
    assert!(pages / took * 60.0 >= 432.0, "{pages} requests in {took} s");
    // Neither had to wait for the other's end.
    let shares = [&first, &second].map(|one| one.state().borrow().requests as f64 / pages);
    assert!(shares.iter().all(|share| *share > 0.4), "{shares:?}");
}
