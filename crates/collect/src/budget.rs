//! The request budget of an upstream organisation, shared by all sources with keys under it.
//!
//! Requests are spread evenly, so that no minute ever sees more than its share: a few at once, then one each time a token
//! has grown back. Who follows the feed goes before who compares, who compares before who reads the past. What the feed
//! says of its limit is believed; when other tools have used up more than was left to them, the past waits.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use feed::client::Exchange;
use jiff::Timestamp;
use tokio::{sync::Notify, time::Instant};

use crate::own::OwnRequests;

/// What a request is for, the more urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Following the feed.
    Tail,
    /// Comparing older windows.
    Reconcile,
    /// Reading the past.
    Backfill,
}

impl Priority {
    /// The name in ledger and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Tail => "tail",
            Priority::Reconcile => "reconcile",
            Priority::Backfill => "backfill",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Budget {
    state: Mutex<State>,
    changed: Notify,
    own: OwnRequests,
}

#[derive(Debug)]
struct State {
    /// The upstream's limit, requests a minute.
    limit: u64,
    /// The share of it that is left to others.
    left_share: f64,
    tokens: f64,
    refilled: Instant,
    waiting: [usize; 3],
    /// Nobody asks before this, as the feed refused.
    held: Option<Instant>,
    /// Only who follows the feed asks before this, as others need the rest.
    yielded: Option<Instant>,
}

impl Budget {
    /// What the feed allows unless it says otherwise.
    pub const DEFAULT_LIMIT: u64 = 600;
    /// What is left to the company's other tools unless told otherwise.
    pub const DEFAULT_LEFT_SHARE: f64 = 0.2;
    /// The longest wait for a reset that is believed.
    const MAX_YIELD: Duration = Duration::from_secs(120);

    /// A budget of `limit` requests a minute of which `left_share` (0 to 0.95) is left to others.
    pub fn new(limit: u64, left_share: f64) -> Self {
        let left_share = left_share.clamp(0.0, 0.95);
        let mut state = State {
            limit: limit.max(1),
            left_share,
            tokens: 0.0,
            refilled: Instant::now(),
            waiting: [0; 3],
            held: None,
            yielded: None,
        };
        state.tokens = state.burst();
        Budget { state: Mutex::new(state), changed: Notify::new(), own: OwnRequests::default() }
    }

