//! The filter language of `search`, `tail`, `export`, the Explorer and exceptions of rules.
//!
//! Text comes in and becomes a [`Filter`], which engines compile to their SQL and [`matches()`] evaluates over one activity.
//! Nothing here knows an engine; the meaning of every test is defined in [`evaluate`], and an engine that finds other rows
//! than that room is wrong.
//!
//! The way of a text: [`parse`] (terms from `lexer`, grammar in `parser`, single tests in `term`) → [`Filter`] → its
//! `Display`, the canonical text, which parses back to the same tree.

mod error;
pub mod evaluate;
mod field;
mod glob;
mod known;
mod lexer;
mod network;
mod operand;
mod parser;
mod reference;
mod render;
mod term;
mod view;

use jiff::Timestamp;

pub use error::FilterError;
pub use evaluate::{matches, word_forms};
pub use field::{Field, FieldInfo, Kind, Known};
pub use glob::Glob;
pub use known::fields;
pub use network::Cidr;
pub use operand::{NUMBER_PATTERN, Operand, TIME_PATTERN, parse_time};
pub use parser::{MAX_BYTES, MAX_DEPTH, MAX_TERMS};
pub use reference::markdown;
pub use view::{ACTOR_MEMBERS, AGENT_TAGS, EnrichedView, EnrichmentPart, RecordView, View, values_of_activity};

/// What a filter asks of an activity.
///
/// [`Filter::and`] and [`Filter::or`] keep the normal form that [`parse`] gives: lists have at least two members, none of
/// them a list of the same kind or [`Filter::All`].
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every activity.
    All,
    /// All of these are true.
    And(Vec<Filter>),
    /// At least one of these is true.
    Or(Vec<Filter>),
    /// This is not true.
    Not(Box<Filter>),
    /// The raw log contains this text, upper and lower case of ASCII letters being the same.
    Word(String),
    /// A field passes a test.
    Test {
        /// The field.
        field: Field,
        /// What one of its values must pass.
        test: Test,
    },
}

/// What a value must be. A field passes if any one of its values does.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Is there, and is not `null`.
    Exists,
    /// Is this text, number or boolean.
    Equals(String),
    /// Is a text of this form.
    Pattern(Glob),
    /// Is an address in this network, or the network itself as canonical text.
    InNetwork(Cidr),
    /// Is smaller or earlier.
    Less(Operand),
    /// Is smaller, earlier or the same.
    LessOrEqual(Operand),
    /// Is greater or later.
    Greater(Operand),
    /// Is greater, later or the same.
    GreaterOrEqual(Operand),
}

impl Filter {
    /// All of `filters`, in normal form.
    pub fn and(filters: impl IntoIterator<Item = Filter>) -> Filter {
        let mut list = Vec::new();
        for filter in filters {
            match filter {
                Filter::All => {}
                Filter::And(inner) => list.extend(inner),
                other => list.push(other),
            }
        }
        match list.len() {
            0 => Filter::All,
            1 => list.swap_remove(0),
            _ => Filter::And(list),
        }
    }

    /// Any of `filters`, in normal form. Any of none is nothing.
    pub fn or(filters: impl IntoIterator<Item = Filter>) -> Filter {
        let mut list = Vec::new();
        for filter in filters {
            match filter {
                Filter::All => return Filter::All,
                Filter::Or(inner) => list.extend(inner),
                other => list.push(other),
            }
        }
        match list.len() {
            0 => Filter::negated(Filter::All),
            1 => list.swap_remove(0),
            _ => Filter::Or(list),
        }
    }

    /// The activities that `filter` leaves out.
    pub fn negated(filter: Filter) -> Filter {
        Filter::Not(Box::new(filter))
    }

    /// A test of a field.
    pub fn test(field: impl Into<Field>, test: Test) -> Filter {
        Filter::Test { field: field.into(), test }
    }
}

/// Parses a filter. Ages such as `7d` count back from this moment.
///
/// # Errors
/// [`FilterError`] names the spot in the text and what to write instead.
pub fn parse(text: &str) -> Result<Filter, FilterError> {
    parse_at(text, Timestamp::now())
}

/// As [`parse`], with ages counting back from `now`.
///
/// # Errors
/// As [`parse`].
pub fn parse_at(text: &str, now: Timestamp) -> Result<Filter, FilterError> {
    parser::parse(text, now)
}

#[cfg(test)]
mod tests;
