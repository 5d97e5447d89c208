//! The feed's two sides against each other over real connections: this crate's only integration-test binary.

mod checks;
mod faults;
mod fuzz;
mod serving;
mod walks;
mod world;
