//! The read API: who may ask, what is asked of the store, and how answers are written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use arrow::ipc::reader::StreamReader;
use auditlake_store::{Columns, Order};
use axum::body::Body;
use serde_json::json;
use support::{TestSite, activity};

const ARROW: &str = "application/vnd.apache.arrow.stream";
const LINES: &str = "application/x-ndjson";

fn lake() -> TestSite {
    let site = TestSite::new();
    let at = |second| format!("2026-04-10T08:09:{second}.000120Z");
    site.store.add(
        "main",
        [
            activity("activity_A", "claude_chat_created", &at(10), r#","claude_chat_id":"chat_1""#),
            activity("activity_B", "sso_login_failed", &at(20), ""),
        ],
    );
    site.store.add("other", [activity("activity_C", "claude_chat_viewed", &at(15), "")]);
    site
}

#[tokio::test]
async fn status_counts_what_is_there() {
    let answer = lake().api("/api/v1/status", "").await;
    assert_eq!(answer.status, 200);
    let status = answer.json();
    assert_eq!(status["activities"], 3);
    assert_eq!(status["seq"], 2);
    assert_eq!(status["oldest"], "2026-04-10T08:09:10.00012Z");
    assert_eq!(status["sources"]["main"]["activities"], 2);
}

#[tokio::test]
async fn sql_answers_in_arrow_unless_asked_otherwise() {
    let site = lake();
    let body = r#"{"sql":"select 1 where 'a' = $who","params":{"who":"a"},"timeout_ms":2500,"max_rows":10}"#;
    let answer = site.sql(body, "*/*").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, ARROW));
    assert_eq!(answer.header("cache-control"), "no-store");
    let batches: Vec<_> = StreamReader::try_new(&*answer.body, None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).collect::<Vec<_>>(), [2, 2]);
    let asked = site.store.asked.lock().unwrap().clone().unwrap();
    assert_eq!((asked.text.as_str(), &*asked.params["who"]), ("select 1 where 'a' = $who", "a"));
    assert_eq!((asked.timeout, asked.max_rows), (Some(Duration::from_millis(2_500)), Some(10)));
}

