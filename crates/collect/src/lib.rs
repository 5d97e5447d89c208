//! Collecting: activities come in from files and feeds, and go into the store exactly once.
//!
//! Everything ends in one [`auditlake_store::Commit`]: rows, the checkpoint that moves past them, and a ledger entry that
//! says where they came from. What cannot be read as an activity is kept beside the store as a [`Reject`]. No engine and no
//! SQL is known here, only the port.

mod digest;
mod error;
pub mod import;
mod intake;
mod reject;

pub use error::{CollectError, Result};
pub use intake::{Intake, Taken};
pub use reject::{Place, Reject, RejectFile};

#[cfg(test)]
mod testing;
