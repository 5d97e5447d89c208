//! The outbox in memory: for tests, and to say in plain loops what an engine must do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    Delivery, DeliveryCount, DeliveryLog, DeliveryQuery, DeliveryState, Due, NewDelivery, Outbox, Outcome, Told, Which,
};
use crate::Result;

/// An outbox that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryOutbox {
    held: Mutex<Held>,
    queued: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Held {
    handled: Option<u64>,
    /// In the order of their coming.
    deliveries: Vec<Delivery>,
}

impl MemoryOutbox {
    /// An outbox of these, in the order of their coming.
    pub fn of(handled: Option<u64>, deliveries: Vec<Delivery>) -> Self {
        MemoryOutbox { held: Mutex::new(Held { handled, deliveries }), queued: watch::Sender::default() }
    }

    /// All deliveries, in the order of their coming.
    pub fn all(&self) -> Vec<Delivery> {
        self.held().deliveries.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fresh(new: NewDelivery) -> Delivery {
    Delivery {
        id: new.id,
        destination: new.destination,
        alert: new.alert,
        event: new.event,
        severity: new.severity,
        alert_state: new.alert_state,
        count: new.count,
        state: DeliveryState::Waiting,
        attempts: 0,
        queued_at: new.at,
        since: new.at,
        next_at: new.at,
        settled_at: None,
        error: None,
        is_overtaken: false,
        notice: new.notice,
    }
}

impl Held {
    /// The delivery at this place, with whether a later one of its alert has arrived.
    fn shown(&self, at: usize) -> Delivery {
        let mut delivery = self.deliveries[at].clone();
        delivery.is_overtaken = self.deliveries[at + 1..].iter().any(|later| {
            later.destination == delivery.destination
                && later.alert == delivery.alert
                && later.state == DeliveryState::Delivered
        });
        delivery
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn enqueue(&self, handled: u64, new: Vec<NewDelivery>) -> Result<u64> {
        let mut count = 0;
        {
            let mut held = self.held();
            held.handled = Some(handled);
            for new in new {
                if !held.deliveries.iter().any(|delivery| delivery.id == new.id) {
                    held.deliveries.push(fresh(new));
                    count += 1;
                }
            }
        }
        self.queued.send_modify(|number| *number += 1);
        Ok(count)
    }

    async fn handled(&self) -> Result<Option<u64>> {
        Ok(self.held().handled)
    }

    async fn told(&self, alerts: &[String]) -> Result<Vec<Told>> {
        let mut told: Vec<Told> = Vec::new();
        for delivery in &self.held().deliveries {
            if delivery.state == DeliveryState::Dead || !alerts.contains(&delivery.alert) {
                continue;
            }
            told.retain(|told| (&told.destination, &told.alert) != (&delivery.destination, &delivery.alert));
            told.push(Told {
                destination: delivery.destination.clone(),
                alert: delivery.alert.clone(),
                severity: delivery.severity.clone(),
                alert_state: delivery.alert_state.clone(),
                count: delivery.count,
            });
        }
        Ok(told)
    }

    async fn told_open(&self) -> Result<Vec<Delivery>> {
        let held = self.held();
        let mut last: Vec<usize> = Vec::new();
        for (at, delivery) in held.deliveries.iter().enumerate() {
            if delivery.state == DeliveryState::Dead {
                continue;
            }
            let same = |other: &usize| {
                let other = &held.deliveries[*other];
                (&other.destination, &other.alert) == (&delivery.destination, &delivery.alert)
            };
            last.retain(|other| !same(other));
            last.push(at);
        }
        let open = last.into_iter().filter(|at| held.deliveries[*at].alert_state != "closed");
        Ok(open.map(|at| held.shown(at)).collect())
    }

    async fn due(&self, destination: &str, now: Timestamp, limit: usize) -> Result<Due> {
        let held = self.held();
        let mut due = Due::default();
        let mut seen: Vec<&str> = Vec::new();
        for (at, delivery) in held.deliveries.iter().enumerate() {
            if delivery.destination != destination
                || delivery.state != DeliveryState::Waiting
                || seen.contains(&delivery.alert.as_str())
            {
                continue;
            }
            seen.push(&delivery.alert);
            if delivery.next_at > now {
                due.next_at = Some(due.next_at.map_or(delivery.next_at, |next| next.min(delivery.next_at)));
            } else if due.deliveries.len() < limit {
                due.deliveries.push(held.shown(at));
            }
        }
        Ok(due)
    }

    async fn settle(&self, id: &str, outcome: Outcome) -> Result<()> {
        let mut held = self.held();
        let waiting = |delivery: &&mut Delivery| delivery.id == id && delivery.state == DeliveryState::Waiting;
        let Some(delivery) = held.deliveries.iter_mut().find(waiting) else { return Ok(()) };
        match outcome {
            Outcome::Delivered { at } => {
                delivery.state = DeliveryState::Delivered;
                (delivery.settled_at, delivery.error) = (Some(at), None);
            }
            Outcome::Later { at, error } => {
                delivery.attempts += 1;
                (delivery.next_at, delivery.error) = (at, Some(error));
            }
            Outcome::Dead { at, error } => {
                delivery.state = DeliveryState::Dead;
                delivery.attempts += 1;
                (delivery.settled_at, delivery.error) = (Some(at), Some(error));
            }
            Outcome::Overtaken { at } => {
                delivery.state = DeliveryState::Overtaken;
                delivery.settled_at = Some(at);
            }
        }
        Ok(())
    }

    fn queued(&self) -> watch::Receiver<u64> {
        self.queued.subscribe()
    }
}

#[async_trait]
impl DeliveryLog for MemoryOutbox {
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>> {
        let held = self.held();
        let passes = |delivery: &Delivery| {
            query.destination.as_ref().is_none_or(|name| delivery.destination == *name)
                && query.state.is_none_or(|state| delivery.state == state)
                && query.alert.as_ref().is_none_or(|alert| delivery.alert == *alert)
        };
        let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok((0..held.deliveries.len()).rev().map(|at| held.shown(at)).filter(passes).take(limit).collect())
    }

    async fn delivery_counts(&self) -> Result<Vec<DeliveryCount>> {
        let mut counts: Vec<DeliveryCount> = Vec::new();
        for delivery in &self.held().deliveries {
            let same =
                |count: &&mut DeliveryCount| count.destination == delivery.destination && count.state == delivery.state;
            match counts.iter_mut().find(same) {
                Some(count) => {
                    count.count += 1;
                    count.oldest = count.oldest.min(delivery.queued_at);
                }
                None => counts.push(DeliveryCount {
                    destination: delivery.destination.clone(),
                    state: delivery.state,
                    count: 1,
                    oldest: delivery.queued_at,
                }),
            }
        }
        counts.sort_by(|a, b| (&a.destination, a.state).cmp(&(&b.destination, b.state)));
        Ok(counts)
    }

    async fn send_again(&self, which: &Which, now: Timestamp) -> Result<u64> {
        let mut count = 0;
        for delivery in &mut self.held().deliveries {
            let is_open = matches!(delivery.state, DeliveryState::Waiting | DeliveryState::Dead);
            if is_open && which.means(delivery) {
                delivery.state = DeliveryState::Waiting;
                (delivery.attempts, delivery.since, delivery.next_at) = (0, now, now);
                delivery.settled_at = None;
                count += 1;
            }
        }
        self.queued.send_modify(|number| *number += 1);
        Ok(count)
    }

    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64> {
        let deliveries = &mut self.held().deliveries;
        let all = deliveries.len();
        deliveries.retain(|delivery| delivery.settled_at.is_none_or(|at| at >= before));
        Ok((all - deliveries.len()) as u64)
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn keeps_the_contract() {
        crate::contract::outbox::run(async || super::MemoryOutbox::default()).await;
    }
}
