//! Statements to the server and rows back, as Arrow in both directions. The one place that knows the wire.

use std::time::Duration;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    buffer::Buffer,
    datatypes::{DataType, Int64Type, SchemaRef, UInt64Type},
    ipc::{reader::StreamDecoder, writer::StreamWriter},
};
use auditlake_store::{Result, Rows, StoreError};
use clickhouse::{Client, Compression, error::Error};
use secrecy::ExposeSecret;

use crate::{Options, error};

/// How often a statement that may be sent twice is sent again when the server was away.
const ATTEMPTS: u32 = 4;
/// The pause before the first of these, doubled each time.
const PAUSE: Duration = Duration::from_millis(150);
/// An answer that is awaited longer than this is none.
const PATIENCE: Duration = Duration::from_secs(300);

/// The server, and who we are there.
#[derive(Clone)]
pub(crate) struct Server {
    client: Client,
}

/// What goes wrong on the wire, still in the server's words.
pub(crate) type Wire<T> = std::result::Result<T, Error>;

/// Who wrote a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    Us,
    Somebody,
}

impl Server {
    pub(crate) fn new(options: &Options) -> Self {
        let mut client = Client::default()
            .with_url(options.url.clone())
            .with_user(options.user.clone())
            .with_compression(if options.is_compressed { Compression::Lz4 } else { Compression::None });
        if let Some(password) = &options.password {
            client = client.with_password(password.expose_secret());
        }
        if options.cluster.is_some() {
            // Whichever replica answers, it has what was written before: most have it when it is said to be there, and one that lacks it
            // says so.
            client = client
                .with_setting("insert_quorum", "auto")
                .with_setting("insert_quorum_parallel", "0")
                .with_setting("select_sequential_consistency", "1");
        }
        Server { client }
    }

    /// The same server, asked about one database.
    pub(crate) fn of_database(&self, database: &str) -> Self {
        Server { client: self.client.clone().with_database(database) }
    }

    /// Runs a statement that answers nothing.
    pub(crate) async fn execute(&self, doing: &'static str, text: &str) -> Result<()> {
        let run = self
            .client
            .query_raw(text)
            .with_setting("mutations_sync", "2")
            .with_setting("distributed_foreground_insert", "1")
            .with_setting("async_insert", "0")
            // It is sent once: what says the same as an earlier one, such as that a right is still held, is not the same.
            .with_setting("insert_deduplication_token", uuid::Uuid::new_v4().to_string())
            // What a deletion asks for does not change any more on any replica: see `tidy`.
            .with_setting("allow_nondeterministic_mutations", "1")
            .execute();
        let done = tokio::time::timeout(PATIENCE, run).await.unwrap_or(Err(Error::TimedOut));
        done.map_err(|error| error::translate(doing, &error))
    }

    /// All rows of a question of our own, or the error of the first attempt.
    pub(crate) async fn rows_at_once(&self, doing: &'static str, text: &str) -> Result<Table> {
        self.try_rows(text).await.map_err(|error| error::translate(doing, &error))
    }

