//! Pages that do not come at the size at which they are asked for: following gets past them, and gives up nothing that a smaller
//! page, or patience, brings.

use super::{
    odd::{Odd, collector, is_done, past, until},
    *,
};

/// Follows while so many activities happen, one each seven seconds, of which the sixth cannot be read.
async fn follow(upstream: &Arc<Odd>, collector: &Collector, store: &MemoryStore, seconds: u64) {
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        state.wait_for(is_done).await.unwrap();
        upstream.poison.lock().unwrap().push("activity_000505".to_owned());
        for id in 500..535 {
            let at = upstream.now();
            upstream.rows.lock().unwrap().push(row(id, at));
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    assert_eq!(store.ids().len(), 54, "all but the one");
    assert!(!store.ids().contains(&"activity_000505".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_for_long_is_closed_in_on() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(20));
    // Without `x-should-retry`: eight attempts and some two minutes each time, longer than a reading may take.
    *upstream.fails.lock().unwrap() = || ErrorKind::Api(ApiError::internal());
    follow(&upstream, &collector(&upstream, &store, dir.path()), &store, 1_800).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_overlap_leaves_time_enough_to_close_in() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(20));
    // A few seconds are all that a reading may take.
    let options = SourceOptions { overlap: SignedDuration::from_secs(8), page_limit: 500, ..options(dir.path()) };
    let collector = Collector::new(options, upstream.clone(), Arc::new(Budget::new(6_000, 0.0)), store.clone());
    follow(&upstream, &collector, &store, 600).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_indexed_late_meanwhile_is_found_by_the_next_reading() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(20));
    *upstream.fails.lock().unwrap() = || ErrorKind::Api(ApiError::internal());
    // Nothing else would find it.
    let options = SourceOptions { rounds: Vec::new(), ..options(dir.path()) };
    let collector = Collector::new(options, upstream.clone(), Arc::new(Budget::new(6_000, 0.0)), store.clone());
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        state.wait_for(is_done).await.unwrap();
        let begun = upstream.now();
        let push = |id: usize, at: Timestamp| upstream.rows.lock().unwrap().push(row(id, at));
        // A reading of several pages is under way, and stops in its middle for longer than the overlap.
        upstream.poison.lock().unwrap().push("activity_000520".to_owned());
        (500..530).for_each(|id| push(id, begun + SignedDuration::from_millis(id as i64)));
        for id in 530..550 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            push(id, upstream.now());
            if id == 535 {
                push(900, begun - SignedDuration::from_secs(100));
            }
        }
        upstream.poison.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_secs(900)).await;
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    assert_eq!(store.ids().len(), 71);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_passes_small_pages_only_is_no_obstacle() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(2_000));
    upstream.widest.store(30, Ordering::Relaxed);
    let start = after(-300_000.0);
    let options = SourceOptions { page_limit: 100, backfill_from: Some(start), ..options(dir.path()) };
    let collector = Collector::new(options, upstream.clone(), Arc::new(Budget::new(6_000, 0.0)), store.clone());
    let state = until(&collector, |state| state.new == 2_000 && is_done(state)).await;
    assert_eq!(state.trouble, None);
    assert!(state.unreadable.is_empty(), "nothing is given up for it: {:?}", state.unreadable);
    let failed = state.errors["overloaded_error"];
    assert!(failed < 300, "{failed} requests failed of {}", state.requests);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_no_gateway_passes_is_waited_for() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(50));
    upstream.poison.lock().unwrap().push("activity_000023".to_owned());
    *upstream.fails.lock().unwrap() = || ErrorKind::Api(ApiError::new(504, "not in time"));
    let collector = collector(&upstream, &store, dir.path());
    let (stopper, stop) = stop();
    let state = collector.state();
    let watch = async {
        tokio::time::sleep(Duration::from_secs(6 * 3_600)).await;
        assert!(state.borrow().new < 50 && state.borrow().trouble.is_some());
        assert!(state.borrow().unreadable.is_empty(), "nothing is given up that may come yet");
        upstream.poison.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
    assert_eq!(store.ids().len(), 50);
    assert_eq!(collector.state().borrow().trouble, None);
}

#[tokio::test(start_paused = true)]
async fn a_moment_is_given_up_only_while_others_can_be_read() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(600));
    upstream.poison.lock().unwrap().push("activity_000020".to_owned());
    *upstream.fails.lock().unwrap() = || ErrorKind::Api(ApiError { should_retry: Some(false), ..ApiError::internal() });
    // A page a second, so that not all is read at once.
    let options = SourceOptions { parallel: 1, ..options(dir.path()) };
    let collector = Collector::new(options, upstream.clone(), Arc::new(Budget::new(60, 0.0)), store.clone());
    let (_stopper, stop) = stop();
    let mut state = collector.state();
    let outage = async {
        // The one moment has been given up, and other pages have come since.
        state.wait_for(|state| !state.unreadable.is_empty() && state.new > 230).await.unwrap();
        assert!(state.borrow().new < 500, "not all of them");
        upstream.is_down.store(true, Ordering::Relaxed);
        let before = state.borrow().requests;
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        let asked = state.borrow().requests - before;
        assert!(asked < 1_000, "{asked} requests in half an hour to a feed that is down");
        upstream.is_down.store(false, Ordering::Relaxed);
    };
    let read = collector.read(Job::Backfill, after(-70_000.0), after(0.0), stop, &|_| {});
    let (report, ()) = tokio::join!(read, outage);
    assert!(report.unwrap().is_done);
    assert_eq!(store.ids().len(), 599);
    assert_eq!(collector.state().borrow().unreadable.len(), 1, "{:?}", collector.state().borrow().unreadable);
}
