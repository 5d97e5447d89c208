//! Detection: rules over activities, and the alerts that come of them.
//!
//! Rules are YAML files in Sigma's form (docs/rules.md). [`load`] reads them, [`lint`] compares them with the catalogue, [`trial`] runs the tests
//! inside them. [`Engine`] computes alerts: a pure function of the set of activities and the rules, whatever the order
//! in which activities came. [`Watch`] is the subscriber that runs the engine behind a store's commits. Nothing here
//! knows HTTP or an engine of a store.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod engine;
mod error;
mod evaluate;
mod exception;
mod finding;
pub mod lint;
pub mod load;
mod matching;
mod pack;
mod plan;
mod posture;
mod rule;
mod sample;
mod seen;
pub mod silence;
mod template;
mod thread;
pub mod trial;
mod types;
mod watch;

pub use engine::{Depth, Engine, Input, Missing, Update};
pub use error::{Place, Problem};
pub use load::Own;
pub use pack::{Pack, builtin};
pub use rule::{Kind, Rule, Test, Triage};
pub use seen::{Enrichment, Seen};
pub use watch::{Lake, Rules, SUBSCRIBER, Watch, observed};
