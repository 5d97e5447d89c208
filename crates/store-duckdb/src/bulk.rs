//! Rows into the table at the speed of the engine: record batches are scanned where they lie, by all of its threads.
//!
//! The wrapper's appender copies each text three times and compresses on one thread; the engine's Arrow scan copies none
//! and keeps every core busy. That scan belongs to the C interface and makes a view, which stands in a database of its own
//! in memory (`staging`), as a transaction writes to one database only and nothing of it may reach the file.
#![allow(unsafe_code, reason = "the wrapper has no way to scan record batches where they lie")]

use std::{
    ffi::{CStr, CString, c_char, c_int},
    mem::MaybeUninit,
    ptr,
    sync::OnceLock,
    time::Duration,
};

use arrow::{
    array::{RecordBatch, RecordBatchIterator},
    datatypes::Schema,
    ffi::FFI_ArrowSchema,
    ffi_stream::FFI_ArrowArrayStream,
};
use duckdb::{Error, Result, ffi};

use crate::database::RawDatabase;

/// A connection that writes.
pub(crate) struct Bulk {
    connection: ffi::duckdb_connection,
    /// The database in the file, as SQL names it.
    lake: String,
}

// SAFETY: a connection may move between threads as long as one uses it at a time; `Bulk` is not `Sync`.
unsafe impl Send for Bulk {}

/// A batch is cut into pieces of so many rows, which the engine's threads take in turns.
pub(crate) const PIECE_ROWS: usize = 20_480;
/// How long to wait where there is nothing to do but to wait for other threads.
const PAUSE: Duration = Duration::from_micros(200);
/// The engine's word for the view over a batch.
const VIEW: &str = "batch";

impl Bulk {
    /// Connects. `lake` is the name of the database in the file.
    pub(crate) fn connect(database: &RawDatabase, lake: &str) -> Result<Self> {
        let mut connection = ptr::null_mut();
        // SAFETY: the handle is open; the connection is closed on drop.
        let state = unsafe { ffi::duckdb_connect(database.handle(), &mut connection) };
        let bulk = Bulk { connection, lake: format!("\"{}\"", lake.replace('"', "\"\"")) };
        if state != ffi::DuckDBSuccess {
            return Err(Error::DuckDBFailure(ffi::Error::new(state), Some("cannot connect".to_owned())));
        }
        bulk.execute("USE staging")?;
        Ok(bulk)
    }

    /// The database in the file.
    pub(crate) fn database(&self) -> &str {
        &self.lake
    }

    /// The name of a table of the file.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}.main.{name}", self.lake)
    }

    /// Runs statements, one after the other.
    pub(crate) fn execute(&self, text: &str) -> Result<()> {
        let statements = Statements::of(self.connection, &CString::new(text)?)?;
        (0..statements.count).try_for_each(|at| statements.pending(self.connection, at)?.complete().map(drop))
    }

    /// Runs `work`, in which [`Bulk::insert_staged`] finds these rows.
    pub(crate) fn with_staged<T>(&self, batches: &[RecordBatch], work: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(first) = batches.first() else { return work() };
        let pieces: Vec<RecordBatch> = batches.iter().flat_map(pieces).collect();
        let reader = RecordBatchIterator::new(pieces.into_iter().map(Ok), first.schema());
        let mut stream = FFI_ArrowArrayStream::new(Box::new(reader));
        schema_of(&first.schema())?;
        // SAFETY: the C stream interface fixes the layout; only its first member is written.
        unsafe { (*ptr::from_mut(&mut stream).cast::<StreamHead>()).get_schema = Some(give_schema) };
        let name = CString::new(VIEW)?;
        // SAFETY: the engine keeps a reference to the stream for as long as the view stands; the view is dropped below,
        // before the stream is.
        let state =
            unsafe { ffi::duckdb_arrow_scan(self.connection, name.as_ptr(), ptr::from_mut(&mut stream).cast()) };
        if state != ffi::DuckDBSuccess {
            return Err(Error::DuckDBFailure(ffi::Error::new(state), Some("the rows were not taken".to_owned())));
        }
        let done = work();
        let dropped = self.execute(&format!("DROP VIEW IF EXISTS staging.main.{VIEW}"));
        drop(stream);
        done.and_then(|done| dropped.map(|()| done))
    }

    /// Inserts the staged rows into a table of the file.
    pub(crate) fn insert_staged(&self, table: &str) -> Result<()> {
        // By name: what a migration adds stands at the end of the table, wherever it stands in the rows.
        let text = format!("INSERT INTO {} BY NAME SELECT * FROM staging.main.{VIEW}", self.table(table));
        self.execute(&text)
    }
}

