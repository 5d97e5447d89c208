//! The contract against the real engine, and what only this engine promises.

mod bad;
mod cluster;
pub(crate) mod engine;
mod same;
mod tables;
mod turns;

use auditlake_store::contract;

use crate::ClickStore;

/// What the statements of the contract are in this engine's SQL.
const SPELLING: [(&str, &str); 12] = [
    ("list_contains(", "has("),
    ("cardinality(tags)", "length(tags)"),
    ("enrichments is null", "empty(enrichments)"),
    ("srcConnectionType is null", "srcConnectionType = ''"),
    (
        "srcASCountryCode is null and srcASNumber is null and srcLatitude is null and srcUserType is null",
        "srcASCountryCode = '' and srcASNumber = 0 and srcLatitude = 0 and srcUserType = ''",
    ),
    ("tags['os_version'] is null", "tags['os_version'] = ''"),
    ("tags['category'] is not null", "tags['category'] != ''"),
    (
        "len(list_filter(enrichments, lambda e: e.name = 'geoip'))",
        "length(arrayFilter(e -> e.name = 'geoip', enrichments))",
    ),
    (
        "len(list_filter(enrichments, lambda e: e.provider = 'Sample-City 2026-01-02'))",
        "length(arrayFilter(e -> e.provider = 'Sample-City 2026-01-02', enrichments))",
    ),
    (
        "len(list_filter(enrichments, lambda e: e.data['department'] = 'Engineering'))",
        "length(arrayFilter(e -> e.data['department'] = 'Engineering', enrichments))",
    ),
    ("l.detail->>'request_id'", "JSONExtractString(l.detail, 'request_id')"),
    ("srcLatitude = 0\"", "srcLatitude = 0\""),
];

fn spell(text: &str) -> String {
    SPELLING.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

async fn open() -> ClickStore {
    ClickStore::open(engine::fresh().await.expect("the engine")).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn keeps_the_contract() {
    if engine::fresh().await.is_none() {
        return;
    }
    contract::run_spelled(open, &spell).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_outbox() {
    if engine::fresh().await.is_none() {
        return;
    }
    contract::outbox::run(open).await;
}

#[tokio::test]
async fn keeps_lookups() {
    if engine::fresh().await.is_none() {
        return;
    }
    contract::lookups::keeps_lookups(&open().await).await;
}

#[tokio::test]
async fn keeps_alerts() {
    if engine::fresh().await.is_none() {
        return;
    }
    contract::alerts::run(&open().await).await;
}

#[tokio::test]
async fn enriches_late() {
    if engine::fresh().await.is_none() {
        return;
    }
    contract::run_enriching(open).await;
}
