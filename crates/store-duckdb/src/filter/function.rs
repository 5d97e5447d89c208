//! The functions that conditions call, as the engine sees them.
//!
//! They belong to the open database and are in no file: another program opens the file without missing them. The wrapper's
//! own way to add functions is a feature that would have the engine built anew, so this room calls the C interface.
#![allow(unsafe_code, reason = "the engine calls back through its C interface, with columns as bare pointers")]

use std::{
    ffi::{CStr, CString},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use auditlake_store::{Result, StoreError};
use duckdb::ffi;
use jiff::Timestamp;

use super::{
    row::{RawTest, Stored, TextTest},
    wire,
};
use crate::database::RawDatabase;

/// `(test, text)`: whether the text passes.
pub(super) const PASSES: &str = "auditlake_passes";
/// `(test, resource_ids)`: whether one of them passes.
pub(super) const ANY_PASSES: &str = "auditlake_any_passes";
/// `(filter, raw_rest, event_id, event_time, resource_ids)`: whether the raw log passes.
pub(super) const RAW_PASSES: &str = "auditlake_raw_passes";

const TEXT: ffi::DUCKDB_TYPE = ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR;
const TIME: ffi::DUCKDB_TYPE = ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP;

/// Adds the functions to an open database.
///
/// # Errors
/// [`StoreError::Engine`] if the engine does not take them.
pub(crate) fn register(database: &RawDatabase) -> Result<()> {
    let failed =
        || StoreError::Engine { doing: "adding the filter's functions", message: "the engine refused".to_owned() };
    let mut connection = ptr::null_mut();
    // SAFETY: the handle is open; the connection is closed below.
    if unsafe { ffi::duckdb_connect(database.handle(), &mut connection) } != ffi::DuckDBSuccess {
        return Err(failed());
    }
    let functions: [(&str, &[ffi::DUCKDB_TYPE], ffi::duckdb_scalar_function_t); 3] = [
        (PASSES, &[TEXT, TEXT], Some(run::<Passes>)),
        (ANY_PASSES, &[TEXT, TEXT], Some(run::<AnyPasses>)),
        (RAW_PASSES, &[TEXT, TEXT, TEXT, TIME, TEXT], Some(run::<RawPasses>)),
    ];
    let added = functions.into_iter().all(|(name, parameters, call)| add(connection, name, parameters, call));
    // SAFETY: connected above, closed once.
    unsafe { ffi::duckdb_disconnect(&mut connection) };
    if added { Ok(()) } else { Err(failed()) }
}

fn add(
    connection: ffi::duckdb_connection,
    name: &str,
    parameters: &[ffi::DUCKDB_TYPE],
    call: ffi::duckdb_scalar_function_t,
) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    // SAFETY: the connection is open, the name lives until the end, all that is created here is destroyed here; the
    // engine copies what it keeps.
    unsafe {
        let mut function = ffi::duckdb_create_scalar_function();
        ffi::duckdb_scalar_function_set_name(function, name.as_ptr());
        for parameter in parameters {
            let mut kind = ffi::duckdb_create_logical_type(*parameter);
            ffi::duckdb_scalar_function_add_parameter(function, kind);
            ffi::duckdb_destroy_logical_type(&mut kind);
        }
        let mut kind = ffi::duckdb_create_logical_type(ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN);
        ffi::duckdb_scalar_function_set_return_type(function, kind);
        ffi::duckdb_destroy_logical_type(&mut kind);
        ffi::duckdb_scalar_function_set_special_handling(function);
        ffi::duckdb_scalar_function_set_function(function, call);
        let state = ffi::duckdb_register_scalar_function(connection, function);
        ffi::duckdb_destroy_scalar_function(&mut function);
        state == ffi::DuckDBSuccess
    }
}

/// What a function does: its first argument made ready, and asked of each row.
trait Ask: Sized {
    /// `None` if the text is none of ours.
    fn ready(text: &str) -> Option<Self>;

    fn ask(&self, columns: &Columns, row: usize) -> bool;
}

struct Passes(TextTest);

impl Ask for Passes {
    fn ready(text: &str) -> Option<Self> {
        wire::decode_test(text).map(|test| Passes(TextTest::new(test)))
    }

    fn ask(&self, columns: &Columns, row: usize) -> bool {
        columns.text(1, row).is_some_and(|text| self.0.passes(text))
    }
}

struct AnyPasses(TextTest);

impl Ask for AnyPasses {
    fn ready(text: &str) -> Option<Self> {
        wire::decode_test(text).map(|test| AnyPasses(TextTest::new(test)))
    }

    fn ask(&self, columns: &Columns, row: usize) -> bool {
        columns.text(1, row).is_some_and(|texts| self.0.passes_any(texts))
    }
}

