//! Pages of records: the stored columns that they are made of, with the raw log put together.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, TimestampMicrosecondType},
    error::ArrowError,
};
use auditlake_store::record::record;
use jiff::Timestamp;

use crate::filter::Stored;

/// The stored columns that a record is made of, as the list of a `SELECT` over table `activity`.
pub(crate) const STORED: &str = "workspace_id, source_id, source_ttl, received_at, event_time, event_name, event_id, organization_id, \
     actor_type, actor_email, actor_user_id, actor_ip, actor_user_agent, actor_api_key_id, actor_admin_api_key_id, actor_other, \
     ip_class, category, outcome, product, read_only, own_read, resource_ids, raw_rest, place, agent, person";

/// Makes the records of a batch with the columns [`STORED`].
///
/// # Errors
/// A batch with other columns.
pub(crate) fn unified(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |name: &str| {
        batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))
    };
    let texts = |name: &str| Ok::<_, ArrowError>(column(name)?.as_string::<i32>());
    let (rests, ids, resources) = (texts("raw_rest")?, texts("event_id")?, texts("resource_ids")?);
    let times = column("event_time")?.as_primitive::<TimestampMicrosecondType>();
    let (mut logs, mut log) = (StringBuilder::with_capacity(batch.num_rows(), batch.num_rows() * 600), String::new());
    for at in 0..batch.num_rows() {
        log.clear();
        let time = Timestamp::from_microsecond(times.value(at)).unwrap_or_default();
        let resources = if resources.is_valid(at) { resources.value(at) } else { "" };
        Stored { rest: rests.value(at), id: ids.value(at), time, resources }.join(&mut log);
        logs.append_value(&log);
    }
    let mut fields: Vec<Arc<Field>> = batch.schema_ref().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("raw_log", DataType::Utf8, false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(logs.finish()));
    record(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
