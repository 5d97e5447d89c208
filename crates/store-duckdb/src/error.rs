//! The engine's errors in the store's words.

use auditlake_store::StoreError;

/// What the engine said, without its own prefix where that says nothing.
pub(crate) fn text(error: &duckdb::Error) -> String {
    match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.trim().to_owned(),
        other => other.to_string(),
    }
}

/// Whether the engine has given the database up, so that every later call fails until it is opened again.
pub(crate) fn is_fatal(error: &duckdb::Error) -> bool {
    let text = text(error);
    text.contains("database has been invalidated") || text.starts_with("FATAL")
}

/// The store's error for an engine's error.
pub(crate) fn translate(doing: &'static str, error: &duckdb::Error) -> StoreError {
    let message = text(error);
    if message.contains("No space left on device") || message.contains("failed to allocate space on disk") {
        StoreError::DiskFull(format!("{doing}: {message}"))
    } else if message.contains("Could not set lock on file") || message.contains("Conflicting lock") {
        StoreError::Locked(format!("the database is open in another process: {message}"))
    } else {
        StoreError::Engine { doing, message }
    }
}

/// The store's error for an error in a statement that a person wrote.
pub(crate) fn of_statement(error: &duckdb::Error) -> StoreError {
    let message = text(error);
    if message.contains("Out of Memory") || message.contains("max_temp_directory_size") {
        return StoreError::Limit {
            message: message.lines().next().unwrap_or_default().to_owned(),
            hint: "narrow the query (a time range, fewer columns) or give the store more memory".to_owned(),
        };
    }
    StoreError::Statement(message)
}
