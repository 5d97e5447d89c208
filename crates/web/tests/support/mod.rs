//! A store in memory, so that pages and API are tested without building an engine, and helpers to ask the site.
#![allow(dead_code, unused_imports, clippy::unwrap_used, missing_docs, reason = "each test uses a part of this")]

mod columns;
pub mod desk;
mod fake;
pub mod lake;
mod site;

pub use fake::{Fake, Row};
pub use site::{Answer, TOKEN, TestSite, activity, encoded, request};
