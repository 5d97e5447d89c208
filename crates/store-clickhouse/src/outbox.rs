//! Notices on their way to people, as entries of `state`.
//!
//! There are few of them (what was settled is forgotten after a while), so a question reads them all and answers as
//! [`MemoryOutbox`] does, and a change writes those that it changed, all in one insert.

use std::collections::BTreeMap;

use async_trait::async_trait;
use auditlake_store::{
    Result,
    moving::MovedDelivery,
    outbox::{
        Delivery, DeliveryCount, DeliveryLog, DeliveryQuery, Due, NewDelivery, Outbox, Outcome, Told, Which,
        memory::MemoryOutbox,
    },
};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    ClickStore, Inner,
    state::{self, Entry},
};

/// All deliveries, and the last number.
struct Held {
    numbers: BTreeMap<String, u64>,
    memory: MemoryOutbox,
}

impl Inner {
    async fn held(&self) -> Result<Held> {
        let seen = self.seen();
        let handled = state::read(&self.server, &seen, "handled", None).await?;
        let handled = handled.get("alerts").and_then(|text| text.parse().ok());
        let texts = state::read(&self.server, &seen, "delivery", None).await?;
        // Only what this program or an older one wrote stands there.
        let mut all: Vec<MovedDelivery> =
            texts.into_values().filter_map(|text| serde_json::from_str(&text).ok()).collect();
        all.sort_by_key(|one| one.number);
        let numbers = all.iter().map(|one| (one.delivery.id.clone(), one.number)).collect();
        let deliveries = all.into_iter().map(|one| one.delivery).collect();
        Ok(Held { numbers, memory: MemoryOutbox::of(handled, deliveries) })
    }
}

/// A delivery with its place in the order of their coming.
pub(crate) fn entry(one: &MovedDelivery) -> Entry {
    Entry::new("delivery", &one.delivery.id, serde_json::to_string(one).unwrap_or_default())
}

impl Held {
    /// What is different from `before`.
    fn changes(&self, before: &[Delivery]) -> Vec<Entry> {
        let before: BTreeMap<&str, &Delivery> = before.iter().map(|one| (one.id.as_str(), one)).collect();
        let after = self.memory.all();
        let mut next = self.numbers.values().max().copied().unwrap_or_default();
        let mut entries = Vec::new();
        for delivery in &after {
            if before.get(delivery.id.as_str()) == Some(&delivery) {
                continue;
            }
            let number = self.numbers.get(&delivery.id).copied().unwrap_or_else(|| {
                next += 1;
                next
            });
            let numbered = MovedDelivery { number, delivery: delivery.clone() };
            entries.push(entry(&numbered));
        }
        let left: std::collections::BTreeSet<&str> = after.iter().map(|one| one.id.as_str()).collect();
        entries.extend(before.into_keys().filter(|id| !left.contains(id)).map(|id| Entry::gone("delivery", id)));
        entries
    }
}

impl ClickStore {
    /// Changes what is held, as `work` does, and stores what came of it together with `more`.
    async fn change<T>(
        &self,
        doing: &'static str,
        more: Vec<Entry>,
        work: impl AsyncFnOnce(&MemoryOutbox) -> Result<T>,
    ) -> Result<T> {
        let mut writer = self.inner.writer.lock().await;
        writer.ready(&self.inner).await?;
        let held = self.inner.held().await?;
        let before = held.memory.all();
        let done = work(&held.memory).await?;
        let mut entries = held.changes(&before);
        entries.extend(more);
        writer.write(&self.inner.server, doing, &entries).await?;
        Ok(done)
    }
}

#[async_trait]
impl Outbox for ClickStore {
    async fn enqueue(&self, handled: u64, new: Vec<NewDelivery>) -> Result<u64> {
        let progress = vec![Entry::new("handled", "alerts", handled)];
        let count = self
            .change("queueing deliveries", progress, async move |memory| memory.enqueue(handled, new).await)
            .await?;
        self.inner.queued.send_modify(|number| *number += 1);
        Ok(count)
    }

    async fn handled(&self) -> Result<Option<u64>> {
        self.inner.held().await?.memory.handled().await
    }

    async fn told(&self, alerts: &[String]) -> Result<Vec<Told>> {
        self.inner.held().await?.memory.told(alerts).await
    }

    async fn told_open(&self) -> Result<Vec<Delivery>> {
        self.inner.held().await?.memory.told_open().await
    }

    async fn due(&self, destination: &str, now: Timestamp, limit: usize) -> Result<Due> {
        self.inner.held().await?.memory.due(destination, now, limit).await
    }

    async fn settle(&self, id: &str, outcome: Outcome) -> Result<()> {
        self.change("noting a delivery", Vec::new(), async |memory| memory.settle(id, outcome).await).await
    }

    fn queued(&self) -> watch::Receiver<u64> {
        self.inner.queued.subscribe()
    }
}

#[async_trait]
impl DeliveryLog for ClickStore {
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>> {
        self.inner.held().await?.memory.deliveries(query).await
    }

    async fn delivery_counts(&self) -> Result<Vec<DeliveryCount>> {
        self.inner.held().await?.memory.delivery_counts().await
    }

    async fn send_again(&self, which: &Which, now: Timestamp) -> Result<u64> {
        let count =
            self.change("sending again", Vec::new(), async |memory| memory.send_again(which, now).await).await?;
        self.inner.queued.send_modify(|number| *number += 1);
        Ok(count)
    }

    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64> {
        self.change("forgetting deliveries", Vec::new(), async |memory| memory.forget_deliveries(before).await).await
    }
}