struct RawPasses(RawTest);

impl Ask for RawPasses {
    fn ready(text: &str) -> Option<Self> {
        wire::decode(text).map(|filter| RawPasses(RawTest::new(&filter)))
    }

    fn ask(&self, columns: &Columns, row: usize) -> bool {
        let (Some(rest), Some(id), Some(time)) = (columns.text(1, row), columns.text(2, row), columns.time(3, row))
        else {
            return false;
        };
        self.0.passes(&Stored { rest, id, time, resources: columns.text(4, row).unwrap_or_default() })
    }
}

/// What the engine calls for some rows.
unsafe extern "C" fn run<A: Ask>(
    info: ffi::duckdb_function_info,
    input: ffi::duckdb_data_chunk,
    output: ffi::duckdb_vector,
) {
    // SAFETY: the engine passes a chunk and a vector of booleans with room for as many rows, both valid for the call.
    let done = catch_unwind(AssertUnwindSafe(|| unsafe {
        let columns = Columns::of(input);
        let answers: &mut [bool] = match columns.rows {
            0 => &mut [],
            rows => std::slice::from_raw_parts_mut(ffi::duckdb_vector_get_data(output).cast(), rows),
        };
        answer::<A>(&columns, answers)
    }));
    let message = match done {
        Ok(true) => return,
        Ok(false) => c"the first argument is no filter: this function is for the program's own queries",
        Err(_) => c"the filter's evaluation failed: this is an error in the program",
    };
    fail(info, message);
}

fn fail(info: ffi::duckdb_function_info, message: &CStr) {
    // SAFETY: the engine's own pointer, valid during its call; it copies the message.
    unsafe { ffi::duckdb_scalar_function_set_error(info, message.as_ptr()) }
}

/// `false` if a first argument is not understood.
fn answer<A: Ask>(columns: &Columns, answers: &mut [bool]) -> bool {
    // The first argument is the same in all rows of our own queries.
    let mut ready: Option<(&str, A)> = None;
    for (row, answer) in answers.iter_mut().enumerate() {
        let Some(text) = columns.text(0, row) else {
            *answer = false;
            continue;
        };
        if ready.as_ref().is_none_or(|(last, _)| *last != text) {
            let Some(ask) = A::ready(text) else { return false };
            ready = Some((text, ask));
        }
        *answer = ready.as_ref().is_some_and(|(_, ask)| ask.ask(columns, row));
    }
    true
}

/// The arguments, side by side.
struct Columns {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    data: *mut std::ffi::c_void,
    /// A bit for each row; null if none is NULL.
    validity: *mut u64,
}

impl Columns {
    /// # Safety
    /// The chunk is the engine's, flat, and lives as long as the answer.
    unsafe fn of(chunk: ffi::duckdb_data_chunk) -> Self {
        // SAFETY: as promised by the caller; the numbers of columns and rows are the chunk's own.
        unsafe {
            let columns = (0..ffi::duckdb_data_chunk_get_column_count(chunk))
                .map(|at| {
                    let vector = ffi::duckdb_data_chunk_get_vector(chunk, at);
                    Column {
                        data: ffi::duckdb_vector_get_data(vector),
                        validity: ffi::duckdb_vector_get_validity(vector),
                    }
                })
                .collect();
            Columns { columns, rows: ffi::duckdb_data_chunk_get_size(chunk) as usize }
        }
    }

    fn cell<T>(&self, column: usize, row: usize) -> Option<*mut T> {
        let column = self.columns.get(column)?;
        assert!(row < self.rows, "a row of the chunk");
        // SAFETY: the mask has a bit for each row, the data a value of the declared type for each row.
        unsafe {
            let is_null = !column.validity.is_null() && *column.validity.add(row / 64) >> (row % 64) & 1 == 0;
            (!is_null).then(|| column.data.cast::<T>().add(row))
        }
    }

    /// The text in a column that was declared as one.
    fn text(&self, column: usize, row: usize) -> Option<&str> {
        let cell = self.cell::<ffi::duckdb_string_t>(column, row)?;
        // SAFETY: the cell holds a text, and its bytes live as long as the chunk; the engine keeps UTF-8 only.
        Some(unsafe {
            let length = ffi::duckdb_string_t_length(*cell) as usize;
            let bytes = std::slice::from_raw_parts(ffi::duckdb_string_t_data(cell).cast::<u8>(), length);
            std::str::from_utf8_unchecked(bytes)
        })
    }

    /// The time in a column that was declared as one.
    fn time(&self, column: usize, row: usize) -> Option<Timestamp> {
        let cell = self.cell::<i64>(column, row)?;
        // SAFETY: the cell holds microseconds.
        Timestamp::from_microsecond(unsafe { *cell }).ok()
    }
}
