//! Tests of the language, by what a reader of the reference would try.

mod errors;
mod meaning;
mod parsing;
mod round_trip;

use jiff::Timestamp;

use super::{Filter, FilterError};

/// The moment of every test.
fn now() -> Timestamp {
    "2026-10-15T12:00:00Z".parse().expect("a time")
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    super::parse_at(text, now())
}

#[track_caller]
fn parsed(text: &str) -> Filter {
    parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}\n{}", error.pointer(text)))
}
