//! One activity of the feed, and everything that can be said of it without asking anybody.
//!
//! This room owns the envelope and its actor ([`Activity`]), the catalogue of known types ([`catalog`]), what follows from
//! a type ([`classify`]), and the unified record ([`Record`]). Bytes come in from a feed page or a file, records
//! go out to the store. It knows no runtime, no HTTP, no engine and no file system.

mod address;
pub mod catalog;
pub mod classify;
pub mod drift;
mod envelope;
mod record;
pub mod value;

pub use address::AddressClass;
pub use envelope::{Activity, Actor, ParseError};
pub use record::{Record, record_id};
