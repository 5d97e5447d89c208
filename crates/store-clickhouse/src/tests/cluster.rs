//! The statements of a cluster: as they are, as the server's parser reads them, and what the tables over all shards make of the contract. The
//! cluster that runs them is one host, without a keeper and so without replicas.

use auditlake_store::{Writer, contract};

use super::{engine, spell};
use crate::{ClickStore, schema::tables::Layout};

async fn open() -> ClickStore {
    let options = engine::fresh().await.expect("the engine");
    let cluster = Some(engine::CLUSTER.to_owned());
    ClickStore::open(crate::Options { cluster, ..options }).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Whether there is an engine that knows the cluster.
async fn is_there() -> bool {
    let Some(server) = engine::server().await else { return false };
    let text = format!("SELECT count() FROM system.clusters WHERE cluster = '{}'", engine::CLUSTER);
    let found = server.rows("looking for the cluster", &text).await.unwrap();
    found.first().and_then(|row| row.number(0)) > Some(0)
}

#[tokio::test]
async fn keeps_the_contract_over_shards() {
    if is_there().await {
        contract::run_spelled(open, &spell).await;
    }
}

#[tokio::test]
async fn keeps_the_other_contracts_over_shards() {
    if is_there().await {
        contract::outbox::run(open).await;
        contract::lookups::keeps_lookups(&open().await).await;
        contract::alerts::run(&open().await).await;
        contract::run_enriching(open).await;
    }
}

#[tokio::test]
async fn finds_what_the_reference_finds_over_shards() {
    if is_there().await {
        let is_kept = |raw: &str| raw.contains(r#""created_at":"2026"#);
        contract::random::filters_find_what_the_reference_finds(&open().await, 60, is_kept).await;
    }
}

fn statements() -> Vec<String> {
    let layout = Layout { database: "auditlake".to_owned(), cluster: Some("it's `main`".to_owned()) };
    let mut all = layout.version_1();
    all.extend(layout.version_2());
    all.extend(layout.version_3());
    all.extend(layout.views());
    all
}

#[tokio::test]
async fn older_tables_over_shards_are_brought_up_to_date() {
    if !is_there().await {
        return;
    }
    let store = open().await;
    store.commit(contract::commit(&contract::sample(9))).await.unwrap();
    let (server, options) = (store.inner.server.clone(), store.inner.options.clone());
    let labels = async || {
        let text = "SELECT toString(actor_label) FROM activity ORDER BY event_id";
        let table = server.rows("reading", text).await.unwrap();
        table.rows().map(|row| row.string(0)).collect::<Vec<_>>()
    };
    let before = labels().await;
    drop(store);
    for text in [
        "ALTER TABLE activity DROP COLUMN actor_label",
        "ALTER TABLE activity_local DROP COLUMN actor_label, DROP INDEX by_resource",
        "ALTER TABLE schema_version_local DELETE WHERE version > 2",
    ] {
        server.execute("testing", text).await.unwrap();
    }
    let store = ClickStore::open(options).await.unwrap();
    assert_eq!(labels().await, before);
    assert_eq!(store.commit(contract::commit(&contract::sample(12))).await.unwrap().total().new, 3);
    assert_eq!(labels().await.len(), 12);
}

#[test]
fn defines_tables_on_all_hosts() {
    let tables: Vec<String> = statements()
        .into_iter()
        .filter(|text| !text.contains(" VIEW "))
        .map(|text| text.replace(", ", ",\n  "))
        .collect();
    insta::assert_snapshot!(tables.join(";\n\n"));
    assert!(statements().iter().all(|text| text.contains(" ON CLUSTER ")));
}

#[tokio::test]
async fn defines_what_the_server_understands() {
    let Some(server) = engine::server().await else { return };
    for text in statements() {
        let tree = server.rows("parsing", &format!("EXPLAIN AST {text}")).await;
        let tree = tree.unwrap_or_else(|error| panic!("{error}: {text}"));
        let kind = tree.first().map(|row| row.string(0)).unwrap_or_default();
        assert!(kind.starts_with("CreateQuery") || kind.starts_with("AlterQuery"), "{kind}: {text}");
    }
}

#[test]
fn views_ask_for_lists_once_for_all_hosts() {
    for text in statements().iter().filter(|text| text.contains(" VIEW ")) {
        for (at, _) in text.match_indices(" IN (SELECT") {
            assert!(text[..at].ends_with(" GLOBAL") || text[..at].ends_with(" GLOBAL NOT"), "{text}");
        }
    }
    let all = statements().join(";");
    assert!(all.contains("seq GLOBAL NOT IN (SELECT version") && all.contains("event_id) GLOBAL IN (SELECT id_hash"));
}
