//! Rows of a shape as Arrow columns, for Parquet.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder},
    datatypes::{DataType, Field as ArrowField, Schema, SchemaRef},
    error::ArrowError,
};

use super::{Cells, Kind, plain};
use crate::{Shape, row::Row};

/// Collects rows of a shape into columns.
pub struct Table {
    cells: Cells,
    columns: Vec<Column>,
    schema: SchemaRef,
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
        Table {
            cells: Cells::new(shape),
            columns: shape.fields().iter().map(|field| column(field.kind)).collect(),
            schema: Table::schema(shape),
        }
    }

    /// The columns of a shape.
    pub fn schema(shape: Shape) -> SchemaRef {
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
        let mut cells = Vec::new();
        self.cells.of(row, &mut cells);
        for (json, column) in cells.iter().zip(&mut self.columns) {
            let json = json.as_deref();
            match column {
                Column::Text(column) => column.append_option(json.map(plain)),
                Column::Integer(column) => column.append_option(json.and_then(|json| json.parse().ok())),
                Column::Float(column) => column.append_option(json.and_then(|json| json.parse().ok())),
                Column::Boolean(column) => column.append_option(json.and_then(|json| json.parse().ok())),
            }
        }
    }

    /// All rows so far; the table is empty after it.
    ///
    /// # Errors
    /// None that a caller could cause: the columns are those of the schema.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.iter_mut().map(|column| -> ArrayRef {
            match column {
                Column::Text(column) => Arc::new(column.finish()),
                Column::Integer(column) => Arc::new(column.finish()),
                Column::Float(column) => Arc::new(column.finish()),
                Column::Boolean(column) => Arc::new(column.finish()),
            }
        });
        RecordBatch::try_new(self.schema.clone(), columns.collect())
    }
}
