//! Every shape against its published schema: every type by every actor, golden files, what strangers may send, tables.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod columns;
mod ecs;
mod every;
mod golden;
mod ocsf;
mod strangers;
mod support;
mod tables;
