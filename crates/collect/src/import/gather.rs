//! The workers and the gathering thread: records become columns side by side, and come back in the order of the files.

use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender},
};

use auditlake_store::{Batch, LedgerEntry};
use enrich::Enricher;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{
    input::FileFailure,
    split::{Chunk, Job},
};
use crate::{Intake, Place, Reject, RejectFile, Result, Taken, digest};

/// Rejects that are held before they are written out; a commit in the making may have more.
const HELD_REJECT_BYTES: usize = 16 << 20;

/// What comes from a worker.
pub(super) enum Done {
    Chunk { chunk: Chunk, taken: Box<Taken> },
    Commit,
    EndOfFile(Option<FileFailure>),
}

/// What goes to the store, and what is known of it beside the rows.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) batches: Vec<Batch>,
    pub(super) ledger: Vec<LedgerEntry>,
    /// Unpacked bytes.
    pub(super) bytes: u64,
    pub(super) rejected: u64,
    /// The first rejects, without their bytes.
    pub(super) rejects: Vec<Reject>,
    pub(super) failures: Vec<FileFailure>,
}

/// A worker: parses and lays out whatever it is given.
pub(super) fn work(jobs: &Receiver<Job>, done: &SyncSender<Done>, enricher: Option<&Arc<Enricher>>) {
    while let Ok(job) = jobs.recv() {
        let result = match job {
            Job::Chunk(chunk) => {
                let taken = Box::new(take(&chunk, enricher));
                Done::Chunk { chunk, taken }
            }
            Job::Commit => Done::Commit,
            Job::EndOfFile(failure) => Done::EndOfFile(failure),
        };
        if done.send(result).is_err() {
            return;
        }
    }
}

fn take(chunk: &Chunk, enricher: Option<&Arc<Enricher>>) -> Taken {
    let mut intake = Intake::with_capacity(chunk.spans.len()).enriching(enricher.cloned());
    for span in &chunk.spans {
        let raw = &chunk.bytes[span.range.clone()];
        let place = || Place::Line { file: chunk.file.clone(), line: span.line };
        match span.flaw {
            None => intake.take(raw, place),
            Some(flaw) => intake.reject(Reject { place: place(), reason: flaw.to_string(), bytes: raw.to_vec() }),
        }
    }
    intake.finish()
}

/// Puts together what the workers did, in the order in which it was dealt out.
pub(super) struct Gatherer<'a> {
    pub(super) rejects: &'a RejectFile,
    pub(super) pieces: mpsc::Sender<Result<Piece>>,
    /// The first so many rejects are reported.
    pub(super) report: usize,
    pub(super) piece: Piece,
    pub(super) part: Option<Part>,
    pub(super) held: Vec<Reject>,
}

/// The part of a piece that comes from one file.
pub(super) struct Part {
    file: Arc<str>,
    batches: Vec<Batch>,
    hasher: Sha256,
    offset: u64,
    bytes: u64,
    lines: Option<(u64, u64)>,
    rejected: usize,
}

impl Part {
    fn new(chunk: &Chunk) -> Self {
        Part {
            file: chunk.file.clone(),
            batches: Vec::new(),
            hasher: Sha256::new(),
            offset: chunk.offset,
            bytes: 0,
            lines: None,
            rejected: 0,
        }
    }
}

impl Gatherer<'_> {
    /// Goes round the workers until they stop; `each` hears of every chunk.
    pub(super) fn run(&mut self, workers: &[Receiver<Done>], mut each: impl FnMut(u64)) {
        for worker in workers.iter().cycle() {
            let Ok(done) = worker.recv() else { return };
            let is_open = match done {
                Done::Chunk { chunk, taken } => {
                    each(taken.batch.len() as u64);
                    self.add(chunk, *taken)
                }
                Done::EndOfFile(failure) => {
                    self.close_part();
                    self.piece.failures.extend(failure);
                    true
                }
                Done::Commit => self.commit(),
            };
            if !is_open {
                return;
            }
        }
    }

    fn add(&mut self, chunk: Chunk, taken: Taken) -> bool {
        let part = self.part.get_or_insert_with(|| Part::new(&chunk));
        part.hasher.update(&chunk.bytes);
        part.bytes += chunk.bytes.len() as u64;
        if let (Some(first), Some(last)) = (chunk.spans.first(), chunk.spans.last()) {
            part.lines = Some((part.lines.map_or(first.line, |(from, _)| from), last.line));
        }
        part.rejected += taken.rejects.len();
        if !taken.batch.is_empty() {
            part.batches.push(taken.batch);
        }
        self.keep(taken.rejects)
    }

    fn keep(&mut self, rejects: Vec<Reject>) -> bool {
        self.piece.rejected += rejects.len() as u64;
        let room = self.report.min(rejects.len());
        self.report -= room;
        self.piece.rejects.extend(rejects[..room].iter().map(Reject::brief));
        self.held.extend(rejects);
        let held: usize = self.held.iter().map(|reject| reject.bytes.len() + 128).sum();
        held < HELD_REJECT_BYTES || self.write_rejects()
    }

    /// Before the commit that moves past them.
    fn write_rejects(&mut self) -> bool {
        match self.rejects.append(&self.held) {
            Ok(()) => {
                self.held.clear();
                true
            }
            Err(error) => {
                // Nobody listening any more is as good as told.
                let _ = self.pieces.blocking_send(Err(error));
                false
            }
        }
    }

    fn close_part(&mut self) {
        let Some(part) = self.part.take() else { return };
        let batch = Batch::concat(part.batches);
        self.piece.bytes += part.bytes;
        let detail = json!({
            "file": &*part.file,
            "lines": part.lines.map(|(first, last)| [first, last]),
            "offset": part.offset,
            "bytes": part.bytes,
            "sha256": digest::hex(part.hasher),
            "rejected": part.rejected,
        });
        let index = batch.as_ref().map(|_| self.piece.batches.len());
        self.piece.batches.extend(batch);
        self.piece.ledger.push(LedgerEntry { at: Timestamp::now(), kind: "import".to_owned(), batch: index, detail });
    }

    fn commit(&mut self) -> bool {
        self.close_part();
        self.write_rejects() && self.pieces.blocking_send(Ok(std::mem::take(&mut self.piece))).is_ok()
    }
}
