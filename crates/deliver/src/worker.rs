//! One destination: what waits for it is sent, in order for each alert, until it has arrived or patience is over.
//!
//! A worker sleeps until the outbox says that there is something new, or until the next attempt is due. It has a few attempts under way
//! at a time, never two of one alert. When the destination cannot be reached or asks for patience, it waits as a whole, and then
//! tries a single delivery before the others follow. Workers share nothing but the outbox, so a dead destination holds nobody up.

use std::{collections::HashSet, sync::Arc, time::Duration};

use auditlake_store::outbox::{Delivery, Outbox, Outcome};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use crate::{
    Clock,
    backoff::{self, Patience},
    channel::{Channel, Letter, Open},
    failure::{Failure, Kind},
    notice::Notice,
};

/// So many attempts are under way at a time.
const CONCURRENCY: usize = 4;
/// No attempt takes longer, whatever the destination's own bounds.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(120);
/// Attempts under way get so long to end when the worker is asked to.
const GRACE: Duration = Duration::from_secs(3);
/// When the store fails, it is asked again after so long.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// How a destination is doing since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct DestinationState {
    /// Its name.
    pub destination: String,
    /// Notices that arrived.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Notices that were given up.
    pub dead: u64,
    /// When a notice last arrived.
    pub delivered_at: Option<Timestamp>,
    /// Why the last attempt failed, until one succeeds.
    pub trouble: Option<String>,
}

/// Sends what waits for one destination.
pub struct Worker {
    name: String,
    outbox: Arc<dyn Outbox>,
    door: Arc<Door>,
    patience: Patience,
    clock: Clock,
    state: watch::Sender<DestinationState>,
    /// Alerts with an attempt under way, or with an outcome that the store has not taken yet.
    busy: HashSet<String>,
    unsettled: Vec<(Delivery, Outcome)>,
    /// Failures in a row that were the destination's, not one notice's.
    streak: u32,
    closed_until: Option<Instant>,
    store_fails: bool,
}

/// The channel, opened when it is first needed and again when it refuses.
struct Door {
    open: Arc<dyn Open>,
    channel: Mutex<Option<Arc<dyn Channel>>>,
}

/// What came of one attempt.
enum Attempt {
    Arrived,
    Overtaken,
    Failed(Failure),
}

type Flying = FuturesUnordered<BoxFuture<'static, (Delivery, Attempt)>>;

impl Worker {
    /// A worker for the destination of this name.
    pub fn new(
        name: impl Into<String>,
        open: Arc<dyn Open>,
        outbox: Arc<dyn Outbox>,
        patience: Patience,
        clock: Clock,
    ) -> Worker {
        let name = name.into();
        let (state, _) = watch::channel(DestinationState { destination: name.clone(), ..DestinationState::default() });
        Worker {
            name,
            outbox,
            door: Arc::new(Door { open, channel: Mutex::new(None) }),
            patience,
            clock,
            state,
            busy: HashSet::new(),
            unsettled: Vec::new(),
            streak: 0,
            closed_until: None,
            store_fails: false,
        }
    }

    /// How it is doing.
    pub fn state(&self) -> watch::Receiver<DestinationState> {
        self.state.subscribe()
    }

