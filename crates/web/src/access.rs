//! Who may do what.

mod who;

pub use who::{Role, Who};
