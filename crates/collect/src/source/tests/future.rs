//! What has not happened yet has not been read, whoever asks for it.

use auditlake_store::Span;

use super::{
    odd::{Odd, collector, is_done, past, until},
    *,
};
use crate::desk::Work;

/// Where what is covered ends.
fn end(covered: &[Covered]) -> Timestamp {
    covered.last().unwrap().to
}

#[tokio::test(start_paused = true)]
async fn a_job_into_the_future_reads_up_to_the_present() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(20));
    let collector = collector(&upstream, &store, dir.path());
    until(&collector, is_done).await;
    let (_stopper, stop) = stop();
    let report = collector.read(Job::Backfill, after(-1_000.0), after(9e6), stop, &|_| {}).await.unwrap();
    assert!(report.is_done && report.span.to <= upstream.now(), "{report:?}");
    assert!(end(&covered(&store)) <= upstream.now(), "{:?}", covered(&store));
    // What happens then is not late.
    for id in 100..110 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let at = upstream.now();
        upstream.rows.lock().unwrap().push(row(id, at));
    }
    let state = until(&collector, |state| state.new == 30).await;
    assert_eq!(state.late, 0);
}

#[tokio::test(start_paused = true)]
async fn what_an_older_program_took_for_read_is_mended() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(past(20));
    until(&collector(&upstream, &store, dir.path()), is_done).await;
    let part =
        |from: f64, to: Timestamp| Covered { from: after(from), to, first_read: after(0.0), last_read: after(0.0) };
    let ahead = Timestamp::now() + SignedDuration::from_hours(1_000);
    let wrong = [part(-40_000.0, ahead - SignedDuration::from_hours(1)), part(1e9, ahead)];
    let checkpoints = |name: &str, value: serde_json::Value| {
        store.stored().checkpoints.get_mut("acme").unwrap().insert(name.to_owned(), value);
    };
    checkpoints(Covered::CHECKPOINT, serde_json::json!(wrong));
    let mended = collector(&upstream, &store, dir.path());
    mended.recall().await.unwrap();
    assert_eq!(covered(&store).len(), 1);
    assert!(end(&covered(&store)) <= Timestamp::now());
    assert_eq!(told(&store), covered(&store));
    assert_eq!(mended.state().borrow().covered, covered(&store));
}

#[tokio::test(start_paused = true)]
async fn a_slow_clock_of_ours_does_not_take_away_what_was_followed() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let collector = collector(&Odd::new(past(5)), &store, dir.path());
    // The feed is ahead of this machine by days, and has been followed so far.
    let ahead = Timestamp::now() + SignedDuration::from_hours(100);
    let read = |to: Timestamp| vec![Span { from: after(0.0), to }];
    let work = Work { read: read(ahead), watermark: Some(ahead), ..Work::default() };
    collector.desk.commit(work).await.unwrap();
    assert_eq!(end(&covered(&store)), ahead);
    let beyond = read(ahead + SignedDuration::from_secs(1));
    collector.desk.commit(Work { read: beyond, ..Work::default() }).await.unwrap();
    assert_eq!(end(&covered(&store)), ahead);
}
