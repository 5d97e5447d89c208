//! `/alerts`: what detection found, as an inbox; `/alerts/{id}`: one of them, with what to do about it.

mod one;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use auditlake_store::{
    Result,
    alert::{AlertLine, Alerts, Severity, State as AlertState},
};
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::{SignedDuration, Timestamp};

use super::{Frame, failed, missing, render, text};
use crate::{
    ApiError, Site,
    scope::{Params, RANGES},
    text::{Count as _, Moment as _},
};

/// So many are listed at first, and with each "more".
const LISTED: usize = 100;

const SEVERITIES: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Informational];

/// The tabs: the name in the address, on the page, and what they show.
const STATES: [(&str, &str, Option<AlertState>); 4] = [
    ("open", "Open", Some(AlertState::Open)),
    ("acknowledged", "Acknowledged", Some(AlertState::Acknowledged)),
    ("closed", "Closed", Some(AlertState::Closed)),
    ("all", "All", None),
];

#[derive(Template)]
#[template(path = "alerts.html")]
struct Page<'a> {
    frame: Frame<'a>,
    live_url: String,
    view: View,
}

#[derive(Template)]
#[template(path = "alerts/live.html")]
struct Live {
    view: View,
}

/// What the inbox shows.
struct View {
    now: Timestamp,
    news: u64,
    params: Params,
    tabs: Vec<Tab>,
    severities: Vec<(Severity, usize, bool, String)>,
    rules: Vec<(String, usize)>,
    lines: Vec<AlertLine>,
    found: usize,
    any: bool,
    more: Option<String>,
}

struct Tab {
    title: &'static str,
    count: usize,
    url: String,
    is_chosen: bool,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/alerts", get(page))
        .route("/alerts/live", get(live))
        .route("/alerts/{id}", get(one::page).post(one::act))
        .route("/alerts/{id}/live", get(one::live))
}

/// Where alerts are, or the page that says that there are none.
#[expect(clippy::result_large_err, reason = "the answer itself, made once")]
fn alerts_of(site: &Site) -> std::result::Result<Arc<dyn Alerts>, Response> {
    site.alerts.clone().ok_or_else(|| missing(site, "This service keeps no alerts.", None))
}

async fn page(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    let alerts = match alerts_of(&site) {
        Ok(alerts) => alerts,
        Err(answer) => return answer,
    };
    match View::load(&site, &*alerts, params).await {
        Ok(view) => {
            let frame = Frame::of(&site, "Alerts").at("/alerts").live();
            let live_url = view.params.url("/alerts/live");
            render(StatusCode::OK, &Page { frame, live_url, view })
        }
        Err(error) => failed(&site, &error),
    }
}

async fn live(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    let alerts = match alerts_of(&site) {
        Ok(alerts) => alerts,
        Err(answer) => return answer,
    };
    match View::load(&site, &*alerts, params).await {
        Ok(view) => render(StatusCode::OK, &Live { view }),
        Err(error) => ApiError::from(error).into_response(),
    }
}

impl View {
    async fn load(site: &Site, alerts: &dyn Alerts, params: Params) -> Result<View> {
        let (news, all) = site.inbox.lines(alerts).await?;
        let now = Timestamp::now();
        let state = params.get("state").unwrap_or("open");
        let tab = STATES.into_iter().find(|(name, ..)| *name == state).unwrap_or(STATES[0]);
        let severity: Option<Severity> = params.get("severity").and_then(|name| name.parse().ok());
        let rule = params.get("rule");
        let range = RANGES.into_iter().find(|(name, ..)| Some(*name) == params.get("range"));
        let since = match range {
            Some((_, _, seconds @ 1..)) => Some(now - SignedDuration::from_secs(seconds.cast_signed())),
            _ => None,
        };
        let word = params.get("q").map(str::to_lowercase);
        let in_state = |line: &AlertLine| tab.2.is_none_or(|state| line.state == state);
        let in_severity = |line: &AlertLine| severity.is_none_or(|severity| line.severity == severity);
        let in_rest = |line: &AlertLine| {
            rule.is_none_or(|rule| line.rule == rule)
                && since.is_none_or(|since| line.last >= since)
                && word.as_ref().is_none_or(|word| {
                    [&line.title, &line.entity, &line.rule].iter().any(|text| text.to_lowercase().contains(word))
                })
        };
        let rest: Vec<&AlertLine> = all.iter().filter(|line| in_rest(line)).collect();
        let bare = params.with("limit", None);
        let tabs = STATES.into_iter().map(|(name, title, state)| Tab {
            title,
            count: rest
                .iter()
                .filter(|line| in_severity(line) && state.is_none_or(|state| line.state == state))
                .count(),
            url: bare.with("state", Some(name)).url("/alerts"),
            is_chosen: name == tab.0,
        });
        let severities = SEVERITIES.into_iter().map(|one| {
            let count = rest.iter().filter(|line| in_state(line) && line.severity == one).count();
            let is_chosen = severity == Some(one);
            (one, count, is_chosen, bare.with("severity", (!is_chosen).then_some(one.as_str())).url("/alerts"))
        });
        let (tabs, severities) = (tabs.collect(), severities.collect());
        let mut rules: BTreeMap<String, usize> = BTreeMap::new();
        for line in all.iter() {
            *rules.entry(line.rule.clone()).or_default() += 1;
        }
        let mut lines: Vec<AlertLine> =
            rest.into_iter().filter(|line| in_state(line) && in_severity(line)).cloned().collect();
        if params.get("sort") == Some("severity") {
            lines.sort_by_key(|line| std::cmp::Reverse(line.severity));
        }
        let found = lines.len();
        let limit = params.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(LISTED).clamp(1, 5_000);
        lines.truncate(limit);
        let more = (found > limit).then(|| params.with("limit", Some(&(limit + LISTED).to_string())).url("/alerts"));
        let any = !all.is_empty();
        Ok(View { now, news, tabs, severities, rules: rules.into_iter().collect(), lines, found, any, more, params })
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.params.get(name) == Some(value)
    }

    /// What the tab that is open is called.
    fn chosen(&self) -> &'static str {
        self.tabs.iter().find(|tab| tab.is_chosen).map_or("", |tab| tab.title)
    }

    /// What a form sends along unchanged.
    fn kept(&self) -> Vec<(&str, &str)> {
        self.params.pairs().filter(|(name, _)| matches!(*name, "state" | "severity")).collect()
    }
}
