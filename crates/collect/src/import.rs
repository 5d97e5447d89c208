//! Importing files: JSON lines, arrays and saved pages, plain or packed, of any size in flat memory.
//!
//! One thread reads and cuts (`split`), workers parse and lay out, one thread gathers in order (`gather`), and the
//! caller's task commits. Each commit holds up to [`ROWS_PER_COMMIT`] rows and a ledger entry for each file's part of it.
//! Importing a file again adds nothing: the store knows what it has.

mod gather;
mod input;
mod scan;
mod shape;
mod split;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use auditlake_store::{Commit, SourceInfo, Writer};
use enrich::Enricher;
use tokio::sync::mpsc;

use self::{
    gather::{Gatherer, Piece},
    split::Dealer,
};
use crate::{CollectError, Reject, RejectFile, Result};

pub use input::{FileFailure, Input, check_packed};
pub use scan::MAX_RECORD_BYTES;

/// A commit has so many rows, if there are as many: two of the pieces that the embedded engine keeps together on disk, so that
/// two cores pack at a time (207,000 activities a second where one gave 165,000).
pub const ROWS_PER_COMMIT: usize = 2 * 122_880;
/// A commit of long records ends after so many bytes.
const MAX_PIECE_BYTES: usize = 256 << 20;
/// Commits that wait for the store.
const QUEUED_COMMITS: usize = 1;
/// Chunks that wait for a worker, or behind it.
const QUEUED_CHUNKS: usize = 2;

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Where the rows are said to come from.
    pub source: SourceInfo,
    /// The directory below which rejects are kept.
    pub dir: PathBuf,
    /// Threads that parse; as many as there are cores if `None`.
    pub workers: Option<usize>,
    /// The number of rejects in the report; all are in the reject file.
    pub reported_rejects: usize,
    /// Who knows more of an activity than itself.
    pub enricher: Option<Arc<Enricher>>,
}

impl ImportOptions {
    /// The usual way.
    pub fn new(source: SourceInfo, dir: impl Into<PathBuf>) -> Self {
        ImportOptions { source, dir: dir.into(), workers: None, reported_rejects: 20, enricher: None }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read, as they lie in the files.
    pub bytes: u64,
    /// Bytes to read; `None` if a stream is among them.
    pub total_bytes: Option<u64>,
    /// Records read.
    pub rows: u64,
}

/// What came of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportReport {
    /// Records found, good or bad.
    pub read: u64,
    /// Stored.
    pub new: u64,
    /// In the store already.
    pub known: u64,
    /// Kept in the reject file.
    pub rejected: u64,
    /// The first rejects, without their bytes.
    pub rejects: Vec<Reject>,
    /// The reject file; it is there if anything was ever rejected.
    pub reject_file: PathBuf,
    /// Bytes after unpacking.
    pub bytes: u64,
    /// Files named.
    pub files: u64,
    /// Files that could not be read, or not to their ends.
    pub failures: Vec<FileFailure>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Imports all inputs, in their order. What goes wrong with one record or file is in the report.
///
/// Dropping the future stops it; what is committed stays.
///
/// # Errors
/// What makes going on impossible: see [`CollectError`].
pub async fn import(
    writer: &dyn Writer,
    options: &ImportOptions,
    inputs: Vec<Input>,
    progress: impl Fn(Progress) + Send + 'static,
) -> Result<ImportReport> {
    let started = Instant::now();
    let rejects = RejectFile::new(&options.dir, &options.source.id);
    let mut report =
        ImportReport { reject_file: rejects.path().to_owned(), files: inputs.len() as u64, ..ImportReport::default() };
    let (sender, mut pieces) = mpsc::channel(QUEUED_COMMITS);
    let gathering = start(options, inputs, rejects, sender, progress)?;
    while let Some(piece) = pieces.recv().await {
        commit(writer, options, piece?, &mut report).await?;
    }
    // The channel is closed: the thread is about to end, or has died.
    if gathering.join().is_err() {
        return Err(CollectError::Thread("a thread stopped unexpectedly".to_owned()));
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

async fn commit(writer: &dyn Writer, options: &ImportOptions, piece: Piece, report: &mut ImportReport) -> Result<()> {
    let rows: u64 = piece.batches.iter().map(|batch| batch.len() as u64).sum();
    if !piece.ledger.is_empty() {
        let commit = Commit { batches: piece.batches, ledger: piece.ledger, ..Commit::new(options.source.clone()) };
        let counts = writer.commit(commit).await?.total();
        report.new += counts.new;
        report.known += counts.known;
    }
    report.read += rows + piece.rejected;
    report.rejected += piece.rejected;
    report.rejects.extend(piece.rejects);
    report.bytes += piece.bytes;
    report.failures.extend(piece.failures);
    Ok(())
}

/// Starts the threads. Each ends when its neighbour does.
fn start(
    options: &ImportOptions,
    inputs: Vec<Input>,
    rejects: RejectFile,
    pieces: mpsc::Sender<Result<Piece>>,
    progress: impl Fn(Progress) + Send + 'static,
) -> Result<thread::JoinHandle<()>> {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let workers = options.workers.unwrap_or_else(cores).max(1);
    let (mut jobs, mut done) = (Vec::new(), Vec::new());
    let mut threads = Vec::new();
    for _ in 0..workers {
        let (to_worker, from_reader) = sync_channel(QUEUED_CHUNKS);
        let (to_gatherer, from_worker) = sync_channel(QUEUED_CHUNKS);
        let enricher = options.enricher.clone();
        threads.push(spawn("import-parse", move || {
            gather::work(&from_reader, &to_gatherer, enricher.as_ref());
        })?);
        jobs.push(to_worker);
        done.push(from_worker);
    }
    let read = Arc::new(AtomicU64::new(0));
    let total_bytes = inputs.iter().map(Input::size).sum();
    let dealer = Dealer::new(jobs);
    let counter = read.clone();
    threads.push(spawn("import-read", move || {
        // If the others have gone, they say why.
        let _ = dealer.run(inputs, &counter);
    })?);
    let report = options.reported_rejects;
    spawn("import-gather", move || {
        gather_all(&done, &rejects, pieces, report, |rows| {
            progress(Progress { bytes: read.load(Ordering::Relaxed), total_bytes, rows });
        });
        drop(done);
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    })
}

fn gather_all(
    done: &[Receiver<gather::Done>],
    rejects: &RejectFile,
    pieces: mpsc::Sender<Result<Piece>>,
    report: usize,
    progress: impl Fn(u64),
) {
    let mut gatherer = Gatherer { rejects, pieces, report, piece: Piece::default(), part: None, held: Vec::new() };
    let mut rows = 0;
    gatherer.run(done, |more| {
        rows += more;
        progress(rows);
    });
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| CollectError::Thread(format!("cannot start a thread: {error}")))
}
