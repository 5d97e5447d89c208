//! Faults, by specification: what goes wrong between the organization and whoever reads its feed.
//!
//! A specification is `NAME=RATE[:ARGUMENT]` (`parse`). *Data faults* change what a page holds and are applied by the
//! [`crate::Simulation`], with `memory` for those that depend on earlier requests; *transport faults* change how a response
//! travels, are decided by [`Faults::plan`], and carried out by [`feed::server`]. Every decision follows from the seed and
//! the number of the request, or the id of the activity: the same run goes wrong in the same way.

pub(crate) mod memory;
mod parse;
mod plan;

use std::time::Duration;

use crate::hash::mix;
pub use parse::FaultError;

/// A fault and how often it happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How often, from 0 to 1: of requests, of activities, or of all for a fault that either is or is not.
    pub rate: f64,
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// `error500`, `error502`, `error503`, `error504`, `error529`: this status, worth a retry.
    Status(u16),
    /// `error500-final`: status 500 with `x-should-retry: false`.
    Final,
    /// `ratelimit=RATE[:REQUESTS]`: a burst of 429 that lasts so many requests (5).
    RateLimit(u64),
    /// `cut`: the body ends early.
    Cut,
    /// `invalid-json`: the body is no JSON.
    InvalidJson,
    /// `drop`: the connection is closed without an answer.
    Drop,
    /// `slow=RATE:TIME`: the answer waits.
    Slow(Duration),
    /// `late=RATE:TIME`: an activity is indexed later, by up to this.
    Late(Duration),
    /// `duplicate`: an activity is delivered twice, one after the other, in a page or across two.
    Duplicate,
    /// `early-end`: `has_more` is false although more follows. The same request answers rightly the next time.
    EarlyEnd,
    /// `blank-names=RATE[:TIME]`: names are blank when an activity is read again, so long after it was first read (60 s of
    /// real time, so that a retry after a broken connection still finds them).
    BlankNames(Duration),
    /// `unknown`: extra activities with types, actors and fields that no catalogue has, as a share of all.
    Unknown,
    /// `skew=RATE:TIME`: the feed's clock is ahead (`-TIME`: behind). At 100 % the
    /// simulated clock itself, otherwise the `Date` header of single responses.
    Skew(Skew),
    /// `revoke=RATE:REQUESTS`: the key is revoked after so many requests.
    Revoke(u64),
}

/// How far a clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// By how much.
    pub by: Duration,
    /// Whether it is behind instead of ahead.
    pub behind: bool,
}

/// All faults of a simulation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    pub(crate) all: Vec<Fault>,
    seed: u64,
}

impl Faults {
    /// These faults, with the luck of this seed.
    pub fn new(all: Vec<Fault>, seed: u64) -> Faults {
        Faults { all, seed: mix(seed, 0xfa17) }
    }

    /// The rate of the faults of this kind together.
    pub(crate) fn rate(&self, is: impl Fn(FaultKind) -> bool) -> f64 {
        self.all.iter().filter(|fault| is(fault.kind)).map(|fault| fault.rate).sum::<f64>().min(1.0)
    }

    /// Luck of its own for a kind of decision.
    pub(crate) fn luck(&self, salt: u64, of: u64) -> u64 {
        mix(mix(self.seed, salt), of)
    }
}
