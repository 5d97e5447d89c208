//! Tables for people: aligned, long cells cut, without control characters.

use anyhow::Result;
use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use comfy_table::{Cell, ContentArrangement, presets};

/// Cells are cut after so many characters; whoever wants all takes another form.
const MAX_CHARS: usize = 120;

/// Rows that are to be shown together.
#[derive(Default)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn head(&mut self, schema: &SchemaRef) {
        self.head = schema.fields().iter().map(|field| field.name().clone()).collect();
    }

    pub fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = FormatOptions::default()
            .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.6f"))
            .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.6f"));
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            self.rows.push(columns.iter().map(|column| column.value(row).to_string()).collect());
        }
        Ok(())
    }

    pub fn render(&mut self) -> String {
        render(std::mem::take(&mut self.head), std::mem::take(&mut self.rows))
    }
}

/// A table of texts.
pub fn render(head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().map(|name| Cell::new(plain(name))));
    for row in rows {
        table.add_row(row.iter().map(|text| Cell::new(plain(text))));
    }
    let text = table.to_string();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Whether a terminal would obey it, or be turned round by it.
pub fn is_unsafe(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text on one line, without what a terminal would obey or turn round.
fn plain(text: &str) -> String {
    let mut plain: String =
        text.chars().take(MAX_CHARS).map(|sign| if is_unsafe(sign) { '\u{fffd}' } else { sign }).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obeys_nobody() {
        let text = render(vec!["a".into(), "b".into()], vec![vec!["\u{1b}[31mred\n\u{202e}x".into(), "y".repeat(200)]]);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains(&format!("{}…", "y".repeat(120))));
    }
}
