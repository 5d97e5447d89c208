//! `/sql`: one statement that reads, what may stand in it beside it, its answer as a table and as a chart, and `/sql.csv`
//! the same to be saved. The statement stands in the address (`q`), so that it can be passed on.

mod chart;

use std::{sync::Arc, time::Duration};

use arrow::datatypes::DataType;
use askama::Template;
use auditlake_store::{Result, SqlQuery, StoreError};
use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::TryStreamExt;
use jiff::Timestamp;
use serde_json::{Map, Value};

use self::chart::Bars;
use super::{Frame, render, text};
use crate::{ApiError, Site, answer::json_lines, csv, scope::Params, text::Count as _};

/// The page shows so many rows; a file has at most so many.
const SHOWN: u64 = 1_000;
const SAVED: u64 = 1_000_000;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Statements to begin with.
const EXAMPLES: [(&str, &str); 5] = [
    ("Most frequent types", "select eventName, count(*) as n\nfrom activities\ngroup by 1\norder by n desc\nlimit 20"),
    (
        "Activities a day",
        "select date_trunc('day', eventTime) as day, count(*) as n\nfrom activities\ngroup by 1\norder by 1",
    ),
    (
        "Failed sign-ins by address",
        "select srcIP, count(*) as n, count(distinct actorLabel) as actors\nfrom activities\nwhere category = 'authentication' and outcome = 'failure'\ngroup by 1\norder by n desc\nlimit 20",
    ),
    (
        "Keys by use",
        "select coalesce(actorAPIKeyID, actorAdminAPIKeyID) as key, count(*) as n, max(eventTime) as last\nfrom activities\nwhere key is not null\ngroup by 1\norder by n desc\nlimit 20",
    ),
    (
        "A member of the raw log",
        "select rawLog->>'$.status_code' as status, count(*) as n\nfrom activities\nwhere eventName = 'compliance_api_accessed'\ngroup by 1\norder by n desc",
    ),
];

#[derive(Template)]
#[template(path = "sql.html")]
struct Page<'a> {
    frame: Frame<'a>,
    statement: &'a str,
    answer: Option<Answer>,
    wrong: Option<(String, Option<String>)>,
    waits: bool,
    columns: Arc<Vec<(String, String)>>,
    csv_url: String,
}

/// What came.
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Option<String>>>,
    /// Why there are no more.
    cut: Option<String>,
    elapsed_ms: u64,
    bars: Option<Bars>,
}

struct Column {
    name: String,
    is_number: bool,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/sql", get(page)).route("/sql.csv", get(save))
}

async fn page(State(site): State<Arc<Site>>, headers: HeaderMap, Query(params): Query<Params>) -> Response {
    let statement = params.get("q").unwrap_or_default();
    // A link on somebody else's page may open this one, but not put the engine to work.
    let waits = headers.get("sec-fetch-site").is_some_and(|from| from == "cross-site");
    let (mut answer, mut wrong) = (None, None);
    if !statement.is_empty() && !waits {
        match ask(&site, statement).await {
            Ok(found) => answer = Some(found),
            Err(error) => wrong = Some((error.to_string(), error.hint().map(str::to_owned))),
        }
    }
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let frame = Frame::of(&site, "SQL").at("/sql");
    let columns = columns(&site).await;
    let csv_url = params.url("/sql.csv");
    render(status, &Page { frame, statement, answer, wrong, waits, columns, csv_url })
}

async fn save(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> std::result::Result<Response, ApiError> {
    let query = query(params.get("q").unwrap_or_default(), SAVED);
    let rows = site.engine.sql(query).await?;
    let names: Vec<String> = rows.schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut head = String::new();
    csv::row(&names, &mut head);
    let body = rows.batches.map_ok(move |batch| {
        let mut text = String::new();
        for row in objects(&batch) {
            csv::row(names.iter().map(|name| cell(&row, name).unwrap_or_default()), &mut text);
        }
        bytes::Bytes::from(text)
    });
    let head = futures::stream::iter([Ok::<_, StoreError>(bytes::Bytes::from(head))]);
    let body = axum::body::Body::from_stream(futures::StreamExt::chain(head, body));
    let name = format!("attachment; filename=\"query-{}.csv\"", text::utc(Timestamp::now(), "%Y%m%d-%H%M%S"));
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, body).into_response())
}

fn query(text: &str, max_rows: u64) -> SqlQuery {
    let params = std::collections::BTreeMap::new();
    SqlQuery { text: text.to_owned(), params, timeout: Some(TIMEOUT), max_rows: Some(max_rows) }
}

async fn ask(site: &Site, statement: &str) -> Result<Answer> {
    let begin = std::time::Instant::now();
    let found = site.engine.sql(query(statement, SHOWN)).await?;
    let column = |field: &Arc<arrow::datatypes::Field>| {
        let is_number = field.data_type().is_numeric() && !matches!(field.data_type(), DataType::Boolean);
        Column { name: field.name().clone(), is_number }
    };
    let columns: Vec<Column> = found.schema.fields().iter().map(column).collect();
    let (mut rows, mut cut, mut batches) = (Vec::new(), None, found.batches);
    loop {
        match batches.try_next().await {
            Ok(Some(batch)) => {
                let row = |row: Map<String, Value>| columns.iter().map(|column| cell(&row, &column.name)).collect();
                rows.extend(objects(&batch).into_iter().map(row));
            }
            Ok(None) => break,
            Err(error @ StoreError::Limit { .. }) if !rows.is_empty() => {
                cut = Some(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let elapsed_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let numbers: Vec<bool> = columns.iter().map(|column| column.is_number).collect();
    let bars = Bars::of(&numbers, &rows);
    Ok(Answer { columns, rows, cut, elapsed_ms, bars })
}

fn objects(batch: &arrow::array::RecordBatch) -> Vec<Map<String, Value>> {
    let lines = json_lines(batch).unwrap_or_default();
    let lines = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn cell(row: &Map<String, Value>, name: &str) -> Option<String> {
    match row.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// What the view `activities` has; nothing if the engine does not say.
async fn columns(site: &Site) -> Arc<Vec<(String, String)>> {
    let described = site.ask().lasting().once("describe activities".to_owned(), async |engine| {
        let batches = engine.sql(query("describe activities", SHOWN)).await?.collect().await?;
        let rows = batches.iter().flat_map(objects);
        Ok(rows.filter_map(|row| Some((cell(&row, "column_name")?, cell(&row, "column_type")?))).collect())
    });
    described.await.unwrap_or_default()
}
