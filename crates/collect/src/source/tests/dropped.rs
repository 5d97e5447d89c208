//! Whoever goes away in mid-commit leaves nothing behind that the next commit would overwrite.

use auditlake_store::{Span, merged};

use super::{
    odd::{Odd, collector, is_done, past},
    *,
};
use crate::desk::Work;

#[tokio::test(start_paused = true)]
async fn a_commit_that_nobody_waits_for_any_more_is_taken_note_of() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let collector = collector(&Odd::new(past(5)), &store, dir.path());
    collector.recall().await.unwrap();
    let span = |at: u32| Span { from: after(f64::from(at) * 100.0), to: after(f64::from(at) * 100.0 + 50.0) };
    let work = |at: u32| Work { read: vec![span(at)], ..Work::default() };
    for polls in 1..12 {
        let _ = Killed(Box::pin(collector.desk.commit(work(2 * polls))), polls).await;
        collector.desk.commit(work(2 * polls + 1)).await.unwrap();
    }
    assert_eq!(covered(&store), told(&store));
    assert_eq!(collector.state().borrow().covered, covered(&store));
    let read: Vec<Span> = covered(&store).iter().map(|part| Span { from: part.from, to: part.to }).collect();
    assert!(read.len() > 11, "some were dropped when they had begun: {read:?}");
    assert!((1..12).all(|polls| read.contains(&span(2 * polls + 1))));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_broken_off_again_and_again_covers_what_it_has_read() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(300));
    let collector = collector(&upstream, &store, dir.path());
    for polls in 1..80 {
        let (_stopper, stop) = stop();
        let nobody = |_| {};
        let read = collector.read(Job::Backfill, after(-40_000.0), after(0.0), stop, &nobody);
        // Half of them fail at the store, the other half are hung up on.
        store.fail(u32::from(polls % 8 == 0));
        let _ = Killed(Box::pin(read), polls).await;
    }
    let (_stopper, stop) = stop();
    let report = collector.read(Job::Backfill, after(-40_000.0), after(0.0), stop, &|_| {}).await.unwrap();
    assert!(report.is_done);
    assert_eq!(store.ids().len(), 300);
    assert_eq!(covered(&store), told(&store));
    let spans = covered(&store).iter().map(|part| Span { from: part.from, to: part.to }).collect();
    assert_eq!(merged(spans), [Span { from: after(-40_000.0), to: after(0.0) }]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_stopped_stops_nothing_else() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let collector = collector(&Odd::new(past(300)), &store, dir.path());
    let (stopper, until_stopped) = stop();
    let mut state = collector.state();
    let job = async {
        state.wait_for(is_done).await.unwrap();
        let (hung_up, until_hung_up) = stop();
        let nobody = |_| {};
        let read = collector.read(Job::Reconcile, after(-40_000.0), after(0.0), until_hung_up, &nobody);
        let hang_up = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(hung_up);
        };
        let (report, ()) = tokio::join!(read, hang_up);
        assert!(!report.unwrap().is_done);
        assert_eq!(state.borrow().phase, Phase::Following);
        stopper.stop();
    };
    tokio::join!(collector.run(until_stopped), job).0.unwrap();
    assert_eq!(collector.state().borrow().phase, Phase::Stopped);
}
