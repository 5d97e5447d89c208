//! CSV (RFC 4180) that is safe to open in a spreadsheet.
//!
//! A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers and times stay what they are.
//! Lists, maps and objects are JSON.

use std::io::Write;

use anyhow::Result;
use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use serde_json::Value;

pub fn head(schema: &SchemaRef, out: &mut dyn Write) -> Result<()> {
    line(schema.fields().iter().map(|field| field.name().as_str()), out)
}

pub fn rows(batch: &RecordBatch, out: &mut dyn Write) -> Result<()> {
    let schema = batch.schema();
    for row in web::json_lines(batch)?.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let row: serde_json::Map<String, Value> = serde_json::from_slice(row)?;
        // Two columns of one name are one member: the columns are read by place where that can be.
        let by_place = row.len() == schema.fields().len();
        let cells: Vec<String> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| {
                let value = if by_place { row.values().nth(at) } else { row.get(field.name()) };
                cell(value.unwrap_or(&Value::Null), field.data_type())
            })
            .collect();
        write_line(cells.iter().map(String::as_str), out)?;
    }
    Ok(())
}

/// A line of texts.
pub fn line<'t>(cells: impl Iterator<Item = &'t str>, out: &mut dyn Write) -> Result<()> {
    let cells: Vec<String> = cells.map(harmless).collect();
    write_line(cells.iter().map(String::as_str), out)
}

fn cell(value: &Value, kind: &DataType) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            harmless(text)
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn harmless(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

fn write_line<'t>(cells: impl Iterator<Item = &'t str>, out: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) || cell.starts_with(' ') || cell.ends_with(' ') {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push_str("\r\n");
    out.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_nothing() {
        let mut out = Vec::new();
        line(["=1+1", "-x", "a,b", "say \"hi\"", "plain", "@SUM(A1)"].into_iter(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "'=1+1,'-x,\"a,b\",\"say \"\"hi\"\"\",plain,'@SUM(A1)\r\n");
    }
}
