//! Alerts as entries of `state`: what was found with the subscriber's position in one insert, and what people did about it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use auditlake_store::{
    Result, Rows, Seqs,
    alert::{Act, Alert, AlertQuery, Alerts, Change, ChangeKind, Detected, Finding, Observe, Observed, State},
};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    ClickStore,
    client::{Author, Server},
    schema::{self, quoted},
    shape::Shape,
    state::{self, Entry, Seen},
};

/// The counter of changes stands among the subscribers.
const NEWS: &str = "news of alerts";
/// Who changes what nobody else does.
const SELF: &str = "auditlake";

#[async_trait]
impl Alerts for ClickStore {
    async fn position(&self, subscriber: &str) -> Result<u64> {
        number(&self.inner.server, &self.inner.seen(), subscriber).await
    }

    async fn detected(&self, detected: Detected) -> Result<Vec<Alert>> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        writer.ready(inner).await?;
        let ids: Vec<String> = detected
            .findings
            .iter()
            .map(|finding| finding.id.clone())
            .chain(detected.withdrawn.iter().cloned())
            .collect();
        let mut before = by_ids(&inner.server, &inner.seen(), Some(&ids)).await?;
        let news = number(&inner.server, &inner.seen(), NEWS).await? + 1;
        let now = Timestamp::now();
        let mut entries = vec![Entry::new("subscriber", &detected.subscriber, detected.seq)];
        let mut changed = Vec::new();
        for finding in &detected.findings {
            let Some(alert) = found(before.remove(&finding.id), finding, now, news) else { continue };
            entries.push(entry(&alert));
            changed.push(alert);
        }
        for id in &detected.withdrawn {
            let Some(mut alert) = before.remove(id) else { continue };
            let is_ours = alert.history.iter().all(|change| change.who == SELF);
            alert.state = State::Closed;
            (alert.changed_at, alert.news) = (now, news);
            alert.history.push(ours(now, ChangeKind::Withdrawn, None));
            entries.push(if is_ours { Entry::gone("alert", id) } else { entry(&alert) });
            changed.push(alert);
        }
        if !changed.is_empty() {
            entries.push(Entry::new("subscriber", NEWS, news));
        }
        writer.write(&inner.server, "storing alerts", &entries).await?;
        if !changed.is_empty() {
            inner.news.send_replace(news);
        }
        Ok(changed)
    }

    async fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>> {
        let all = by_ids(&self.inner.server, &self.inner.seen(), None).await?;
        let mut all: Vec<Alert> = all.into_values().filter(|alert| is_wanted(alert, query)).collect();
        match query.after_news {
            Some(_) => all.sort_by(|a, b| a.news.cmp(&b.news).then_with(|| a.finding.id.cmp(&b.finding.id))),
            None => {
                all.sort_by(|a, b| b.finding.last.cmp(&a.finding.last).then_with(|| a.finding.id.cmp(&b.finding.id)))
            }
        }
        all.truncate(query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
        Ok(all)
    }

    async fn alert(&self, id: &str) -> Result<Option<Alert>> {
        let ids = [id.to_owned()];
        Ok(by_ids(&self.inner.server, &self.inner.seen(), Some(&ids)).await?.into_values().next())
    }

    async fn act(&self, id: &str, act: Act) -> Result<Option<Alert>> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        writer.ready(inner).await?;
        let ids = [id.to_owned()];
        let Some(mut alert) = by_ids(&inner.server, &inner.seen(), Some(&ids)).await?.remove(id) else {
            return Ok(None);
        };
        let news = number(&inner.server, &inner.seen(), NEWS).await? + 1;
        let now = Timestamp::now();
        alert.state = match act.what {
            ChangeKind::Acknowledged => State::Acknowledged,
            ChangeKind::Closed => State::Closed,
            ChangeKind::Reopened => State::Open,
            ChangeKind::Noted | ChangeKind::Raised | ChangeKind::Withdrawn => alert.state,
        };
        alert.history.push(Change { at: now, who: act.who, what: act.what, note: act.note });
        (alert.changed_at, alert.news) = (now, news);
        let entries = [entry(&alert), Entry::new("subscriber", NEWS, news)];
        writer.write(&inner.server, "changing an alert", &entries).await?;
        inner.news.send_replace(news);
        Ok(Some(alert))
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.inner.news.subscribe()
    }
}

