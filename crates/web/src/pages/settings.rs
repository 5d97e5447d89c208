//! `/settings`: keys, users, sources, destinations, retention, files and versions, as they are configured; to be read.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use auditlake_store::{
    Result, Tally, Window,
    filter::{Filter, Known, Test},
};
use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use jiff::Timestamp;

use super::{Frame, dimension::LONGEST, failed, render, text};
use crate::{
    KeyReport, SettingsSection, Site,
    settings::SettingsReport,
    text::{Count as _, Moment as _},
};

/// The source of what the readers of our own feed leave behind.
const OWN: &str = "auditlake";
/// Keys are looked for among so many.
const KEYS: u64 = 1_000;

#[derive(Template)]
#[template(path = "settings.html")]
struct Page<'a> {
    frame: Frame<'a>,
    now: Timestamp,
    report: SettingsReport,
    used: HashMap<String, (u64, Option<Timestamp>)>,
    has_lookups: bool,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/settings", get(page))
}

async fn page(State(site): State<Arc<Site>>) -> Response {
    let report = (site.settings)();
    match used(&site, &report.keys).await {
        Ok(used) => {
            let frame = Frame::of(&site, "Settings").at("/settings");
            let has_lookups = site.lookups.is_some();
            render(StatusCode::OK, &Page { frame, now: Timestamp::now(), report, used, has_lookups })
        }
        Err(error) => failed(&site, &error),
    }
}

/// How often each key read, and when last.
async fn used(site: &Site, keys: &[KeyReport]) -> Result<HashMap<String, (u64, Option<Timestamp>)>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let tally = Tally {
        by: vec!["actorAPIKeyID".to_owned()],
        width: None,
        filter: Filter::test(Known::Source, Test::Equals(OWN.to_owned())),
        window: Window::default(),
        limit: KEYS,
    };
    let groups = site.ask().tally(&tally).await?;
    let one = |group: &auditlake_store::Group| Some((group.values.first()?.clone()?, (group.count, group.last)));
    Ok(groups.iter().filter_map(one).collect())
}

impl Page<'_> {
    /// Those that are tables, or those that are names and values.
    fn sections(&self, is_table: bool) -> impl Iterator<Item = &SettingsSection> {
        self.report.sections.iter().filter(move |section| section.columns.is_empty() != is_table)
    }

    fn used(&self, id: &str) -> (u64, Option<Timestamp>) {
        self.used.get(id).copied().unwrap_or_default()
    }
}
