//! Collecting: activities come in from files and feeds, and go into the store exactly once.
//!
//! Everything ends in one [`auditlake_store::Commit`]: rows, the checkpoint that moves past them, and a ledger entry that
//! says where they came from. What cannot be read as an activity is kept beside the store as a [`Reject`]. No engine and no
//! SQL is known here, only the port.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod asked;
mod backfill;
mod budget;
mod compare;
mod covered;
mod desk;
mod digest;
mod error;
pub mod import;
mod intake;
mod job;
mod own;
mod reconcile;
mod reject;
mod scope;
mod size;
mod source;
mod state;
mod stop;
mod tail;
mod trouble;
mod turns;
mod upstream;
mod walk;

pub use asked::Asked;
pub use backfill::Tally;
pub use budget::{Budget, Priority};
pub use covered::account::Account;
pub use desk::Store;
pub use error::{CollectError, Result};
pub use intake::{ApiRead, Intake, Taken};
pub use job::{Job, JobProgress, JobReport};
pub use reconcile::Round;
pub use reject::{Place, Reject, RejectFile};
pub use source::{Collector, SourceOptions};
pub use state::{BackfillProgress, Phase, SourceState};
pub use stop::{Stop, Stopper, stop};
pub use trouble::Trouble;
pub use turns::Turns;
pub use upstream::{InProcess, Upstream};

#[cfg(test)]
mod testing;
