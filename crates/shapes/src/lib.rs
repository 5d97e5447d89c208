//! An activity in the shapes that its readers' tools expect: `raw`, `unified`, `datadog`, `ocsf`, `ecs`, `panther`.
//!
//! A [`Row`] goes in: borrowed from a batch that a store answered ([`Columns`]), or from a record that has just been parsed
//! ([`Row::of`]). One JSON object comes out, appended to a buffer, with no copy in between. [`flat`] reads such an object as
//! the cells of a table. Which type becomes which class of another schema is data ([`meaning`]). Files, engines, HTTP and
//! runtimes are not known here.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod columns;
mod datadog;
mod docs;
mod ecs;
pub mod flat;
mod json;
pub mod meaning;
mod members;
mod ocsf;
mod panther;
mod people;
mod raw;
mod row;
mod time;
mod unified;

pub use columns::{Columns, UnreadableColumn};
pub use docs::markdown;
pub use row::{Agent, Known, Origin, Person, Place, Row};

/// A form of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The activity as it was received.
    Raw,
    /// The 46 columns of the unified record.
    Unified,
    /// A Datadog log with its standard attributes.
    Datadog,
    /// An event of the Open Cybersecurity Schema Framework 1.5.
    Ocsf,
    /// An event of the Elastic Common Schema 8.11.
    Ecs,
    /// An event of Panther's log type `Anthropic.Activity`.
    Panther,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 6] = [Shape::Raw, Shape::Unified, Shape::Datadog, Shape::Ocsf, Shape::Ecs, Shape::Panther];

    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Raw => "raw",
            Shape::Unified => "unified",
            Shape::Datadog => "datadog",
            Shape::Ocsf => "ocsf",
            Shape::Ecs => "ecs",
            Shape::Panther => "panther",
        }
    }

    /// The shape of this name.
    pub fn named(name: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// Appends the row as one JSON object, on one line and without a line end.
    pub fn write(self, row: &Row, out: &mut Vec<u8>) {
        match self {
            Shape::Raw => raw::write(row, out),
            Shape::Unified => unified::write(row, out),
            Shape::Datadog => datadog::write(row, out),
            Shape::Ocsf => ocsf::write(row, out),
            Shape::Ecs => ecs::write(row, out),
            Shape::Panther => panther::write(row, out),
        }
    }

    /// The columns of the shape as a table, in their order.
    pub fn fields(self) -> &'static [flat::Field] {
        match self {
            Shape::Raw => raw::FIELDS,
            Shape::Unified => unified::FIELDS,
            Shape::Datadog => datadog::FIELDS,
            Shape::Ocsf => ocsf::FIELDS,
            Shape::Ecs => ecs::FIELDS,
            Shape::Panther => panther::FIELDS,
        }
    }
}
