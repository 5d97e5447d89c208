//! `/sources`: whether the log is whole: how each source stands, what is left of its budget, what was fetched, where
//! nothing came, and what the catalogue does not know.

mod drift;

use std::sync::Arc;

use askama::Template;
use auditlake_store::{
    CountBy, Histogram, LedgerQuery, LedgerRow, Result, SourceStatus, Span, Status, Window,
    filter::{Filter, Known, Test},
};
use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use futures::try_join;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::drift::Kind;
use super::{Frame, dimension::LONGEST, failed, render, text, wholeness::Wholeness};
use crate::{
    Site, SourceReport,
    scope::Params,
    text::{Count as _, Moment as _},
};

/// So many entries of the ledger, and so many types that are not in the catalogue, are listed.
const ENTRIES: u64 = 40;
const TYPES: u64 = 30;
/// Silences are looked for among the last so many days.
const DAYS: i64 = 30;
/// A silence is at least so many hours long.
const SILENT_HOURS: i64 = 6;

#[derive(Template)]
#[template(path = "sources.html")]
struct Page<'a> {
    frame: Frame<'a>,
    now: Timestamp,
    wholes: Vec<Wholeness>,
    unread: Vec<Unread>,
    silences: Vec<Silence>,
    unknown: Vec<(String, u64)>,
    drift: Vec<Kind>,
    may_ask: bool,
    entries: Vec<Entry>,
    status: Arc<Status>,
}

/// A source: what the store holds of it, and what it is doing.
pub struct Source {
    pub name: String,
    pub stored: SourceStatus,
    pub report: Option<SourceReport>,
}

/// A stretch of time without any activity.
pub struct Silence {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// A stretch of time of which the log holds nothing, though it may have been one like others.
struct Unread {
    source: String,
    span: Span,
    /// Whether the feed cannot give it.
    is_unreadable: bool,
}

struct Entry {
    row: LedgerRow,
    what: String,
    request: Option<String>,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/sources", get(page))
}

async fn page(State(site): State<Arc<Site>>) -> Response {
    let now = Timestamp::now();
    let answer = async {
        let ask = site.ask();
        let unknown =
            CountBy { column: "eventName".to_owned(), filter: guessed(), window: Window::default(), limit: TYPES };
        let ledger = LedgerQuery { limit: Some(ENTRIES), ..LedgerQuery::default() };
        let ledger = site.engine.ledger(&ledger);
        let status = ask.status().await?;
        let (silences, unknown, entries, wholes, drift) = try_join!(
            silences(&site, &status, now),
            ask.lasting().count_by(&unknown),
            ledger,
            Wholeness::of_all(&site, &status, now),
            drift::kinds(&site),
        )?;
        Ok((status, silences, unknown.to_vec(), entries, wholes, drift))
    };
    match answer.await {
        Ok((status, silences, unknown, entries, wholes, drift)) => {
            let frame = Frame::of(&site, "Sources").at("/sources");
            let (unread, may_ask) = (Unread::of_all(&wholes), site.may("/sql"));
            let entries = entries.into_iter().map(Entry::new).collect();
            let page = Page { frame, now, wholes, unread, silences, unknown, drift, may_ask, entries, status };
            render(StatusCode::OK, &page)
        }
        Err(error) => failed(&site, &error),
    }
}

/// Types that are not in the catalogue.
pub fn guessed() -> Filter {
    Filter::test(Known::Guessed, Test::Equals("true".to_owned()))
}

/// Those that are collected, then those of which only the store knows.
pub fn sources(site: &Site, status: &Status) -> Vec<Source> {
    let mut reports = (site.sources)();
    let mut list: Vec<Source> = Vec::new();
    for (name, stored) in &status.sources {
        let at = reports.iter().position(|report| report.source == *name);
        let report = at.map(|at| reports.swap_remove(at));
        list.push(Source { name: name.clone(), stored: stored.clone(), report });
    }
    let silent = reports.into_iter().map(|report| Source {
        name: report.source.clone(),
        stored: SourceStatus::default(),
        report: Some(report),
    });
    list.extend(silent);
    list.sort_by_key(|source| source.report.is_none());
    list
}

/// The hours without any activity, those of nights too: what is usual there, whoever looks at it knows best.
pub async fn silences(site: &Site, status: &Status, now: Timestamp) -> Result<Vec<Silence>> {
    let Some(newest) = status.newest else { return Ok(Vec::new()) };
    let width = std::time::Duration::from_secs(3_600);
    let since = crate::scope::floor(newest - SignedDuration::from_hours(24 * DAYS), width);
    let window = Window { since: Some(since), until: None };
    let buckets = site.ask().lasting().histogram(&Histogram { filter: Filter::All, window, width }).await?;
    let mut list = Vec::new();
    for pair in buckets.windows(2) {
        let from = pair[0].start.saturating_add(width).unwrap_or(pair[0].start);
        if pair[1].start.duration_since(from).as_hours() >= SILENT_HOURS {
            list.push(Silence { from, to: pair[1].start });
        }
    }
    if now.duration_since(newest).as_hours() >= SILENT_HOURS {
        list.push(Silence { from: newest, to: now });
    }
    list.reverse();
    list.truncate(20);
    Ok(list)
}

impl Unread {
    /// Those of every source, the newest first.
    fn of_all(wholes: &[Wholeness]) -> Vec<Unread> {
        let mut list: Vec<Unread> = Vec::new();
        for whole in wholes {
            let one = |(span, is_unreadable): (&Span, bool)| {
                let source = whole.source.name.clone();
                Unread { source, span: *span, is_unreadable }
            };
            let gaps = whole.gaps.iter().map(|gap| (gap, false));
            list.extend(gaps.chain(whole.unreadable.iter().map(|span| (span, true))).map(one));
        }
        list.sort_by_key(|unread| std::cmp::Reverse(unread.span.from));
        list
    }

