//! Changed alerts into the outbox: a subscriber that remembers, in the transaction that queues, how far it has come.

use std::sync::Arc;

use auditlake_store::{
    Result,
    alert::{self, AlertQuery, Alerts},
    outbox::{NewDelivery, Outbox, Told},
};
use tokio::sync::watch;

use crate::{Clock, id, notice::Notice, route::Route};

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
        let before = self.outbox.handled().await?;
        let after = before.unwrap_or(0);
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
        let Some(handled) = changed.iter().map(|alert| alert.news).max() else { return Ok(false) };
        let ids: Vec<String> = changed.iter().map(|alert| alert.finding.id.clone()).collect();
        let told = if self.subscriptions.is_empty() { Vec::new() } else { self.outbox.told(&ids).await? };
        let new = changed.iter().flat_map(|alert| self.deliveries(alert, &told)).collect();
        self.outbox.enqueue(handled, new).await?;
        Ok(is_cut)
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
