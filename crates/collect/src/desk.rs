//! Asking the feed on behalf of a source: within the budget, as often as the contract allows, every request accounted for.
//!
//! What comes back is a [`Haul`]: rows laid out, rejects, and the ledger entries of the request and of those before it that
//! failed. [`Desk::commit`] makes a haul durable together with the checkpoint that moves past it.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auditlake_store::{
    Batch, Commit, Counts, Covered, Drift, DriftKind, LedgerEntry, Recall, SourceInfo, Span, Writer,
};
use enrich::Enricher;
use feed::{
    Order, Page, Query, Window,
    client::{Error, ErrorKind, Exchange, RetryPolicy},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, OnceCell},
    time::Instant,
};

use crate::{
    ApiRead, Budget, Intake, Place, Priority, Reject, RejectFile, Result, Stop, Taken, Upstream,
    compare::{self, Seen, just_after},
    covered::Coverage,
    state::{Board, trouble_of},
};

/// What a collector needs of the store.
pub trait Store: Writer + Recall {}

impl<T: Writer + Recall> Store for T {}

/// Own requests of an earlier process that are looked for in the feed.
const RECALLED_REQUESTS: usize = 4_096;
/// Failed requests that wait for a commit to be entered in the ledger.
const HELD_ERRORS: usize = 1_024;
/// Pages with more rows are taken in on a thread that may be busy.
const SMALL_PAGE_ROWS: usize = 200;
/// So many things that the catalogue does not know are told apart; a feed with more is of another kind.
const KNOWN_UNKNOWNS: usize = 4_096;

/// Asks for one source. Shared by all that it does.
pub(crate) struct Desk {
    pub(crate) info: SourceInfo,
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) rejects: RejectFile,
    pub(crate) board: Board,
    pub(crate) retry: RetryPolicy,
    pub(crate) memory: Mutex<Memory>,
    /// How far the tail reaches back.
    pub(crate) overlap: SignedDuration,
    /// What has been read to its end; held while a commit that changes it is under way.
    pub(crate) coverage: tokio::sync::Mutex<Coverage>,
    pub(crate) recalled: OnceCell<()>,
    /// Told when there is something unreadable to look at closely.
    pub(crate) unreadable: Notify,
    pub(crate) enricher: Option<Arc<Enricher>>,
}

/// What is not committed yet, and what is not worth committing.
#[derive(Default)]
pub(crate) struct Memory {
    errors: Vec<LedgerEntry>,
    /// What the feed's clock said, and when.
    clock: Option<(Timestamp, Instant)>,
    /// What stored rows have shown that the catalogue does not know: kind, type, name and value.
    unknown: HashSet<(DriftKind, String, String, String)>,
}

impl Memory {
    /// Takes note of what rows show. Says how many different things of each kind have been seen by now.
    fn meet(&mut self, drift: Vec<Drift>) -> BTreeMap<&'static str, u64> {
        for drift in drift {
            if self.unknown.len() < KNOWN_UNKNOWNS {
                self.unknown.insert((drift.kind, drift.event_name, drift.name, drift.value));
            }
        }
        let mut counts = BTreeMap::new();
        self.unknown.iter().for_each(|(kind, ..)| *counts.entry(kind.as_str()).or_default() += 1);
        counts
    }
}

/// What goes into a commit beside what waits for one.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) hauls: Vec<Haul>,
    pub(crate) checkpoints: Vec<(&'static str, Value)>,
    /// What has been read to its end with it.
    pub(crate) read: Vec<Span>,
    /// What cannot be read.
    pub(crate) unreadable: Vec<Span>,
}

/// A page, taken in.
#[derive(Debug)]
pub(crate) struct Haul {
    pub(crate) page: Page,
    /// The feed's clock when it answered, as far as it says.
    pub(crate) date: Option<Timestamp>,
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    /// Requests that it took.
    pub(crate) attempts: u32,
    /// What it shows that was not so when it was first seen.
    pub(crate) drift: Vec<Drift>,
    batch: Batch,
    rejects: Vec<Reject>,
    reads: Vec<ApiRead>,
    contents: Vec<u64>,
    entry: LedgerEntry,
}

impl Haul {
    pub(crate) fn rows(&self) -> usize {
        self.batch.len()
    }

    /// Id, time and content of each row.
    pub(crate) fn shown(&self) -> Vec<(String, Timestamp, u64)> {
        let rows = self.batch.ids().iter().zip(self.batch.times()).zip(&self.contents);
        let row = |((id, at), content): ((Option<&str>, &i64), &u64)| {
            Some((id?.to_owned(), Timestamp::from_microsecond(*at).ok()?, *content))
        };
        rows.filter_map(row).collect()
    }

