//! CSV (RFC 4180) that is safe to open in a spreadsheet.
//!
//! A text that a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@`, one of these in full width, a tab or a
//! line end) gets an apostrophe before it. Numbers stay what they are.

use super::{Cells, Kind, plain};
use crate::{Shape, row::Row};

/// What a formula may begin with, or what spreadsheets drop before one.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Writes rows of a shape as lines of CSV.
#[derive(Debug)]
pub struct Csv {
    cells: Cells,
}

impl Csv {
    /// For this shape.
    pub fn new(shape: Shape) -> Csv {
        Csv { cells: Cells::new(shape) }
    }

    /// Appends the line of column names.
    pub fn head(shape: Shape, out: &mut Vec<u8>) {
        for (at, field) in shape.fields().iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            cell(field.path, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends a row.
    pub fn line(&mut self, row: &Row, out: &mut Vec<u8>) {
        let fields = self.cells.shape.fields();
        let mut cells = Vec::new();
        self.cells.of(row, &mut cells);
        for (at, (json, field)) in cells.iter().zip(fields).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            let Some(json) = json else { continue };
            let text = plain(json);
            let is_formula =
                !matches!(field.kind, Kind::Integer | Kind::Float | Kind::Boolean) && text.starts_with(FORMULA);
            match is_formula {
                true => cell(&format!("'{text}"), out),
                false => cell(&text, out),
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn cell(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let is_bare = !bytes.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
        && !text.starts_with(' ')
        && !text.ends_with(' ');
    if is_bare {
        return out.extend_from_slice(bytes);
    }
    out.push(b'"');
    for (at, part) in bytes.split(|byte| *byte == b'"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_nothing() {
        let raw = r#"{"id":"activity_1","created_at":"2026-01-01T00:00:00Z","type":"x","actor":null}"#;
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1", "\u{ff1d}1", "=cmd|'/c calc'!A1"] {
            let row = Row { name: text, id: "activity_1", actor_email: Some(text), raw, ..Row::default() };
            for shape in [Shape::Unified, Shape::Datadog, Shape::Ecs, Shape::Ocsf] {
                let mut out = Vec::new();
                Csv::new(shape).line(&row, &mut out);
                let line = String::from_utf8(out).unwrap();
                let cells = line.trim_end().split(',').map(|cell| cell.trim_start_matches('"'));
                assert_eq!(
                    cells.clone().find(|cell| cell.starts_with(['=', '+', '@', '\t', '\r', '\u{ff1d}'])),
                    None,
                    "{line}"
                );
                assert!(line.contains(&format!("'{text}")), "{line}");
            }
        }
    }

    #[test]
    fn quotes() {
        let mut out = Vec::new();
        for text in ["a", "a,b", "say \"hi\"", "two\nlines", " x"] {
            cell(text, &mut out);
            out.push(b'|');
        }
        assert_eq!(String::from_utf8(out).unwrap(), "a|\"a,b\"|\"say \"\"hi\"\"\"|\"two\nlines\"|\" x\"|");
    }
}
