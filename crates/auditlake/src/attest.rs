//! A completeness statement: what of a span of time was collected, what was not, and hashes by which anybody can check that.
//!
//! Everything in it is asked of the store with SQL that a user can repeat ([`method::Method`]), up to a sequence number
//! that stands in it. What was collected later changes none of it, so a statement can be made again and compared.

mod chain;
mod gather;
pub mod method;
pub mod statement;
#[cfg(test)]
mod tests;
pub mod text;

pub use gather::{Wanted, gather};
