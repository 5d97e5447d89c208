//! Asking the feed on behalf of a source: within the budget, as often as the contract allows, every request accounted for.
//!
//! What comes back is a [`Haul`]: rows laid out, rejects, and the ledger entries of the request and of those before it that
//! failed. [`Desk::commit`] makes a haul durable together with the checkpoint that moves past it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use auditlake_store::{Batch, Commit, Counts, LedgerEntry, SourceInfo, Writer};
use feed::{
    Page, Query,
    client::{Error, ErrorKind, Exchange, RetryPolicy},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    ApiRead, Budget, Intake, Place, Priority, Reject, RejectFile, Result, Stop, Taken, Upstream, state::Board,
    state::trouble_of,
};

/// Own requests that are remembered until the feed shows them.
const REMEMBERED_REQUESTS: usize = 4_096;
/// Failed requests that wait for a commit to be entered in the ledger.
const HELD_ERRORS: usize = 1_024;
/// Pages with more rows are taken in on a thread that may be busy.
const SMALL_PAGE_ROWS: usize = 200;

/// Asks for one source. Shared by all that it does.
pub(crate) struct Desk {
    pub(crate) info: SourceInfo,
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) writer: Arc<dyn Writer>,
    pub(crate) rejects: RejectFile,
    pub(crate) board: Board,
    pub(crate) retry: RetryPolicy,
    pub(crate) memory: Mutex<Memory>,
}

/// What is not committed yet, and what is not worth committing.
#[derive(Default)]
pub(crate) struct Memory {
    errors: Vec<LedgerEntry>,
    requests: VecDeque<(String, Timestamp)>,
}

/// A page, taken in.
#[derive(Debug)]
pub(crate) struct Haul {
    pub(crate) page: Page,
    /// The feed's clock when it answered, as far as it says.
    pub(crate) date: Option<Timestamp>,
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    batch: Batch,
    rejects: Vec<Reject>,
    reads: Vec<ApiRead>,
    entry: LedgerEntry,
}

impl Haul {
    pub(crate) fn rows(&self) -> usize {
        self.batch.len()
    }
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Told to stop.
    Stopped,
    /// The feed does not know the cursor any more, or never did.
    Cursor,
    /// The page cannot be had at this size.
    TooLarge,
    /// Anything else. The board says what.
    Refused,
    /// As above, and waiting may cure it.
    Down,
}

impl Desk {
    /// Asks until there is a page or asking again is of no use for now.
    pub(crate) async fn ask(&self, query: &Query, priority: Priority, stop: &Stop) -> Result<Haul, Failure> {
        let mut number = 0;
        let mut last_body = None;
        loop {
            number += 1;
            let answer = async {
                self.budget.admit(priority).await;
                self.upstream.page(query).await
            };
            let answer = tokio::select! {
                biased;
                () = stop.given() => return Err(Failure::Stopped),
                answer = answer => answer,
            };
            let error = match answer {
                Ok(response) => {
                    self.budget.note(&response.exchange);
                    self.board.asked(&response.exchange, None);
                    self.remember(&response.exchange);
                    return Ok(self.take_in(response.page, response.exchange, priority).await);
                }
                Err(error) => error,
            };
            self.note_failure(&error, priority, number);
            let body = error.exchange.body_sha256;
            let is_same = matches!(error.kind, ErrorKind::Invalid(_)) && body.is_some() && body == last_body;
            last_body = body;
            match self.retry.wait(number, &error, spread(number)).filter(|_| !is_same) {
                None => return Err(self.fail(query, &error)),
                Some(wait) => {
                    self.board.trouble(trouble_of(&error));
                    if error.api().is_some_and(|api| api.status == 429) {
                        self.budget.hold(wait);
                    }
                    if !stop.sleep(wait).await {
                        return Err(Failure::Stopped);
                    }
                }
            }
        }
    }

    fn fail(&self, query: &Query, error: &Error) -> Failure {
        let status = error.api().map(|api| api.status);
        if status == Some(400) && query.cursor.is_some() {
            return Failure::Cursor;
        }
        let trouble = trouble_of(error);
        let is_refused = trouble.is_refused;
        self.board.trouble(trouble);
        match (&error.kind, status) {
            (ErrorKind::TooLarge { .. } | ErrorKind::Invalid(_), _) | (_, Some(500)) => Failure::TooLarge,
            _ if is_refused => Failure::Refused,
            _ => Failure::Down,
        }
    }

    fn note_failure(&self, error: &Error, priority: Priority, number: u32) {
        self.budget.note(&error.exchange);
        self.board.asked(&error.exchange, Some(error));
        tracing::debug!(source = self.info.id, attempt = number, "no page: {error}");
        let mut detail = detail_of(&error.exchange, priority);
        detail["error"] = json!(error.label());
        detail["message"] = json!(error.to_string());
        detail["attempt"] = json!(number);
        let mut memory = self.memory();
        if memory.errors.len() < HELD_ERRORS {
            memory.errors.push(LedgerEntry {
                at: error.exchange.sent_at,
                kind: "error".to_owned(),
                batch: None,
                detail,
            });
        }
    }

