//! Commits: exactly once, all or nothing, byte for byte.

use jiff::Timestamp;
use serde_json::json;

use super::{batch, commit, read::raws, sample};
use crate::{Commit, Counts, Engine, LedgerEntry, LedgerQuery, Select, SourceInfo};

fn counted(new: u64, known: u64) -> Counts {
    Counts { new, known, late: 0 }
}

pub(super) async fn keeps_bytes(store: &impl Engine) {
    let mut truth = sample(40);
    truth.push(
        "{ \"type\" : \"t\",\n\t\"id\":\"spaced\" , \"created_at\":\"2026-01-01T00:00:00+01:00\", \"x\":1e3 }".into(),
    );
    truth.push(
        r#"{"id":"e\u0073c","created_at":"2026-01-01T00:00:00.5Z","type":"t\u0000\u0001","claude_chat_id":"a\u001fb"}"#
            .into(),
    );
    store.commit(commit(&truth)).await.expect("commit");
    let mut found = raws(store, &Select::default()).await;
    found.sort();
    truth.sort();
    assert_eq!(found, truth, "the raw log is byte for byte what was committed");
}

pub(super) async fn drops_what_is_known(store: &impl Engine) {
    let all = sample(50);
    let first = store.commit(commit(&all[..30])).await.expect("commit");
    assert_eq!(first.total(), counted(30, 0));
    let mut poorer = all[3].replace("plain", "").replace("claude_chat_3", "");
    poorer.push(' ');
    let mut second =
        Commit { batches: vec![batch(&all[20..40]), batch(&all[35..50])], ..Commit::new(SourceInfo::new("other")) };
    second.batches.push(batch(&[poorer.as_str(), &all[49], &all[49]]));
    let second = store.commit(second).await.expect("commit");
    assert_eq!(
        second.batches,
        [counted(10, 10), counted(10, 5), counted(0, 3)],
        "known are: stored before, standing in an earlier batch, standing twice"
    );
    let mut found = raws(store, &Select::default()).await;
    found.sort();
    let mut truth = all.clone();
    truth.sort();
    assert_eq!(found, truth, "the first-seen record is never replaced");
    let status = store.status().await.expect("status");
    assert_eq!(
        (status.activities, status.sources["main"].activities, status.sources["other"].activities),
        (50, 30, 20)
    );
}

pub(super) async fn commits_all_or_nothing_with_numbers(store: &impl Engine) {
    let commits = store.commits();
    assert_eq!(*commits.borrow(), 0);
    let all = sample(6);
    let mut first = commit(&all[..4]);
    first.checkpoints.push(("tail".into(), Some(json!({"watermark": "w1"}))));
    first.checkpoints.push(("backfill".into(), Some(json!([1, 2]))));
    let at = Timestamp::from_second(1_800_000_000).unwrap_or_default();
    first.ledger.push(LedgerEntry { at, kind: "page".into(), batch: Some(0), detail: json!({"request_id": "req_1"}) });
    first.ledger.push(LedgerEntry { at, kind: "error".into(), batch: None, detail: json!({"status": 529}) });
    let done = store.commit(first).await.expect("commit");
    assert_eq!(done.seq, 1);
    let mut second = Commit::new(SourceInfo::new("main"));
    second.checkpoints.push(("tail".into(), Some(json!({"watermark": "it's"}))));
    second.checkpoints.push(("backfill".into(), None));
    assert_eq!(store.commit(second).await.expect("commit of no rows").seq, 2);
    assert_eq!(*commits.borrow(), 2, "whoever watches sees the last number");
    let checkpoints = store.checkpoints("main").await.expect("checkpoints");
    assert_eq!(checkpoints.into_iter().collect::<Vec<_>>(), [("tail".to_owned(), json!({"watermark": "it's"}))]);
    assert!(store.checkpoints("other").await.expect("checkpoints").is_empty());
    let ledger = store.ledger(&LedgerQuery::default()).await.expect("ledger");
    let page = ledger.iter().find(|row| row.kind == "page").expect("the page's entry");
    assert_eq!((page.seq, page.entry, page.new, page.known, page.at), (1, Some(0), 4, 0, at));
    assert_eq!(page.detail, json!({"request_id": "req_1"}));
    assert_eq!(ledger.len(), 2);
    let none =
        LedgerQuery { since: Some(Timestamp::from_second(1_800_000_001).unwrap_or_default()), ..Default::default() };
    assert!(store.ledger(&none).await.expect("ledger").is_empty());
}

pub(super) async fn keeps_many(store: &impl Engine) {
    let all = sample(9_000);
    store.commit(commit(&all[..5_000])).await.expect("commit");
    let counts = store.commit(commit(&all[2_500..])).await.expect("commit").total();
    assert_eq!(counts, counted(4_000, 2_500));
    assert_eq!(store.commit(commit(&all)).await.expect("commit").total(), counted(0, 9_000));
    assert_eq!(store.status().await.expect("status").activities, 9_000);
}
