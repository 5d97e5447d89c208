//! Late enrichment: what is said of stored activities changes, and nothing else of them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use activity::{Enrichment, Record};

use super::{commit, read::raws, sample};
use crate::{
    CountBy, Engine, Enriched, Enriching, LateEnrichment, Order, Select, Window,
    filter::{self, Filter},
};

/// An enrichment that knows this country for every address, the user agent's first word and the person by any name.
fn with(country: &'static str, asked: Arc<AtomicUsize>) -> Arc<dyn Fn(&Record) -> Enrichment + Send + Sync> {
    Arc::new(move |record| {
        asked.fetch_add(1, Ordering::Relaxed);
        let actor = &record.activity.actor;
        let client = |agent: &str| agent.split('/').next().unwrap_or_default().to_lowercase();
        Enrichment {
            place: actor.text("ip_address").map(|_| country.into()),
            agent: actor.text("user_agent").map(|agent| client(agent).into()),
            person: actor.text("email_address").map(|email| format!("\u{1f}{email}").into()),
        }
    })
}

async fn count(store: &impl Engine, column: &str) -> Vec<(String, u64)> {
    let count = CountBy { column: column.into(), filter: Filter::All, window: Window::default(), limit: 100 };
    store.count_by(&count).await.expect("count")
}

pub(super) async fn changes_what_enrichment_says<E: Engine + Enriching>(store: &E) {
    let all = sample(300);
    store.commit(commit(&all[..200])).await.expect("commit");
    store.commit(commit(&all[200..])).await.expect("commit");
    let oldest = Select { order: Order::Oldest, ..Select::default() };
    let before = raws(store, &oldest).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let late = |country, window| LateEnrichment { window, with: with(country, asked.clone()) };
    let done = store.enrich(late("DE", Window::default())).await.expect("enrich");
    assert_eq!(done, Enriched { asked: 300, places: 200, agents: 200, people: 100 });
    assert!(asked.load(Ordering::Relaxed) < 60, "once for all that are alike: {asked:?}");
    assert_eq!(count(store, "srcASCountryCode").await, [("DE".to_owned(), 200)]);
    assert_eq!(count(store, "client").await, [("curl".to_owned(), 100), ("mozilla".to_owned(), 100)]);
    assert_eq!(count(store, "personName").await.len(), 7);
    let again = store.enrich(late("DE", Window::default())).await.expect("enrich");
    assert_eq!(again, Enriched { asked: 300, ..Enriched::default() }, "nothing is said otherwise");
    let middle = activity::Activity::parse_str(&before[150]).expect("an activity").created_at;
    let window = Window { since: Some(middle), until: None };
    let done = store.enrich(late("FR", window)).await.expect("enrich");
    let found = count(store, "srcASCountryCode").await;
    assert_eq!(found.iter().find(|(name, _)| name == "FR").map(|(_, rows)| *rows), Some(done.places));
    assert!(found.len() == 2 && done.agents == 0 && done.asked < 300, "{found:?} {done:?}");
    let nothing = LateEnrichment { window: Window::default(), with: Arc::new(|_| Enrichment::default()) };
    assert_eq!(store.enrich(nothing).await.expect("enrich").places, 0);
    assert_eq!(count(store, "srcASCountryCode").await, found, "what was said stays");
    assert_eq!(raws(store, &oldest).await, before, "the raw log is as it was");
    assert_eq!(*store.commits().borrow(), 2, "nothing was committed");
    let filter = filter::parse("country:fr client:curl").expect("a filter");
    assert!(!raws(store, &Select { filter, ..Select::default() }).await.is_empty());
    store.commit(commit(&sample(310))).await.expect("a commit goes on after it");
}
