//! The statements of a cluster: as they are, and as the server's parser reads them. There is no cluster to run them on.

use super::engine;
use crate::schema::tables::Layout;

fn statements() -> Vec<String> {
    let layout = Layout { database: "auditlake".to_owned(), cluster: Some("it's `main`".to_owned()) };
    let mut all = layout.version_1();
    all.extend(layout.version_2());
    all.extend(layout.version_3());
    all.extend(layout.views());
    all
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
