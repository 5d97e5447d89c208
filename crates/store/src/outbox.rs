//! Notices of alerts on their way to people, on disk until they have arrived or are given up.
//!
//! Whoever turns alerts into notices puts them in with [`Outbox::enqueue`], together with how far it has come; a worker for each
//! destination takes them out with [`Outbox::due`] and says with [`Outbox::settle`] what came of them. What a notice says is
//! nobody's business here: it is JSON. [`memory::MemoryOutbox`] is the implementation that is right by reading it.

pub mod memory;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::Result;

/// Takes notices in and keeps them until they have arrived.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Puts these in and remembers `handled`, in one transaction. What has an id that is there already is dropped, so that
    /// doing the same again after a crash changes nothing. Answers how many were new.
    async fn enqueue(&self, handled: u64, new: Vec<NewDelivery>) -> Result<u64>;

    /// The number that was last given to [`Outbox::enqueue`]; `None` before the first time.
    async fn handled(&self) -> Result<Option<u64>>;

    /// What each destination was last told of these alerts, dead letters left out.
    async fn told(&self, alerts: &[String]) -> Result<Vec<Told>>;

    /// Of each alert that a destination was last told to be open or acknowledged, the delivery that said so, dead letters left out.
    async fn told_open(&self) -> Result<Vec<Delivery>>;

    /// What waits for a destination and may be sent at `now`: of each alert the first that waits, in the order of their coming.
    async fn due(&self, destination: &str, now: Timestamp, limit: usize) -> Result<Due>;

    /// Says what came of an attempt. Nothing changes for a delivery that does not wait (any more).
    async fn settle(&self, id: &str, outcome: Outcome) -> Result<()>;

    /// Changes whenever there is something new to send.
    fn queued(&self) -> watch::Receiver<u64>;
}

/// What a person asks of the queue.
#[async_trait]
pub trait DeliveryLog: Send + Sync + 'static {
    /// Deliveries, the newest first.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>>;

    /// How many there are in each state, by destination.
    async fn delivery_counts(&self) -> Result<Vec<DeliveryCount>>;

    /// Lets these wait again from `now` on, with fresh patience: dead letters, and what waits for its next attempt. Answers
    /// how many they are.
    async fn send_again(&self, which: &Which, now: Timestamp) -> Result<u64>;

    /// Forgets what was settled before this time. Answers how many were forgotten.
    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64>;
}

/// A notice for one destination.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDelivery {
    /// The id that goes along with every attempt.
    pub id: String,
    /// The configured name of the destination.
    pub destination: String,
    /// The alert. Deliveries of one alert to one destination are sent one after the other.
    pub alert: String,
    /// What happened to the alert: `opened`, `updated`, …
    pub event: String,
    /// The alert's severity at that time.
    pub severity: String,
    /// What people had made of the alert at that time.
    pub alert_state: String,
    /// How many activities it counted.
    pub count: u64,
    /// What to tell.
    pub notice: Value,
    /// When it was put in.
    pub at: Timestamp,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// To be sent, for the first time or again.
    Waiting,
    /// The destination has taken it.
    Delivered,
    /// Given up.
    Dead,
    /// Not sent, as a later one of the same alert has arrived already.
    Overtaken,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [DeliveryState; 4] =
        [DeliveryState::Waiting, DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Overtaken];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "waiting",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Dead => "dead",
            DeliveryState::Overtaken => "overtaken",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<DeliveryState> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A notice for one destination, and what came of it so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The id that goes along with every attempt.
    pub id: String,
    /// The destination.
    pub destination: String,
    /// The alert.
    pub alert: String,
    /// What happened to the alert.
    pub event: String,
    /// The alert's severity at that time.
    pub severity: String,
    /// What people had made of the alert at that time.
    pub alert_state: String,
    /// How many activities it counted.
    pub count: u64,
    /// How far it has come.
    pub state: DeliveryState,
    /// Failed attempts, since it was put in or sent again.
    pub attempts: u32,
    /// When it was put in.
    pub queued_at: Timestamp,
    /// From when on patience counts: when it was put in, or sent again.
    pub since: Timestamp,
    /// When it may be sent, while it waits.
    pub next_at: Timestamp,
    /// When it stopped waiting.
    pub settled_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// Whether a later one of the same alert has arrived at the destination.
    pub is_overtaken: bool,
    /// What to tell.
    pub notice: Value,
}

/// What may be sent now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Due {
    /// The first of each alert, in the order of their coming.
    pub deliveries: Vec<Delivery>,
    /// When the next of the others may be sent, if any waits.
    pub next_at: Option<Timestamp>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has arrived.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// To be tried again.
    Later {
        /// Not before.
        at: Timestamp,
        /// Why it failed.
        error: String,
    },
    /// Given up.
    Dead {
        /// When.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// Not sent, as a later one has arrived.
    Overtaken {
        /// When that was seen.
        at: Timestamp,
    },
}

/// What a destination was last told of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The destination.
    pub destination: String,
    /// The alert.
    pub alert: String,
    /// The severity then.
    pub severity: String,
    /// What people had made of the alert then.
    pub alert_state: String,
    /// The count then.
    pub count: u64,
}

/// Which deliveries to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeliveryQuery {
    /// Only to this destination.
    pub destination: Option<String>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only of this alert.
    pub alert: Option<String>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// How many deliveries of a destination are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryCount {
    /// The destination.
    pub destination: String,
    /// The state.
    pub state: DeliveryState,
    /// How many.
    pub count: u64,
    /// When the first of them was put in.
    pub oldest: Timestamp,
}

/// Which deliveries to send again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// These, by id.
    Ids(Vec<String>),
    /// All to a destination.
    Destination(String),
    /// All.
    All,
}

impl Which {
    /// Whether it means this delivery.
    pub fn means(&self, delivery: &Delivery) -> bool {
        match self {
            Which::Ids(ids) => ids.contains(&delivery.id),
            Which::Destination(name) => delivery.destination == *name,
            Which::All => true,
        }
    }
}
