//! What is wrong is said once, when it begins and when it is over; and what waits for a person is said to.

use std::sync::atomic::AtomicBool;

use super::{
    bad::Repaired,
    odd::{Odd, collector, is_done, past, until},
    *,
};

#[tokio::test(start_paused = true)]
async fn a_feed_that_leads_nowhere_is_told_of_once() {
    let (log, _listening) = Log::listen();
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let source = MemorySource::new((0..200).map(|id| row(id, after(-40.0 * id as f64)))).unwrap();
    let is_repaired = Arc::new(AtomicBool::new(false));
    let upstream = Arc::new(InProcess::new(Repaired(source, is_repaired.clone())));
    let collector = Collector::new(options(dir.path()), upstream, Arc::default(), store.clone());
    let (stopper, stop) = stop();
    let state = collector.state();
    let watch = async {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        log.says(1, "WARN", "gives the same page again");
        log.says(0, "INFO", "works again");
        assert_eq!(state.borrow().trouble.as_ref().unwrap().kind, "stuck");
        is_repaired.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    assert_eq!(store.ids().len(), 200);
    log.says(1, "WARN", "");
    log.says(1, "INFO", "works again: stuck");
}

#[tokio::test(start_paused = true)]
async fn following_that_leads_nowhere_is_told_of_once() {
    let (log, _listening) = Log::listen();
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let source = MemorySource::new((0..40).map(|id| row(id, after(-4.0 * id as f64)))).unwrap();
    let is_repaired = Arc::new(AtomicBool::new(true));
    let upstream = Arc::new(InProcess::new(Repaired(source, is_repaired.clone())));
    let options = SourceOptions { rounds: Vec::new(), ..options(dir.path()) };
    let collector = Collector::new(options, upstream, Arc::default(), store.clone());
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        state.wait_for(is_done).await.unwrap();
        is_repaired.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        log.says(1, "WARN", "gives the same page again");
        log.says(0, "INFO", "works again");
        is_repaired.store(true, Ordering::Relaxed);
        state.wait_for(|state| state.trouble.is_none()).await.unwrap();
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    log.says(1, "INFO", "works again: stuck");
}

#[tokio::test(start_paused = true)]
async fn a_window_that_cannot_be_read_is_told_of_once() {
    let (log, _listening) = Log::listen();
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(300));
    upstream.poison.lock().unwrap().push("activity_000023".to_owned());
    let collector = collector(&upstream, &store, dir.path());
    let (stopper, stop) = stop();
    let watch = async {
        // Many rounds try it again.
        tokio::time::sleep(Duration::from_secs(10_000)).await;
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    assert_eq!(store.ids().len(), 299);
    assert_eq!(collector.state().borrow().trouble, None);
    log.says(1, "WARN", "the feed's answer cannot be read");
    log.says(1, "WARN", "a moment cannot be read");
    log.says(2, "WARN", "");
    log.says(0, "INFO", "works again");
}

#[tokio::test(start_paused = true)]
async fn a_failure_now_and_then_is_not_worth_a_word() {
    let (log, _listening) = Log::listen();
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(300));
    *upstream.fails.lock().unwrap() = || ErrorKind::Api(ApiError::new(503, "busy"));
    let collector = collector(&upstream, &store, dir.path());
    let (stopper, stop) = stop();
    upstream.hiccups.store(true, Ordering::Relaxed);
    let blinks = async {
        tokio::time::sleep(Duration::from_secs(7_200)).await;
        upstream.hiccups.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(collector.state().borrow().errors["overloaded_error"] > 40);
        log.says(0, "", "busy");
        log.says(0, "", "works again");
        upstream.is_down.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(7_200)).await;
        upstream.is_down.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        stopper.stop();
    };
    tokio::join!(collector.run(stop), blinks).0.unwrap();
    log.says(1, "WARN", "busy");
    log.says(1, "INFO", "works again: overloaded_error");
}

/// A feed that a bug makes panic at a request.
struct Buggy(Arc<Odd>);

#[async_trait]
impl Upstream for Buggy {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        assert!(self.0.requests.load(Ordering::Relaxed) < 20, "a bug");
        self.0.page(query).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_dies_says_so_and_waits_for_a_person() {
    let (log, _listening) = Log::listen();
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Arc::new(Buggy(Odd::new(past(300))));
    let collector = Collector::new(options(dir.path()), upstream, Arc::default(), store.clone());
    let (_stopper, stop) = stop();
    assert!(collector.collect(stop).await.is_err());
    log.says(1, "ERROR", "collecting has ended: it broke off: a panic: a bug");
    let state = collector.state().borrow().clone();
    assert_eq!(state.phase, Phase::Stopped);
    assert!(state.trouble.is_some_and(|trouble| trouble.needs_person && trouble.kind == "ended"));
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_program_wrote_waits_for_a_person() {
    let (log, _listening) = Log::listen();
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(5));
    until(&collector(&upstream, &store, dir.path()), is_done).await;
    let unknown = serde_json::json!({ "of": "tomorrow" });
    store.stored().checkpoints.get_mut("acme").unwrap().insert("tail".to_owned(), unknown);
    let newer = collector(&upstream, &store, dir.path());
    let (_stopper, stop) = stop();
    assert!(newer.collect(stop).await.is_err());
    log.says(1, "ERROR", "the checkpoint \"tail\" of source \"acme\" cannot be read");
    let trouble = newer.state().borrow().trouble.clone().unwrap();
    assert!(trouble.needs_person && trouble.hint.contains("newer program"), "{trouble:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_waits_for_a_person_and_is_told_of_once() {
    let (log, _listening) = Log::listen();
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    store.fail(7);
    let collector = collector(&Odd::new(past(30)), &store, dir.path());
    let mut seen = collector.state();
    let watch = async {
        let full = seen.wait_for(|state| state.trouble.is_some()).await.unwrap().trouble.clone().unwrap();
        assert!(full.needs_person && !full.is_refused && full.message.contains("no space left"), "{full:?}");
    };
    let is_well = |state: &SourceState| state.new == 30 && state.trouble.is_none();
    tokio::join!(until(&collector, is_well), watch);
    log.says(1, "WARN", "no space left");
    log.says(1, "INFO", "works again: store");
}
