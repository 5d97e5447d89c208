//! A look at a database file that changes nothing: whether it opens, and which schema it has.
//!
//! For checks. Opening the store itself would bring an older file up to date, which nobody asked for yet.

use std::path::Path;

use auditlake_store::Result;
use duckdb::{AccessMode, Config, Connection};

use crate::{error, schema};

/// The schema version of the file; 0 if it has none yet. This program reads up to [`schema::VERSION`].
///
/// # Errors
/// [`auditlake_store::StoreError::Locked`] if another process has it open; the engine's words if it is damaged.
pub fn schema_version(path: &Path) -> Result<u32> {
    let failed = |error: duckdb::Error| error::translate("opening the database", &error);
    let config = Config::default()
        .access_mode(AccessMode::ReadOnly)
        .and_then(|config| config.enable_external_access(false))
        .map_err(failed)?;
    let connection = Connection::open_with_flags(path, config).map_err(failed)?;
    schema::version(&connection).map_err(failed)
}
