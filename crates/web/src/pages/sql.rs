//! `/sql`: one statement that reads, what may stand in it beside it, its answer as a table and as a chart, and `/sql.csv`
//! the same to be saved. The statement stands in the address (`q`), so that it can be passed on.

mod chart;

use std::{sync::Arc, time::Duration};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema},
};
use askama::Template;
use auditlake_store::{Result, SqlQuery, StoreError};
use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::{Map, Value};

use self::chart::Bars;
use super::{Frame, render, text};
use crate::{ApiError, Dialect, Site, answer::json_lines, csv, guard, scope::Params, text::Count as _};

/// The page shows so many rows; a file has at most so many.
const SHOWN: u64 = 1_000;
const SAVED: u64 = 1_000_000;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Statements that every engine takes.
const EXAMPLES: [(&str, &str); 4] = [
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
];

#[derive(Template)]
#[template(path = "sql.html")]
struct Page<'a> {
    frame: Frame<'a>,
    dialect: Dialect,
    statement: &'a str,
    answer: Option<Answer>,
    wrong: Option<(String, Option<String>)>,
    waits: bool,
    columns: Arc<Vec<(String, String)>>,
    csv_url: String,
}

impl Page<'_> {
    /// Statements to begin with. How a member of JSON is named, each engine has for itself.
    fn examples(&self) -> Vec<(&'static str, &'static str)> {
        let member = match self.dialect {
            Dialect::DuckDb => {
                "select rawLog->>'$.status_code' as status, count(*) as n\nfrom activities\nwhere eventName = 'compliance_api_accessed'\ngroup by 1\norder by n desc"
            }
            Dialect::ClickHouse => {
                "select JSONExtractRaw(rawLog, 'status_code') as status, count(*) as n\nfrom activities\nwhere eventName = 'compliance_api_accessed'\ngroup by 1\norder by n desc"
            }
        };
        EXAMPLES.into_iter().chain([("A member of the raw log", member)]).collect()
    }
}

/// What came.
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Cells>,
    /// Why there are no more.
    cut: Option<String>,
    elapsed_ms: u64,
    bars: Option<Bars>,
}

struct Column {
    name: String,
    is_number: bool,
}

/// A row, in the order of the columns.
type Cells = Vec<Option<String>>;

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/sql", get(page)).route("/sql.csv", get(save))
}

async fn page(State(site): State<Arc<Site>>, headers: HeaderMap, Query(params): Query<Params>) -> Response {
    let statement = params.get("q").unwrap_or_default();
    // A link on somebody else's page may open this one, but not put the engine to work.
    let waits = !guard::is_asked_here(&headers);
    let (mut answer, mut wrong) = (None, None);
    if !statement.is_empty() && !waits {
        match ask(&site, statement).await {
            Ok(found) => answer = Some(found),
            Err(error) => wrong = Some((error.to_string(), error.hint().map(str::to_owned))),
        }
    }
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let frame = Frame::of(&site, "SQL").at("/sql");
    let (dialect, columns) = ((site.settings)().dialect, columns(&site).await);
    let csv_url = params.url("/sql.csv");
    render(status, &Page { frame, dialect, statement, answer, wrong, waits, columns, csv_url })
}

async fn save(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Query(params): Query<Params>,
) -> std::result::Result<Response, ApiError> {
    if !guard::is_asked_here(&headers) {
        return Err(guard::from_elsewhere());
    }
    let query = query(params.get("q").unwrap_or_default(), SAVED);
    let rows = site.engine.sql(query).await?;
    let mut head = String::new();
    csv::row(rows.schema.fields().iter().map(|field| field.name()), &mut head);
    let mut batches = rows.batches;
    // What cannot be written shows in the first rows, before there is a file.
    let first = batches.try_next().await?.map_or(Ok(String::new()), |batch| lines(&batch))?;
    let more = batches.map(|batch| batch.and_then(|batch| lines(&batch)));
    let body = stream::iter([Ok(head + &first)]).chain(more).map_ok(bytes::Bytes::from);
    let body = axum::body::Body::from_stream(body);
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
            Ok(Some(batch)) => rows.append(&mut cells(&batch)?),
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

/// The rows by position: two columns may have the same name.
fn cells(batch: &RecordBatch) -> Result<Vec<Cells>> {
    let unwritable = |error: &dyn std::fmt::Display| {
        StoreError::Statement(format!("the answer cannot be shown: {error}; cast such a column to varchar"))
    };
    let schema = batch.schema();
    let numbered = schema.fields().iter().enumerate();
    let fields: Vec<_> = numbered.map(|(at, field)| field.as_ref().clone().with_name(at.to_string())).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec())
        .map_err(|error| unwritable(&error))?;
    let written = json_lines(&batch).map_err(|error| unwritable(&error))?;
    let lines = written.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let row = |line| {
        let row: Map<String, Value> = serde_json::from_slice(line).map_err(|error| unwritable(&error))?;
        Ok((0..batch.num_columns()).map(|at| cell(row.get(&at.to_string()))).collect())
    };
    lines.map(row).collect()
}

fn cell(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The same for a file.
fn lines(batch: &RecordBatch) -> Result<String> {
    let mut text = String::new();
    for row in cells(batch)? {
        csv::row(row.into_iter().map(Option::unwrap_or_default), &mut text);
    }
    Ok(text)
}

/// What the view `activities` has; nothing if the engine does not say. Engines name the columns of a description as they
/// like; the first is the name and the second the type.
async fn columns(site: &Site) -> Arc<Vec<(String, String)>> {
    let described = site.ask().lasting().once("describe activities".to_owned(), async |engine| {
        let mut list = Vec::new();
        for batch in engine.sql(query("describe activities", SHOWN)).await?.collect().await? {
            let pairs = cells(&batch)?.into_iter().map(|row| row.into_iter().take(2).flatten().collect::<Vec<_>>());
            list.extend(pairs.filter_map(|pair| <[String; 2]>::try_from(pair).ok()).map(<(String, String)>::from));
        }
        Ok(list)
    });
    described.await.unwrap_or_default()
}
