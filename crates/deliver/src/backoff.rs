//! How long to wait, and when to give up.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::failure::Kind;

/// How patient to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Patience {
    /// The wait after the first failure; doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait of the doubling.
    pub max_wait: Duration,
    /// The share of a wait that is left to chance, 0 to 1.
    pub jitter: f64,
    /// The longest `retry-after` that is believed.
    pub max_asked: Duration,
    /// After so long a delivery that fails is given up.
    pub give_up_after: Duration,
}

impl Default for Patience {
    /// 1 s doubling to 5 minutes, a quarter of it by chance, for a day.
    fn default() -> Self {
        Patience {
            first_wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(300),
            jitter: 0.25,
            max_asked: Duration::from_secs(60 * 60),
            give_up_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Patience {
    /// How long to wait after `failures` failed attempts, the last for this reason. `chance` is 0 to 1.
    pub fn wait(&self, failures: u32, kind: Kind, chance: f64) -> Duration {
        let doubled = self.first_wait.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(self.max_wait);
        let share = self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0);
        match kind {
            // Never earlier than asked, so chance only adds.
            Kind::Busy(Some(asked)) => asked.min(self.max_asked) + self.first_wait.mul_f64(share),
            _ => doubled.mul_f64(1.0 - share),
        }
    }

    /// Whether a delivery that has been tried since then has been tried long enough.
    pub fn is_over(&self, since: Timestamp, now: Timestamp) -> bool {
        now.duration_since(since) >= SignedDuration::try_from(self.give_up_after).unwrap_or(SignedDuration::MAX)
    }
}

/// A number from 0 to 1, good enough to spread attempts: the standard library seeds each state anew.
pub(crate) fn chance() -> f64 {
    RandomState::new().hash_one(0u8) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time() {
        let patience = Patience::default();
        let seconds = |failures, kind, chance| patience.wait(failures, kind, chance).as_secs_f64();
        let waits: Vec<f64> =
            [1, 2, 3, 4, 9, 10, 4_000_000].map(|failures| seconds(failures, Kind::Failed, 0.0)).into();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 256.0, 300.0, 300.0]);
        assert_eq!(seconds(3, Kind::Unreachable, 1.0), 3.0);
        assert_eq!(seconds(1, Kind::Busy(None), 0.0), 1.0);
        let asked = Kind::Busy(Some(Duration::from_secs(30)));
        assert_eq!((seconds(9, asked, 0.0), seconds(9, asked, 1.0)), (30.0, 30.25));
        assert_eq!(seconds(1, Kind::Busy(Some(Duration::MAX)), 0.0), 3_600.0);
    }

    #[test]
    fn gives_up_after_a_day() {
        let patience = Patience::default();
        let since = Timestamp::UNIX_EPOCH;
        let after = |hours| since + SignedDuration::from_hours(hours);
        assert!(!patience.is_over(since, after(23)) && patience.is_over(since, after(24)));
        assert!(!patience.is_over(after(1), since));
    }
}
