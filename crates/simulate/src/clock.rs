//! The simulated time: standing still, running as it does, or running faster.

use std::time::Instant;

use jiff::Timestamp;

use crate::calendar::{Micros, timestamp};

/// How simulated time passes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Pace {
    /// It stands still.
    Frozen,
    /// A second a second.
    #[default]
    Real,
    /// So many seconds a second.
    Times(f64),
}

/// A clock that showed `anchor` when it was made.
#[derive(Debug)]
pub struct Clock {
    anchor: Micros,
    made: Instant,
    pace: Pace,
}

impl Clock {
    /// A clock that shows `anchor` now.
    pub fn new(anchor: Timestamp, pace: Pace) -> Clock {
        Clock { anchor: anchor.as_microsecond(), made: Instant::now(), pace }
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        timestamp(self.micros())
    }

    /// How its time passes.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.pace == Pace::Frozen
    }

    pub(crate) fn micros(&self) -> Micros {
        let passed = || self.made.elapsed().as_micros() as Micros;
        self.anchor
            + match self.pace {
                Pace::Frozen => 0,
                Pace::Real => passed(),
                Pace::Times(speed) => (passed() as f64 * speed) as Micros,
            }
    }
}
