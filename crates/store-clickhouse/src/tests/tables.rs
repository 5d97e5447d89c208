//! The tables and views: their types, their retention, what becomes of older ones, and that what changes does not grow for ever.

use std::time::Duration;

use auditlake_store::{
    Columns, FeedQuery, FeedReader, Order, Reader, Select, StoreError, Writer,
    contract::{batch, commit, sample},
};
use serde_json::json;

use super::{
    bad::{holds, open, page},
    engine::{fault, fresh, mend},
};
use crate::{
    Options,
    client::Server,
    schema::tables::{Layout, VERSION, VIEWS, new_enough},
    tidy,
};

fn inside(options: &Options) -> Server {
    Server::new(options).of_database(&options.database)
}

async fn run(options: &Options, text: &str) {
    inside(options).execute("testing", text).await.unwrap_or_else(|error| panic!("{error}"));
}

async fn texts(options: &Options, text: &str) -> Vec<Vec<String>> {
    let table = inside(options).rows("testing", text).await.unwrap_or_else(|error| panic!("{error}"));
    table.rows().map(|row| (0..2).map(|at| row.string(at)).collect()).collect()
}

/// As the published description of the original table lists them.
const ORIGINAL: &str = "workspaceID String, sourceID String, sourceType String, sourceTTL UInt32, receivedAt DateTime, id String, \
eventTime DateTime, eventName String, eventID String, srcIP String, srcASCountryCode String, srcASNumber UInt32, \
srcASOrganization String, srcCity String, srcConnectionType String, srcISP String, srcLatitude Float64, srcLongitude Float64, \
srcUserType String, dstIP String, dstASCountryCode String, dstASNumber UInt32, dstASOrganization String, dstCity String, \
dstConnectionType String, dstISP String, dstLatitude Float64, dstLongitude Float64, dstUserType String, actor Map(String, String), \
tags Map(String, String), resources Array(String), serviceName String, enrichments Array(Tuple(data Map(String, String), \
name String, provider String, type String, value String)), readOnly Bool, rawLog String, activityID String, activityType String, \
organizationID String, actorType String, actorEmail String, actorUserID String, actorIPAddress String, actorUserAgent String, \
actorAPIKeyID String, actorAdminAPIKeyID String";

#[tokio::test]
async fn the_unified_record_has_literally_the_types_of_the_original() {
    let Some(options) = fresh().await else { return };
    open(&options).await;
    let found = texts(&options, "DESCRIBE TABLE anthropic_logs SETTINGS print_pretty_type_names = 0").await;
    assert_eq!(found.len(), 46);
    let found: Vec<String> = found.iter().map(|column| column.join(" ")).collect();
    assert_eq!(found.join(", "), ORIGINAL);
}

#[tokio::test]
async fn rows_are_deleted_at_the_end_of_their_retention() {
    let Some(options) = fresh().await else { return };
    let store = open(&options).await;
    let all = sample(30);
    // The newest of them happened in 2026: a day is over, 6 years are not.
    let mut brief = page(&all[..10], "one");
    brief.source.ttl_days = 1;
    brief.batches = vec![batch(&all[..10].iter().map(|raw| raw.replace("2026-", "2020-")).collect::<Vec<_>>())];
    let mut never = page(&all[10..20], "two");
    never.source.ttl_days = u32::MAX;
    store.commit(brief).await.unwrap();
    store.commit(never).await.unwrap();
    store.commit(page(&all[20..], "three")).await.unwrap();
    run(&options, "OPTIMIZE TABLE activity FINAL").await;
    let store = open(&options).await;
    holds(&store, &all[10..], "three", 3).await;
    let feed = store.feed_page(&FeedQuery { limit: 100, ..FeedQuery::default() }).await.unwrap();
    assert_eq!((feed.rows.len(), feed.has_more), (20, false));
    let select = Select { columns: Columns::Summary, order: Order::Newest, ..Select::default() };
    let rows = store.select(&select).await.unwrap().collect().await.unwrap();
    assert_eq!(rows.iter().map(|rows| rows.num_rows()).sum::<usize>(), 20);
    // What the feed shows again of it is stored again.
    let again = store.commit(page(&all, "four")).await.unwrap();
    assert_eq!(again.total().new, 10);
}