    async fn take_in(&self, page: Page, exchange: Exchange, priority: Priority) -> Haul {
        let id: Arc<str> = exchange.request_id.as_deref().unwrap_or("unknown").into();
        let rows = page.data.clone();
        let work = move || {
            let mut intake = Intake::with_capacity(rows.len()).listing_reads();
            for (index, raw) in rows.iter().enumerate() {
                intake.take(raw, || Place::Request { id: id.clone(), index });
            }
            intake.finish()
        };
        let Taken { batch, rejects, times, reads } = if page.data.len() <= SMALL_PAGE_ROWS {
            work()
        } else {
            match tokio::task::spawn_blocking(work).await {
                Ok(taken) => taken,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        };
        let mut detail = detail_of(&exchange, priority);
        detail["rows"] = json!(page.data.len());
        detail["rejected"] = json!(rejects.len());
        detail["has_more"] = json!(page.has_more);
        detail["first_id"] = json!(page.first_id);
        detail["last_id"] = json!(page.last_id);
        let entry = LedgerEntry { at: exchange.sent_at, kind: "page".to_owned(), batch: None, detail };
        Haul { page, date: exchange.date, times, batch, rejects, reads, entry }
    }

    /// Commits hauls and checkpoints in one transaction. Rejects are on disk before it.
    ///
    /// # Errors
    /// Nothing of it has happened then, and the entries of failed requests stay for the next commit.
    pub(crate) async fn commit(&self, hauls: Vec<Haul>, checkpoints: Vec<(&str, Value)>) -> Result<Counts> {
        let mut commit = Commit::new(self.info.clone());
        commit.checkpoints = checkpoints.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect();
        // Taken out at once, as others commit at the same time.
        let errors = std::mem::take(&mut self.memory().errors);
        let noted = errors.len();
        commit.ledger.clone_from(&errors);
        let (mut rejects, mut reads) = (Vec::new(), Vec::new());
        for haul in hauls {
            let index = (!haul.batch.is_empty()).then_some(commit.batches.len());
            commit.batches.extend(index.map(|_| haul.batch));
            commit.ledger.push(LedgerEntry { batch: index, ..haul.entry });
            rejects.extend(haul.rejects);
            reads.extend(haul.reads);
        }
        let (rejected, has_pages) = (rejects.len() as u64, commit.ledger.len() > noted);
        let result = self.store(commit, rejects).await;
        if result.is_err() {
            self.memory().errors.splice(..0, errors);
        }
        let counts = result?;
        if has_pages {
            self.board.well();
        }
        let (own, echo) = self.recognise(&reads);
        self.board.update(|state| {
            state.new += counts.new;
            state.known += counts.known;
            state.rejected += rejected;
            state.own_reads += own;
            state.echo = echo.or(state.echo);
        });
        Ok(counts)
    }

    async fn store(&self, commit: Commit, rejects: Vec<Reject>) -> Result<Counts> {
        if !rejects.is_empty() {
            let file = self.rejects.clone();
            match tokio::task::spawn_blocking(move || file.append(&rejects)).await {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        Ok(self.writer.commit(commit).await?.total())
    }

    /// Enters failed requests in the ledger that no page follows.
    pub(crate) async fn commit_errors(&self) -> Result<()> {
        let is_empty = self.memory().errors.is_empty();
        if !is_empty {
            self.commit(Vec::new(), Vec::new()).await?;
        }
        Ok(())
    }

    fn remember(&self, exchange: &Exchange) {
        let Some(id) = &exchange.request_id else { return };
        let mut memory = self.memory();
        memory.requests.push_back((id.clone(), exchange.sent_at));
        if memory.requests.len() > REMEMBERED_REQUESTS {
            memory.requests.pop_front();
        }
    }

    /// How many of these requests were our own, and how long ago the newest of them was sent. Each counts once.
    fn recognise(&self, reads: &[ApiRead]) -> (u64, Option<std::time::Duration>) {
        let mut memory = self.memory();
        let (mut own, mut newest) = (0, None);
        for read in reads {
            if let Some(at) = memory.requests.iter().position(|(id, _)| *id == read.request_id) {
                own += 1;
                newest = newest.max(memory.requests.remove(at).map(|(_, sent_at)| sent_at));
            }
        }
        let age = newest.map(|sent_at| Timestamp::now().duration_since(sent_at));
        (own, age.and_then(|age| age.try_into().ok()))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing in here can be left half done.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the ledger says of every request.
fn detail_of(exchange: &Exchange, priority: Priority) -> Value {
    json!({
        "for": priority.as_str(),
        "endpoint": feed::PATH,
        "query": exchange.query,
        "status": exchange.status,
        "request_id": exchange.request_id,
        "bytes": exchange.body_bytes,
        "sha256": exchange.body_sha256_hex(),
        "elapsed_ms": exchange.elapsed.as_millis() as u64,
    })
}

/// A number from 0 to 1 that spreads the waits of many sources.
fn spread(number: u32) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(number) as f64 / u64::MAX as f64
}
