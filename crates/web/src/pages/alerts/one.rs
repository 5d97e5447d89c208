//! `/alerts/{id}`: what happened and why it matters, what to do, the activities that are evidence, and what people did.

use std::{net::IpAddr, sync::Arc};

use askama::Template;
use auditlake_store::{
    Columns, Order, Result, Select, Window,
    alert::{Act, Alert, ChangeKind, State as AlertState},
    filter::{Filter, Known, Test},
};
use axum::{
    Form,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{
    super::{Frame, dimension::LONGEST, failed, line::Line, missing, render, text},
    alerts_of, words,
};
use crate::{
    ApiError, Site,
    answer::collect_json,
    rules::attack,
    scope::{Params, encode},
    text::{Count as _, Moment as _},
};

/// So many activities are shown at first.
const SHOWN: usize = 20;
/// A note is cut after so many characters.
const NOTE: usize = 4_000;

#[derive(Template)]
#[template(path = "alerts/one.html")]
struct Page<'a> {
    frame: Frame<'a>,
    view: View,
    wrong: Option<&'a str>,
    note: &'a str,
}

#[derive(Template)]
#[template(path = "alerts/one-live.html")]
struct Live {
    view: View,
}

struct View {
    now: Timestamp,
    alert: Alert,
    lines: Vec<Line>,
    /// Whether more of the evidence can be listed.
    has_more: bool,
    rule_is_known: bool,
    news: u64,
}

/// What somebody does.
#[derive(Deserialize)]
pub struct Deed {
    what: ChangeKind,
    #[serde(default)]
    note: String,
}

pub async fn page(State(site): State<Arc<Site>>, Path(id): Path<String>, Query(params): Query<Params>) -> Response {
    show(&site, &id, params.get("evidence") == Some("all"), None, "").await
}

async fn show(site: &Site, id: &str, all: bool, wrong: Option<&str>, note: &str) -> Response {
    match View::load(site, id, all).await {
        Ok(Some(view)) => {
            let frame = Frame::of(site, text::plain(&view.alert.finding.title, 80)).at("/alerts").live();
            let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            render(status, &Page { frame, view, wrong, note })
        }
        Ok(None) => {
            let hint = "an alert that later activities explain is taken back, unless somebody has dealt with it";
            missing(site, &format!("There is no alert {}.", text::plain(id, 80)), Some(hint))
        }
        Err(error) => failed(site, &error),
    }
}

pub async fn live(State(site): State<Arc<Site>>, Path(id): Path<String>, Query(params): Query<Params>) -> Response {
    match View::load(&site, &id, params.get("evidence") == Some("all")).await {
        Ok(Some(view)) => render(StatusCode::OK, &Live { view }),
        Ok(None) => ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such alert").into_response(),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// Acknowledges, closes, opens again, or writes something down.
pub async fn act(State(site): State<Arc<Site>>, Path(id): Path<String>, Form(deed): Form<Deed>) -> Response {
    let alerts = match alerts_of(&site) {
        Ok(alerts) => alerts,
        Err(answer) => return answer,
    };
    let note: String = deed.note.trim().chars().take(NOTE).collect();
    let wrong = match deed.what {
        ChangeKind::Raised | ChangeKind::Withdrawn => Some("That is for detection to do."),
        ChangeKind::Closed if note.is_empty() => Some("Write down why it is closed: whoever comes next will ask."),
        ChangeKind::Noted if note.is_empty() => Some("The note is empty."),
        _ => None,
    };
    if wrong.is_some() {
        return show(&site, &id, false, wrong, &note).await;
    }
    let who = site.who().name;
    let act = Act { who, what: deed.what, note: Some(note).filter(|note| !note.is_empty()) };
    match alerts.act(&id, act).await {
        Ok(Some(_)) => Redirect::to(&format!("/alerts/{}", encode(&id))).into_response(),
        Ok(None) => show(&site, &id, false, None, "").await,
        Err(error) => failed(&site, &error),
    }
}

impl View {
    async fn load(site: &Site, id: &str, all: bool) -> Result<Option<View>> {
        let Some(alerts) = &site.alerts else { return Ok(None) };
        let news = *alerts.news().borrow();
        let Some(alert) = alerts.alert(id).await? else { return Ok(None) };
        let rule_is_known =
            site.rules.as_ref().is_some_and(|rules| rules.rules().iter().any(|rule| rule.id == alert.finding.rule));
        let ids = &alert.finding.activities;
        let wanted = if all { ids.len() } else { ids.len().min(SHOWN) };
        let lines = evidence(site, &alert, &ids[..wanted]).await?;
        let has_more = wanted < ids.len();
        Ok(Some(View { now: Timestamp::now(), lines, has_more, rule_is_known, news, alert }))
    }

    /// What happened, paragraph by paragraph.
    fn summary(&self) -> impl Iterator<Item = &str> {
        self.alert.finding.summary.split('\n').map(str::trim).filter(|part| !part.is_empty())
    }

    /// Where the Explorer shows what a step speaks of: everything of it, a while around the alert.
    fn explore(&self, search: &str) -> String {
        let around = SignedDuration::from_hours(24);
        let since = self.alert.finding.first.checked_sub(around).unwrap_or(Timestamp::MIN);
        let until = self.alert.finding.last.checked_add(around).unwrap_or(Timestamp::MAX);
        let params = Params::default().with("q", Some(search)).with("since", Some(&since.to_string()));
        params.with("until", Some(&until.to_string())).url("/explore")
    }

    /// The page about whom it is about.
    fn entity_page(&self) -> Option<String> {
        entity_page(&self.alert.finding.entity)
    }

    fn attack(&self) -> Vec<(String, String)> {
        attack(&self.alert.finding.tags)
    }

    fn state(&self) -> AlertState {
        self.alert.state
    }

    fn live_url(&self) -> String {
        let all = if self.lines.len() > SHOWN { "?evidence=all" } else { "" };
        format!("/alerts/{}/live{all}", encode(&self.alert.finding.id))
    }
}

/// The page about somebody or something, by the form of its name.
pub fn entity_page(entity: &str) -> Option<String> {
    let page = match entity {
        long if long.len() > LONGEST => return None,
        "" => return None,
        mail if mail.contains('@') => "person",
        user if user.starts_with("user_") => "person",
        org if org.starts_with("org_") => "organization",
        key if key.starts_with("apikey_") || key.contains("_api_key") => "key",
        address if address.parse::<IpAddr>().is_ok() => "address",
        id if id.contains("_01") && !id.contains(' ') => "resource",
        _ => return None,
    };
    Some(format!("/{page}/{}", encode(entity)))
}

async fn evidence(site: &Site, alert: &Alert, ids: &[String]) -> Result<Vec<Line>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let filter = Filter::or(ids.iter().map(|id| Filter::test(Known::Id, Test::Equals(id.clone()))));
    let until = alert.finding.last.checked_add(SignedDuration::from_micros(1)).ok();
    let select = Select {
        filter,
        window: Window { since: Some(alert.finding.first), until },
        limit: Some(ids.len() as u64),
        columns: Columns::Summary,
        order: Order::Oldest,
        ..Select::default()
    };
    collect_json(site.engine.select(&select).await?).await?.into_iter().map(Line::of).collect()
}
