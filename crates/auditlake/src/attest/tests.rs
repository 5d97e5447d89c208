//! What a statement says of gaps and chains, and that it notices a change.

use auditlake_store::Covered;
use jiff::Timestamp;
use serde_json::json;

use super::{chain::Chain, gather::gaps};

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn covered(from: i64, to: i64) -> Covered {
    Covered { from: time(from), to: time(to), first_read: time(900), last_read: time(900) }
}

#[test]
fn gaps_are_what_nothing_covers() {
    let of = |list: &[Covered]| -> Vec<(i64, i64)> {
        gaps(list, time(100), time(200)).iter().map(|gap| (gap.from.as_second(), gap.to.as_second())).collect()
    };
    assert_eq!(of(&[]), [(100, 200)]);
    assert_eq!(of(&[covered(100, 200)]), []);
    assert_eq!(of(&[covered(100, 120), covered(150, 160)]), [(120, 150), (160, 200)]);
    assert_eq!(of(&[covered(110, 150), covered(120, 130), covered(150, 200)]), [(100, 110)]);
}

#[test]
fn a_cursor_comes_from_a_page_before() {
    let page = |chain: &mut Chain, query: &str, last: &str| {
        let detail = json!({"query": query, "request_id": format!("req_{last}"), "rows": 2, "first_id": "f", "last_id": last, "rejected": 0, "sha256": "00"});
        chain.page(time(500), &detail);
    };
    let window = "created_at.gte=1970-01-01T00:01:40Z&created_at.lt=1970-01-01T00:03:20Z&limit=2";
    let mut chain = Chain::new(time(100), time(200));
    page(&mut chain, "limit=1", "newest");
    page(&mut chain, window, "a");
    page(&mut chain, &format!("{window}&after_id=a"), "b");
    page(&mut chain, &format!("{window}&after_id=lost"), "c");
    page(&mut chain, "created_at.gte=1970-01-01T01:00:00Z&limit=2", "d");
    let requests = chain.finish();
    assert_eq!((requests.pages, requests.begun, requests.continued), (3, 1, 1));
    assert_eq!(requests.broken, ["req_c"]);
    assert_eq!(requests.records, 6);
}
