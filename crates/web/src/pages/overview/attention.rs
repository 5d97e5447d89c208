//! What somebody should look at: open alerts, settings that are weak, types that nobody knows, silence, sources in trouble.

use std::collections::BTreeMap;

use auditlake_store::{
    CountBy, Result, Status, Window,
    alert::{AlertLine, Severity, State},
};
use jiff::{SignedDuration, Timestamp};

use super::super::{posture, sources, text};
use crate::Site;

/// Nothing for so many hours is worth a word.
const SILENT_HOURS: i64 = 6;

/// So many alerts are named.
const GRAVEST: usize = 3;

/// Something to look at.
pub struct Concern {
    /// How much it matters: a class of the style sheet.
    pub level: &'static str,
    pub count: u64,
    pub text: String,
    pub url: String,
}

/// The worst first.
pub async fn concerns(site: &Site, status: &Status, now: Timestamp) -> Result<Vec<Concern>> {
    let mut list = Vec::new();
    for source in sources::sources(site, status).iter().filter(|source| source.is_bad()) {
        let text = format!("{}: {}", text::plain(&source.name, 60), source.words());
        list.push(Concern { level: "critical", count: 1, text, url: "/sources".to_owned() });
    }
    list.extend(alerts(site).await?);
    list.extend(silence(status, now));
    let weak = posture::weak(site).await?;
    if weak > 0 {
        let text = if weak == 1 { "setting is weak" } else { "settings are weak" }.to_owned();
        list.push(Concern { level: "medium", count: weak, text, url: "/posture".to_owned() });
    }
    let limit = 1_000;
    let unknown =
        CountBy { column: "eventName".to_owned(), filter: sources::guessed(), window: Window::default(), limit };
    let types = site.ask().lasting().count_by(&unknown).await?.len() as u64;
    if types > 0 {
        let text = if types == 1 { "type is not in the catalogue" } else { "types are not in the catalogue" };
        list.push(Concern { level: "low", count: types, text: text.to_owned(), url: "/sources#drift".to_owned() });
    }
    Ok(list)
}

async fn alerts(site: &Site) -> Result<Vec<Concern>> {
    let Some(alerts) = &site.alerts else { return Ok(Vec::new()) };
    let (_, lines) = site.inbox.lines(&**alerts).await?;
    let mut counts: BTreeMap<Severity, u64> = BTreeMap::new();
    for alert in lines.iter().filter(|alert| alert.state == State::Open) {
        *counts.entry(alert.severity).or_default() += 1;
    }
    let concern = |(severity, count): (Severity, u64)| {
        let what = if count == 1 { "alert" } else { "alerts" };
        let text = format!("open {what} of {severity} severity");
        Concern { level: severity.as_str(), count, text, url: format!("/alerts?severity={severity}") }
    };
    Ok(counts.into_iter().rev().filter(|(severity, _)| *severity > Severity::Informational).map(concern).collect())
}

/// The newest open alerts of the highest severity that any has.
pub async fn gravest(site: &Site) -> Result<Vec<AlertLine>> {
    let Some(alerts) = &site.alerts else { return Ok(Vec::new()) };
    let (_, lines) = site.inbox.lines(&**alerts).await?;
    let open = || lines.iter().filter(|alert| alert.state == State::Open && alert.severity >= Severity::High);
    let highest = open().map(|alert| alert.severity).max();
    let mut gravest: Vec<AlertLine> = open().filter(|alert| Some(alert.severity) == highest).cloned().collect();
    gravest.sort_by_key(|alert| std::cmp::Reverse(alert.last));
    gravest.truncate(GRAVEST);
    Ok(gravest)
}

fn silence(status: &Status, now: Timestamp) -> Option<Concern> {
    let newest = status.newest?;
    let is_silent = now.duration_since(newest) >= SignedDuration::from_hours(SILENT_HOURS);
    let text = format!("no activity for {}", text::span(newest, now));
    is_silent.then(|| Concern { level: "high", count: 0, text, url: "/sources#silences".to_owned() })
}
