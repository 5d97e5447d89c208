//! What the feed's server asks of a simulation beside pages: which key is good, what goes wrong, and who looked.

use std::sync::atomic::Ordering;

use feed::server::{Access, AccessLog, FaultRequest, KeyError, KeyIdentity, Keys, Plan, same_secret};
use jiff::{SignedDuration, Timestamp};

use crate::{Simulation, hash::happens, script::kind_of, simulation::skew, unknown};

impl Simulation {
    /// Whether an activity type exists: in the catalogue, or among what this feed sends beyond it.
    pub fn has_type(&self, name: &str) -> bool {
        kind_of(name).is_some() || (self.stream.unknown > 0.0 && unknown::is_unknown(name))
    }
}

#[async_trait::async_trait]
impl Keys for Simulation {
    async fn identify(&self, key: &str) -> Result<KeyIdentity, KeyError> {
        if same_secret(key, &self.key()) { Ok(KeyIdentity::reader(self.key_id())) } else { Err(KeyError::Unknown) }
    }
}

impl feed::server::Faults for Simulation {
    fn plan(&self, _: &FaultRequest<'_>) -> Plan {
        self.faults.plan(1 + self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// The simulated clock, so that a feed that runs ahead says so in its `Date`. Where it stands still, the real one: a
    /// budget is whole again some time, which it must be able to name.
    fn now(&self) -> Timestamp {
        let runs = !self.clock.is_frozen();
        let luck = self.faults.luck(5, self.requests.load(Ordering::Relaxed));
        // A skew of all the time is in the simulated clock already.
        let off = skew(&self.faults, |rate| happens(luck, rate) && !(runs && rate >= 1.0));
        let clock = if runs { self.clock.now() } else { Timestamp::now() };
        clock.checked_add(SignedDuration::from_micros(off)).unwrap_or(clock)
    }
}

impl AccessLog for Simulation {
    /// Lets a request to the feed leave its activity, which appears within a second. Nothing happens while time stands
    /// still. The newest [`crate::MAX_ACCESSES`] are kept. A request without a good key has nobody to be told of.
    fn record(&self, access: Access) {
        if let (false, Some(key_id)) = (self.clock.is_frozen(), &access.key_id) {
            self.recorder.record(&access, key_id, self.clock.micros(), self.organization().seed);
        }
    }
}
