//! How often a login may fail, by account and by address: each failure beyond the free ones doubles the wait.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures that cost nothing: of an account, and of an address, behind which several people may be.
const FREE_ACCOUNT: u32 = 5;
const FREE_ADDRESS: u32 = 20;
/// Nobody waits longer; who has not failed for so long begins anew.
const LONGEST: Duration = Duration::from_secs(5 * 60);
const FORGET: Duration = Duration::from_secs(15 * 60);
/// So many accounts and addresses are remembered.
const ENTRIES: usize = 20_000;

/// Failures of late.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<String, (u32, Instant)>>);

impl Throttle {
    /// How long this account and this address have to wait; none if they need not.
    pub fn wait(&self, account: &str, address: &str, now: Instant) -> Option<Duration> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys(account, address)
            .into_iter()
            .filter_map(|(key, free)| {
                let (failures, last) = held.get(&key)?;
                let beyond = failures.checked_sub(free)?;
                let wait = Duration::from_secs(1 << beyond.min(16)).min(LONGEST);
                wait.checked_sub(now.saturating_duration_since(*last)).filter(|left| !left.is_zero())
            })
            .max()
    }

    /// Notes a failure.
    pub fn failed(&self, account: &str, address: &str, now: Instant) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= ENTRIES {
            held.retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGET);
        }
        for (key, _) in keys(account, address) {
            if held.len() >= ENTRIES && !held.contains_key(&key) {
                continue;
            }
            let entry = held.entry(key).or_insert((0, now));
            if now.saturating_duration_since(entry.1) >= FORGET {
                entry.0 = 0;
            }
            *entry = (entry.0.saturating_add(1), now);
        }
    }

    /// Notes a success: the account begins anew. The address does not, as an attacker may have an account.
    pub fn succeeded(&self, account: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&format!("user {account}"));
    }
}

fn keys(account: &str, address: &str) -> [(String, u32); 2] {
    [(format!("user {account}"), FREE_ACCOUNT), (format!("from {address}"), FREE_ADDRESS)]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn slows_guessing_down() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..FREE_ACCOUNT {
            assert_eq!(throttle.wait("ann", "192.0.2.1", start), None);
            throttle.failed("ann", "192.0.2.1", start);
        }
        assert_eq!(throttle.wait("ann", "192.0.2.2", start), Some(Duration::from_secs(1)), "from anywhere");
        assert_eq!(throttle.wait("bob", "192.0.2.1", start), None, "others get in");
        for _ in 0..60 {
            throttle.failed("ann", "192.0.2.1", start);
        }
        assert_eq!(throttle.wait("ann", "192.0.2.1", start), Some(LONGEST), "and never longer");
        assert!(throttle.wait("bob", "192.0.2.1", start).is_some(), "one address tries many accounts");
        throttle.succeeded("ann");
        assert_eq!(throttle.wait("ann", "192.0.2.9", start), None);
        let later = start + FORGET;
        assert_eq!(throttle.wait("bob", "192.0.2.1", later), None);
        throttle.failed("bob", "192.0.2.1", later);
        assert_eq!(throttle.wait("bob", "192.0.2.1", later), None, "begins anew");
    }
}
