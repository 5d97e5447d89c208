//! Look-ups: kept as they were, found by who, what and words, forgotten when their time has come.

use jiff::Timestamp;

use crate::{
    Engine, Window,
    lookup::{Lookup, LookupQuery, Lookups},
};

fn lookup(second: i64, who: &str, what: &str, detail: &str) -> Lookup {
    Lookup {
        at: Timestamp::from_second(1_790_000_000 + second).unwrap_or_default(),
        who: who.to_owned(),
        address: (who == "ann").then(|| "192.0.2.1".to_owned()),
        what: what.to_owned(),
        detail: detail.to_owned(),
        link: format!("/{what}?q=x"),
    }
}

/// Look-ups keep every sign, and are found by each of their parts.
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub async fn keeps_lookups<E: Engine + Lookups>(store: &E) {
    let all = [
        lookup(3, "bob", "sql", "select '\u{202e}'; drop table lookup; --"),
        lookup(2, "ann", "explorer", "actor:Eve@example.com 100%_"),
        lookup(1, "ann", "explorer", ""),
    ];
    store.note(Vec::new()).await.expect("nothing");
    store.note(all.iter().rev().cloned().collect()).await.expect("noted");
    let find = async |query: LookupQuery| store.lookups(&query).await.expect("lookups");
    assert_eq!(find(LookupQuery::default()).await, all);
    let query = LookupQuery { who: Some("ann".to_owned()), limit: Some(1), ..LookupQuery::default() };
    assert_eq!(find(query).await, all[1..2]);
    let query = LookupQuery { word: Some("eve@EXAMPLE".to_owned()), ..LookupQuery::default() };
    assert_eq!(find(query).await, all[1..2]);
    let query = LookupQuery { word: Some("0%_".to_owned()), ..LookupQuery::default() };
    assert_eq!(find(query).await, all[1..2], "no sign of a word is a pattern");
    let query = LookupQuery { what: Some("sql".to_owned()), ..LookupQuery::default() };
    assert_eq!(find(query).await, all[..1]);
    let window = Window { since: Some(all[1].at), until: Some(all[0].at) };
    assert_eq!(find(LookupQuery { window, ..LookupQuery::default() }).await, all[1..2]);
    let counts = store.lookup_counts(&LookupQuery::default()).await.expect("counts");
    let told: Vec<(&str, &str, u64)> =
        counts.iter().map(|one| (one.who.as_str(), one.what.as_str(), one.count)).collect();
    assert_eq!(told, [("ann", "explorer", 2), ("bob", "sql", 1)]);
    assert_eq!(counts[0].last, all[1].at);
    assert_eq!(store.forget_lookups(all[1].at).await.expect("forgotten"), 1);
    assert_eq!(find(LookupQuery::default()).await, all[..2]);
}
