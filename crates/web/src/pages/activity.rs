//! `/activity/{id}`: everything about one activity: in words, where it came from, as the unified record, and as it was
//! received. `/activity/{id}/panel` is the same for a place beside a table.

mod json;
mod panel;

use std::sync::Arc;

use askama::Template;
use auditlake_store::{
    Columns, Result, Select, Window,
    filter::{Filter, Known, Test},
};
use axum::{
    Router,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use self::json::Pretty;
pub use self::panel::Panel;
use super::{Frame, failed, missing, plain_not_found, render, text};
use crate::{ApiError, Site, text::Moment as _};

/// Two activities whose ids differ in upper and lower case only are found alike. More than this never happens.
const NAMESAKES: u64 = 16;

#[derive(Template)]
#[template(path = "activity.html")]
struct Page<'a> {
    frame: Frame<'a>,
    beside: Beside,
}

#[derive(Template)]
#[template(path = "activity/panel.html")]
pub struct Beside {
    pub panel: Panel,
}

/// A column of the unified record.
pub struct Entry {
    pub name: String,
    pub value: Option<String>,
    pub is_text: bool,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/activity/{id}", get(page))
        .route("/activity/{id}/raw", get(raw))
        .route("/activity/{id}/panel", get(beside))
}

type Id = std::result::Result<Path<String>, PathRejection>;

async fn page(State(site): State<Arc<Site>>, id: Id) -> Response {
    let Ok(Path(id)) = id else { return missing(&site, "This is no activity's address.", None) };
    match Panel::load(&site, &id).await {
        Ok(Some(panel)) => {
            let frame = Frame::of(&site, text::plain(&panel.line.event_name, 80));
            render(StatusCode::OK, &Page { frame, beside: Beside { panel } })
        }
        Ok(None) => {
            let hint = "look for it in the Explorer; it may not have been collected yet";
            missing(&site, &format!("There is no activity {id}."), Some(hint))
        }
        Err(error) => failed(&site, &error),
    }
}

async fn beside(State(site): State<Arc<Site>>, id: Id) -> std::result::Result<Response, ApiError> {
    let Path(id) = id?;
    match Panel::load(&site, &id).await? {
        Some(panel) => Ok(render(StatusCode::OK, &Beside { panel })),
        None => Ok(plain_not_found()),
    }
}

/// The activity byte for byte as it was received, to be saved.
async fn raw(State(site): State<Arc<Site>>, id: Id) -> std::result::Result<Response, ApiError> {
    let Path(id) = id?;
    let Some(row) = find(&site, &id, Columns::Raw).await? else { return Ok(plain_not_found()) };
    let raw = row.get("rawLog").and_then(Value::as_str).unwrap_or_default().to_owned();
    let name: String = id.chars().filter(|sign| sign.is_ascii_alphanumeric() || *sign == '_').take(80).collect();
    let disposition = format!("attachment; filename=\"{name}.json\"");
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, raw).into_response())
}

/// The row of the activity with just this id.
async fn find(site: &Site, id: &str, columns: Columns) -> Result<Option<Map<String, Value>>> {
    let sought = id.to_owned();
    let place = site.ask().once(format!("place of {id}"), async move |engine| engine.locate(&sought).await).await?;
    let Some(position) = place.as_ref() else { return Ok(None) };
    let select = Select {
        filter: Filter::test(Known::Id, Test::Equals(id.to_owned())),
        window: moment(position.time),
        limit: Some(NAMESAKES),
        columns,
        ..Select::default()
    };
    let rows = site.ask().rows(&select).await?;
    Ok(rows.iter().find(|row| row.get("eventID").and_then(Value::as_str) == Some(id)).cloned())
}

/// The microsecond that begins at `time`.
fn moment(time: Timestamp) -> Window {
    Window { since: Some(time), until: time.checked_add(SignedDuration::from_micros(1)).ok() }
}

impl Entry {
    fn of((name, value): (String, Value)) -> Entry {
        let is_text = matches!(value, Value::String(_));
        let value = match value {
            Value::Null => None,
            Value::String(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Array(list) if list.is_empty() => None,
            other => Some(other.to_string()),
        };
        Entry { name, value, is_text }
    }
}
