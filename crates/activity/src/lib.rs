//! One activity of the feed, and everything that can be said of it without asking anybody.
//!
//! This room owns the envelope and its actor ([`Activity`]), the catalogue of known types ([`catalog`]), what follows from
//! a type ([`classify`]), the unified record ([`Record`]), and the form of what others add to it ([`Enrichment`]). Bytes come in from a feed page or a file, records
//! go out to the store. It knows no runtime, no HTTP, no engine and no file system.

mod address;
pub mod catalog;
pub mod classify;
pub mod drift;
mod enrichment;
mod envelope;
pub mod identity;
mod record;
pub mod value;

pub use address::AddressClass;
pub use enrichment::{AgentPart, Enrichment, PART_SEPARATOR, PersonPart, PlacePart, join_parts};
pub use envelope::{ACTOR_IDS, Activity, Actor, ParseError};
pub use identity::identity;
pub use record::{Record, record_id};