    /// Waits for the turn of one request.
    pub async fn admit(&self, priority: Priority) {
        let _waiting = Waiting::new(self, priority);
        loop {
            // Before looking, so that no change in between is missed.
            let changed = self.changed.notified();
            let wait = match self.lock().take(priority, Instant::now()) {
                None => return,
                Some(wait) => wait,
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Notes what an answer says of the limit.
    pub fn note(&self, exchange: &Exchange) {
        let rate = &exchange.rate_limit;
        let mut state = self.lock();
        if let Some(limit) = rate.limit.filter(|limit| *limit > 0) {
            state.limit = limit;
        }
        let Some(remaining) = rate.remaining else { return };
        let left = (state.limit as f64 * state.left_share) as u64;
        let until = Instant::now() + until_reset(exchange);
        state.yielded = (remaining <= left).then_some(until);
        if remaining == 0 {
            state.held = Some(state.held.map_or(until, |held| held.max(until)));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nobody asks for so long: the feed has refused a request.
    pub fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        state.held = Some(state.held.map_or(until, |held| held.max(until)));
        state.tokens = state.tokens.min(1.0);
    }

    /// The requests that were made within this budget.
    pub(crate) fn own(&self) -> &OwnRequests {
        &self.own
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget::new(Self::DEFAULT_LIMIT, Self::DEFAULT_LEFT_SHARE)
    }
}

impl State {
    /// Requests a minute that are ours.
    fn allowed(&self) -> f64 {
        (self.limit as f64 * (1.0 - self.left_share)).max(1.0)
    }

    /// So many may be asked at once.
    fn burst(&self) -> f64 {
        (self.allowed() / 100.0).clamp(1.0, 10.0)
    }

    /// Tokens a second, such that a minute that begins with a burst stays within what is allowed.
    fn rate(&self) -> f64 {
        ((self.allowed() - self.burst()) / 60.0).max(1.0 / 60.0)
    }

    /// Takes a token, or says how long to wait before looking again.
    fn take(&mut self, priority: Priority, now: Instant) -> Option<Duration> {
        let grown = now.saturating_duration_since(self.refilled).as_secs_f64() * self.rate();
        self.tokens = (self.tokens + grown).min(self.burst());
        self.refilled = now;
        let held = self.held.filter(|until| *until > now);
        let yielded = self.yielded.filter(|until| *until > now && priority != Priority::Tail);
        if let Some(until) = held.max(yielded) {
            return Some(until - now);
        }
        let is_next = self.waiting[..priority as usize].iter().all(|waiting| *waiting == 0);
        if is_next && self.tokens >= 0.999 {
            self.tokens -= 1.0;
            return None;
        }
        let missing = (1.0 - self.tokens).max(0.01);
        Some(Duration::from_secs_f64(missing / self.rate()).max(Duration::from_millis(1)))
    }
}

/// How long until the whole limit is there again, by the feed's own clock where it says it.
fn until_reset(exchange: &Exchange) -> Duration {
    let now = exchange.date.unwrap_or_else(Timestamp::now);
    let wait = exchange.rate_limit.reset.map(|reset| reset.duration_since(now));
    wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default().min(Budget::MAX_YIELD)
}

/// Somebody who waits, for as long as they do.
struct Waiting<'a>(&'a Budget, Priority);

impl<'a> Waiting<'a> {
    fn new(budget: &'a Budget, priority: Priority) -> Self {
        budget.lock().waiting[priority as usize] += 1;
        Waiting(budget, priority)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting[self.1 as usize] -= 1;
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use feed::client::RateLimit;

    use super::*;

    /// Requests that get through in the first `seconds`, when everybody always wants more.
    async fn count(budget: &Budget, priority: Priority, seconds: u64) -> u64 {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut count = 0;
        while tokio::time::timeout_at(end, budget.admit(priority)).await.is_ok() {
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn spends_what_is_allowed_and_no_more() {
        for (left, least, most) in [(0.0, 570, 600), (0.2, 456, 480)] {
            let budget = Budget::new(600, left);
            for _ in 0..3 {
                let spent = count(&budget, Priority::Backfill, 60).await;
                assert!((least..=most).contains(&spent), "{spent} with {left} left");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_urgent_go_first() {
        let budget = Arc::new(Budget::new(60, 0.0));
        budget.admit(Priority::Backfill).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for priority in [Priority::Backfill, Priority::Reconcile, Priority::Tail] {
            let (budget, order) = (budget.clone(), order.clone());
            tasks.spawn(async move {
                budget.admit(priority).await;
                order.lock().unwrap().push(priority);
            });
            tokio::task::yield_now().await;
        }
        tasks.join_all().await;
        assert_eq!(*order.lock().unwrap(), [Priority::Tail, Priority::Reconcile, Priority::Backfill]);
    }

    #[tokio::test(start_paused = true)]
    async fn follows_the_headers() {
        let budget = Budget::new(600, 0.2);
        let date: Timestamp = "2026-10-07T10:00:00Z".parse().unwrap();
        let exchange = |limit, remaining| Exchange {
            query: String::new(),
            sent_at: date,
            elapsed: Duration::ZERO,
            status: Some(200),
            request_id: None,
            rate_limit: RateLimit {
                limit: Some(limit),
                remaining: Some(remaining),
                reset: "2026-10-07T10:00:30Z".parse().ok(),
            },
            date: Some(date),
            body_bytes: None,
            body_sha256: None,
        };
        budget.note(&exchange(1_200, 100));
        let start = Instant::now();
        budget.admit(Priority::Tail).await;
        assert!(start.elapsed() < Duration::from_secs(1));
        budget.admit(Priority::Backfill).await;
        assert_eq!(start.elapsed().as_secs(), 30);
        budget.note(&exchange(1_200, 900));
        let spent = count(&budget, Priority::Backfill, 60).await;
        assert!((912..=960).contains(&spent), "{spent}");
        budget.hold(Duration::from_secs(7));
        let start = Instant::now();
        budget.admit(Priority::Tail).await;
        assert_eq!(start.elapsed().as_secs(), 7);
    }
}
