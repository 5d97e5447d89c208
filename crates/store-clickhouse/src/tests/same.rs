//! What is made in another way than by the views has the same answers.

use std::collections::BTreeMap;

use arrow::{array::RecordBatch, compute::concat_batches};
use auditlake_store::{
    Order, Reader, Rows, Select, Seqs, Sql, SqlQuery, Window, Writer,
    contract::{commit, sample},
};

use super::{bad::open, engine::fresh};

async fn together(rows: Rows) -> RecordBatch {
    let schema = rows.schema.clone();
    concat_batches(&schema, &rows.collect().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_statement_with_fewer_columns_has_the_same_answer() {
    let Some(options) = fresh().await else { return };
    let store = open(&options).await;
    store.commit(commit(&sample(200))).await.unwrap();
    let ask = async |text: String| {
        let query = SqlQuery { text, params: BTreeMap::new(), timeout: None, max_rows: None };
        together(store.sql(query).await.unwrap()).await
    };
    for text in [
        "SELECT eventName, count(*) AS n FROM @anthropic_logs GROUP BY 1 ORDER BY n DESC, 1",
        "SELECT date_trunc('hour', eventTime) AS h, count() FROM @anthropic_logs WHERE eventTime > '2000-01-01 00:00:00' GROUP BY h ORDER BY h",
        "SELECT l.eventID, actor['type'], tags['client'], rawLog, eventTime FROM @anthropic_logs AS l ORDER BY 1",
        "WITH t AS (SELECT eventID, arrayJoin(resources) AS r FROM @anthropic_logs) SELECT r, count() FROM t GROUP BY 1 ORDER BY 2 DESC, 1",
        "SELECT a.eventID, b.eventName FROM @activities a JOIN @anthropic_logs b USING (eventID) WHERE a.category != '' ORDER BY 1",
        "SELECT count() FROM @activities",
        "SELECT actorEmail, actorType, count(*) FROM @anthropic_logs WHERE actorEmail LIKE '%a%' AND serviceName != 'x' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        "SELECT category, outcome, ipClass, actorLabel, organizationUUID, length(eventName), upper(sourceID) FROM @activities ORDER BY eventID",
        "SELECT groupArray(eventName), any(workspaceID), max(actorIPAddress), count(DISTINCT actorUserAgent) FROM (SELECT eventName, workspaceID, actorIPAddress, actorUserAgent FROM @anthropic_logs ORDER BY eventID)",
        "SELECT DISTINCT organizationID, [actorUserID], (actorAPIKeyID, 1), if(actorAdminAPIKeyID = '', 'none', actorAdminAPIKeyID) AS k FROM @anthropic_logs ORDER BY ALL",
        "SELECT a.eventName, b.actorEmail, b.category FROM @activities a LEFT JOIN @activities b ON a.activityType = b.actorEmail ORDER BY a.eventID",
        "SELECT eventName FROM (SELECT eventName FROM @anthropic_logs WHERE eventName IN (SELECT activityType FROM @activities WHERE category = 'chats') UNION ALL SELECT 'x') ORDER BY 1",
        "SELECT actorEmail AS e, row_number() OVER (PARTITION BY actorEmail ORDER BY eventTime, eventID) AS n FROM @anthropic_logs ORDER BY e, n",
        "SELECT eventName, count() FROM @anthropic_logs GROUP BY GROUPING SETS ((eventName), ()) ORDER BY 2 DESC, 1",
        "SELECT CAST(actorType AS Nullable(String)) AS t, coalesce(nullIf(actorEmail, ''), nullIf(actorUserID, '')) AS w, splitByChar('_', eventName)[1] AS f, count() FROM @anthropic_logs GROUP BY ALL ORDER BY ALL",
        "SELECT min(eventName), argMax(actorEmail, eventTime), uniqExact(actorIPAddress), topK(3)(serviceName) FROM @anthropic_logs",
    ] {
        let database = format!("{}.", options.database);
        let (narrowed, whole) = (ask(text.replace('@', "")).await, ask(text.replace('@', &database)).await);
        assert!(narrowed.num_rows() > 0, "{text}");
        assert_eq!(narrowed, whole, "{text}");
    }
    // Texts keep their dictionary where nobody can tell.
    for (text, is_packed) in [
        ("SELECT actorEmail, count() FROM anthropic_logs GROUP BY 1", true),
        ("SELECT category, upper(actorLabel) FROM activities", true),
        ("SELECT [actorEmail] FROM anthropic_logs", false),
    ] {
        let made = store.narrowed(text).await.unwrap();
        assert_eq!(!made.contains(" AS Nullable(String))"), is_packed, "{made}");
    }
    let one = ask("SELECT eventID FROM anthropic_logs ORDER BY 1 LIMIT 1".to_owned()).await;
    let id = arrow::array::AsArray::as_string::<i32>(one.column(0)).value(0).to_owned();
    let filter = auditlake_store::filter::parse(&format!("id:{id}")).unwrap();
    let found =
        together(store.select(&Select { filter, order: Order::Oldest, ..Select::default() }).await.unwrap()).await;
    assert_eq!(found.num_rows(), 1);
}

/// A condition that is spelt in another way than the index would be slow, and right.
#[tokio::test]
async fn looks_for_a_resource_by_its_index() {
    let Some(options) = fresh().await else { return };
    let store = open(&options).await;
    store.commit(commit(&sample(200))).await.unwrap();
    for text in ["resource:claude_chat_7", "(target:nobody OR resource:nobody)", "target:nobody outcome:success"] {
        let filter = auditlake_store::filter::parse(text).unwrap();
        let condition = store.inner.condition(&filter, Window::default(), Seqs::default()).await.unwrap();
        let plan = format!("EXPLAIN indexes = 1 SELECT count() FROM activity WHERE {condition}");
        let plan = store.inner.server.rows("explaining", &plan).await.unwrap();
        assert!(plan.rows().any(|row| row.string(0).contains("by_resource")), "{text}: {condition}");
    }
}
