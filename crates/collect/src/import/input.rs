//! Opening what is to be imported: files and streams, packed or not, and words for what cannot be.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Packed input is read in pieces of so many bytes.
const PACKED_BLOCK_BYTES: usize = 256 << 10;

/// Something to import.
pub enum Input {
    /// A file.
    Path(PathBuf),
    /// A stream, such as standard input.
    Stream {
        /// What to call it.
        name: String,
        /// The bytes.
        reader: Box<dyn Read + Send>,
    },
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl Input {
    /// Standard input.
    pub fn stdin() -> Self {
        Input::Stream { name: "standard input".to_owned(), reader: Box::new(io::stdin()) }
    }

    /// What to call it.
    pub fn name(&self) -> String {
        match self {
            Input::Path(path) => path.display().to_string(),
            Input::Stream { name, .. } => name.clone(),
        }
    }

    /// Its size in bytes as it lies there, if that is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Input::Path(path) => {
                path.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len())
            }
            Input::Stream { .. } => None,
        }
    }
}

/// Why a file was not imported, or not to its end. What was read before that is imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct FileFailure {
    /// The file.
    pub file: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl FileFailure {
    pub(super) fn new(file: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        FileFailure { file: file.to_owned(), message: message.into(), hint: hint.into() }
    }
}

/// An input as it is read: unpacked.
pub(super) struct Opened {
    pub(super) reader: Box<dyn Read + Send>,
    pub(super) packing: Option<&'static str>,
}

/// Opens an input; `read` counts the bytes as they lie there.
pub(super) fn open(input: Input, read: &Arc<AtomicU64>) -> Result<Opened, FileFailure> {
    let name = input.name();
    let file: Box<dyn Read + Send> = match input {
        Input::Path(path) => {
            let is_dir = path.is_dir();
            if is_dir {
                return Err(FileFailure::new(&name, "is a directory", format!("name the files in it: {name}/*")));
            }
            check_packed(&path)?;
            Box::new(File::open(&path).map_err(|error| cannot_open(&name, &error))?)
        }
        Input::Stream { reader, .. } => reader,
    };
    let mut file = Counting { reader: file, read: read.clone() };
    let mut head = Vec::new();
    let failed = |error: io::Error| broken_off(&name, 0, None, &error);
    file.by_ref().take(6).read_to_end(&mut head).map_err(failed)?;
    if head.is_empty() {
        let hint = "nothing to import; if it should hold activities, see whether what wrote it has finished";
        return Err(FileFailure::new(&name, "is empty", hint));
    }
    let packing = packing(&name, &head)?;
    let whole = Cursor::new(head).chain(file);
    let reader: Box<dyn Read + Send> = match packing {
        None => Box::new(whole),
        Some("zstd") => {
            let whole = BufReader::with_capacity(PACKED_BLOCK_BYTES, whole);
            Box::new(zstd::Decoder::with_buffer(whole).map_err(failed)?)
        }
        Some(_) => {
            let whole = BufReader::with_capacity(PACKED_BLOCK_BYTES, whole);
            Box::new(flate2::bufread::MultiGzDecoder::new(whole))
        }
    };
    Ok(Opened { reader, packing })
}

/// Unpacks a packed file once for nothing. A flipped bit is noticed only by the checksum at the end, and records before it that
/// look like activities would be stored by then. A file that was cut short is right as far as it goes, and passes.
///
/// # Errors
/// If the file is damaged; a file that cannot be opened or is no packed file passes here.
pub fn check_packed(path: &Path) -> Result<(), FileFailure> {
    let (Ok(mut file), true) = (File::open(path), path.is_file()) else { return Ok(()) };
    let mut head = [0; 4];
    let unpacked = match file.read(&mut head) {
        Ok(2..) if head.starts_with(&[0x1f, 0x8b]) => file
            .rewind()
            .and_then(|()| io::copy(&mut flate2::bufread::MultiGzDecoder::new(blocks(&file)), &mut io::sink())),
        Ok(4) if head == [0x28, 0xb5, 0x2f, 0xfd] => {
            file.rewind().and_then(|()| io::copy(&mut zstd::Decoder::with_buffer(blocks(&file))?, &mut io::sink()))
        }
        _ => Ok(0),
    };
    match unpacked {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            let message = format!("is damaged: {error}; nothing of it is imported");
            Err(FileFailure::new(&path.display().to_string(), message, "get it again and import it again"))
        }
        _ => Ok(()),
    }
}

fn blocks(file: &File) -> BufReader<&File> {
    BufReader::with_capacity(PACKED_BLOCK_BYTES, file)
}

/// How a file is packed, by its first bytes.
fn packing(name: &str, head: &[u8]) -> Result<Option<&'static str>, FileFailure> {
    let other = |what: &str, hint: &str| Err(FileFailure::new(name, format!("is {what}"), hint));
    match head {
        [0x1f, 0x8b, ..] => Ok(Some("gzip")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Some("zstd")),
        [b'P', b'K', 3, 4, ..] => other("a zip archive", "unpack it and import the files in it"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => other("packed with xz", "pipe it: xz -dc FILE | auditlake import -"),
        [b'B', b'Z', b'h', ..] => other("packed with bzip2", "pipe it: bzip2 -dc FILE | auditlake import -"),
        [b'P', b'A', b'R', b'1', ..] => other("a Parquet file", "export it as JSON lines of the raw activities first"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => other("UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8 FILE"),
        _ => Ok(None),
    }
}

fn cannot_open(name: &str, error: &io::Error) -> FileFailure {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "look at the path; a pattern such as *.jsonl that matches nothing stays as it is",
        io::ErrorKind::PermissionDenied => "make it readable for the user that runs the import",
        _ => "look at the path and the disk",
    };
    FileFailure::new(name, format!("cannot be opened: {error}"), hint)
}

/// The failure of a file that broke off after so many records.
pub(super) fn broken_off(name: &str, records: u64, packing: Option<&str>, error: &io::Error) -> FileFailure {
    let hint = match packing {
        Some(packing) => format!("the {packing} file is damaged or was cut short: get it again and import it again"),
        None => "look at the disk, then import it again".to_owned(),
    };
    let kept = match records {
        0 => "nothing of it is imported".to_owned(),
        1 => "the 1 record before that is imported".to_owned(),
        many => format!("the {many} records before that are imported"),
    };
    FileFailure::new(name, format!("cannot be read to its end: {error}; {kept}"), hint)
}

/// Counts what is read.
struct Counting {
    reader: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
