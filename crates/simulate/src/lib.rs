//! A simulated organization: its people, their habits, its machines, and what attackers do to it, as an Activity Feed.
//!
//! Everything follows from a seed. Pages are computed, not stored, so a billion activities cost no memory: `stream` makes
//! the events of any span of time, `source` finds a page among them, `locate` an activity by its id, `render` writes the JSON
//! of what is served. What happens is data, in `data/` (`script`). Faults are in [`faults`]; the truth, against which a collector is compared, in
//! `truth`. Where a store lives and how HTTP is spoken is not known here.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod access;
mod actor;
mod calendar;
mod clock;
mod cursor;
mod devices;
mod event;
pub mod faults;
mod habits;
mod hash;
mod ids;
mod locate;
mod networks;
mod people;
mod project;
mod render;
mod samples;
mod scenario;
mod schedule;
mod script;
mod service;
mod simulation;
mod source;
mod stream;
mod telling;
mod traits;
mod truth;
mod unknown;
pub mod validate;
mod wanted;

pub use access::MAX_ACCESSES;
pub use clock::{Clock, Pace};
pub use faults::{Fault, FaultKind, Faults};
pub use networks::{Network, NetworkKind, networks};
pub use people::{Organization, Person, Role};
pub use samples::samples;
pub use scenario::{ScenarioInfo, scenarios};
pub use simulation::{Config, ConfigError, Simulation};
pub use truth::{Activities, Activity};
