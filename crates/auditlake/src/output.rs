//! Rows on stdout or in a file: tables for people, CSV, JSON and Parquet for programs.
//!
//! What stands in an activity was partly written by strangers: tables show no control character (a terminal would obey
//! it), CSV marks what a spreadsheet would take for a formula.

mod csv;
mod table;

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use auditlake_store::Rows;
use futures::TryStreamExt;
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use serde::Serialize;

use crate::{
    cli::{ListFormat, QueryFormat},
    hinted, stop,
};

/// The form that was asked for; a table on a terminal and JSON lines elsewhere, if none was.
pub fn choose(format: Option<QueryFormat>, file: Option<&Path>) -> QueryFormat {
    format.unwrap_or_else(|| match file.and_then(Path::extension).and_then(|ending| ending.to_str()) {
        Some("csv") => QueryFormat::Csv,
        Some("json") => QueryFormat::Json,
        Some("parquet") => QueryFormat::Parquet,
        None if file.is_none() && io::stdout().is_terminal() => QueryFormat::Table,
        _ => QueryFormat::Jsonl,
    })
}

/// Writes all rows, to a file whole or not at all. Answers how many there were.
pub async fn write_rows(rows: Rows, format: QueryFormat, file: Option<&Path>) -> Result<u64> {
    let Some(path) = file else {
        if format == QueryFormat::Parquet && io::stdout().is_terminal() {
            return Err(hinted("Parquet is not for terminals", "name a file with -o"));
        }
        let stdout = Box::new(BufWriter::new(io::stdout())) as Box<dyn Write + Send>;
        return stream(rows, Writer::new(format, stdout, true)?).await;
    };
    let fresh = PathBuf::from(format!("{}.{}.tmp", path.display(), std::process::id()));
    let cannot = || format!("cannot write {}", path.display());
    let done = async {
        let out = BufWriter::new(File::create(&fresh).with_context(cannot)?);
        let count = stream(rows, Writer::new(format, Box::new(out), true)?).await?;
        File::open(&fresh).and_then(|file| file.sync_all()).with_context(cannot)?;
        std::fs::rename(&fresh, path).with_context(cannot)?;
        Ok(count)
    };
    // Whoever asks the program to end finds no half file either.
    let done: Result<u64> = tokio::select! {
        done = done => done,
        () = stop::asked() => Err(anyhow!("interrupted: {} is not written", path.display())),
    };
    if done.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    done
}

/// Writes rows on stdout below others, which had the heading that a table and CSV have.
pub async fn write_more(rows: Rows, format: QueryFormat) -> Result<u64> {
    stream(rows, Writer::new(format, Box::new(BufWriter::new(io::stdout())), false)?).await
}

async fn stream(rows: Rows, mut writer: Writer) -> Result<u64> {
    let Rows { schema, mut batches } = rows;
    writer.begin(&schema)?;
    let mut count = 0;
    while let Some(batch) = batches.try_next().await? {
        count += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(count)
}

/// Writes rows as they come.
struct Writer {
    format: QueryFormat,
    out: Option<Box<dyn Write + Send>>,
    parquet: Option<ArrowWriter<Box<dyn Write + Send>>>,
    table: table::Table,
    has_heading: bool,
    rows: u64,
}

impl Writer {
    fn new(format: QueryFormat, out: Box<dyn Write + Send>, has_heading: bool) -> Result<Self> {
        Ok(Writer { format, out: Some(out), parquet: None, table: table::Table::default(), has_heading, rows: 0 })
    }

    fn out(&mut self) -> &mut dyn Write {
        #[expect(clippy::expect_used, reason = "only Parquet takes it, and does not come here")]
        self.out.as_mut().expect("the output")
    }

    fn begin(&mut self, schema: &SchemaRef) -> Result<()> {
        match self.format {
            QueryFormat::Parquet => {
                let properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build();
                #[expect(clippy::expect_used, reason = "taken here, once")]
                let out = self.out.take().expect("the output");
                self.parquet = Some(ArrowWriter::try_new(out, schema.clone(), Some(properties))?);
            }
            QueryFormat::Csv if self.has_heading => csv::head(schema, self.out())?,
            QueryFormat::Table => self.table.head(schema),
            QueryFormat::Json => self.out().write_all(b"[")?,
            QueryFormat::Csv | QueryFormat::Jsonl => {}
        }
        Ok(())
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self.format {
            QueryFormat::Parquet => {
                if let Some(parquet) = &mut self.parquet {
                    parquet.write(batch)?;
                }
            }
            QueryFormat::Csv => csv::rows(batch, self.out())?,
            QueryFormat::Table => self.table.rows(batch)?,
            QueryFormat::Jsonl => {
                let lines = web::json_lines(batch)?;
                self.out().write_all(&lines)?;
                // Whoever follows sees each line when it is there.
                self.out().flush()?;
            }
            QueryFormat::Json => {
                let lines = web::json_lines(batch)?;
                for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                    let before: &[u8] = if self.rows == 0 { b"\n" } else { b",\n" };
                    self.rows += 1;
                    self.out().write_all(before)?;
                    self.out().write_all(line)?;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        match self.format {
            QueryFormat::Parquet => {
                if let Some(parquet) = self.parquet.take() {
                    parquet.into_inner()?.flush()?;
                }
                return Ok(());
            }
            QueryFormat::Table => {
                let text = self.table.render();
                let below = text.split_once('\n').filter(|_| !self.has_heading);
                self.out().write_all(below.map_or(text.as_str(), |(_, below)| below).as_bytes())?;
            }
            QueryFormat::Json => self.out().write_all(b"\n]\n")?,
            QueryFormat::Csv | QueryFormat::Jsonl => {}
        }
        self.out().flush()?;
        Ok(())
    }
}

/// A line for people: without control characters, whoever wrote what stands in it.
pub fn plain(text: &str) -> String {
    text.chars().map(|sign| if table::is_unsafe(sign) { '\u{fffd}' } else { sign }).collect()
}

/// Writes a list of things; `columns` name the members that a table or CSV shows, in their order.
pub fn write_list<T: Serialize>(list: &[T], columns: &[&str], format: Option<ListFormat>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout());
    let cells = |item: &T| -> Result<Vec<String>> {
        let value = serde_json::to_value(item)?;
        Ok(columns.iter().map(|name| cell(&value[*name])).collect())
    };
    match choose(format.map(Into::into), None) {
        QueryFormat::Json => {
            serde_json::to_writer_pretty(&mut out, list)?;
            writeln!(out)?;
        }
        QueryFormat::Table => {
            let rows = list.iter().map(cells).collect::<Result<Vec<_>>>()?;
            out.write_all(table::render(columns.iter().map(|name| (*name).to_owned()).collect(), rows).as_bytes())?;
        }
        QueryFormat::Csv => {
            csv::line(columns.iter().copied(), &mut out)?;
            for item in list {
                csv::line(cells(item)?.iter().map(String::as_str), &mut out)?;
            }
        }
        QueryFormat::Jsonl | QueryFormat::Parquet => {
            for item in list {
                serde_json::to_writer(&mut out, item)?;
                writeln!(out)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
