//! Reading again is put off by nothing: not by a past that does not come to its end, nor by days without the process.

use super::{
    odd::{Odd, collector, is_done, past, until},
    *,
};

#[tokio::test(start_paused = true)]
async fn a_past_that_does_not_end_keeps_no_round_away() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(300));
    // Hours before the round begins.
    upstream.poison.lock().unwrap().push("activity_000190".to_owned());
    *upstream.fails.lock().unwrap() = || ErrorKind::Api(ApiError::new(504, "not in time"));
    let collector = collector(&upstream, &store, dir.path());
    let (stopper, stop) = stop();
    let mut state = collector.state();
    let watch = async {
        state.wait_for(|state| state.new > 150).await.unwrap();
        upstream.rows.lock().unwrap().push(row(999, after(-1_500.5)));
        let found = tokio::time::timeout(Duration::from_secs(7_200), state.wait_for(|state| state.late == 1)).await;
        assert!(found.map(drop).is_ok(), "it is found in the first round");
        assert!(!state.borrow().backfill.unwrap().is_done());
        stopper.stop();
    };
    tokio::join!(collector.run(stop), watch).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_round_after_days_without_the_process_looks_where_the_last_one_would_have() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(50));
    until(&collector(&upstream, &store, dir.path()), is_done).await;
    // Indexed late while nobody looks, and days go by with more.
    upstream.rows.lock().unwrap().push(row(999, after(-1_500.5)));
    for id in 1_000..1_050 {
        tokio::time::sleep(Duration::from_secs(7_200)).await;
        let at = upstream.now();
        upstream.rows.lock().unwrap().push(row(id, at));
    }
    let state = until(&collector(&upstream, &store, dir.path()), |state| state.late == 1).await;
    assert_eq!(state.new, 51);
    assert!(store.stored().rows["activity_000999"].late);
}

#[tokio::test(start_paused = true)]
async fn what_is_followed_page_by_page_is_covered_page_by_page() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(10));
    until(&collector(&upstream, &store, dir.path()), is_done).await;
    // A day is to be caught up with, and that is broken off again and again.
    for id in 100..400 {
        tokio::time::sleep(Duration::from_secs(300)).await;
        let at = upstream.now();
        upstream.rows.lock().unwrap().push(row(id, at));
    }
    let mut done = 0;
    while done < 300 {
        let now = collector(&upstream, &store, dir.path());
        let (_stopper, stop) = stop();
        let _ = Killed(Box::pin(now.run(stop)), 60).await;
        drop(now.desk.coverage.lock().await);
        assert!(store.stored().rows.len() > done.min(309), "each time is some of it read");
        done = store.stored().rows.len();
    }
    let state = until(&collector(&upstream, &store, dir.path()), |state| state.known > 0).await;
    let spans = state.covered.iter().map(|part| auditlake_store::Span { from: part.from, to: part.to }).collect();
    assert_eq!(auditlake_store::merged(spans).len(), 1, "{:?}", state.covered);
}