#[tokio::test]
async fn older_tables_are_brought_up_to_date() {
    let Some(options) = fresh().await else { return };
    let layout = Layout { database: options.database.clone(), cluster: None };
    Server::new(&options).execute("testing", &format!("CREATE DATABASE {}", options.database)).await.unwrap();
    for text in layout.version_1() {
        // As version 1 was written down, with views that had a hash instead of a revision.
        let from = text.find("TTL ").map(|at| at..text.find(" SETTINGS").unwrap());
        let old = from.map_or(text.clone(), |range| {
            text.replace(&text[range], "TTL event_time + toIntervalDay(least(source_ttl, 100000))")
        });
        let mut old = old.replace("CODEC(T64, LZ4)", "CODEC(DoubleDelta, ZSTD(1))");
        if let Some(from) = old.find(", INDEX by_resource ") {
            let people = ["email actor_email", "user actor_user_id"]
                .map(|name| format!(", INDEX by_{name} TYPE bloom_filter(0.01) GRANULARITY 1"));
            old.replace_range(from..old.find(", PROJECTION ").unwrap(), &people.concat());
        }
        if let Some(from) = old.find(", actor_label ") {
            old.replace_range(from..old.find(", INDEX ").unwrap(), "");
        }
        run(&options, &old).await;
    }
    run(&options, "INSERT INTO schema_version (version, views) VALUES (1, '12345678901234567890')").await;
    let all = sample(9);
    open(&options).await.commit(page(&all, "one")).await.unwrap();
    holds(&open(&options).await, &all, "one", 1).await;
    let made = texts(
        &options,
        "SELECT create_table_query, '' FROM system.tables WHERE name = 'activity' AND database = currentDatabase()",
    )
    .await;
    assert!(made[0][0].contains("TTL toDateTime(least(greatest("), "{made:?}");
    for column in ["seq", "received_at", "event_time"] {
        let from = made[0][0].find(&format!("`{column}` ")).unwrap();
        assert!(made[0][0][from..].split(", `").next().unwrap().ends_with("CODEC(T64, LZ4)"), "{column}: {made:?}");
    }
    // What names the actor is known of rows that were stored before it had a column.
    let labels = "SELECT toString(actor_label), event_id FROM activity ORDER BY event_id";
    let before = texts(&options, labels).await;
    assert!(before.len() == all.len() && before.iter().any(|row| !row[0].is_empty()), "{before:?}");
    run(&options, "ALTER TABLE activity DROP COLUMN actor_label").await;
    run(&options, "ALTER TABLE schema_version DELETE WHERE version > 2").await;
    open(&options).await;
    assert_eq!(texts(&options, labels).await, before);
    // As a table is that was made by this version: only the name of the database differs.
    let Some(other) = fresh().await else { return };
    open(&other).await;
    let fresh = texts(
        &other,
        "SELECT create_table_query, '' FROM system.tables WHERE name = 'activity' AND database = currentDatabase()",
    )
    .await;
    assert_eq!(made[0][0].replace(&options.database, ""), fresh[0][0].replace(&other.database, ""));
}

#[tokio::test]
async fn views_only_go_forward() {
    let Some(options) = fresh().await else { return };
    let all = sample(9);
    open(&options).await.commit(page(&all, "one")).await.unwrap();
    // A newer program's views stay as they are.
    run(&options, &format!("INSERT INTO schema_version (version, views) VALUES ({VERSION}, 'revision {}')", VIEWS + 1))
        .await;
    fault(&options.database, "kind=refuse&count=9&match=VIEW").await;
    holds(&open(&options).await, &all, "one", 1).await;
    mend(&options.database).await;

    let Some(options) = fresh().await else { return };
    open(&options).await.commit(page(&all, "one")).await.unwrap();
    run(&options, "ALTER TABLE schema_version UPDATE views = 'revision 1' WHERE true").await;
    // Older ones are made anew by who may, and read by who may not.
    fault(&options.database, "kind=refuse&count=9&match=VIEW").await;
    holds(&open(&options).await, &all, "one", 1).await;
    mend(&options.database).await;
    open(&options).await;
    let found = texts(&options, "SELECT argMax(views, at), '' FROM schema_version").await;
    assert_eq!(found[0][0], format!("revision {VIEWS}"));
}

/// If this fails, the views are others than before: raise `VIEWS`, and write down what they are now.
#[test]
fn other_views_have_another_revision() {
    let views = Layout { database: "auditlake".to_owned(), cluster: None }.views().join(";");
    let fingerprint = auditlake_store::content_hash(views.as_bytes());
    insta::assert_snapshot!(format!("revision {VIEWS}: {fingerprint:016x}"));
}

#[test]
fn knows_how_old_a_server_may_be() {
    for version in ["25.8.2.1", "25.10.1", "26.9.2.1", "odd"] {
        assert!(new_enough(version).is_ok(), "{version}");
    }
    for version in ["25.5.2.1", "24.12.1", "24.8.4.1", "23.12"] {
        let error = new_enough(version).unwrap_err();
        assert!(error.to_string().contains("25.8 or newer") && error.hint().is_some(), "{error}");
    }
}

