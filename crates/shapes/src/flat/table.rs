//! Rows of a shape as Arrow columns, for Parquet.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder},
    datatypes::{DataType, Field as ArrowField, Schema, SchemaRef},
    error::ArrowError,
};

use super::{Cells, Kind, plain, unified};
use crate::{Shape, row::Row};

/// Collects rows of a shape into columns.
pub struct Table {
    columns: Columns,
    schema: SchemaRef,
}

enum Columns {
    /// Of what a shape writes.
    Cells(Cells, Vec<Column>),
    /// Of the row itself: they have types that JSON does not have.
    Unified(Vec<unified::Column>),
}

enum Column {
    Text(StringBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
}

impl Table {
    /// For this shape.
    pub fn new(shape: Shape) -> Table {
        let column = |kind| match kind {
            Kind::Text | Kind::Json => Column::Text(StringBuilder::new()),
            Kind::Integer => Column::Integer(Int64Builder::new()),
            Kind::Float => Column::Float(Float64Builder::new()),
            Kind::Boolean => Column::Boolean(BooleanBuilder::new()),
        };
        let columns = match shape {
            Shape::Unified => Columns::Unified(unified::columns()),
            _ => Columns::Cells(Cells::new(shape), shape.fields().iter().map(|field| column(field.kind)).collect()),
        };
        Table { columns, schema: Table::schema(shape) }
    }

    /// The columns of a shape.
    pub fn schema(shape: Shape) -> SchemaRef {
        if shape == Shape::Unified {
            return unified::schema();
        }
        let kind = |kind| match kind {
            Kind::Text | Kind::Json => DataType::Utf8,
            Kind::Integer => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Boolean => DataType::Boolean,
        };
        let fields: Vec<ArrowField> =
            shape.fields().iter().map(|field| ArrowField::new(field.path, kind(field.kind), true)).collect();
        Arc::new(Schema::new(fields))
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Row) {
        match &mut self.columns {
            Columns::Unified(columns) => unified::push(row, columns),
            Columns::Cells(cells, columns) => push_cells(row, cells, columns),
        }
    }

    /// All rows so far; the table is empty after it.
    ///
    /// # Errors
    /// None that a caller could cause: the columns are those of the schema.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = match &mut self.columns {
            Columns::Unified(columns) => columns.iter_mut().map(unified::Column::finish).collect(),
            Columns::Cells(_, columns) => columns.iter_mut().map(Column::finish).collect(),
        };
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}

fn push_cells(row: &Row, cells: &mut Cells, columns: &mut [Column]) {
    let mut found = Vec::new();
    cells.of(row, &mut found);
    for (json, column) in found.iter().zip(columns) {
        let json = json.as_deref();
        match column {
            Column::Text(column) => column.append_option(json.map(plain)),
            Column::Integer(column) => column.append_option(json.and_then(|json| json.parse().ok())),
            Column::Float(column) => column.append_option(json.and_then(|json| json.parse().ok())),
            Column::Boolean(column) => column.append_option(json.and_then(|json| json.parse().ok())),
        }
    }
}

impl Column {
    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Text(column) => Arc::new(column.finish()),
            Column::Integer(column) => Arc::new(column.finish()),
            Column::Float(column) => Arc::new(column.finish()),
            Column::Boolean(column) => Arc::new(column.finish()),
        }
    }
}
