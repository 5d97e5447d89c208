//! Whose activities are read: more organizations than before mean all of the past once more.

use super::{
    odd::{Odd, is_done, until},
    *,
};

/// Rows of two organizations by turns.
fn rows() -> Vec<Bytes> {
    let one = |id: usize| {
        let text = String::from_utf8(row(id, after(-100.0 * (id + 1) as f64)).to_vec()).unwrap();
        let organization = format!(r#""organization_id":"org_{}","actor""#, id % 2);
        Bytes::from(text.replace(r#""actor""#, &organization))
    };
    (0..200).map(one).collect()
}

fn collector(upstream: &Arc<Odd>, store: &Arc<MemoryStore>, dir: &std::path::Path, ids: &[&str]) -> Collector {
    let organization_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    let options = SourceOptions { organization_ids, ..options(dir) };
    Collector::new(options, upstream.clone(), Arc::new(Budget::new(6_000, 0.0)), store.clone())
}

fn scope(store: &MemoryStore) -> Vec<String> {
    store.account("acme").organization_ids().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_not_read_before_is_read_when_it_is_wanted() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::new(rows());
    until(&collector(&upstream, &store, dir.path(), &["org_0"]), is_done).await;
    assert_eq!((store.ids().len(), scope(&store)), (100, vec!["org_0".to_owned()]));
    let wider = collector(&upstream, &store, dir.path(), &["org_1", "org_0"]);
    wider.recall().await.unwrap();
    assert!(covered(&store).is_empty(), "what was covered says nothing of the other one");
    let state = until(&wider, is_done).await;
    assert_eq!((store.ids().len(), state.late), (200, 0));
    assert_eq!(scope(&store), ["org_0", "org_1"]);
    let read = auditlake_store::Span { from: state.covered[0].from, to: state.covered.last().unwrap().to };
    assert!(read.from <= after(-40_000.0) && read.to >= after(-100.0), "{read:?}");
    // Less of it takes nothing anew.
    let requests = upstream.requests.load(Ordering::Relaxed);
    until(&collector(&upstream, &store, dir.path(), &["org_1"]), |state| state.known > 0 && is_done(state)).await;
    assert!(upstream.requests.load(Ordering::Relaxed) - requests < 10);
    assert_eq!((scope(&store), told(&store)), (vec!["org_1".to_owned()], covered(&store)));
    // And everything is more than one of them.
    until(&collector(&upstream, &store, dir.path(), &[]), is_done).await;
    assert_eq!((scope(&store), told(&store)), (vec![], covered(&store)));
    assert!(upstream.requests.load(Ordering::Relaxed) - requests > 30);
}

#[tokio::test(start_paused = true)]
async fn one_feed_does_not_speak_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let budget = Arc::new(Budget::new(6_000, 0.0));
    let one = |name: &'static str| {
        let (upstream, store) = (Odd::named(name, rows()), Arc::new(MemoryStore::new()));
        upstream.echoes.store(true, Ordering::Relaxed);
        let options = SourceOptions { stalled_after: Duration::from_secs(120), ..options(dir.path()) };
        let options = SourceOptions { info: SourceInfo::new(name), ..options };
        (Collector::new(options, upstream.clone(), budget.clone(), store), upstream)
    };
    let ((well, _), (silent, upstream)) = (one("well"), one("silent"));
    let (stopper, stop) = stop();
    let (mut state, other) = (silent.state(), well.state());
    let watch = async {
        state.wait_for(|state| state.own_reads > 3 && state.echo.is_some()).await.unwrap();
        upstream.echoes.store(false, Ordering::Relaxed);
        let found = tokio::time::timeout(Duration::from_secs(600), state.wait_for(|state| state.is_stalled)).await;
        assert!(found.map(drop).is_ok(), "the echoes of the other one are none of this one");
        assert!(!other.borrow().is_stalled);
        stopper.stop();
    };
    let (first, second, ()) = tokio::join!(well.run(stop.clone()), silent.run(stop), watch);
    first.and(second).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_other_commands_ask_is_ours_too() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let upstream = Odd::named("check", rows());
    upstream.echoes.store(true, Ordering::Relaxed);
    let query = Query { limit: 1, ..Query::default() };
    let asked = crate::Asked::of(&upstream.page(&query).await);
    upstream.echoes.store(false, Ordering::Relaxed);
    let is_tagged = || store.stored().rows["activity_check_0"].own_read;
    let service = collector(&upstream, &store, dir.path(), &[]);
    until(&service, is_done).await;
    assert!(!is_tagged(), "nobody has told of it");
    service.note(vec![asked.clone()]).await.unwrap();
    assert!(is_tagged(), "also of what is stored");
    assert_eq!(store.stored().ledger.last().unwrap().detail["for"], "check");
    // Told before it is collected, by an earlier process.
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    collector(&upstream, &store, dir.path(), &[]).note(vec![asked]).await.unwrap();
    until(&collector(&upstream, &store, dir.path(), &[]), is_done).await;
    assert!(store.stored().rows["activity_check_0"].own_read);
}
