//! What a statement says of gaps and chains, and that it notices a change.

use auditlake_store::Covered;
use jiff::Timestamp;
use serde_json::json;

use super::{
    chain::Chain,
    gather::gaps,
    statement::{Source, Statement, Totals, VERSION},
};

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

/// What can be found of a source that is read for one organization, with a gap.
fn found() -> Statement {
    let source = Source {
        source: "acme".to_owned(),
        kind: "feed".to_owned(),
        complete: false,
        because: vec!["1 gaps, 50 s together, were not read to their ends".to_owned()],
        organization_ids: vec!["org_1".to_owned()],
        covered: vec![covered(100, 150)],
        gaps: vec![auditlake_store::Span { from: time(150), to: time(200) }],
        unreadable: Vec::new(),
        totals: Totals { activities: 7, own_reads: 2, ..Totals::default() },
        organizations: Default::default(),
        days: Vec::new(),
        requests: Default::default(),
        drift: Default::default(),
    };
    let mut statement = Statement {
        what: "auditlake completeness statement".to_owned(),
        version: VERSION,
        program: "auditlake".to_owned(),
        made_at: time(1_000),
        from: time(100),
        to: time(200),
        seq: 9,
        complete: false,
        sources: vec![source],
        claims: Vec::new(),
        does_not_claim: Vec::new(),
        method: Default::default(),
        sha256: String::new(),
    };
    statement.sha256 = statement.own_hash();
    statement
}

/// What is found to differ from a statement that somebody has changed and given a hash that fits.
fn forged(change: impl FnOnce(&mut Statement)) -> Vec<String> {
    let mut statement = found();
    change(&mut statement);
    statement.sha256 = statement.own_hash();
    statement.differences(&found())
}

#[test]
fn what_is_claimed_of_coverage_is_checked() {
    assert_eq!(forged(|_| {}), [""; 0]);
    let told = forged(|forged| {
        forged.complete = true;
        let source = &mut forged.sources[0];
        (source.complete, source.gaps) = (true, Vec::new());
        source.covered = vec![covered(100, 200)];
    });
    let expected = [
        "acme: covered: stated",
        "acme: gaps: stated none",
        "acme: complete: stated true",
        "the span: stated complete",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    assert!(expected.iter().zip(&told).all(|(start, told)| told.starts_with(start)), "{told:?}");
    let told = forged(|forged| forged.sources[0].covered[0].last_read = time(950));
    assert!(told.len() == 1 && told[0].contains("covered"), "{told:?}");
    let told =
        forged(|forged| forged.sources[0].unreadable = vec![auditlake_store::Span { from: time(110), to: time(111) }]);
    assert!(told.len() == 1 && told[0].contains("unreadable"), "{told:?}");
    let told = forged(|forged| forged.sources[0].organization_ids.clear());
    assert!(told.len() == 1 && told[0].contains("all that the key may read"), "{told:?}");
}

#[test]
fn an_own_request_that_is_known_only_later_is_no_difference() {
    assert_eq!(forged(|forged| forged.sources[0].totals.own_reads = 0), [""; 0]);
    assert_eq!(forged(|forged| forged.sources[0].totals.activities = 8).len(), 1);
}