    /// All rows of a question of our own.
    pub(crate) async fn rows(&self, doing: &'static str, text: &str) -> Result<Table> {
        let mut attempt = 0;
        loop {
            match self.try_rows(text).await {
                Err(error) if error::is_away(&error) && attempt < ATTEMPTS => attempt += 1,
                done => return done.map_err(|error| error::translate(doing, &error)),
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
        }
    }

    /// A column of texts that a statement of somebody answers.
    pub(crate) async fn texts(&self, text: &str, column: usize, author: Author) -> Result<Vec<String>> {
        let table = self.try_rows_of(text, author).await.map_err(|error| error::of_statement(&error))?;
        Ok(table.rows().map(|row| row.string(column)).collect())
    }

    async fn try_rows(&self, text: &str) -> Wire<Table> {
        self.try_rows_of(text, Author::Us).await
    }

    async fn try_rows_of(&self, text: &str, author: Author) -> Wire<Table> {
        let mut stream = Pieces::of(self.question(text, author).fetch_bytes("ArrowStream")?);
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await? {
            batches.push(batch);
        }
        Ok(Table { batches })
    }

    /// The answer to a question in pieces, in the columns that `shape` makes of it.
    pub(crate) async fn stream(
        &self,
        text: &str,
        author: Author,
        timeout: Option<Duration>,
        shape: crate::shape::Shape,
    ) -> Result<Rows> {
        let translate = move |error: &Error| match author {
            Author::Us => error::translate("asking the engine", error),
            Author::Somebody => error::of_statement(error),
        };
        let mut question = self.question(text, author);
        if let Some(timeout) = timeout {
            question = question.with_setting("max_execution_time", format!("{:.3}", timeout.as_secs_f64().max(0.001)));
        }
        let cursor = question.fetch_bytes("ArrowStream").map_err(|error| translate(&error))?;
        let mut pieces = Pieces::of(cursor);
        let first = pieces.next().await.map_err(|error| translate(&error))?;
        let Some(found) = pieces.schema() else {
            let message = "the server answered without columns".to_owned();
            return Err(StoreError::Engine { doing: "asking the engine", message });
        };
        let schema = shape.schema(&found);
        let batches =
            futures::stream::try_unfold((pieces, first, shape), move |(mut pieces, first, shape)| async move {
                let next = match first {
                    Some(batch) => Some(batch),
                    None => pieces.next().await.map_err(|error| translate(&error))?,
                };
                let Some(batch) = next else { return Ok(None) };
                let batch = shape.of(&batch)?;
                Ok(Some((batch, (pieces, None, shape))))
            });
        Ok(Rows { schema, batches: Box::pin(batches) })
    }

    fn question(&self, text: &str, author: Author) -> clickhouse::query::Query {
        let question = self
            .client
            .query_raw(text)
            .with_setting("output_format_arrow_compression_method", "none")
            .with_setting("output_format_arrow_low_cardinality_as_dictionary", "0")
            .with_setting("session_timezone", "UTC")
            .with_setting("max_query_size", "100000000")
            .with_setting("max_ast_elements", "10000000")
            .with_setting("max_expanded_ast_elements", "10000000")
            .with_setting("max_parser_depth", "5000")
            .with_setting("cancel_http_readonly_queries_on_client_close", "1")
            .with_setting("join_use_nulls", "1")
            .with_setting("distributed_product_mode", "global");
        match author {
            Author::Us => question,
            Author::Somebody => question.with_setting("readonly", "1"),
        }
    }

    /// Inserts rows as one block, again and again until the server has said that it has them: the token makes the second
    /// time change nothing.
    pub(crate) async fn insert(&self, doing: &'static str, table: &str, rows: &RecordBatch, token: &str) -> Result<()> {
        let body = bytes::Bytes::from(
            encoded(rows).map_err(|error| StoreError::Engine { doing, message: error.to_string() })?,
        );
        let mut attempt = 0;
        loop {
            match self.try_insert(table, body.clone(), token).await {
                Err(error) if error::is_unknown(&error) && attempt < ATTEMPTS => attempt += 1,
                done => return done.map_err(|error| error::translate(doing, &error)),
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
        }
    }

    async fn try_insert(&self, table: &str, body: bytes::Bytes, token: &str) -> Wire<()> {
        let mut insert = self
            .client
            .insert_formatted_with(format!("INSERT INTO {table} FORMAT ArrowStream"))
            .with_setting("insert_deduplication_token", token)
            .with_setting("insert_deduplicate", "1")
            .with_setting("async_insert", "0")
            // On a cluster: there when it is said to be.
            .with_setting("distributed_foreground_insert", "1")
            .with_setting("max_partitions_per_insert_block", "0")
            // One block, so that it is there as a whole or not at all.
            .with_setting("min_insert_block_size_rows", "0")
            .with_setting("min_insert_block_size_bytes", "0")
            .with_timeouts(Some(PATIENCE), Some(PATIENCE));
        insert.send(body).await?;
        insert.end().await
    }
}

fn encoded(rows: &RecordBatch) -> arrow::error::Result<Vec<u8>> {
    let mut writer = StreamWriter::try_new(Vec::with_capacity(rows.get_array_memory_size()), &rows.schema())?;
    writer.write(rows)?;
    writer.into_inner()
}

/// Record batches out of the bytes of an answer.
struct Pieces {
    cursor: clickhouse::query::BytesCursor,
    decoder: StreamDecoder,
    buffer: Buffer,
    schema: Option<SchemaRef>,
}

impl Pieces {
    fn of(cursor: clickhouse::query::BytesCursor) -> Self {
        Pieces { cursor, decoder: StreamDecoder::new(), buffer: Buffer::default(), schema: None }
    }

    fn schema(&self) -> Option<SchemaRef> {
        self.schema.clone().or_else(|| self.decoder.schema())
    }

    async fn next(&mut self) -> Wire<Option<RecordBatch>> {
        loop {
            while !self.buffer.is_empty() {
                let found =
                    self.decoder.decode(&mut self.buffer).map_err(|error| Error::DataFormat(Box::new(error)))?;
                if let Some(batch) = found {
                    self.schema.get_or_insert_with(|| batch.schema());
                    return Ok(Some(batch));
                }
            }
            match tokio::time::timeout(PATIENCE, self.cursor.next()).await.unwrap_or(Err(Error::TimedOut))? {
                Some(bytes) => self.buffer = Buffer::from_vec(bytes.to_vec()),
                None => return Ok(None),
            }
        }
    }
}

/// A small answer, all of it.
pub(crate) struct Table {
    batches: Vec<RecordBatch>,
}

/// One row of a [`Table`].
#[derive(Clone, Copy)]
pub(crate) struct Row<'t> {
    batch: &'t RecordBatch,
    at: usize,
}

impl Table {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| Row { batch, at }))
    }

    pub(crate) fn first(&self) -> Option<Row<'_>> {
        self.rows().next()
    }
}

impl<'t> Row<'t> {
    /// A text; `None` where there is none.
    pub(crate) fn text(&self, column: usize) -> Option<&'t str> {
        let column = self.batch.column(column);
        match column.data_type() {
            DataType::Utf8 if column.is_valid(self.at) => Some(column.as_string::<i32>().value(self.at)),
            _ => None,
        }
    }

    /// A text that is always there.
    pub(crate) fn string(&self, column: usize) -> String {
        self.text(column).unwrap_or_default().to_owned()
    }

    /// A whole number of at least 0.
    pub(crate) fn number(&self, column: usize) -> Option<u64> {
        let column = self.batch.column(column);
        match column.data_type() {
            _ if column.is_null(self.at) => None,
            DataType::UInt64 => Some(column.as_primitive::<UInt64Type>().value(self.at)),
            DataType::Int64 => u64::try_from(column.as_primitive::<Int64Type>().value(self.at)).ok(),
            _ => None,
        }
    }

    /// A time, that stands there as microseconds since 1970.
    pub(crate) fn time(&self, column: usize) -> Option<jiff::Timestamp> {
        let column = self.batch.column(column);
        match column.data_type() {
            DataType::Int64 if column.is_valid(self.at) => {
                jiff::Timestamp::from_microsecond(column.as_primitive::<Int64Type>().value(self.at)).ok()
            }
            _ => None,
        }
    }
}
