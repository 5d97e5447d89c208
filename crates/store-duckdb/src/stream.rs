//! Answers that come in pieces: a blocking thread runs the query, dropping the answer interrupts it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use auditlake_store::{Result, Rows, StoreError, record};
use duckdb::{Connection, InterruptHandle, Statement, params_from_iter, types::Value};
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};

use crate::{DuckStore, assemble, database::Database, error};

/// Longer statements are not kept for the next time.
const LONGEST_KEPT: usize = 16 * 1024;

/// A query for [`run`].
pub(crate) struct Query {
    /// The statement.
    pub text: String,
    /// Another one with the same answer, to be tried first.
    pub narrowed: Option<String>,
    /// Values for its `?` in their order.
    pub values: Vec<Value>,
    /// Values for its `$name`, where `values` is empty.
    pub named: BTreeMap<String, String>,
    /// The time after which it is interrupted.
    pub timeout: Option<Duration>,
    /// The number of rows after which it ends with an error.
    pub max_rows: Option<u64>,
    /// Whether a person wrote it, so that the engine's words about it are for that person.
    pub is_foreign: bool,
    /// Whether its answer has the stored columns of which the record is made ([`assemble`]).
    pub is_stored: bool,
    /// What makes the statement and its values, in the transaction in which it runs then, in place of `text` and `values`.
    pub made: Option<Made>,
}

/// Asks what it needs and makes a statement of it, with its values.
pub(crate) type Made = Box<dyn Fn(&Connection) -> duckdb::Result<(String, Vec<Value>)> + Send>;

impl Query {
    /// A query of our own.
    pub(crate) fn own(text: String, values: Vec<Value>) -> Self {
        Query {
            text,
            narrowed: None,
            values,
            named: BTreeMap::new(),
            timeout: None,
            max_rows: None,
            is_foreign: false,
            is_stored: false,
            made: None,
        }
    }

    /// A query of our own that is made of what other queries say.
    pub(crate) fn of(made: Made) -> Self {
        Query { made: Some(made), ..Query::own(String::new(), Vec::new()) }
    }
}

/// The state of a running query that both sides know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    TimedOut,
    /// The connection may be another query's by now: no interrupt any more.
    Done,
}

/// Interrupts the query when the answer is dropped.
struct Reins {
    handle: Arc<InterruptHandle>,
    phase: Arc<Mutex<Phase>>,
}

impl Reins {
    fn stop(&self, phase: Phase) {
        let mut now = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *now == Phase::Running {
            *now = phase;
            self.handle.interrupt();
        }
    }
}

impl Drop for Reins {
    fn drop(&mut self) {
        self.stop(Phase::Done);
    }
}

/// Runs a query in a read-only transaction on a connection of its own.
pub(crate) async fn run(store: &DuckStore, query: Query) -> Result<Rows> {
    let database = store.inner.database();
    let connection = database.take()?;
    let phase = Arc::new(Mutex::new(Phase::Running));
    let reins = Arc::new(Reins { handle: connection.interrupt_handle(), phase: phase.clone() });
    let alarm = query.timeout.map(|timeout| {
        let reins = Arc::downgrade(&reins);
        let alarm = tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            if let Some(reins) = reins.upgrade() {
                reins.stop(Phase::TimedOut);
            }
        });
        AbortOnDrop(alarm)
    });
    let (begin, begun) = oneshot::channel();
    let (pieces, rows) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || work(&database, connection, &query, begin, pieces, &phase));
    let schema = begun.await.unwrap_or_else(|_| Err(gone()))?;
    let batches = futures::stream::unfold((rows, reins, alarm), |(mut rows, reins, alarm)| async move {
        rows.recv().await.map(|piece| (piece, (rows, reins, alarm)))
    });
    // Who packs an answer asks once more behind its end.
    Ok(Rows { schema, batches: Box::pin(batches.fuse()) })
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn gone() -> StoreError {
    StoreError::Engine { doing: "asking the engine", message: "the query ended without an answer".to_owned() }
}

type Begin = oneshot::Sender<Result<SchemaRef>>;
type Pieces = mpsc::Sender<Result<RecordBatch>>;