    fn seen(&self) -> Vec<Seen<'_>> {
        // Rejects have no row, so the bytes are looked up by what the row says of them.
        let by_content: std::collections::HashMap<u64, &[u8]> = match self.rejects.is_empty() {
            true => Default::default(),
            false => self.page.data.iter().map(|raw| (auditlake_store::content_hash(raw), raw.as_ref())).collect(),
        };
        let raw = |row: usize, content: &u64| match self.rejects.is_empty() {
            true => self.page.data.get(row).map(AsRef::as_ref),
            false => by_content.get(content).copied(),
        };
        let rows = self.batch.ids().iter().zip(&self.contents).enumerate();
        rows.filter_map(|(row, (id, content))| Some(Seen { id: id?, raw: raw(row, content)?, content: *content }))
            .collect()
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
                    let haul = self.take_in(response.page, response.exchange, priority).await;
                    return Ok(Haul { attempts: number, ..haul });
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
        self.remember(&error.exchange);
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
        let enricher = self.enricher.clone();
        let work = move || {
            let mut intake = Intake::with_capacity(rows.len()).of_a_page().enriching(enricher);
            for (index, raw) in rows.iter().enumerate() {
                intake.take(raw, || Place::Request { id: id.clone(), index });
            }
            intake.finish()
        };
        let Taken { batch, rejects, times, reads, contents } = if page.data.len() <= SMALL_PAGE_ROWS {
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
        let (date, attempts, drift) = (exchange.date, 1, Vec::new());
        Haul { page, date, times, attempts, drift, batch, rejects, reads, contents, entry }
    }

    /// Commits hauls and checkpoints in one transaction. Rejects are on disk before it.
    ///
    /// # Errors
    /// Nothing of it has happened then, and the entries of failed requests stay for the next commit.
    pub(crate) async fn commit(&self, work: Work) -> Result<Counts> {
        let Work { hauls, checkpoints, read, unreadable } = work;
        let mut commit = Commit::new(self.info.clone());
        commit.checkpoints = checkpoints.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect();
        let mut coverage = self.coverage.lock().await;
        commit.read_before = coverage.settled(self.overlap);
        let mut covers = coverage.clone();
        covers.add(&read, commit.received_at);
        for span in &unreadable {
            covers.give_up(*span);
            commit.drift.push(compare::unreadable(*span));
            let detail = json!({ "from": span.from, "to": span.to });
            commit.ledger.push(LedgerEntry { at: commit.received_at, kind: "gap".to_owned(), batch: None, detail });
        }
        if covers != *coverage {
            commit.checkpoints.push((Covered::CHECKPOINT.to_owned(), Some(json!(covers.covered))));
            commit.checkpoints.push((Covered::UNREADABLE.to_owned(), Some(json!(covers.unreadable))));
        }
        // Taken out at once, as others commit at the same time.
        let errors = std::mem::take(&mut self.memory().errors);
        commit.ledger.extend(errors.iter().cloned());
        let has_pages = !hauls.is_empty();
        let (mut rejects, mut own, mut echo, mut unknown) = (Vec::new(), 0, None, Vec::new());
        for mut haul in hauls {
            let index = (!haul.batch.is_empty()).then_some(commit.batches.len());
            unknown.extend(haul.batch.drift());
            let reads = haul.reads.iter().map(|read| (read.row, &*read.request_id, &*read.activity));
            let found = self.budget.own().recognise(reads, Instant::now());
            haul.batch.tag_own_reads(found.rows);
            own += found.fresh;
            echo = found.echo.or(echo);
            commit.batches.extend(index.map(|_| haul.batch));
            commit.ledger.push(LedgerEntry { batch: index, ..haul.entry });
            commit.drift.extend(haul.drift);
            rejects.extend(haul.rejects);
        }
        commit.own_reads = self.budget.own().take_claimed();
        let (rejected, drift, claimed) = (rejects.len() as u64, commit.drift.len() as u64, commit.own_reads.clone());
        let result = self.put(commit, rejects).await;
        if result.is_err() {
            self.memory().errors.splice(..0, errors);
            self.budget.own().give_back(claimed);
        }
        let committed = result?;
        *coverage = covers;
        if has_pages {
            self.board.well();
        }
        let counts = committed.total();
        let unknown = (!unknown.is_empty()).then(|| self.memory().meet(unknown));
        self.board.update(|state| {
            state.new += counts.new;
            state.known += counts.known;
            state.late += counts.late;
            state.lateness.merge(&committed.lateness);
            state.drift += drift;
            state.unknown = unknown.unwrap_or_else(|| std::mem::take(&mut state.unknown));
            state.rejected += rejected;
            state.own_reads += own;
            if echo.is_some() {
                (state.echo, state.echo_at) = (echo, Some(Timestamp::now()));
            }
            state.covered.clone_from(&coverage.covered);
            state.unreadable.clone_from(&coverage.unreadable);
        });
        Ok(counts)
    }

