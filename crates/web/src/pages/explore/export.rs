//! What was found, to be saved: the table's columns as CSV, or whole records as JSON lines.

use std::sync::Arc;

use auditlake_store::{Columns, Select, StoreError};
use axum::{
    body::Body,
    extract::{Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Asked, Wrong,
    table::{Column, chosen},
};
use crate::{
    ApiError, Site,
    answer::{Form, json_lines as lines_of, respond},
    csv,
    scope::Params,
    text,
};

/// A file has at most so many rows.
const ROWS: u64 = 100_000;

pub async fn csv(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Result<Response, ApiError> {
    let asked = asked(&site, params).await?;
    let columns = chosen(&asked);
    let rows = site.engine.select(&select(&asked, Columns::Summary)).await?;
    let mut head = String::new();
    csv::row(columns.iter().map(|column| column.name), &mut head);
    let body = rows.batches.map_ok(move |batch| {
        let mut text = String::new();
        for line in lines_of(&batch).unwrap_or_default().split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if let Ok(row) = serde_json::from_slice::<Map<String, Value>>(line) {
                csv::row(columns.iter().map(|column: &&Column| column.value(&row).unwrap_or_default()), &mut text);
            }
        }
        Bytes::from(text)
    });
    let head = futures::stream::iter([Ok::<_, StoreError>(Bytes::from(head))]);
    let body = Body::from_stream(futures::StreamExt::chain(head, body));
    Ok(saved(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response(), "csv"))
}

pub async fn json_lines(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Result<Response, ApiError> {
    let asked = asked(&site, params).await?;
    let rows = site.engine.select(&select(&asked, Columns::Unified)).await?;
    Ok(saved(respond(rows, Form::JsonLines).await?, "jsonl"))
}

async fn asked(site: &Site, params: Params) -> Result<Asked, ApiError> {
    let asked = Asked::of(site.ask(), params).await?;
    match asked.wrong {
        Some(Wrong { message, hint, .. }) => Err(ApiError::invalid(message).hint(hint)),
        None => Ok(asked),
    }
}

fn select(asked: &Asked, columns: Columns) -> Select {
    let (filter, window) = (asked.filter.clone(), asked.scope.window);
    Select { filter, window, limit: Some(ROWS), columns, ..Select::default() }
}

/// As a file whose name says when it was made.
fn saved(mut response: Response, extension: &str) -> Response {
    let name = format!("activities-{}.{extension}", text::utc(Timestamp::now(), "%Y%m%d-%H%M%S"));
    if let Ok(value) = format!("attachment; filename=\"{name}\"").parse() {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
