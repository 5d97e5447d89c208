//! Where an export goes: to stdout, or to a file that appears whole or not at all; packed if its name says so.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use flate2::{Compression as Level, write::GzEncoder};
use futures::{StreamExt, stream::BoxStream};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use shapes::{
    Shape,
    flat::{Csv, Table},
};

use crate::{cli::ExportFormat, hinted, misused, stop};

/// A part of the output.
pub enum Piece {
    /// Lines.
    Bytes(Vec<u8>),
    /// Rows of a Parquet file.
    Rows(Vec<RecordBatch>),
}

/// How a file is packed, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

fn packing(file: &Path) -> (Packing, PathBuf) {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => (Packing::Gzip, file.with_extension("")),
        Some("zst") => (Packing::Zstd, file.with_extension("")),
        _ => (Packing::None, file.to_owned()),
    }
}

/// The format that was asked for; by the file's name, if none was.
pub fn choose(format: Option<ExportFormat>, file: Option<&Path>) -> Result<ExportFormat> {
    let (packing, plain) = file.map_or((Packing::None, PathBuf::new()), packing);
    let format = format.unwrap_or_else(|| match plain.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => ExportFormat::Csv,
        Some("parquet") => ExportFormat::Parquet,
        _ => ExportFormat::Jsonl,
    });
    match (format, packing) {
        (ExportFormat::Parquet, Packing::Gzip | Packing::Zstd) => {
            Err(misused("Parquet is packed already", "name the file without .gz or .zst"))
        }
        (ExportFormat::Parquet, _) if file.is_none() && io::stdout().is_terminal() => {
            Err(hinted("Parquet is not for terminals", "name a file with -o"))
        }
        _ => Ok(format),
    }
}

/// The output of an export.
pub struct Sink {
    shape: Shape,
    format: ExportFormat,
    path: Option<PathBuf>,
}

impl Sink {
    pub fn new(shape: Shape, format: ExportFormat, path: Option<&Path>) -> Result<Sink> {
        let is_file = |path: &Path| path.file_name().is_some() && !path.is_dir();
        match path {
            Some(path) if !is_file(path) => {
                Err(misused(format!("{} is no file", path.display()), "name a file with -o"))
            }
            _ => Ok(Sink { shape, format, path: path.map(Path::to_owned) }),
        }
    }

    /// Writes all pieces, to a file whole or not at all.
    pub async fn fill(self, pieces: BoxStream<'_, Result<Piece>>) -> Result<()> {
        let Some(path) = self.path.clone() else {
            return self.write(Out::Plain(BufWriter::new(Box::new(io::stdout()))), pieces).await;
        };
        let fresh = PathBuf::from(format!("{}.{}.tmp", path.display(), std::process::id()));
        let cannot = || format!("cannot write {}", path.display());
        let done = async {
            let file = File::create(&fresh).with_context(cannot)?;
            let out = Out::packed(file.try_clone().with_context(cannot)?, packing(&path).0).with_context(cannot)?;
            self.write(out, pieces).await.with_context(cannot)?;
            file.sync_all().with_context(cannot)?;
            std::fs::rename(&fresh, &path).with_context(cannot)?;
            // The new name is on disk, too, where directories can be synced.
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            let _ = File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
            Ok(())
        };
        // Whoever asks the program to end finds no half file either.
        let done: Result<()> = tokio::select! {
            done = done => done,
            () = stop::asked() => Err(anyhow!("interrupted: {} is not written", path.display())),
        };
        if done.is_err() {
            let _ = std::fs::remove_file(&fresh);
        }
        done
    }

    async fn write(&self, out: Out, mut pieces: BoxStream<'_, Result<Piece>>) -> Result<()> {
        let mut writer = Writer::new(out);
        if self.format == ExportFormat::Csv {
            let mut head = Vec::new();
            Csv::head(self.shape, &mut head);
            writer.bytes(&head)?;
        }
        while let Some(piece) = pieces.next().await {
            match piece? {
                Piece::Bytes(bytes) => writer.bytes(&bytes)?,
                Piece::Rows(rows) => {
                    for batch in rows {
                        writer.rows(&batch)?;
                    }
                }
            }
        }
        if self.format == ExportFormat::Parquet {
            // A file without rows has its columns all the same.
            writer.columns(&Table::schema(self.shape))?;
        }
        writer.finish()
    }
}

/// The way of the bytes.
enum Out {
    Plain(BufWriter<Box<dyn Write + Send>>),
    Gzip(GzEncoder<BufWriter<Box<dyn Write + Send>>>),
    Zstd(zstd::Encoder<'static, BufWriter<Box<dyn Write + Send>>>),
}

impl Out {
    fn packed(file: File, packing: Packing) -> io::Result<Out> {
        let out: BufWriter<Box<dyn Write + Send>> = BufWriter::with_capacity(1 << 18, Box::new(file));
        Ok(match packing {
            Packing::None => Out::Plain(out),
            Packing::Gzip => Out::Gzip(GzEncoder::new(out, Level::fast())),
            Packing::Zstd => Out::Zstd(zstd::Encoder::new(out, 3)?),
        })
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Out::Plain(mut out) => out.flush(),
            Out::Gzip(out) => out.finish()?.flush(),
            Out::Zstd(out) => out.finish()?.flush(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Plain(out) => out.write(bytes),
            Out::Gzip(out) => out.write(bytes),
            Out::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Plain(out) => out.flush(),
            Out::Gzip(out) => out.flush(),
            Out::Zstd(out) => out.flush(),
        }
    }
}

/// Bytes, or a Parquet file from its first rows on.
enum Writer {
    Bytes(Out),
    Parquet(Box<ArrowWriter<Out>>),
    /// Only between two of the others.
    Gone,
}

impl Writer {
    fn new(out: Out) -> Writer {
        Writer::Bytes(out)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if let Writer::Bytes(out) = self {
            out.write_all(bytes)?;
        }
        Ok(())
    }

    /// Begins the Parquet file, if it is not begun.
    fn columns(&mut self, schema: &SchemaRef) -> Result<()> {
        *self = match std::mem::replace(self, Writer::Gone) {
            Writer::Bytes(out) => {
                let properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build();
                Writer::Parquet(Box::new(ArrowWriter::try_new(out, schema.clone(), Some(properties))?))
            }
            begun => begun,
        };
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        self.columns(&batch.schema())?;
        if let Writer::Parquet(parquet) = self {
            parquet.write(batch)?;
            // What is not written out yet stays within bounds.
            if parquet.in_progress_size() > 64 << 20 {
                parquet.flush()?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Writer::Bytes(out) => Ok(out.finish()?),
            Writer::Parquet(parquet) => Ok(parquet.into_inner()?.finish()?),
            Writer::Gone => Ok(()),
        }
    }
}
