//! How many requests may be made: a budget a minute shared by all keys, and one for each key that has its own.
//!
//! A budget is a bucket that holds a minute's requests and fills evenly, so that a client which is over waits a
//! second, not a minute. Budgets live in memory: a restart fills them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::KeyIdentity;

/// Requests a minute of the feed's contract.
pub const REQUESTS_PER_MINUTE: u32 = 600;

/// The budgets of a server.
#[derive(Debug)]
pub(super) struct Budgets {
    shared: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shared: Bucket,
    /// By key id. Only good keys get in, so it stays as small as the number of keys.
    keys: HashMap<String, Bucket>,
}

/// A budget after a request, as the rate-limit headers say it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// Requests a minute.
    pub limit: u32,
    /// Whole requests left.
    pub remaining: u32,
    /// Until the budget is whole again.
    pub full_in: Duration,
    /// Until there is a request left.
    pub next_in: Duration,
}

impl Budgets {
    pub fn new(shared: u32, now: Instant) -> Budgets {
        let state = State { shared: Bucket::full(shared, now), keys: HashMap::new() };
        Budgets { shared, state: Mutex::new(state) }
    }

    /// Takes one request of this key: the tighter budget that is left, or `Err` with the one that is used up.
    pub fn take(&self, key: &KeyIdentity, now: Instant) -> Result<Standing, Standing> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { shared, keys } = &mut *state;
        shared.refill(self.shared, now);
        let Some(limit) = key.requests_per_minute else {
            return shared.take(self.shared);
        };
        let own = keys.entry(key.id.clone()).or_insert_with(|| Bucket::full(limit, now));
        own.refill(limit, now);
        if own.left < 1.0 {
            return Err(own.standing(limit));
        }
        let standing = shared.take(self.shared)?;
        let own = own.take(limit)?;
        Ok(if own.remaining < standing.remaining { own } else { standing })
    }
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(limit: u32, now: Instant) -> Bucket {
        Bucket { left: limit.into(), at: now }
    }

    fn refill(&mut self, limit: u32, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.left = (self.left + passed.as_secs_f64() * per_second(limit)).min(limit.into());
        self.at = now;
    }

    fn take(&mut self, limit: u32) -> Result<Standing, Standing> {
        if self.left < 1.0 {
            return Err(self.standing(limit));
        }
        self.left -= 1.0;
        Ok(self.standing(limit))
    }

    fn standing(&self, limit: u32) -> Standing {
        // A budget of nothing is never full again; an hour is as good as never.
        let until =
            |count: f64| Duration::try_from_secs_f64(count.max(0.0) / per_second(limit)).unwrap_or(HOUR).min(HOUR);
        Standing {
            limit,
            remaining: self.left as u32,
            full_in: until(f64::from(limit) - self.left),
            next_in: until(1.0 - self.left),
        }
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);

fn per_second(limit: u32) -> f64 {
    f64::from(limit) / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, requests_per_minute: Option<u32>) -> KeyIdentity {
        KeyIdentity { requests_per_minute, ..KeyIdentity::reader(id) }
    }

    #[test]
    fn a_minute_holds_so_many() {
        let start = Instant::now();
        let budgets = Budgets::new(600, start);
        let key = key("a", None);
        assert_eq!(budgets.take(&key, start).expect("left").remaining, 599);
        assert_eq!((1..1_000).filter(|_| budgets.take(&key, start).is_ok()).count(), 599);
        let over = budgets.take(&key, start).expect_err("used up");
        assert_eq!((over.limit, over.remaining, over.full_in.as_secs()), (600, 0, 60));
        assert_eq!(over.next_in.as_millis(), 100);
        let later = start + Duration::from_millis(1_001);
        assert_eq!((0..100).filter(|_| budgets.take(&key, later).is_ok()).count(), 10);
        let refilled = start + Duration::from_secs(600);
        assert_eq!((0..1_000).filter(|_| budgets.take(&key, refilled).is_ok()).count(), 600);
    }

    #[test]
    fn a_key_cannot_use_up_what_all_share() {
        let start = Instant::now();
        let budgets = Budgets::new(10, start);
        let (greedy, modest) = (key("greedy", Some(4)), key("modest", None));
        assert_eq!(budgets.take(&greedy, start).expect("left").remaining, 3);
        assert_eq!((0..9).filter(|_| budgets.take(&greedy, start).is_ok()).count(), 3);
        assert_eq!(budgets.take(&greedy, start).expect_err("used up").limit, 4);
        assert_eq!((0..9).filter(|_| budgets.take(&modest, start).is_ok()).count(), 6);
        assert_eq!(budgets.take(&greedy, start + Duration::from_secs(1)).expect_err("used up").limit, 4);
    }

    #[test]
    fn a_budget_of_nothing_lets_nobody_in() {
        let now = Instant::now();
        let over = Budgets::new(0, now).take(&key("a", None), now).expect_err("used up");
        assert_eq!((over.remaining, over.next_in), (0, HOUR));
    }
}
