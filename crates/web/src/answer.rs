//! Rows on their way out: the store's record batches as an Arrow IPC stream or as JSON lines, as they come.
//!
//! Nothing is gathered: a batch is encoded when the client has taken the one before. The body owns the [`Rows`], so that
//! a client that goes away drops them and with them the question. What fails before the first batch is answered as an
//! error; what fails later breaks the connection off, which every client notices.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{
        DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
    error::ArrowError,
    ipc::writer::StreamWriter,
    json::{WriterBuilder, writer::LineDelimited},
};
use auditlake_store::{Rows, StoreError};
use axum::{
    body::Body,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::ApiError;

pub const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";
pub const JSON_LINES: &str = "application/x-ndjson";

/// RFC 3339 in UTC with microseconds.
const TIMESTAMP: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Arrow,
    JsonLines,
}

impl Form {
    /// What the client prefers: Arrow, unless its `accept` names JSON lines.
    pub fn of(headers: &HeaderMap) -> Form {
        let accepts = headers.get_all(header::ACCEPT);
        let json = accepts.iter().filter_map(|accept| accept.to_str().ok()).any(|accept| accept.contains(JSON_LINES));
        if json { Form::JsonLines } else { Form::Arrow }
    }
}

/// Answers with the rows as they come.
pub async fn respond(rows: Rows, form: Form) -> Result<Response, ApiError> {
    let Rows { schema, mut batches } = rows;
    let first = batches.try_next().await?;
    let mut encoder = Encoder::new(form, &schema).map_err(unwritable)?;
    let head = encoder.encode(first.as_ref()).map_err(unwritable)?;
    let rest = rest(encoder, batches, first.is_none()).fuse();
    let body = stream::once(async { Ok::<_, StoreError>(head) }).chain(rest);
    let kind = match form {
        Form::Arrow => ARROW_STREAM,
        Form::JsonLines => JSON_LINES,
    };
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(body)).into_response())
}

/// Every row as a JSON object: for pages, whose answers are small.
pub async fn collect_json(rows: Rows) -> Result<Vec<serde_json::Map<String, serde_json::Value>>, StoreError> {
    let mut list = Vec::new();
    for batch in rows.collect().await? {
        list.append(&mut json_objects(&batch)?);
    }
    Ok(list)
}

/// The rows of a batch as JSON objects.
pub fn json_objects(batch: &RecordBatch) -> Result<Vec<serde_json::Map<String, serde_json::Value>>, StoreError> {
    let lines = json_lines(batch).map_err(|error| unreadable(&error))?;
    let lines = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|error| unreadable(&error))).collect()
}

type Batches = std::pin::Pin<Box<dyn Stream<Item = Result<RecordBatch, StoreError>> + Send>>;

/// Everything behind the first chunk, up to the mark of the end.
fn rest(encoder: Encoder, batches: Batches, is_end: bool) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    stream::try_unfold((encoder, batches, is_end), async |(mut encoder, mut batches, is_end)| {
        if is_end {
            return Ok(None);
        }
        let next = batches.try_next().await.inspect_err(|error| {
            tracing::warn!("an answer broke off: {error}");
        })?;
        let chunk = encoder.encode(next.as_ref()).map_err(|error| unreadable(&error))?;
        Ok(Some((chunk, (encoder, batches, next.is_none()))))
    })
}

fn unwritable(error: ArrowError) -> ApiError {
    ApiError::new(axum::http::StatusCode::BAD_REQUEST, "unwritable", format!("the answer cannot be written: {error}"))
        .hint("cast the column to another type, such as `varchar`")
}

fn unreadable(error: &dyn std::error::Error) -> StoreError {
    StoreError::Engine { doing: "encoding an answer", message: error.to_string() }
}

/// Turns batches into bytes.
enum Encoder {
    Arrow(Box<StreamWriter<Vec<u8>>>),
    JsonLines,
}

impl Encoder {
    fn new(form: Form, schema: &SchemaRef) -> Result<Encoder, ArrowError> {
        Ok(match form {
            Form::Arrow => Encoder::Arrow(Box::new(StreamWriter::try_new(Vec::new(), schema)?)),
            Form::JsonLines => Encoder::JsonLines,
        })
    }

    /// The bytes of a batch, or those of the end. The first ones carry the schema.
    fn encode(&mut self, batch: Option<&RecordBatch>) -> Result<Bytes, ArrowError> {
        match (self, batch) {
            (Encoder::Arrow(writer), batch) => {
                match batch {
                    Some(batch) => writer.write(batch)?,
                    None => writer.finish()?,
                }
                Ok(std::mem::take(writer.get_mut()).into())
            }
            (Encoder::JsonLines, Some(batch)) => Ok(json_lines(batch)?.into()),
            (Encoder::JsonLines, None) => Ok(Bytes::new()),
        }
    }
}

/// One JSON object a row: nulls are written, times are RFC 3339, maps are objects.
pub fn json_lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let format = || TIMESTAMP.to_owned();
    let builder = WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format(format())
        .with_timestamp_tz_format(format())
        .with_datetime_format(format());
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(&in_utc(batch)?)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// The batch without time zones: what a timestamp holds is UTC, whichever zone it is to be shown in.
fn in_utc(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    if !batch.schema_ref().fields().iter().any(|field| is_zoned(field.data_type())) {
        return Ok(batch.clone());
    }
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let column = if is_zoned(field.data_type()) { without_zone(column) } else { column.clone() };
        fields.push(Field::new(field.name(), column.data_type().clone(), field.is_nullable()));
        columns.push(column);
    }
    RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), columns)
}

fn is_zoned(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(_, Some(_)))
}

fn without_zone(column: &arrow::array::ArrayRef) -> arrow::array::ArrayRef {
    macro_rules! plain {
        ($kind:ty) => {
            std::sync::Arc::new(column.as_primitive::<$kind>().clone().with_timezone_opt(None::<&str>))
        };
    }
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => plain!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => plain!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => plain!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => plain!(TimestampNanosecondType),
        _ => column.clone(),
    }
}
