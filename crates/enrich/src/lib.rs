//! What others know of an activity: where its address is, what its user agent stands for, whom the directory names.
//!
//! An [`Enricher`] reads location databases in MaxMind's format ([`places`]), the table of clients ([`agents`]) and a
//! directory of people ([`directory`]), and answers with the texts that the store keeps ([`activity::Enrichment`]). What it
//! said once it remembers, a thread each. Changed files are taken up by [`Enricher::refresh`]; a file that cannot be read any more
//! leaves what was read before in its place. It opens files that were named to it, and nothing else: no network, no
//! engine, no runtime.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod agents;
mod cache;
pub mod directory;
mod enricher;
mod error;
mod file;
pub mod places;
mod writer;

pub use enricher::{Enricher, Options, Report, inspect};
pub use error::{EnrichError, Result};
pub use writer::{Block, Builder};