#[tokio::test]
async fn what_newer_versions_replaced_is_removed() {
    let Some(options) = fresh().await else { return };
    let options = Options { lease: Duration::from_millis(400), ..options };
    let store = open(&options).await;
    let all = sample(40);
    for (at, some) in all.chunks(4).enumerate() {
        let mut one = page(some, &format!("mark {at}"));
        one.own_reads = vec![format!("own {at}")];
        one.checkpoints.push(("brief".into(), (at < 5).then(|| json!(at))));
        store.commit(one).await.unwrap();
        // Long enough that the right has to be renewed.
        tokio::time::sleep(Duration::from_millis(110)).await;
    }
    let count = async |condition: &str| {
        let text = format!("SELECT toString(count()), '' FROM state WHERE {condition}");
        texts(&options, &text).await[0][0].parse::<u64>().unwrap()
    };
    assert_eq!(count("area = 'checkpoint'").await, 20);
    assert!(count("area = 'lease' AND startsWith(value, 'renewed ')").await > 3);
    let lasting = "area IN ('commit', 'aborted', 'own_read')";
    let before = count(lasting).await;
    tidy::tidy(&store.inner, Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(count("area = 'checkpoint'").await, 20, "what is younger stays");
    tidy::tidy(&store.inner, Duration::ZERO).await.unwrap();
    assert_eq!(count("area = 'checkpoint'").await, 1, "one that is, and none of those that are gone");
    assert_eq!(count("area = 'lease' AND startsWith(value, 'renewed ')").await, 0);
    assert_eq!(count("area = 'lease'").await, 1, "who has the right is known");
    assert_eq!((before, count(lasting).await), (20, 20));
    let checkpoints = store.checkpoints("main").await.unwrap();
    assert_eq!((checkpoints.len(), &checkpoints["tail"]), (1, &json!("mark 9")));
    holds(&open(&options).await, &all, "mark 9", 10).await;
    store.commit(commit(&sample(41))).await.unwrap();
}

#[tokio::test]
async fn whoever_may_write_tidies_up_once_a_day() {
    let Some(options) = fresh().await else { return };
    let store = open(&options).await;
    store.commit(page(&sample(3), "one")).await.unwrap();
    let count =
        async || texts(&options, "SELECT toString(count()), '' FROM state WHERE area = 'tidied'").await[0][0].clone();
    for _ in 0..2 {
        let mut writer = store.inner.writer.lock().await;
        writer.tidied = None;
        writer.rest(&store.inner).await.unwrap();
        drop(writer);
        assert_eq!(count().await, "1");
    }
}

#[tokio::test]
async fn a_cluster_answers_with_what_was_written_before() {
    let Some(options) = fresh().await else { return };
    let server = Server::new(&Options { cluster: Some("main".to_owned()), ..options.clone() });
    for (setting, value) in
        [("insert_quorum", "auto"), ("insert_quorum_parallel", "0"), ("select_sequential_consistency", "1")]
    {
        let table = server.rows("asking", &format!("SELECT toString(getSetting('{setting}'))")).await.unwrap();
        let found = table.first().map(|row| row.string(0)).unwrap();
        assert_eq!(found.replace("true", "1").replace("false", "0"), value, "{setting}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_not_left_behind() {
    use auditlake_store::moving::{Movable, Part};
    let Some(options) = fresh().await else { return };
    let store = open(&options).await;
    for (area, part) in [("alert", Part::Alerts), ("delivery", Part::Deliveries), ("drift", Part::Drift)] {
        assert!(store.items(part, 0, 9).await.unwrap().is_empty());
        let values = format!("('{area}', 'one', 1, 0, false, 'nonsense')");
        run(&options, &format!("INSERT INTO state (area, key, version, seq, deleted, value) VALUES {values}")).await;
        let failed = store.items(part, 0, 9).await;
        assert!(
            matches!(&failed, Err(StoreError::Engine { message, .. }) if message.contains("cannot read")),
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn a_database_is_known_however_its_server_is_spelt() {
    let Some(options) = fresh().await else { return };
    let (one, other) = (open(&options).await, fresh().await.unwrap());
    let spelt = Options { url: options.url.replace("127.0.0.1", "localhost"), ..options };
    assert_eq!(one.identity().await.unwrap(), open(&spelt).await.identity().await.unwrap());
    assert_ne!(one.identity().await.unwrap(), open(&other).await.identity().await.unwrap());
}