    async fn put(&self, commit: Commit, rejects: Vec<Reject>) -> Result<auditlake_store::Committed> {
        if !rejects.is_empty() {
            let file = self.rejects.clone();
            match tokio::task::spawn_blocking(move || file.append(&rejects)).await {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        Ok(self.store.commit(commit).await?)
    }

    /// Enters failed requests in the ledger that no page follows.
    pub(crate) async fn commit_errors(&self) -> Result<()> {
        let is_empty = self.memory().errors.is_empty();
        if !is_empty {
            self.commit(Work::default()).await?;
        }
        Ok(())
    }

    /// What an earlier process left: what has been read, and which requests were ours. Once, before anything is committed.
    pub(crate) async fn recall(&self) -> Result<()> {
        self.recalled.get_or_try_init(|| self.recall_now()).await.map(drop)
    }

    async fn recall_now(&self) -> Result<()> {
        use crate::source::read_checkpoint;
        let covered = read_checkpoint(self, Covered::CHECKPOINT).await?.unwrap_or_default();
        let unreadable = read_checkpoint(self, Covered::UNREADABLE).await?.unwrap_or_default();
        for (id, _) in self.store.requests(&self.info.id, RECALLED_REQUESTS).await?.into_iter().rev() {
            self.budget.own().sent(&id, None);
        }
        let coverage = Coverage { covered, unreadable };
        self.board.update(|state| {
            state.covered.clone_from(&coverage.covered);
            state.unreadable.clone_from(&coverage.unreadable);
        });
        *self.coverage.lock().await = coverage;
        Ok(())
    }

    fn remember(&self, exchange: &Exchange) {
        if let Some(id) = &exchange.request_id {
            let sent = Instant::now().checked_sub(exchange.elapsed);
            self.budget.own().sent(id, sent);
        }
        if let Some(date) = exchange.date {
            self.memory().clock = Some((date, Instant::now()));
        }
    }

    /// What the feed's clock says now; this machine's, if the feed has never said.
    pub(crate) fn feed_now(&self) -> Timestamp {
        let told = self.memory().clock;
        told.and_then(|(date, at)| date.checked_add(at.elapsed()).ok()).unwrap_or_else(Timestamp::now)
    }

    /// Waits after a failure, or until told to stop; says whether to go on. A feed that refuses a key is asked again as
    /// soon as there is another one.
    pub(crate) async fn pause(&self, wait: Duration, is_refused: bool, stop: &Stop) -> bool {
        tokio::select! {
            biased;
            goes_on = stop.sleep(wait) => goes_on,
            () = self.upstream.renewed(), if is_refused => true,
        }
    }

    /// Compares rows that are read again with what was first seen, and takes note of what differs: rows up to `until`.
    pub(crate) async fn compare(&self, haul: &mut Haul, until: Timestamp) {
        let Some((oldest, newest)) = haul.times.filter(|(oldest, _)| *oldest <= until) else { return };
        let span = Span { from: oldest, to: just_after(newest.min(until)) };
        match self.differences(haul, span).await {
            Ok(drift) => haul.drift.extend(drift),
            Err(error) => tracing::debug!(source = self.info.id, "not compared: {error}"),
        }
    }

    async fn differences(&self, haul: &Haul, span: Span) -> auditlake_store::Result<Vec<Drift>> {
        let stored = compare::stored(self.store.as_ref(), span).await?;
        if stored.is_empty() {
            return Ok(Vec::new());
        }
        compare::changed(self.store.as_ref(), &stored, &haul.seen()).await
    }

    /// The same for a page of a window that is read once more, `span` of which it shows completely: what is stored of it
    /// and not shown is asked for again, and then missing. Answers the page of that second look, if there was one.
    pub(crate) async fn reconcile(
        &self,
        haul: &mut Haul,
        span: Span,
        organizations: &[String],
        stop: &Stop,
    ) -> Option<Haul> {
        let asked_at = haul.entry.at;
        let wide = match haul.times {
            Some((oldest, newest)) => Span { from: span.from.min(oldest), to: span.to.max(just_after(newest)) },
            None => span,
        };
        let stored = match compare::stored(self.store.as_ref(), wide).await {
            Ok(stored) if !stored.is_empty() => stored,
            _ => return None,
        };
        match compare::changed(self.store.as_ref(), &stored, &haul.seen()).await {
            Ok(drift) => haul.drift.extend(drift),
            Err(error) => tracing::debug!(source = self.info.id, "not compared: {error}"),
        }
        // What came as no activity may be any of them.
        if !haul.rejects.is_empty() {
            return None;
        }
        let shown: HashSet<&str> = haul.batch.ids().iter().flatten().collect();
        let inside = |print: &&auditlake_store::Fingerprint| (span.from..span.to).contains(&print.time);
        let missing: Vec<_> = compare::missing(&stored, &shown, &self.info.id, organizations, asked_at)
            .into_iter()
            .filter(inside)
            .collect();
        let (first, last) = (missing.first()?.time, missing.last()?.time);
        let query = Query {
            organization_ids: organizations.to_vec(),
            created_at: Window { gte: Some(first), lt: Some(just_after(last)), ..Window::default() },
            limit: feed::MAX_LIMIT,
            order: Order::Asc,
            ..Query::default()
        };
        let again = self.ask(&query, Priority::Reconcile, stop).await.ok()?;
        let is_whole = !again.page.has_more && again.page.data.len() < query.limit as usize;
        let end = again.times.map_or(first, |(_, newest)| newest);
        let shown: HashSet<&str> = again.batch.ids().iter().flatten().collect();
        let gone = missing.into_iter().filter(|print| !shown.contains(print.id.as_str()));
        haul.drift.extend(gone.filter(|print| is_whole || print.time < end).map(compare::gone));
        Some(again)
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