    /// Works until `stop` is true; what is under way then may end within three seconds.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut queued = self.outbox.queued();
        let mut flying = Flying::new();
        loop {
            queued.borrow_and_update();
            self.settle_again().await;
            let wake = self.launch(&mut flying).await;
            tokio::select! {
                () = crate::asked(&mut stop) => break,
                Some((delivery, attempt)) = flying.next(), if !flying.is_empty() => self.ended(delivery, attempt).await,
                changed = queued.changed() => if changed.is_err() { break },
                () = sleep_until(wake) => {}
            }
        }
        let rest = async {
            while let Some((delivery, attempt)) = flying.next().await {
                self.ended(delivery, attempt).await;
            }
        };
        _ = tokio::time::timeout(GRACE, rest).await;
    }

    /// Begins as many attempts as may be under way. Answers when to look again if nothing happens before.
    async fn launch(&mut self, flying: &mut Flying) -> Option<Instant> {
        if let Some(until) = self.closed_until {
            if Instant::now() < until {
                return Some(until);
            }
            self.closed_until = None;
        }
        let most = if self.streak > 0 { 1 } else { CONCURRENCY };
        let room = most.saturating_sub(flying.len());
        if room == 0 {
            return None;
        }
        let now = (self.clock)();
        let due = match self.outbox.due(&self.name, now, self.busy.len() + room).await {
            Ok(due) => due,
            Err(error) => {
                self.store_failed(&error);
                return Some(Instant::now() + STORE_WAIT);
            }
        };
        self.store_fails = !self.unsettled.is_empty();
        let mut due_now = due.deliveries;
        due_now.retain(|delivery| !self.busy.contains(&delivery.alert));
        for delivery in due_now.into_iter().take(room) {
            self.busy.insert(delivery.alert.clone());
            flying.push(attempt(self.door.clone(), delivery, now).boxed());
        }
        let next =
            due.next_at.map(|at| Instant::now() + Duration::try_from(at.duration_since(now)).unwrap_or_default());
        if self.unsettled.is_empty() { next } else { Some(Instant::now() + STORE_WAIT) }
    }

    /// Notes what came of an attempt.
    async fn ended(&mut self, delivery: Delivery, attempt: Attempt) {
        let now = (self.clock)();
        let outcome = match attempt {
            Attempt::Arrived => {
                self.streak = 0;
                self.state.send_modify(|state| {
                    state.delivered += 1;
                    state.delivered_at = Some(now);
                    state.trouble = None;
                });
                tracing::debug!(destination = self.name, delivery = delivery.id, "delivered");
                Outcome::Delivered { at: now }
            }
            Attempt::Overtaken => Outcome::Overtaken { at: now },
            Attempt::Failed(failure) => self.failed(&delivery, failure, now),
        };
        self.settle(delivery, outcome).await;
    }

    fn failed(&mut self, delivery: &Delivery, failure: Failure, now: Timestamp) -> Outcome {
        let error = match &failure.hint {
            Some(hint) => format!("{failure} ({hint})"),
            None => failure.to_string(),
        };
        let (name, id) = (&self.name, &delivery.id);
        let is_the_destination = matches!(failure.kind, Kind::Unreachable | Kind::Busy(_));
        let failures = if is_the_destination { self.streak + 1 } else { delivery.attempts + 1 };
        let wait = self.patience.wait(failures, failure.kind, backoff::chance());
        if is_the_destination {
            self.streak += 1;
            let until = Instant::now() + wait;
            self.closed_until = Some(self.closed_until.map_or(until, |closed| closed.max(until)));
        }
        let is_dead = failure.kind == Kind::Refused || self.patience.is_over(delivery.since, now);
        let is_new = self.state.borrow().trouble.is_none();
        self.state.send_modify(|state| {
            state.failed += 1;
            state.dead += u64::from(is_dead);
            state.trouble = Some(error.clone());
        });
        if is_dead {
            tracing::error!(destination = name, delivery = id, error, "given up: a dead letter");
            return Outcome::Dead { at: now, error };
        }
        if is_new {
            tracing::warn!(destination = name, delivery = id, error, "not delivered, to be tried again");
        } else {
            tracing::debug!(destination = name, delivery = id, error, "not delivered, to be tried again");
        }
        let at = now.checked_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO)).unwrap_or(now);
        Outcome::Later { at, error }
    }

    async fn settle(&mut self, delivery: Delivery, outcome: Outcome) {
        match self.outbox.settle(&delivery.id, outcome.clone()).await {
            Ok(()) => _ = self.busy.remove(&delivery.alert),
            Err(error) => {
                self.store_failed(&error);
                self.unsettled.push((delivery, outcome));
            }
        }
    }

    /// What could not be noted is not sent again as long as this process remembers it.
    async fn settle_again(&mut self) {
        for (delivery, outcome) in std::mem::take(&mut self.unsettled) {
            self.settle(delivery, outcome).await;
        }
    }

    fn store_failed(&mut self, error: &auditlake_store::StoreError) {
        if !self.store_fails {
            tracing::error!(destination = self.name, %error, "the queue cannot be used, trying on");
        }
        self.store_fails = true;
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

async fn attempt(door: Arc<Door>, delivery: Delivery, now: Timestamp) -> (Delivery, Attempt) {
    let attempt = match tokio::time::timeout(LONGEST_ATTEMPT, door.pass(&delivery, now)).await {
        Ok(attempt) => attempt,
        Err(_) => Attempt::Failed(Failure::new(Kind::Unreachable, "no answer in time")),
    };
    (delivery, attempt)
}

impl Door {
    async fn pass(&self, delivery: &Delivery, at: Timestamp) -> Attempt {
        let notice: Notice = match serde_json::from_value(delivery.notice.clone()) {
            Ok(notice) => notice,
            Err(error) => {
                return Attempt::Failed(Failure::new(
                    Kind::Refused,
                    format!("the queued notice cannot be read: {error}"),
                ));
            }
        };
        let letter = Letter { id: &delivery.id, at, notice: &notice };
        let (channel, is_fresh) = match self.channel(None).await {
            Ok(found) => found,
            Err(failure) => return Attempt::Failed(failure),
        };
        if delivery.is_overtaken && channel.is_stateful() {
            return Attempt::Overtaken;
        }
        match channel.send(letter).await {
            Ok(()) => Attempt::Arrived,
            // A secret may have been rotated: once more with what is configured now.
            Err(failure) if failure.kind == Kind::Refused && !is_fresh => match self.channel(Some(&channel)).await {
                Ok((channel, _)) => channel.send(letter).await.map_or_else(Attempt::Failed, |()| Attempt::Arrived),
                Err(_) => Attempt::Failed(failure),
            },
            Err(failure) => Attempt::Failed(failure),
        }
    }

    /// The channel, and whether it was opened just now. One that refused is replaced.
    async fn channel(&self, refused: Option<&Arc<dyn Channel>>) -> Result<(Arc<dyn Channel>, bool), Failure> {
        let mut held = self.channel.lock().await;
        match &*held {
            Some(channel) if !refused.is_some_and(|refused| Arc::ptr_eq(refused, channel)) => {
                return Ok((channel.clone(), false));
            }
            _ => {}
        }
        let opened = self.open.open().await;
        let channel: Arc<dyn Channel> =
            opened.map_err(|error| Failure::new(Kind::Unreachable, error.message).hint(error.hint))?.into();
        *held = Some(channel.clone());
        Ok((channel, true))
    }
}
