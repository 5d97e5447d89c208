//! Rows of shape `unified` as Arrow columns with the types of the 46: numbers, timestamps, maps, lists.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Float64Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder, StructBuilder,
        TimestampMicrosecondBuilder, UInt32Builder,
    },
    datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit},
};

use crate::{
    row::Row,
    unified::{self, FIELDS, LookUp},
};

type Map = MapBuilder<StringBuilder, StringBuilder>;

/// The names that Parquet gives to what maps and lists consist of.
const ENTRY: &str = "key_value";
const KEY: &str = "key";
const VALUE: &str = "value";
const ELEMENT: &str = "element";

/// A column that is being filled.
pub(super) enum Column {
    Text(StringBuilder),
    Whole(UInt32Builder),
    Number(Float64Builder),
    Time(TimestampMicrosecondBuilder),
    Flag(BooleanBuilder),
    Map(Map),
    Texts(ListBuilder<StringBuilder>),
    LookUps(ListBuilder<StructBuilder>),
}

/// A value of a row, in the order of the columns.
enum Value<'v, 'a> {
    Text(Option<&'v str>),
    Whole(Option<u32>),
    Number(Option<f64>),
    Time(Option<i64>),
    Flag(bool),
    Actor,
    Tags,
    Resources(&'v [&'a str]),
    LookUps([Option<LookUp<'a>>; 3]),
}

pub(super) fn schema() -> SchemaRef {
    let fields = FIELDS.iter().zip(columns()).map(|(field, column)| Field::new(field.path, column.kind(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// All columns, empty.
pub(super) fn columns() -> Vec<Column> {
    FIELDS.iter().map(|field| Column::of(field.path)).collect()
}

/// Adds a row.
pub(super) fn push(row: &Row, columns: &mut [Column]) {
    let mut columns = columns.iter_mut();
    each(row, |value| {
        if let Some(column) = columns.next() {
            column.push(value, row);
        }
    });
}

/// The values of a row, in the order of the columns.
fn each<'a>(row: &Row<'a>, mut put: impl FnMut(Value<'_, 'a>)) {
    let place = &row.place;
    let id = activity::record_id(row.source, row.id);
    put(Value::Text(Some(row.workspace)));
    put(Value::Text(Some(row.source)));
    put(Value::Text(Some("anthropic-compliance")));
    put(Value::Whole(Some(row.source_ttl)));
    put(Value::Time(row.received_at));
    put(Value::Text(Some(&id)));
    put(Value::Time(Some(row.time)));
    put(Value::Text(Some(row.name)));
    put(Value::Text(Some(row.id)));
    put(Value::Text(row.source_ip));
    put(Value::Text(place.country));
    put(Value::Whole(place.as_number));
    put(Value::Text(place.as_organization));
    put(Value::Text(place.city));
    put(Value::Text(place.connection_type));
    put(Value::Text(place.isp));
    put(Value::Number(place.latitude));
    put(Value::Number(place.longitude));
    put(Value::Text(place.user_type));
    // The feed names no destination.
    put(Value::Text(None));
    put(Value::Text(None));
    put(Value::Whole(None));
    (0..4).for_each(|_| put(Value::Text(None)));
    put(Value::Number(None));
    put(Value::Number(None));
    put(Value::Text(None));
    put(Value::Actor);
    put(Value::Tags);
    put(Value::Resources(&row.resources));
    put(Value::Text(Some(row.product)));
    put(Value::LookUps(unified::look_ups(row)));
    put(Value::Flag(row.read_only));
    put(Value::Text(Some(row.raw)));
    put(Value::Text(Some(row.id)));
    put(Value::Text(Some(row.name)));
    put(Value::Text(row.organization_id));
    put(Value::Text(row.actor_type));
    put(Value::Text(row.actor_email));
    put(Value::Text(row.actor_user_id));
    put(Value::Text(row.actor_ip));
    put(Value::Text(row.actor_user_agent));
    put(Value::Text(row.actor_api_key_id));
    put(Value::Text(row.actor_admin_api_key_id));
}

impl Column {
    fn of(name: &str) -> Column {
        match name {
            "sourceTTL" | "srcASNumber" | "dstASNumber" => Column::Whole(UInt32Builder::new()),
            "srcLatitude" | "srcLongitude" | "dstLatitude" | "dstLongitude" => Column::Number(Float64Builder::new()),
            "receivedAt" | "eventTime" => Column::Time(TimestampMicrosecondBuilder::new()),
            "readOnly" => Column::Flag(BooleanBuilder::new()),
            "actor" | "tags" => Column::Map(map()),
            "resources" => Column::Texts(ListBuilder::new(StringBuilder::new()).with_field(element(DataType::Utf8))),
            "enrichments" => {
                let texts = (0..4).map(|_| Box::new(StringBuilder::new()) as Box<dyn arrow::array::ArrayBuilder>);
                let builders = std::iter::once(Box::new(map()) as Box<dyn arrow::array::ArrayBuilder>).chain(texts);
                let builder = ListBuilder::new(StructBuilder::new(look_up(), builders.collect()));
                Column::LookUps(builder.with_field(element(DataType::Struct(look_up()))))
            }
            _ => Column::Text(StringBuilder::new()),
        }
    }

    fn kind(&self) -> DataType {
        let list = |of: DataType| DataType::List(Arc::new(element(of)));
        match self {
            Column::Text(_) => DataType::Utf8,
            Column::Whole(_) => DataType::UInt32,
            Column::Number(_) => DataType::Float64,
            Column::Time(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Column::Flag(_) => DataType::Boolean,
            Column::Map(_) => kind_of_map(),
            Column::Texts(_) => list(DataType::Utf8),
            Column::LookUps(_) => list(DataType::Struct(look_up())),
        }
    }

    /// A value of another kind than the column's cannot come: both are listed in this file, and a test fills each.
    fn push(&mut self, value: Value, row: &Row) {
        match (self, value) {
            (Column::Text(column), Value::Text(text)) => column.append_option(text),
            (Column::Whole(column), Value::Whole(number)) => column.append_option(number),
            (Column::Number(column), Value::Number(number)) => column.append_option(number),
            (Column::Time(column), Value::Time(time)) => column.append_option(time),
            (Column::Flag(column), Value::Flag(flag)) => column.append_value(flag),
            (Column::Map(column), Value::Actor) => {
                let has_actor = unified::has_actor(row);
                if has_actor {
                    unified::actor(row, |name, value| entry(column, name, value));
                }
                end(column, has_actor);
            }
            (Column::Map(column), Value::Tags) => {
                unified::tags(row, |name, value| entry(column, name, value));
                end(column, true);
            }
            (Column::Texts(column), Value::Resources(ids)) => {
                ids.iter().for_each(|id| column.values().append_value(id));
                column.append(!ids.is_empty());
            }
            (Column::LookUps(column), Value::LookUps(all)) => {
                for (at, found) in all.iter().enumerate() {
                    if let Some(found) = found {
                        push_look_up(column.values(), row, at, found);
                    }
                }
                column.append(all.iter().any(Option::is_some));
            }
            _ => {}
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Text(column) => Arc::new(column.finish()),
            Column::Whole(column) => Arc::new(column.finish()),
            Column::Number(column) => Arc::new(column.finish()),
            Column::Time(column) => Arc::new(column.finish()),
            Column::Flag(column) => Arc::new(column.finish()),
            Column::Map(column) => Arc::new(column.finish()),
            Column::Texts(column) => Arc::new(column.finish()),
            Column::LookUps(column) => Arc::new(column.finish()),
        }
    }
}

fn push_look_up(into: &mut StructBuilder, row: &Row, at: usize, found: &LookUp) {
    if let Some(data) = into.field_builder::<Map>(0) {
        unified::said(row, at, |name, value| entry(data, name, value));
        end(data, true);
    }
    let texts = [Some(found.name), found.provider, Some(found.kind), found.value];
    for (at, text) in texts.into_iter().enumerate() {
        if let Some(column) = into.field_builder::<StringBuilder>(at + 1) {
            column.append_option(text);
        }
    }
    into.append(true);
}

fn entry(map: &mut Map, name: &str, value: &str) {
    map.keys().append_value(name);
    map.values().append_value(value);
}

fn end(map: &mut Map, is_there: bool) {
    // Each key has its value: `entry` adds both.
    let _ = map.append(is_there);
}

fn map() -> Map {
    let names = MapFieldNames { entry: ENTRY.to_owned(), key: KEY.to_owned(), value: VALUE.to_owned() };
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
}

fn kind_of_map() -> DataType {
    let members = [Field::new(KEY, DataType::Utf8, false), Field::new(VALUE, DataType::Utf8, true)];
    DataType::Map(Arc::new(Field::new(ENTRY, DataType::Struct(Fields::from(members.to_vec())), false)), false)
}

fn element(of: DataType) -> Field {
    Field::new(ELEMENT, of, true)
}

/// The members of an entry of `enrichments`.
fn look_up() -> Fields {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Fields::from(vec![
        Field::new("data", kind_of_map(), true),
        text("name"),
        text("provider"),
        text("type"),
        text("value"),
    ])
}
