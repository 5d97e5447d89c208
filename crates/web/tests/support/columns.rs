//! The columns of answers, made from JSON.

use std::sync::Arc;

use activity::{Record, record_id};
use arrow::{
    array::{ArrayRef, Int32Builder, Int64Array, MapBuilder, RecordBatch, StringBuilder, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit},
    json::ReaderBuilder,
};
use auditlake_store::{Columns, Rows, schema::UNIFIED};
use futures::stream;
use serde_json::{Map, Value, json};

use super::Row;

const SUMMARY: [&str; 11] = [
    "eventName",
    "category",
    "outcome",
    "serviceName",
    "actor",
    "actorType",
    "srcIP",
    "target",
    "organizationID",
    "sourceID",
    "eventID",
];

pub fn schema(columns: Columns) -> SchemaRef {
    let time = Field::new("eventTime", DataType::Timestamp(TimeUnit::Microsecond, None), true);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(match columns {
        Columns::Unified => UNIFIED.iter().map(|(name, kind)| Field::new(*name, data_type(kind), true)).collect(),
        Columns::Raw | Columns::Plain => vec![time, text("eventID"), text("rawLog")],
        Columns::Summary => {
            let mut fields = vec![Field::new("seq", DataType::UInt64, true), time];
            fields.extend(SUMMARY.iter().map(|name| text(name)));
            fields
        }
    }))
}

fn data_type(kind: &str) -> DataType {
    let map = || {
        let entry = vec![Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Utf8, true)];
        let entries = Field::new("entries", DataType::Struct(Fields::from(entry)), false);
        DataType::Map(Arc::new(entries), false)
    };
    match kind {
        "UInt32" => DataType::UInt32,
        "Float64" => DataType::Float64,
        "Bool" => DataType::Boolean,
        "DateTime" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "Map(String, String)" => map(),
        "Array(String)" => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        kind if kind.starts_with("Array(Tuple") => {
            let text = |name: &str| Field::new(name, DataType::Utf8, true);
            let fields =
                vec![Field::new("data", map(), true), text("name"), text("provider"), text("type"), text("value")];
            DataType::List(Arc::new(Field::new("item", DataType::Struct(Fields::from(fields)), true)))
        }
        _ => DataType::Utf8,
    }
}

/// The row as JSON, columns without a value left out.
pub fn row(columns: Columns, row: &Row, record: &Record) -> Value {
    let activity = record.activity;
    let actor = |name: &str| activity.actor.text(name);
    let who = actor("email_address").or(activity.actor.id());
    let mut value = json!({
        "workspaceID": "default", "sourceID": row.source, "sourceType": "anthropic-compliance", "sourceTTL": 2190,
        "receivedAt": row.received.to_string(), "id": record_id(&row.source, &activity.id),
        "eventTime": activity.created_at.to_string(), "eventName": activity.kind, "eventID": activity.id,
        "srcIP": actor("ip_address"), "resources": record.resources, "serviceName": record.product,
        "readOnly": record.read_only, "rawLog": activity.raw, "activityID": activity.id, "activityType": activity.kind,
        "organizationID": activity.organization_id, "actorType": actor("type"), "actorEmail": actor("email_address"),
        "actorUserID": actor("user_id"), "actorIPAddress": actor("ip_address"), "actorUserAgent": actor("user_agent"),
        "actorAPIKeyID": actor("api_key_id"), "actorAdminAPIKeyID": actor("admin_api_key_id"),
        "tags": {"category": record.category, "outcome": record.outcome},
    });
    let mut members = Map::new();
    members.extend(actor("type").map(|kind| ("type".to_owned(), kind.into())));
    members.extend(activity.actor.id().map(|id| ("id".to_owned(), id.into())));
    members.extend(actor("email_address").map(|email| ("email".to_owned(), email.into())));
    value["actor"] = members.into();
    if columns == Columns::Summary {
        value["seq"] = row.seq.into();
        value["actor"] = who.into();
        value["category"] = record.category.into();
        value["outcome"] = record.outcome.into();
        value["target"] = record.target.as_deref().into();
    }
    let schema = schema(columns);
    let has = |name: &str| schema.field_with_name(name).is_ok();
    value.as_object_mut().unwrap().retain(|name, value| has(name) && !value.is_null());
    value
}

pub fn rows(schema: SchemaRef, values: &[Value]) -> Rows {
    let mut decoder = ReaderBuilder::new(schema.clone()).build_decoder().unwrap();
    decoder.serialize(values).unwrap();
    let batch = decoder.flush().unwrap();
    Rows { schema, batches: Box::pin(stream::iter(batch.map(Ok))) }
}

/// An answer with a time in a zone, a time without, and a map.
pub fn sample() -> (SchemaRef, RecordBatch) {
    let times = TimestampMicrosecondArray::from(vec![1_775_808_550_000_120, 0]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("type");
    map.values().append_value("user_actor");
    map.append(true).unwrap();
    map.append(false).unwrap();
    let batch = RecordBatch::try_from_iter([
        ("zoned", Arc::new(times.clone().with_timezone("America/New_York")) as ArrayRef),
        ("plain", Arc::new(times)),
        ("actor", Arc::new(map.finish())),
    ])
    .unwrap();
    (batch.schema(), batch)
}

/// An answer with two columns of one name.
pub fn twice() -> Rows {
    let column = |number: i64| Arc::new(Int64Array::from(vec![number])) as ArrayRef;
    answer(RecordBatch::try_from_iter([("a", column(1)), ("a", column(2))]).unwrap())
}

/// An answer that JSON has no form for: a map whose keys are numbers.
pub fn numbered() -> Rows {
    let mut map = MapBuilder::new(None, Int32Builder::new(), Int32Builder::new());
    map.keys().append_value(1);
    map.values().append_value(2);
    map.append(true).unwrap();
    answer(RecordBatch::try_from_iter([("m", Arc::new(map.finish()) as ArrayRef)]).unwrap())
}

fn answer(batch: RecordBatch) -> Rows {
    Rows { schema: batch.schema(), batches: Box::pin(stream::iter([Ok(batch)])) }
}