/// Statements as the engine has read them.
struct Statements {
    extracted: ffi::duckdb_extracted_statements,
    count: u64,
}

impl Statements {
    fn of(connection: ffi::duckdb_connection, text: &CStr) -> Result<Self> {
        let mut made = Statements { extracted: ptr::null_mut(), count: 0 };
        // SAFETY: connection and text are valid for the call; the handle is freed on drop, the message copied.
        unsafe {
            made.count = ffi::duckdb_extract_statements(connection, text.as_ptr(), &mut made.extracted);
            let error = ffi::duckdb_extract_statements_error(made.extracted);
            match made.count == 0 && !error.is_null() {
                true => Err(failure(error)),
                false => Ok(made),
            }
        }
    }

    /// One of them, ready to run.
    fn pending(&self, connection: ffi::duckdb_connection, at: u64) -> Result<Pending> {
        let mut prepared = Prepared(ptr::null_mut());
        // SAFETY: connection and statements are valid for the call; the message is copied.
        unsafe {
            let state = ffi::duckdb_prepare_extracted_statement(connection, self.extracted, at, &mut prepared.0);
            if state != ffi::DuckDBSuccess {
                return Err(failure(ffi::duckdb_prepare_error(prepared.0)));
            }
        }
        Pending::of(prepared)
    }
}

impl Drop for Statements {
    fn drop(&mut self) {
        // SAFETY: made above or null, which is allowed; freed once.
        unsafe { ffi::duckdb_destroy_extracted(&mut self.extracted) }
    }
}

/// A prepared statement.
pub(crate) struct Prepared(pub(crate) ffi::duckdb_prepared_statement);

impl Drop for Prepared {
    fn drop(&mut self) {
        // SAFETY: made by the engine or null, which is allowed; freed once.
        unsafe { ffi::duckdb_destroy_prepare(&mut self.0) }
    }
}

/// A statement under way.
pub(crate) struct Pending {
    pending: ffi::duckdb_pending_result,
    prepared: Prepared,
}

impl Pending {
    /// Lets a statement, all of whose parameters are bound, begin.
    pub(crate) fn of(prepared: Prepared) -> Result<Self> {
        let mut made = Pending { pending: ptr::null_mut(), prepared };
        // SAFETY: the statement is valid; the handle is freed on drop.
        let state = unsafe { ffi::duckdb_pending_prepared(made.prepared.0, &mut made.pending) };
        if state == ffi::DuckDBSuccess { Ok(made) } else { Err(made.error()) }
    }

    /// Runs it to its end.
    ///
    /// The engine's own way to wait for a query asks its task queue without a pause while other threads work, which costs
    /// a core that others could use; so its tasks are run from here, with a pause where there is none to run.
    pub(crate) fn complete(self) -> Result<Answer> {
        loop {
            match self.run_task() {
                ffi::duckdb_pending_state_DUCKDB_PENDING_RESULT_READY => return self.finish(),
                ffi::duckdb_pending_state_DUCKDB_PENDING_ERROR => return Err(self.error()),
                ffi::duckdb_pending_state_DUCKDB_PENDING_NO_TASKS_AVAILABLE => std::thread::sleep(PAUSE),
                _ => {}
            }
        }
    }

