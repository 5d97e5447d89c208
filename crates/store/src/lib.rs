//! The store's port: batches of records in, typed answers out, and the tests that every engine must pass.
//!
//! Nothing here knows an engine. `store-duckdb` is one; the contract in [`contract`] says what one has to do.

pub mod filter;
