//! Changed alerts into the outbox: a subscriber that remembers, in the transaction that queues, how far it has come.

use std::{collections::HashSet, sync::Arc};

use auditlake_store::{
    Result,
    alert::{self, AlertQuery, Alerts, State},
    outbox::{NewDelivery, Outbox, Told},
};
use tokio::sync::watch;

use crate::{
    Clock, id,
    notice::{Event, Notice},
    route::Route,
};

/// So many changed alerts are looked at in one go.
const BATCH: u64 = 500;

/// A destination's name and what it is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The configured name.
    pub destination: String,
    /// What it is told of.
    pub route: Route,
}

/// Turns changes of alerts into deliveries.
pub struct Postman {
    /// Where alerts are.
    pub alerts: Arc<dyn Alerts>,
    /// Where deliveries go.
    pub outbox: Arc<dyn Outbox>,
    /// Who is told of what.
    pub subscriptions: Vec<Subscription>,
    /// The address of the page, for links; without one, notices have none.
    pub link: Option<String>,
    /// What time it is.
    pub clock: Clock,
}

impl Postman {
    /// Works until `stop` is true. What fails in the store is tried again with the next change, or after a second.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut news = self.alerts.news();
        let mut failing = false;
        loop {
            news.borrow_and_update();
            let handled = self.handle().await;
            match &handled {
                Err(error) if !failing => tracing::error!(%error, "changed alerts could not be queued for delivery"),
                _ => {}
            }
            failing = handled.is_err();
            if handled.is_ok_and(|more| more) {
                continue;
            }
            tokio::select! {
                () = crate::asked(&mut stop) => return,
                changed = news.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(std::time::Duration::from_secs(1)), if failing => {}
            }
        }
    }

    /// Queues what has changed. Answers whether there may be more.
    pub async fn handle(&self) -> Result<bool> {
        let newest = *self.alerts.news().borrow();
        let after = self.outbox.handled().await?.unwrap_or(0);
        let query = |limit| AlertQuery { after_news: Some(after), limit, ..AlertQuery::default() };
        let mut changed = self.alerts.alerts(&query(Some(BATCH))).await?;
        let is_cut = changed.len() as u64 >= BATCH;
        if is_cut {
            // Alerts of one transaction share a number: the last number may go on behind the cut.
            let last = changed.iter().map(|alert| alert.news).max().unwrap_or(after);
            changed.retain(|alert| alert.news < last);
            if changed.is_empty() {
                changed = self.alerts.alerts(&query(None)).await?;
                changed.retain(|alert| alert.news <= last);
            }
        }
        let last = changed.iter().map(|alert| alert.news).max().unwrap_or(after);
        // What was read up to a cut says nothing of the numbers behind it.
        let handled = if is_cut { last } else { last.max(newest) };
        if handled == after {
            return Ok(false);
        }
        let mut new = Vec::new();
        if !self.subscriptions.is_empty() {
            let ids: Vec<String> = changed.iter().map(|alert| alert.finding.id.clone()).collect();
            let told = self.outbox.told(&ids).await?;
            new.extend(changed.iter().flat_map(|alert| self.deliveries(alert, &told)));
            let numbers: HashSet<u64> = changed.iter().map(|alert| alert.news).collect();
            if (numbers.len() as u64) < handled - after {
                new.extend(self.vanished(handled).await?);
            }
        }
        self.outbox.enqueue(handled, new).await?;
        Ok(is_cut)
    }

    /// The end of alerts that are there no more: a number that no alert carries may be that of one that was taken back, as later
    /// activities explained it.
    async fn vanished(&self, handled: u64) -> Result<Vec<NewDelivery>> {
        let mut ends = Vec::new();
        for last in self.outbox.told_open().await? {
            let is_ours = self.subscriptions.iter().any(|subscription| subscription.destination == last.destination);
            if !is_ours || self.alerts.alert(&last.alert).await?.is_some() {
                continue;
            }
            let Ok(mut notice) = serde_json::from_value::<Notice>(last.notice) else { continue };
            let now = (self.clock)();
            (notice.event, notice.at, notice.alert.state) = (Event::Ended, now, State::Closed);
            (notice.by, notice.note) = (None, Some("withdrawn: activities that came later explain it".to_owned()));
            ends.push(NewDelivery {
                id: id::delivery(&last.destination, &last.alert, handled),
                destination: last.destination,
                alert: last.alert,
                event: notice.event.as_str().to_owned(),
                severity: last.severity,
                alert_state: notice.alert.state.as_str().to_owned(),
                count: last.count,
                notice: serde_json::to_value(notice).unwrap_or_default(),
                at: now,
            });
        }
        Ok(ends)
    }

    fn deliveries(&self, alert: &alert::Alert, told: &[Told]) -> Vec<NewDelivery> {
        let now = (self.clock)();
        let of = |subscription: &Subscription| {
            let destination = &subscription.destination;
            let told = told.iter().find(|told| told.alert == alert.finding.id && told.destination == *destination);
            let event = subscription.route.decide(alert, told, now)?;
            let notice = Notice::of(alert, event, self.link.as_deref());
            Some(NewDelivery {
                id: id::delivery(destination, &alert.finding.id, alert.news),
                destination: destination.clone(),
                alert: alert.finding.id.clone(),
                event: event.as_str().to_owned(),
                severity: alert.finding.severity.as_str().to_owned(),
                alert_state: alert.state.as_str().to_owned(),
                count: alert.finding.count,
                notice: serde_json::to_value(notice).unwrap_or_default(),
                at: now,
            })
        };
        self.subscriptions.iter().filter_map(of).collect()
    }
}
