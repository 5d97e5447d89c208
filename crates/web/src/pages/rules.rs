//! `/rules`: what is looked for, and what each rule has found; `/rules/{id}`: what one does, when it is nothing, what it would
//! have found, and the switch.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use auditlake_store::{
    Result,
    alert::{AlertLine, Severity, State as AlertState},
};
use axum::{
    Form, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Frame, failed, missing, plain_not_found, render, text};
use crate::{
    RuleBook, RuleInfo, Site, Trial, TrialState,
    scope::{Params, encode},
    text::{Count as _, Moment as _},
};

/// Alerts are counted over so many days, and so many are listed for one rule.
const DAYS: i64 = 30;
const LISTED: usize = 50;
/// So many earlier switches of a rule are listed.
const SWITCHES: usize = 50;
/// The lengths that a trial can have.
const SPANS: [u32; 3] = [7, 30, 90];

#[derive(Template)]
#[template(path = "rules.html")]
struct Page<'a> {
    frame: Frame<'a>,
    now: Timestamp,
    params: Params,
    rows: Vec<Row>,
    all: usize,
    on: usize,
    fired: usize,
    problems: Vec<String>,
}

/// A rule in the list.
struct Row {
    rule: RuleInfo,
    found: Found,
}

/// What a rule has found.
#[derive(Default, Clone, Copy)]
struct Found {
    lately: u64,
    open: u64,
    ever: u64,
    last: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "rules/one.html")]
struct One<'a> {
    frame: Frame<'a>,
    now: Timestamp,
    rule: RuleInfo,
    found: Found,
    lines: Vec<AlertLine>,
    bench: Bench,
    wrong: Option<&'a str>,
}

/// A trial, or the wish for one.
#[derive(Template)]
#[template(path = "rules/trial.html")]
struct Bench {
    id: String,
    trial: Option<Trial>,
    /// Another rule is being tried.
    busy: Option<String>,
    can: bool,
    may: bool,
    csrf: String,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/rules", get(page))
        .route("/rules/{id}", get(one))
        .route("/rules/{id}/trial", get(trial).post(try_out))
        .route("/rules/{id}/switch", post(switch))
}

async fn found(site: &Site) -> Result<(HashMap<String, Found>, Arc<Vec<AlertLine>>)> {
    let Some(alerts) = &site.alerts else { return Ok(Default::default()) };
    let (_, lines) = site.inbox.lines(&**alerts).await?;
    let since = Timestamp::now() - SignedDuration::from_hours(24 * DAYS);
    let mut all: HashMap<String, Found> = HashMap::new();
    for line in lines.iter() {
        let found = all.entry(line.rule.clone()).or_default();
        found.ever += 1;
        found.lately += u64::from(line.last >= since);
        found.open += u64::from(line.state == AlertState::Open);
        found.last = found.last.max(Some(line.last));
    }
    Ok((all, lines))
}

fn none(site: &Site) -> Response {
    missing(site, "This service runs no rules.", None)
}

async fn page(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    let Some(book) = &site.rules else { return none(&site) };
    let found = match found(&site).await {
        Ok((found, _)) => found,
        Err(error) => return failed(&site, &error),
    };
    let rules = book.rules();
    let on = rules.iter().filter(|rule| rule.is_on).count();
    let fired = rules.iter().filter(|rule| found.get(&rule.id).is_some_and(|found| found.lately > 0)).count();
    let severity: Option<Severity> = params.get("severity").and_then(|name| name.parse().ok());
    let word = params.get("q").map(str::to_lowercase);
    let is_wanted = |rule: &RuleInfo, found: Found| {
        severity.is_none_or(|severity| rule.severity == severity)
            && match params.get("show") {
                Some("on") => rule.is_on,
                Some("off") => !rule.is_on,
                Some("fired") => found.lately > 0,
                _ => true,
            }
            && word.as_ref().is_none_or(|word| {
                let texts = [&rule.id, &rule.title, &rule.description];
                texts.into_iter().chain(&rule.tags).any(|text| text.to_lowercase().contains(word))
            })
    };
    let mut rows: Vec<Row> = rules
        .iter()
        .map(|rule| Row { rule: rule.clone(), found: found.get(&rule.id).copied().unwrap_or_default() })
        .filter(|row| is_wanted(&row.rule, row.found))
        .collect();
    let key = |row: &Row| {
        (std::cmp::Reverse((row.found.lately > 0, row.rule.severity, row.found.lately)), row.rule.title.clone())
    };
    rows.sort_by_key(key);
    let frame = Frame::of(&site, "Rules").at("/rules");
    let (all, problems) = (rules.len(), book.problems());
    render(StatusCode::OK, &Page { frame, now: Timestamp::now(), params, rows, all, on, fired, problems })
}

