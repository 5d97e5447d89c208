//! Shapes as tables: every member of an object has a column, every line of CSV its cells.

use serde_json::Value;
use shapes::{
    Row, Shape,
    flat::{Csv, Kind, Table},
};

use crate::support::with_row;

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut signs = line.strip_suffix("\r\n").expect("a line end").chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if is_quoted && signs.peek() == Some(&'"') => {
                signs.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let mut keys = path.split('.');
    // `@timestamp` and its like hold no dot; a key of ours never does.
    keys.try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// Whether every member of a written object is in some column.
fn covered(value: &Value, path: &str, shape: Shape, missing: &mut Vec<String>) {
    if shape.fields().iter().any(|field| field.path == path) {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                covered(value, &path, shape, missing);
            }
        }
        _ => missing.push(path.to_owned()),
    }
}

pub fn check_columns(shape: Shape, row: &Row, value: &Value) {
    // What Panther and raw have at the top is the activity's; their tables hold it as one column.
    if !matches!(shape, Shape::Raw | Shape::Panther) {
        let mut missing = Vec::new();
        covered(value, "", shape, &mut missing);
        assert!(missing.is_empty(), "{shape:?} has no column for {missing:?}");
    }
    let mut line = Vec::new();
    Csv::new(shape).line(row, &mut line);
    let line = String::from_utf8(line).unwrap();
    let cells = cells(&line);
    assert_eq!(cells.len(), shape.fields().len(), "{line}");
    for (field, cell) in shape.fields().iter().zip(&cells) {
        let is_text = matches!(field.kind, Kind::Text | Kind::Json);
        assert!(
            !(is_text && cell.starts_with(['=', '+', '-', '@', '\t', '\r'])),
            "{} is a formula: {cell}",
            field.path
        );
        if shape == Shape::Raw || field.path == "rawLog" {
            continue;
        }
        let wanted = at(value, field.path);
        let wanted = match (wanted, field.kind) {
            (None, _) => String::new(),
            (Some(Value::String(text)), _) => text.clone(),
            // An activity's own member under one of Panther's names may be anything.
            (Some(Value::Array(_) | Value::Object(_)), Kind::Text) => continue,
            (Some(wanted @ (Value::Array(_) | Value::Object(_))), Kind::Json) => {
                let found: Value = serde_json::from_str(cell).unwrap_or_else(|error| panic!("{error}: {cell}"));
                assert_eq!(found, *wanted, "{}", field.path);
                continue;
            }
            (Some(other), _) => other.to_string(),
        };
        let cell = cell.strip_prefix('\'').unwrap_or(cell);
        let wanted = wanted.strip_prefix('\'').unwrap_or(&wanted);
        assert!(
            cell == wanted || at(value, field.path).is_some_and(Value::is_object),
            "{shape:?} {}: {cell}",
            field.path
        );
    }
}

#[test]
fn heads_are_fixed() {
    let mut heads = String::new();
    for shape in Shape::ALL {
        let mut head = Vec::new();
        Csv::head(shape, &mut head);
        let head = String::from_utf8(head).unwrap();
        let names = cells(&head);
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{shape:?} has a column twice");
        heads.push_str(&format!("{}: {}", shape.name(), head.trim_end()));
        heads.push('\n');
    }
    insta::assert_snapshot!(heads);
}

#[test]
fn the_unified_columns_are_the_46() {
    let names: Vec<&str> = Shape::Unified.fields().iter().map(|field| field.path).collect();
    assert_eq!(names, auditlake_store::schema::UNIFIED.map(|(name, _)| name));
    let raw = r#"{"id":"a","created_at":"2026-01-01T00:00:00Z","actor":null,"type":"x"}"#;
    for is_enriched in [false, true] {
        with_row(raw, is_enriched, |row| {
            let value = crate::support::shaped(Shape::Unified, row);
            let found: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(found, names, "all of them, in their order");
        });
    }
}

#[test]
fn columns_have_real_types() {
    let raw = r#"{"id":"a","created_at":"2026-01-01T00:00:00.5Z","actor":{"type":"user_actor","user_id":"u","ip_address":"192.0.2.1"},"type":"claude_chat_viewed","claude_chat_id":"c"}"#;
    for shape in Shape::ALL {
        with_row(raw, true, |row| {
            let mut table = Table::new(shape);
            table.push(row);
            table.push(row);
            let batch = table.finish().unwrap();
            assert_eq!((batch.num_rows(), batch.num_columns()), (2, shape.fields().len()));
            let again = table.finish().unwrap();
            assert_eq!(again.num_rows(), 0);
            let mut out = Vec::new();
            shape.write(row, &mut out);
            let value: Value = serde_json::from_slice(&out).unwrap();
            for (column, field) in batch.columns().iter().zip(shape.fields()) {
                let is_there = at(&value, field.path).is_some();
                assert!(
                    shape == Shape::Raw || field.path == "rawLog" || column.is_valid(0) == is_there,
                    "{}",
                    field.path
                );
            }
        });
    }
}