#[async_trait]
impl Observed for ClickStore {
    async fn observe(&self, observe: &Observe) -> Result<Rows> {
        let mut condition = self.inner.base(observe.window, observe.seqs);
        if !observe.types.is_empty() {
            let names: Vec<String> = observe.types.iter().map(|name| quoted(name)).collect();
            condition.push_str(&format!(" AND event_name IN ({})", names.join(",")));
        }
        let limit = observe.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        // By commits where commits are asked for; a stretch of time needs no order.
        let order = if observe.seqs == Seqs::default() { "" } else { "ORDER BY activity.seq" };
        let text = format!("SELECT {} FROM activity WHERE {condition} {order} {limit}", schema::observed());
        self.inner.server.stream(&text, Author::Us, None, Shape::Port).await
    }

    async fn followed_since(&self) -> Result<BTreeMap<String, Timestamp>> {
        let text = format!(
            "SELECT key, min(JSONExtractInt(value, 'at')) FROM state WHERE area = 'commit'{} GROUP BY key",
            self.inner.seen().without_aborted()
        );
        let table = self.inner.server.rows("reading when sources began", &text).await?;
        Ok(table.rows().map(|row| (row.string(0), row.time(1).unwrap_or_default())).collect())
    }
}

/// The number of the last change to any alert.
pub(crate) async fn last_news(server: &Server, seen: &Seen) -> Result<u64> {
    number(server, seen, NEWS).await
}

async fn number(server: &Server, seen: &Seen, name: &str) -> Result<u64> {
    let keys = [name.to_owned()];
    let found = state::read(server, seen, "subscriber", Some(&keys)).await?;
    Ok(found.get(name).and_then(|text| text.parse().ok()).unwrap_or_default())
}

async fn by_ids(server: &Server, seen: &Seen, ids: Option<&[String]>) -> Result<BTreeMap<String, Alert>> {
    let texts = state::read(server, seen, "alert", ids).await?;
    // What stands there was written by `entry`; what cannot be read any more is left out.
    Ok(texts.into_iter().filter_map(|(id, text)| Some((id, serde_json::from_str(&text).ok()?))).collect())
}

pub(crate) fn entry(alert: &Alert) -> Entry {
    Entry::new("alert", &alert.finding.id, serde_json::to_string(alert).unwrap_or_default())
}

fn is_wanted(alert: &Alert, query: &AlertQuery) -> bool {
    let finding = &alert.finding;
    query.rule.as_ref().is_none_or(|rule| finding.rule == *rule)
        && query.entity.as_ref().is_none_or(|entity| finding.entity == *entity)
        && query.state.is_none_or(|state| alert.state == state)
        && query.severity.is_none_or(|least| finding.severity >= least)
        && query.window.since.is_none_or(|since| finding.last >= since)
        && query.window.until.is_none_or(|until| finding.first < until)
        && query.after_news.is_none_or(|news| alert.news > news)
}

/// The alert with what was found; `None` if it said so already.
fn found(before: Option<Alert>, finding: &Finding, now: Timestamp, news: u64) -> Option<Alert> {
    let Some(mut alert) = before else {
        return Some(Alert {
            finding: finding.clone(),
            state: State::Open,
            raised_at: now,
            changed_at: now,
            news,
            history: vec![ours(now, ChangeKind::Raised, None)],
        });
    };
    if alert.finding == *finding {
        return None;
    }
    let more = finding.count.saturating_sub(alert.finding.count);
    if more > 0 && alert.state == State::Closed {
        alert.state = State::Open;
        let note = format!("{more} more {}", if more == 1 { "activity" } else { "activities" });
        alert.history.push(ours(now, ChangeKind::Reopened, Some(note)));
    }
    alert.finding = finding.clone();
    (alert.changed_at, alert.news) = (now, news);
    Some(alert)
}

fn ours(at: Timestamp, what: ChangeKind, note: Option<String>) -> Change {
    Change { at, who: SELF.to_owned(), what, note }
}