    fn length(&self) -> String {
        text::span(self.span.from, self.span.to)
    }
}

impl Entry {
    fn new(row: LedgerRow) -> Entry {
        let text = |name: &str| match row.detail.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        if row.kind == "read" {
            return Entry { request: None, what: spans(&row.detail), row };
        }
        let purpose = text("for").or_else(|| text("file")).unwrap_or_default();
        let error = text("error").or_else(|| text("message")).unwrap_or_default();
        let status = text("status").map(|status| format!("status {status}")).unwrap_or_default();
        let parts = [purpose, if row.kind == "error" { error } else { String::new() }, status];
        let what = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        Entry { request: text("request_id"), what, row }
    }
}

/// The stretches that were read to their ends.
fn spans(detail: &Value) -> String {
    let spans: Vec<Span> =
        detail.get("spans").and_then(|spans| serde_json::from_value(spans.clone()).ok()).unwrap_or_default();
    let one = |span: &Span| format!("{} – {}", span.from.utc("%-d %b %H:%M:%S"), span.to.utc("%-d %b %H:%M:%S"));
    spans.iter().take(3).map(one).collect::<Vec<_>>().join(", ")
}

impl Silence {
    fn length(&self) -> String {
        text::span(self.from, self.to)
    }
}

impl Source {
    /// How it stands, in plain words.
    pub fn words(&self) -> &'static str {
        match self.report.as_ref().map(|report| report.phase.as_str()) {
            Some("starting") => "starting: nothing has been heard from the feed yet",
            Some("backfilling") => "reading the past, and following the feed beside it",
            Some("following") => "following the feed",
            Some("retrying") => "something is wrong that waiting may cure",
            Some("stalled") => "stalled: the feed answers, but our own requests do not show up in it any more",
            Some("refused") => "the feed refuses: somebody has to act",
            Some("stopped") => "stopped",
            Some(_) => "at work",
            None => "not collected now: imported, or no longer configured",
        }
    }

    /// Whether somebody should look.
    pub fn is_bad(&self) -> bool {
        self.report
            .as_ref()
            .is_some_and(|report| report.trouble.is_some() || matches!(report.phase.as_str(), "refused" | "stalled"))
    }

    /// How far it lies behind the feed.
    pub fn lag(&self, now: &Timestamp) -> Option<String> {
        Some(text::span(self.report.as_ref()?.watermark?, *now))
    }

    fn percent(&self) -> Option<String> {
        let share = self.report.as_ref()?.backfilled?;
        (share < 1.0).then(|| format!("{:.0} %", 100.0 * share))
    }

    fn explore(&self) -> String {
        let filter = Filter::test(Known::Source, Test::Equals(self.name.clone())).to_string();
        Params::default().with("q", Some(&filter)).url("/explore")
    }
}