/// The blocking side of [`run`].
fn work(
    database: &Database,
    connection: Connection,
    query: &Query,
    begin: Begin,
    pieces: Pieces,
    phase: &Mutex<Phase>,
) {
    let mut begin = Some(begin);
    let mut done =
        connection.execute_batch("BEGIN TRANSACTION READ ONLY").map_err(|error| translate(query, &error, phase));
    if done.is_ok() {
        done = answer(&connection, query, &mut begin, &pieces, phase);
    }
    // From here on the connection is nobody's: an interrupt would hit whoever takes it next.
    {
        let mut now = phase.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Phase::Done;
    }
    if let Err(error) = done {
        match begin.take() {
            Some(begin) => drop(begin.send(Err(error))),
            None => drop(pieces.blocking_send(Err(error))),
        }
    }
    // Whoever asked has the end of the answer with this, and need not wait for the rest.
    drop(pieces);
    if connection.execute_batch("ROLLBACK").is_ok() {
        database.give_back(connection);
    }
}

fn answer(
    connection: &Connection,
    query: &Query,
    begin: &mut Option<Begin>,
    pieces: &Pieces,
    phase: &Mutex<Phase>,
) -> Result<()> {
    let failed = |error: duckdb::Error| translate(query, &error, phase);
    let made = query.made.as_ref().map(|made| made(connection)).transpose().map_err(failed)?;
    let (text, values) = made.as_ref().map_or((&query.text, &query.values), |(text, values)| (text, values));
    let narrowed = query.narrowed.as_ref().and_then(|narrowed| connection.prepare_cached(narrowed).ok());
    let mut statement = match narrowed {
        Some(statement) => statement,
        None => connection.prepare_cached(text).map_err(failed)?,
    };
    let values = match values.is_empty() {
        true => named_values(&statement, query)?,
        false => values.clone(),
    };
    let done = give(&mut statement, query, values, begin, pieces, phase);
    // What has no end yet would hold what it has made; what is made for one answer alone is not asked again.
    if !matches!(done, Ok(true)) || query.made.is_some() || text.len() > LONGEST_KEPT {
        statement.discard();
    }
    done.map(drop)
}

/// Hands out the answer of a statement. Whether it was taken to its end.
fn give(
    statement: &mut Statement,
    query: &Query,
    values: Vec<Value>,
    begin: &mut Option<Begin>,
    pieces: &Pieces,
    phase: &Mutex<Phase>,
) -> Result<bool> {
    let failed = |error: duckdb::Error| translate(query, &error, phase);
    let stream = statement.stream_arrow(params_from_iter(values)).map_err(failed)?;
    let schema = if query.is_stored { record::RECORD.clone() } else { stream.get_schema() };
    if let Some(begin) = begin.take()
        && begin.send(Ok(schema)).is_err()
    {
        return Ok(false);
    }
    let mut rows = 0;
    for piece in stream {
        let mut piece = piece.map_err(failed)?;
        if query.is_stored {
            piece = assemble::unified(&piece)
                .map_err(|error| StoreError::Engine { doing: "making records", message: error.to_string() })?;
        }
        let limit = query.max_rows.unwrap_or(u64::MAX);
        let is_over = rows + piece.num_rows() as u64 > limit;
        if is_over {
            piece = piece.slice(0, usize::try_from(limit - rows).unwrap_or(usize::MAX));
        }
        rows += piece.num_rows() as u64;
        if piece.num_rows() > 0 && pieces.blocking_send(Ok(piece)).is_err() {
            return Ok(false);
        }
        if is_over {
            return Err(StoreError::Limit {
                message: format!("the answer has more than {limit} rows; the first {limit} were given"),
                hint: "add a LIMIT, group the rows, or raise the limit".to_owned(),
            });
        }
    }
    Ok(true)
}

/// The values of the statement's `$name`s in the engine's order.
fn named_values(statement: &Statement, query: &Query) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(query.named.len());
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or_default();
        let value = query
            .named
            .get(&name)
            .ok_or_else(|| StoreError::Statement(format!("no value for the parameter ${name}")))?;
        values.push(Value::Text(value.clone()));
    }
    match query.named.len() > values.len() {
        true => Err(StoreError::Statement(format!(
            "values for {} parameters, but the statement names {}",
            query.named.len(),
            values.len()
        ))),
        false => Ok(values),
    }
}

fn translate(query: &Query, error: &duckdb::Error, phase: &Mutex<Phase>) -> StoreError {
    let is_late = *phase.lock().unwrap_or_else(PoisonError::into_inner) == Phase::TimedOut;
    match query.timeout {
        Some(timeout) if is_late => StoreError::Limit {
            message: format!("the query took longer than {} s and was cancelled", timeout.as_secs_f64()),
            hint: "narrow it (a time range, fewer columns) or allow it more time".to_owned(),
        },
        _ if query.is_foreign => error::of_statement(error),
        _ => error::translate("reading", error),
    }
}