#[tokio::test]
async fn json_lines_hold_utc_times_objects_and_nulls() {
    let answer = lake().sql(r#"{"sql":"x"}"#, LINES).await;
    assert_eq!(answer.header("content-type"), LINES);
    let first = r#"{"zoned":"2026-04-10T08:09:10.000120Z","plain":"2026-04-10T08:09:10.000120Z","actor":{"type":"user_actor"}}"#;
    let second = r#"{"zoned":"1970-01-01T00:00:00.000000Z","plain":"1970-01-01T00:00:00.000000Z","actor":null}"#;
    assert_eq!(answer.text().lines().collect::<Vec<_>>(), [first, second, first, second]);
}

#[tokio::test]
async fn an_answer_without_rows_has_columns() {
    let answer = lake().sql(r#"{"sql":"empty"}"#, ARROW).await;
    let reader = StreamReader::try_new(&*answer.body, None).unwrap();
    assert_eq!(reader.schema().fields().len(), 3);
    assert_eq!(reader.count(), 0);
    assert_eq!(lake().sql(r#"{"sql":"empty"}"#, LINES).await.text(), "");
}

#[tokio::test]
async fn errors_are_json() {
    let site = lake();
    let answer = site.sql(r#"{"sql":"wrong"}"#, ARROW).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json(), json!({"error": {"type": "statement", "message": "no such table: \"x\""}}));
    // The first batch fails: nothing was sent yet, so it can still be said properly.
    let answer = site.sql(r#"{"sql":"limit"}"#, LINES).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json(), json!({"error": {"type": "limit", "message": "too many rows", "hint": "ask for fewer"}}));
    for body in ["", "{", "[]", r#"{"sql":1}"#, r#"{"sql":"x","no":1}"#, r#"{"sql":"x","params":{"a":1}}"#] {
        let answer = site.sql(body, ARROW).await;
        assert!(answer.status.is_client_error(), "{body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request", "{body}");
    }
    assert_eq!(site.api("/api/v1/nothing", "").await.json()["error"]["type"], "not_found");
    site.store.is_broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = site.api("/api/v1/status", "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["type"]), (500, &json!("engine")));
    assert_eq!(site.get("/healthz").await.status, 503);
    assert_eq!(site.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn select_passes_the_question_on() {
    let site = lake();
    let path = "/api/v1/select?filter=type:claude_*&since=2026-04-10T08:09:00Z&until=2026-04-11&order=arrival&limit=5\
                &columns=summary&after_seq=0&until_seq=9";
    let answer = site.api(path, LINES).await;
    let ids: Vec<_> =
        answer.text().lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
    assert_eq!(
        ids.iter().map(|row| row["eventID"].as_str().unwrap()).collect::<Vec<_>>(),
        ["activity_A", "activity_C"]
    );
    assert_eq!(ids[0]["eventTime"], "2026-04-10T08:09:10.000120Z");
    assert_eq!(ids[0]["target"], "chat_1");
    let select = site.store.selected.lock().unwrap().clone().unwrap();
    assert_eq!((select.order, select.columns, select.limit), (Order::Arrival, Columns::Summary, Some(5)));
    assert_eq!((select.seqs.after, select.seqs.until), (Some(0), Some(9)));
    assert_eq!(select.window.until.unwrap().to_string(), "2026-04-11T00:00:00Z");
}

#[tokio::test]
async fn select_gives_all_columns_newest_first() {
    let answer = lake().api("/api/v1/select", LINES).await;
    let rows: Vec<serde_json::Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    let names: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    let wanted: Vec<&str> = auditlake_store::schema::UNIFIED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, wanted);
    assert_eq!((&rows[0]["eventID"], &rows[0]["actor"]["id"]), (&json!("activity_B"), &json!("user_1")));
    assert!(rows[0]["rawLog"].as_str().unwrap().starts_with(r#"{"id":"activity_B","created_at""#));
}

#[tokio::test]
async fn wrong_questions_say_where_and_what_to_do() {
    let site = lake();
    let error = site.api("/api/v1/select?filter=type:(", "").await.json()["error"].clone();
    assert_eq!(error["type"], "filter");
    assert!(error["at"].is_u64() && error["length"].is_u64() && error["hint"].is_string(), "{error}");
    let error = site.api("/api/v1/select?since=yesterday", "").await.json()["error"].clone();
    assert_eq!(error["message"], "`since` is not a time: yesterday");
    for path in ["order=sideways", "limit=-1", "columns=none", "nonsense=1", "after_seq=x"] {
        let answer = site.api(&format!("/api/v1/select?{path}"), "").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["type"]),
            (400, &json!("invalid_request")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn ledger_is_a_list() {
    let site = lake();
    let answer = site.api("/api/v1/ledger?source=main&limit=1&since=7d", "").await;
    assert_eq!(answer.json()[0]["source"], "main");
    assert_eq!(answer.json()[0]["detail"]["request_id"], "req_1");
    assert_eq!(site.api("/api/v1/ledger", LINES).await.text().lines().count(), 2);
}

#[tokio::test]
async fn only_with_the_token_or_from_an_own_page() {
    let site = lake();
    let send = async |name: &'static str, value: &'static str| {
        let request = support::request("GET", "/api/v1/status").header(name, value);
        site.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(send("authorization", "Bearer secret-token").await.status, 200);
    assert_eq!(send("authorization", "bearer secret-token").await.status, 200);
    assert_eq!(send("sec-fetch-site", "same-origin").await.status, 200);
    for (name, value) in [
        ("x-nothing", ""),
        ("authorization", "Bearer "),
        ("authorization", "Bearer secret-toke"),
        ("authorization", "Basic secret-token"),
        ("authorization", "secret-token"),
        ("sec-fetch-site", "none"),
    ] {
        let answer = send(name, value).await;
        assert_eq!(answer.status, 401, "{name}: {value}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(answer.json()["error"]["type"], "unauthorized");
    }
    for value in ["cross-site", "same-site"] {
        assert_eq!(send("sec-fetch-site", value).await.status, 403, "{value}");
    }
    assert_eq!(site.get("/healthz").await.status, 200);
    let without_token = TestSite::with(|site| site.token = String::new().into());
    let request = support::request("GET", "/api/v1/status").header("authorization", "Bearer ");
    assert_eq!(without_token.send(request.body(Body::empty()).unwrap()).await.status, 401);
}
