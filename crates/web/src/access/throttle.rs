//! How often a login may fail, by account and by address: each failure beyond the free ones doubles the wait.
//!
//! An attempt counts as failed from its beginning on, and is taken back if it was none: so many at the same time are no more
//! than so many one after the other.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures that cost nothing: of an account, and of an address, behind which several people may be.
const FREE_ACCOUNT: u32 = 5;
const FREE_ADDRESS: u32 = 20;
/// Nobody waits longer; who has not failed for so long begins anew.
const LONGEST: Duration = Duration::from_secs(5 * 60);
const FORGET: Duration = Duration::from_secs(15 * 60);
/// So many accounts are remembered, and so many addresses.
const ENTRIES: usize = 20_000;

/// Failures of late.
#[derive(Default)]
pub struct Throttle(Mutex<Held>);

#[derive(Default)]
struct Held {
    accounts: Failures,
    addresses: Failures,
}

/// How often each failed, and when last.
#[derive(Default)]
struct Failures(HashMap<String, (u32, Instant)>);

impl Throttle {
    /// Begins an attempt, which counts as failed until [`Throttle::succeeded`] says otherwise.
    ///
    /// # Errors
    /// How long this account and this address have to wait.
    pub fn begin(&self, account: &str, address: &str, now: Instant) -> Result<(), Duration> {
        let address = network(address);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = [held.accounts.wait(account, FREE_ACCOUNT, now), held.addresses.wait(&address, FREE_ADDRESS, now)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        held.accounts.add(account, now);
        held.addresses.add(&address, now);
        Ok(())
    }

    /// Notes that an attempt succeeded: the account begins anew. Of the address only this attempt is taken back, as an attacker
    /// may have an account.
    pub fn succeeded(&self, account: &str, address: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.accounts.0.remove(account);
        if let Some((failures, _)) = held.addresses.0.get_mut(&network(address)) {
            *failures = failures.saturating_sub(1);
        }
    }
}

impl Failures {
    fn wait(&self, key: &str, free: u32, now: Instant) -> Option<Duration> {
        let (failures, last) = self.0.get(key)?;
        let beyond = failures.checked_sub(free)?;
        let wait = Duration::from_secs(1 << beyond.min(16)).min(LONGEST);
        wait.checked_sub(now.saturating_duration_since(*last)).filter(|left| !left.is_zero())
    }

    fn add(&mut self, key: &str, now: Instant) {
        if self.0.len() >= ENTRIES && !self.0.contains_key(key) {
            self.0.retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGET);
        }
        // Whoever comes new is never left out: who failed longest ago gives way. Looking for it takes less than the password.
        if self.0.len() >= ENTRIES
            && !self.0.contains_key(key)
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| key.clone())
        {
            self.0.remove(&oldest);
        }
        let entry = self.0.entry(key.to_owned()).or_insert((0, now));
        if now.saturating_duration_since(entry.1) >= FORGET {
            entry.0 = 0;
        }
        *entry = (entry.0.saturating_add(1), now);
    }
}

/// What of an address somebody cannot change at will: of IPv6, the network that a customer is given.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => address.to_owned(),
    }
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
            assert_eq!(throttle.begin("ann", "192.0.2.1", start), Ok(()));
        }
        assert_eq!(throttle.begin("ann", "192.0.2.2", start), Err(Duration::from_secs(1)), "from anywhere");
        assert_eq!(throttle.begin("bob", "192.0.2.1", start), Ok(()), "others get in");
        throttle.succeeded("bob", "192.0.2.1");
        let mut now = start;
        for _ in 0..12 {
            now += LONGEST;
            assert_eq!(throttle.begin("ann", "192.0.2.1", now), Ok(()));
        }
        assert_eq!(throttle.begin("ann", "192.0.2.9", now), Err(LONGEST), "and never longer");
        throttle.succeeded("ann", "192.0.2.1");
        assert_eq!(throttle.begin("ann", "192.0.2.9", now), Ok(()));
        let later = now + FORGET;
        for _ in 0..FREE_ACCOUNT {
            assert_eq!(throttle.begin("ann", "192.0.2.9", later), Ok(()), "begins anew");
        }
        assert!(throttle.begin("ann", "192.0.2.9", later).is_err());
    }

    #[test]
    fn one_address_tries_many_accounts() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for at in 0..100 {
            throttle.begin(&format!("good-{at}"), "192.0.2.1", now).unwrap();
            throttle.succeeded(&format!("good-{at}"), "192.0.2.1");
        }
        for at in 0..FREE_ADDRESS {
            throttle.begin(&format!("user-{at}"), "192.0.2.1", now).unwrap();
        }
        assert!(throttle.begin("bob", "192.0.2.1", now).is_err());
        // Whoever has one address of IPv6 has all of its network.
        for at in 0..FREE_ADDRESS {
            throttle.begin(&format!("other-{at}"), &format!("2001:db8::{at:x}"), now).unwrap();
        }
        assert!(throttle.begin("bob", "2001:db8::ffff:1", now).is_err());
        assert!(throttle.begin("bob", "2001:db8:0:1::1", now).is_ok(), "the next network is somebody else's");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn whoever_comes_new_counts_when_it_is_full() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for at in 0..ENTRIES {
            let now = start + Duration::from_millis(at.try_into().unwrap());
            throttle.0.lock().unwrap().accounts.add(&at.to_string(), now);
        }
        let now = start + Duration::from_secs(30);
        for _ in 0..FREE_ACCOUNT {
            throttle.begin("ann", "192.0.2.1", now).unwrap();
        }
        assert!(throttle.begin("ann", "192.0.2.2", now).is_err(), "though there was no room");
        let held = throttle.0.lock().unwrap();
        assert_eq!(held.accounts.0.len(), ENTRIES);
        assert!(!held.accounts.0.contains_key("0") && held.accounts.0.contains_key("1"), "the oldest gave way");
    }
}