async fn one(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Response {
    show(&site, &id, None).await
}

async fn show(site: &Site, id: &str, wrong: Option<&str>) -> Response {
    let Some(book) = &site.rules else { return none(site) };
    let Some(rule) = book.rules().iter().find(|rule| rule.id == id).cloned() else {
        let hint = "the Rules page lists all; a rule whose file was removed keeps its alerts";
        return missing(site, &format!("There is no rule {}.", text::plain(id, 100)), Some(hint));
    };
    let (found, lines) = match found(site).await {
        Ok((found, lines)) => (found.get(id).copied().unwrap_or_default(), lines),
        Err(error) => return failed(site, &error),
    };
    let lines = lines.iter().filter(|line| line.rule == id).take(LISTED).cloned().collect();
    let frame = Frame::of(site, text::plain(&rule.title, 80)).at("/rules");
    let bench = Bench::of(site, &**book, &rule);
    let status = if wrong.is_some() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    render(status, &One { frame, now: Timestamp::now(), rule, found, lines, bench, wrong })
}

async fn trial(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Response {
    let Some(book) = &site.rules else { return plain_not_found() };
    match book.rules().iter().find(|rule| rule.id == id) {
        Some(rule) => render(StatusCode::OK, &Bench::of(&site, &**book, rule)),
        None => plain_not_found(),
    }
}

#[derive(Deserialize)]
struct Span {
    days: u32,
}

async fn try_out(State(site): State<Arc<Site>>, Path(id): Path<String>, Form(span): Form<Span>) -> Response {
    let Some(book) = &site.rules else { return plain_not_found() };
    if !book.rules().iter().any(|rule| rule.id == id && rule.can_be_tried) {
        return plain_not_found();
    }
    book.try_out(&id, span.days);
    Redirect::to(&format!("/rules/{}#trial", encode(&id))).into_response()
}

#[derive(Deserialize)]
struct Switch {
    on: bool,
    #[serde(default)]
    reason: String,
}

async fn switch(State(site): State<Arc<Site>>, Path(id): Path<String>, Form(wish): Form<Switch>) -> Response {
    let Some(book) = site.rules.clone() else { return plain_not_found() };
    if !book.rules().iter().any(|rule| rule.id == id) {
        return plain_not_found();
    }
    match book.switch(&id, wish.on, &site.who().name, &wish.reason) {
        Ok(()) => Redirect::to(&format!("/rules/{}", encode(&id))).into_response(),
        Err(reason) => {
            tracing::error!(rule = id, "a rule could not be switched: {reason}");
            show(&site, &id, Some(&reason)).await
        }
    }
}

impl Bench {
    fn of(site: &Site, book: &dyn RuleBook, rule: &RuleInfo) -> Bench {
        let busy = book.is_trying().filter(|other| *other != rule.id);
        let who = site.who();
        let (may, csrf) = (who.role.may_act(), who.csrf);
        Bench { id: rule.id.clone(), trial: book.trial(&rule.id), busy, can: rule.can_be_tried, may, csrf }
    }

    fn percent(done: &u64, days: &u64) -> u64 {
        100 * done / (*days).max(1)
    }
}

impl Page<'_> {
    fn has(&self, name: &str, value: &str) -> bool {
        self.params.get(name) == Some(value)
    }
}
