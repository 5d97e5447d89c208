//! The reading thread: reads, unpacks, cuts into records, and deals chunks out to the workers in turn.

use std::{
    io::{self, Read},
    sync::{Arc, atomic::AtomicU64, mpsc::SyncSender},
};

use super::{
    MAX_PIECE_BYTES, ROWS_PER_COMMIT,
    input::{self, FileFailure, Input},
    scan::{Scanner, Span},
};

/// Files are read in blocks of so many bytes.
const BLOCK_BYTES: usize = 1 << 20;
/// Many small files share a commit, but no more than so many.
const FILES_PER_COMMIT: usize = 256;

/// What goes to a worker, and on to the gathering thread.
pub(super) enum Job {
    /// Records of one file.
    Chunk(Chunk),
    /// A commit ends here.
    Commit,
    /// A file ends here.
    EndOfFile(Option<FileFailure>),
}

/// A stretch of a file, and the records in it.
pub(super) struct Chunk {
    pub(super) file: Arc<str>,
    /// Where it lies in the file, unpacked.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) spans: Vec<Span>,
}

/// The receivers have gone: somebody else reports why.
pub(super) struct Gone;

/// Deals jobs out to the workers in turn, so that the order can be restored.
pub(super) struct Dealer {
    workers: Vec<SyncSender<Job>>,
    next: usize,
    rows: usize,
    bytes: usize,
}

impl Dealer {
    pub(super) fn new(workers: Vec<SyncSender<Job>>) -> Self {
        Dealer { workers, next: 0, rows: 0, bytes: 0 }
    }

    /// Reads all inputs to their ends.
    pub(super) fn run(mut self, inputs: Vec<Input>, read: &Arc<AtomicU64>) -> Result<(), Gone> {
        for (index, input) in inputs.into_iter().enumerate() {
            let failure = self.file(input, read)?;
            self.deal(Job::EndOfFile(failure))?;
            if index % FILES_PER_COMMIT == FILES_PER_COMMIT - 1 {
                self.commit()?;
            }
        }
        self.commit()
    }

    fn deal(&mut self, job: Job) -> Result<(), Gone> {
        let worker = &self.workers[self.next];
        self.next = (self.next + 1) % self.workers.len();
        worker.send(job).map_err(|_| Gone)
    }

    fn file(&mut self, input: Input, read: &Arc<AtomicU64>) -> Result<Option<FileFailure>, Gone> {
        let name: Arc<str> = input.name().into();
        let opened = match input::open(input, read) {
            Ok(opened) => opened,
            Err(failure) => return Ok(Some(failure)),
        };
        let mut file = Reading { reader: opened.reader, buffer: Vec::new(), error: None, is_end: false };
        let (mut scanner, mut offset, mut records) = (Scanner::new(), 0, 0);
        let mut must_read = true;
        loop {
            if must_read {
                file.more();
                if offset == 0 && !looks_like_json(&file.buffer) {
                    return Ok(Some(not_json(&name, &file.buffer)));
                }
            }
            let mut spans = Vec::new();
            let most = ROWS_PER_COMMIT - self.rows;
            let done = scanner.scan(&file.buffer, file.is_end, most, &mut spans);
            let found = spans.iter().filter(|span| span.flaw.is_none()).count();
            must_read = found < most;
            records += found as u64;
            if done > 0 || !spans.is_empty() {
                let bytes = file.cut(done);
                self.chunk(Chunk { file: name.clone(), offset, bytes, spans }, found)?;
                offset += done as u64;
            }
            if file.is_end && must_read {
                break;
            }
        }
        Ok(file.error.map(|error| input::broken_off(&name, records, opened.packing, &error)))
    }

    fn chunk(&mut self, chunk: Chunk, records: usize) -> Result<(), Gone> {
        self.rows += records;
        self.bytes += chunk.bytes.len();
        self.deal(Job::Chunk(chunk))?;
        if self.rows >= ROWS_PER_COMMIT || self.bytes >= MAX_PIECE_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Gone> {
        (self.rows, self.bytes) = (0, 0);
        self.deal(Job::Commit)
    }
}

/// A file, as far as it is read.
struct Reading {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    error: Option<io::Error>,
    is_end: bool,
}

impl Reading {
    /// Adds a block to the buffer, or finds the end. What was read before an error counts.
    fn more(&mut self) {
        // A packed file can end in the middle of a block; only nothing at all is the end.
        let before = self.buffer.len();
        self.buffer.reserve(BLOCK_BYTES);
        let result = self.reader.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut self.buffer);
        self.is_end = result.is_err() || self.buffer.len() - before < BLOCK_BYTES;
        self.error = result.err();
    }

    /// The first bytes of the buffer; the rest stays.
    fn cut(&mut self, done: usize) -> Vec<u8> {
        let mut rest = Vec::with_capacity(self.buffer.len() - done + BLOCK_BYTES);
        rest.extend_from_slice(&self.buffer[done..]);
        self.buffer.truncate(done);
        std::mem::replace(&mut self.buffer, rest)
    }
}

/// Whether there is any hope: a bracket somewhere at the start of a line or of the file.
fn looks_like_json(block: &[u8]) -> bool {
    let text = block.strip_prefix(b"\xef\xbb\xbf").unwrap_or(block);
    let opens = |line: &[u8]| matches!(line.trim_ascii_start().first(), Some(b'{' | b'['));
    text.trim_ascii_start().is_empty() || text.split(|&byte| byte == b'\n').any(opens)
}

fn not_json(name: &str, block: &[u8]) -> FileFailure {
    let start = block.trim_ascii_start();
    let shown = start[..start.len().min(40)].escape_ascii();
    let hint = "import reads JSON lines, JSON arrays and saved pages of the feed, plain, gzip or zstd";
    FileFailure::new(name, format!("holds no JSON objects; it begins with `{shown}`"), hint)
}
