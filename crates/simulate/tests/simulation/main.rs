//! The simulation as its users see it: this crate's only integration-test binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod benign;
mod organization;
mod pages;
mod scenarios;
mod service;
