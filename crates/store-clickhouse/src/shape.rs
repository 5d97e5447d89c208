//! Answers in the types and with the absent values of the port: what the server can only say with an empty text, list or map.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray},
    buffer::NullBuffer,
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use auditlake_store::{
    Result, StoreError,
    record::{RECORD, record},
};

/// What is made of the columns of an answer.
#[derive(Clone)]
pub(crate) enum Shape {
    /// Questions of the port: empty lists and maps are absent.
    Port,
    /// As [`Shape::Port`], and records are made of them.
    Record,
    /// SQL of people, whose columns are of these types: only times are made times.
    Sql(Arc<Vec<String>>),
}

impl Shape {
    /// The columns that come of these.
    pub(crate) fn schema(&self, found: &SchemaRef) -> SchemaRef {
        if let Shape::Record = self {
            return RECORD.clone();
        }
        let fields: Vec<Field> = found
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| Field::new(field.name(), self.data_type(at, field.data_type()), true))
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// The rows in these columns.
    pub(crate) fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let wrong = |error: arrow::error::ArrowError| StoreError::Engine {
            doing: "reading an answer",
            message: error.to_string(),
        };
        if let Shape::Record = self {
            let found = Shape::Port.of(batch)?;
            let names = found.schema_ref().fields().iter();
            let named = names.map(|field| field.as_ref().clone().with_name(field.name().trim_start_matches("stored.")));
            let named =
                RecordBatch::try_new(Arc::new(Schema::new(named.collect::<Vec<_>>())), found.columns().to_vec());
            return named.and_then(|named| record(&named)).map_err(wrong);
        }
        let schema = self.schema(&batch.schema());
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| self.column(column, field.data_type()))
            .collect::<arrow::error::Result<_>>()
            .map_err(wrong)?;
        RecordBatch::try_new(schema, columns).map_err(wrong)
    }

    fn data_type(&self, at: usize, found: &DataType) -> DataType {
        let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
        match (self, found) {
            (_, DataType::Timestamp(_, _)) => moment,
            (Shape::Sql(types), DataType::UInt32) if is_time(types.get(at)) => moment,
            (Shape::Port, DataType::List(field)) => DataType::List(absent_field(field)),
            (Shape::Port, DataType::Map(field, sorted)) => DataType::Map(map_field(field), *sorted),
            _ => found.clone(),
        }
    }

    fn column(&self, column: &ArrayRef, wanted: &DataType) -> arrow::error::Result<ArrayRef> {
        match (self, wanted) {
            (Shape::Sql(_), DataType::Timestamp(_, _)) if *column.data_type() == DataType::UInt32 => {
                let seconds = cast(column, &DataType::Int64)?;
                cast(&cast(&seconds, &DataType::Timestamp(TimeUnit::Second, None))?, wanted)
            }
            (Shape::Port, DataType::List(_) | DataType::Map(_, _)) => absent(column),
            _ if column.data_type() == wanted => Ok(column.clone()),
            (_, DataType::Timestamp(_, _)) => cast(&cast(column, &without_zone(column.data_type()))?, wanted),
            _ => cast(column, wanted),
        }
    }
}

/// The type without its time zone, which is UTC: the moment stays the same.
fn without_zone(found: &DataType) -> DataType {
    match found {
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
        other => other.clone(),
    }
}

fn is_time(name: Option<&String>) -> bool {
    name.is_some_and(|name| {
        let name = name.strip_prefix("Nullable(").unwrap_or(name);
        name.starts_with("DateTime") && !name.starts_with("DateTime64")
    })
}

fn absent_field(field: &Arc<Field>) -> Arc<Field> {
    match field.data_type() {
        DataType::Struct(fields) => {
            let fields: Vec<Field> = fields
                .iter()
                .map(|field| match field.data_type() {
                    DataType::Map(entries, sorted) => {
                        Field::new(field.name(), DataType::Map(map_field(entries), *sorted), true)
                    }
                    other => Field::new(field.name(), other.clone(), true),
                })
                .collect();
            Arc::new(Field::new(field.name(), DataType::Struct(fields.into()), true))
        }
        other => Arc::new(Field::new(field.name(), other.clone(), true)),
    }
}

fn map_field(field: &Arc<Field>) -> Arc<Field> {
    let DataType::Struct(fields) = field.data_type() else { return field.clone() };
    let fields: Vec<Field> = fields
        .iter()
        .enumerate()
        .map(|(at, field)| Field::new(field.name(), field.data_type().clone(), at > 0))
        .collect();
    Arc::new(Field::new(field.name(), DataType::Struct(fields.into()), false))
}

/// A list or map, absent where it is empty.
fn absent(column: &ArrayRef) -> arrow::error::Result<ArrayRef> {
    match column.data_type() {
        DataType::List(field) => {
            let list = column.as_list::<i32>();
            let nulls: NullBuffer = list.offsets().lengths().map(|length| length > 0).collect();
            let field = absent_field(field);
            let values = match field.data_type() {
                DataType::Struct(fields) => {
                    let found = list.values().as_struct();
                    let columns: Vec<ArrayRef> = found
                        .columns()
                        .iter()
                        .map(|column| match column.data_type() {
                            DataType::Map(_, _) => map(column, None),
                            DataType::Utf8 => Ok(present(column)),
                            _ => Ok(column.clone()),
                        })
                        .collect::<arrow::error::Result<_>>()?;
                    Arc::new(StructArray::try_new(fields.clone(), columns, None)?) as ArrayRef
                }
                _ => list.values().clone(),
            };
            Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), values, Some(nulls))?))
        }
        DataType::Map(_, _) => {
            let lengths: NullBuffer = column.as_map().offsets().lengths().map(|length| length > 0).collect();
            map(column, Some(lengths))
        }
        _ => Ok(column.clone()),
    }
}

fn map(column: &ArrayRef, nulls: Option<NullBuffer>) -> arrow::error::Result<ArrayRef> {
    let map = column.as_map();
    let DataType::Map(field, sorted) = column.data_type() else { return Ok(column.clone()) };
    let field = map_field(field);
    let DataType::Struct(fields) = field.data_type() else { return Ok(column.clone()) };
    let entries = StructArray::try_new(fields.clone(), map.entries().columns().to_vec(), None)?;
    Ok(Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, nulls, *sorted)?))
}

/// Texts, absent where they are empty.
fn present(column: &ArrayRef) -> ArrayRef {
    let texts = column.as_string::<i32>();
    let texts: arrow::array::StringArray = texts.iter().map(|text| text.filter(|text| !text.is_empty())).collect();
    Arc::new(texts)
}
