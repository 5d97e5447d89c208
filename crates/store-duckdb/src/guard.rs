//! Looks at a statement before it runs: one statement, and one that reads.
//!
//! The wrapper's `prepare` runs every statement of a text but the last, so a text is looked at first, by the engine's own
//! parser. What remains dangerous in a single reading statement (a function that writes, `EXPLAIN ANALYZE` of a
//! deletion) fails in the read-only transaction that it runs in.
#![allow(unsafe_code, reason = "the wrapper has no way to look at a statement without running those before it")]

use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    ptr,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use auditlake_store::{Result, StoreError};
use duckdb::ffi;

use crate::database::RawDatabase;

/// Checks that `text` is one statement that reads, and gives what `narrow` makes of such a one.
///
/// # Errors
/// [`StoreError::Statement`] says what is wrong with it, in the engine's words for what it cannot parse.
pub(crate) fn check(
    database: &RawDatabase,
    text: &str,
    narrow: impl FnOnce() -> Option<String>,
) -> Result<Option<String>> {
    let narrowed = narrow();
    // What was made narrower is one statement, and one that selects: the parser has said so. To look at another plans it as a whole.
    if narrowed.is_none() {
        look(database, text)?;
    }
    let mut passed = passed();
    if text.len() <= MAX_KEPT_LENGTH {
        if passed.len() >= MAX_KEPT {
            passed.clear();
        }
        passed.insert(text.to_owned(), narrowed.clone());
    }
    Ok(narrowed)
}

/// What was made of a text that was looked at before; `None` if it was not.
pub(crate) fn known(text: &str) -> Option<Option<String>> {
    passed().get(text).cloned()
}

/// Texts that were looked at and may run, with what was made of them. What kind of statement a text is depends on nothing but the text.
fn passed() -> MutexGuard<'static, HashMap<String, Option<String>>> {
    static PASSED: LazyLock<Mutex<HashMap<String, Option<String>>>> = LazyLock::new(Mutex::default);
    PASSED.lock().unwrap_or_else(PoisonError::into_inner)
}

const MAX_KEPT: usize = 256;
const MAX_KEPT_LENGTH: usize = 16 * 1024;

fn look(database: &RawDatabase, text: &str) -> Result<()> {
    let text = CString::new(text).map_err(|_| StoreError::Statement("the statement holds a zero byte".to_owned()))?;
    let connection = Raw::connect(database)?;
    let statements = Extracted::of(&connection, &text)?;
    match statements.count {
        0 => return Err(StoreError::Statement("there is no statement".to_owned())),
        1 => {}
        more => {
            return Err(StoreError::Statement(format!(
                "one statement at a time, found {more} (or one that becomes several, such as PIVOT without IN)"
            )));
        }
    }
    match statements.kind(&connection)? {
        ffi::duckdb_statement_type_DUCKDB_STATEMENT_TYPE_SELECT
        | ffi::duckdb_statement_type_DUCKDB_STATEMENT_TYPE_EXPLAIN => Ok(()),
        _ => Err(StoreError::Statement(
            "only statements that read are allowed: SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN"
                .to_owned(),
        )),
    }
}

struct Raw(ffi::duckdb_connection);

impl Raw {
    fn connect(database: &RawDatabase) -> Result<Self> {
        let mut connection = ptr::null_mut();
        // SAFETY: the handle is open; the connection is closed on drop.
        let state = unsafe { ffi::duckdb_connect(database.handle(), &mut connection) };
        match state == ffi::DuckDBSuccess {
            true => Ok(Raw(connection)),
            false => Err(StoreError::Engine { doing: "connecting", message: "the engine refused".to_owned() }),
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: connected above, closed once.
        unsafe { ffi::duckdb_disconnect(&mut self.0) }
    }
}

struct Extracted {
    list: ffi::duckdb_extracted_statements,
    count: ffi::idx_t,
}

impl Extracted {
    fn of(connection: &Raw, text: &CStr) -> Result<Self> {
        let mut list = ptr::null_mut();
        // SAFETY: connection and text are valid for the call; the list is freed on drop.
        let count = unsafe { ffi::duckdb_extract_statements(connection.0, text.as_ptr(), &mut list) };
        let extracted = Extracted { list, count };
        if count == 0 && !list.is_null() {
            // SAFETY: the message belongs to the list, which lives until the end of this block.
            let message = unsafe { ffi::duckdb_extract_statements_error(list) };
            if !message.is_null() {
                let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().trim().to_owned();
                return Err(StoreError::Statement(text));
            }
        }
        Ok(extracted)
    }

    fn kind(&self, connection: &Raw) -> Result<ffi::duckdb_statement_type> {
        let mut prepared = ptr::null_mut();
        // SAFETY: list and connection are valid; the prepared statement is freed on every way out, its message copied.
        unsafe {
            let state = ffi::duckdb_prepare_extracted_statement(connection.0, self.list, 0, &mut prepared);
            if state != ffi::DuckDBSuccess {
                let message = ffi::duckdb_prepare_error(prepared);
                let text = match message.is_null() {
                    true => "the statement could not be prepared".to_owned(),
                    false => CStr::from_ptr(message).to_string_lossy().trim().to_owned(),
                };
                ffi::duckdb_destroy_prepare(&mut prepared);
                return Err(StoreError::Statement(text));
            }
            let kind = ffi::duckdb_prepared_statement_type(prepared);
            ffi::duckdb_destroy_prepare(&mut prepared);
            Ok(kind)
        }
    }
}

impl Drop for Extracted {
    fn drop(&mut self) {
        if !self.list.is_null() {
            // SAFETY: extracted above, freed once.
            unsafe { ffi::duckdb_destroy_extracted(&mut self.list) }
        }
    }
}
