//! The contract against the real engine, and what only this engine promises.

mod bad;
mod cluster;
pub(crate) mod engine;
mod same;
mod tables;
mod turns;

use arrow::array::AsArray;
use auditlake_store::{Columns, Order, Reader, Select, Window, Writer, contract, filter};
use jiff::Timestamp;

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
async fn finds_what_the_reference_finds() {
    if engine::fresh().await.is_none() {
        return;
    }
    // What is older than its source's retention the server deletes when it likes.
    let is_kept = |raw: &str| raw.contains(r#""created_at":"2026"#);
    contract::random::filters_find_what_the_reference_finds(&open().await, 400, is_kept).await;
}

/// Pages are looked for in a part of their window first: they are the beginning of everything there is.
#[tokio::test]
async fn a_page_is_the_beginning_of_everything() {
    if engine::fresh().await.is_none() {
        return;
    }
    let store = open().await;
    store.commit(contract::commit(&contract::sample(9_000))).await.unwrap();
    let ids = async |select: Select| -> Vec<String> {
        let rows = store.select(&select).await.unwrap().collect().await.unwrap();
        let ids = rows.iter().flat_map(|rows| rows["eventID"].as_string::<i32>().iter().flatten());
        ids.map(str::to_owned).collect()
    };
    let at = |row: i64| Timestamp::from_second(1_790_000_000 + row / 3 * 977).ok();
    let windows = [(None, None), (at(2_000), at(8_000)), (None, at(5_001)), (at(8_800), None)];
    let (mut in_steps, mut asked) = (0, 0);
    for text in
        ["", "type:sso_login_failed", "claude_chat_7", "raw.count:3", "raw.list.id:proj_4444", "-raw.title:plain"]
    {
        for (since, until) in windows {
            for order in [Order::Newest, Order::Oldest] {
                let window = Window { since, until };
                let filter = filter::parse(text).unwrap();
                let select = Select { filter, window, order, columns: Columns::Raw, ..Select::default() };
                let all = ids(select.clone()).await;
                for limit in [1, 7] {
                    let page = Select { limit: Some(limit), ..select.clone() };
                    let end = all.len().min(limit as usize);
                    assert_eq!(ids(page.clone()).await, all[..end], "{limit} of {text:?} in {window:?}, {order:?}");
                    in_steps += usize::from(!store.inner.steps(&page).await.unwrap().is_empty());
                    asked += 1;
                }
            }
        }
    }
    assert!(in_steps > asked / 4, "{in_steps} of {asked}");
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