    fn run_task(&self) -> ffi::duckdb_pending_state {
        // SAFETY: the handle is valid until drop.
        unsafe { ffi::duckdb_pending_execute_task(self.pending) }
    }

    fn error(&self) -> Error {
        // SAFETY: the message belongs to the handle and is copied.
        unsafe { failure(ffi::duckdb_pending_error(self.pending)) }
    }

    fn finish(self) -> Result<Answer> {
        let mut result = MaybeUninit::<ffi::duckdb_result>::zeroed();
        // SAFETY: the handle is valid until drop; all zeros are a result too; it is freed on drop, its message copied.
        unsafe {
            let state = ffi::duckdb_execute_pending(self.pending, result.as_mut_ptr());
            let mut answer = Answer(result.assume_init());
            match state == ffi::DuckDBSuccess {
                true => Ok(answer),
                false => Err(failure(ffi::duckdb_result_error(answer.raw()))),
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // SAFETY: made above or null, which is allowed; freed once.
        unsafe { ffi::duckdb_destroy_pending(&mut self.pending) }
    }
}

/// What came of a statement.
pub(crate) struct Answer(ffi::duckdb_result);

impl Answer {
    pub(crate) fn raw(&mut self) -> *mut ffi::duckdb_result {
        &mut self.0
    }

    /// As the engine wants it where it takes rows from it; it stays this one's to free.
    pub(crate) fn copy(&self) -> ffi::duckdb_result {
        self.0
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: made by the engine, freed once.
        unsafe { ffi::duckdb_destroy_result(&mut self.0) }
    }
}

/// The engine's words as an error.
///
/// # Safety
/// `message` is null or a text that ends with a zero.
pub(crate) unsafe fn failure(message: *const c_char) -> Error {
    // SAFETY: as the caller promises.
    let message = (!message.is_null()).then(|| unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned());
    Error::DuckDBFailure(ffi::Error::new(ffi::DuckDBError), message)
}

impl Drop for Bulk {
    fn drop(&mut self) {
        // SAFETY: connected above, closed once.
        unsafe { ffi::duckdb_disconnect(&mut self.connection) }
    }
}

/// The schema of all staged rows, made once and never freed.
///
/// The engine asks the stream for it several times and frees none of the answers, so a fresh one each time would be lost
/// memory with every commit.
static SCHEMA: OnceLock<SharedSchema> = OnceLock::new();

struct SharedSchema(FFI_ArrowSchema);

/// How a stream begins, by the Arrow C stream interface.
#[repr(C)]
struct StreamHead {
    get_schema: Option<unsafe extern "C" fn(*mut FFI_ArrowArrayStream, *mut FFI_ArrowSchema) -> c_int>,
}

// SAFETY: it is made once and read from then on; the engine puts its own release functions into the children for the time
// of a call, which nobody calls.
unsafe impl Send for SharedSchema {}
unsafe impl Sync for SharedSchema {}

fn schema_of(schema: &Schema) -> Result<()> {
    if SCHEMA.get().is_none() {
        let made = FFI_ArrowSchema::try_from(schema).map_err(|error| Error::InvalidColumnName(error.to_string()))?;
        let _ = SCHEMA.set(SharedSchema(made));
    }
    Ok(())
}

/// A stream's `get_schema`.
unsafe extern "C" fn give_schema(_: *mut FFI_ArrowArrayStream, out: *mut FFI_ArrowSchema) -> c_int {
    let Some(SharedSchema(schema)) = SCHEMA.get() else { return 1 };
    // SAFETY: the caller gives a place to write to. The copy shares the original's parts, which live for ever.
    unsafe { ptr::copy_nonoverlapping(schema, out, 1) };
    0
}

/// A text as SQL writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('\0', ""))
}

fn pieces(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let rows = batch.num_rows();
    (0..rows.div_ceil(PIECE_ROWS)).map(move |at| {
        let start = at * PIECE_ROWS;
        batch.slice(start, PIECE_ROWS.min(rows - start))
    })
}
