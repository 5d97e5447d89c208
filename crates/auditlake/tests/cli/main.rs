//! The program as a user runs it: started, asked, killed, started again, and counted.
//!
//! One binary for all of it. [`program`] starts `auditlake` with nothing of this machine's environment and never waits for
//! ever; [`place`] is a directory of a test's own; [`feed`] is `auditlake simulate` with its truth; [`truth`] compares a lake
//! with it, byte for byte. The rest is one room a promise.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod again;
mod attest;
mod backfill;
mod bad;
mod both;
mod catalog;
mod chaos;
mod check;
mod clickhouse;
mod clock;
mod dashboards;
mod deliver;
mod demo;
mod detection;
mod disk;
mod enrich;
mod export;
mod feed;
mod http;
mod input;
mod kill;
mod moving;
mod place;
mod program;
mod query;
mod random;
mod several;
mod tail;
mod tls;
mod truth;
mod two;
mod users;
