//! Asking the feed on behalf of a source: within the budget, as often as the contract allows, every request accounted for.
//!
//! What comes back is a [`Haul`]: rows laid out, rejects, and the ledger entries of the request and of those before it that
//! failed. [`Desk::commit`] makes a haul durable together with the checkpoint that moves past it.

mod again;
mod commit;
mod failed;
mod haul;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auditlake_store::{Drift, DriftKind, LedgerEntry, Recall, SourceInfo, Writer};
use enrich::Enricher;
use feed::{
    Page, Query,
    client::{Error, ErrorKind, Exchange, RetryPolicy},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, OnceCell},
    time::Instant,
};

use self::failed::Failed;
pub(crate) use self::{
    commit::{Anew, Work},
    haul::Haul,
};
use crate::{
    Budget, Intake, Place, Priority, RejectFile, SourceOptions, Stop, Taken, Upstream,
    covered::Coverage,
    size::PageSize,
    state::Board,
    trouble::{Part, trouble_of},
};

/// What a collector needs of the store.
pub trait Store: Writer + Recall {}

impl<T: Writer + Recall> Store for T {}

/// Pages with more rows are taken in on a thread that may be busy.
const SMALL_PAGE_ROWS: usize = 200;
/// So many things that the catalogue does not know are told apart; a feed with more is of another kind.
const KNOWN_UNKNOWNS: usize = 4_096;
/// A page that is larger than those that come is asked for so often.
const TRIES_OF_LARGER: u32 = 2;

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
    pub(crate) overlap: jiff::SignedDuration,
    /// What has been read to its end; held while a commit is under way, so that one comes after the other.
    pub(crate) coverage: Arc<tokio::sync::Mutex<Coverage>>,
    pub(crate) recalled: OnceCell<()>,
    /// Told when there is something unreadable to look at closely.
    pub(crate) unreadable: Notify,
    pub(crate) enricher: Option<Arc<Enricher>>,
}

/// What is not committed yet, and what is not worth committing.
pub(crate) struct Memory {
    failed: Failed,
    /// How many commits there were.
    commits: u64,
    size: PageSize,
    /// What the feed's clock said, and when.
    clock: Option<(Timestamp, Instant)>,
    /// When the newest of our own requests was sent that this feed has shown.
    echo: Option<Instant>,
    /// What stored rows have shown that the catalogue does not know: kind, type, name and value.
    unknown: HashSet<(DriftKind, String, String, String)>,
}

impl Memory {
    fn new(full: u32) -> Memory {
        let (failed, size) = (Failed::default(), PageSize::new(full));
        Memory { failed, commits: 0, size, clock: None, echo: None, unknown: HashSet::new() }
    }

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

    /// The feed has shown a request of ours that was sent then. Says how long that took, if it is the newest so far.
    fn hear(&mut self, sent: Option<Instant>) -> Option<Duration> {
        let sent = sent.filter(|sent| self.echo.is_none_or(|newest| *sent > newest))?;
        self.echo = Some(sent);
        Some(sent.elapsed())
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errand {
    pub(crate) priority: Priority,
    /// What has trouble if it fails.
    pub(crate) part: Part,
    /// Whether it is known that something there cannot be read: that has been said.
    pub(crate) is_known: bool,
}

impl Errand {
    /// Following the feed.
    pub(crate) const TAIL: Errand = Errand { priority: Priority::Tail, part: Part::Tail, is_known: false };
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
    /// The page did not come, but a smaller one may at once.
    Smaller,
}

impl Desk {
    /// A desk of a source that nothing is known of yet.
    pub(crate) fn new(
        options: &SourceOptions,
        upstream: Arc<dyn Upstream>,
        budget: Arc<Budget>,
        store: Arc<dyn Store>,
    ) -> Desk {
        Desk {
            info: options.info.clone(),
            upstream,
            budget,
            store,
            rejects: RejectFile::new(&options.dir, &options.info.id),
            board: Board::new(&options.info.id),
            retry: options.retry.clone(),
            memory: Mutex::new(Memory::new(options.limit())),
            overlap: options.overlap,
            coverage: Arc::default(),
            recalled: OnceCell::new(),
            unreadable: Notify::new(),
            enricher: options.enricher.clone(),
        }
    }

    /// The largest page to ask for at the moment, where one of `limit` is wanted.
    pub(crate) fn most(&self, limit: u32) -> u32 {
        self.memory().size.most(limit)
    }

    /// Asks until there is a page or asking again is of no use for now.
    pub(crate) async fn ask(&self, query: &Query, errand: Errand, stop: &Stop) -> Result<Haul, Failure> {
        let priority = errand.priority;
        let mut number = 0;
        let mut last_body = None;
        let is_trial = self.memory().size.is_trial(query.limit);
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
                    self.memory().size.came(query.limit, Instant::now());
                    let haul = self.take_in(response.page, response.exchange, priority).await;
                    return Ok(Haul { attempts: number, ..haul });
                }
                Err(error) => error,
            };
            self.note_failure(&error, priority, number);
            let body = error.exchange.body_sha256;
            let is_same = matches!(error.kind, ErrorKind::Invalid(_)) && body.is_some() && body == last_body;
            last_body = body;
            let is_tried = is_trial && is_slow(&error) && number >= TRIES_OF_LARGER;
            match self.retry.wait(number, &error, spread(number)).filter(|_| !is_same && !is_tried) {
                None => return Err(self.fail(query, errand, &error)),
                Some(wait) => {
                    // One failure in a while is what any feed has.
                    if number > 1 {
                        self.say(errand, &error);
                    }
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

    fn fail(&self, query: &Query, errand: Errand, error: &Error) -> Failure {
        let status = error.api().map(|api| api.status);
        if status == Some(400) && query.cursor.is_some() {
            return Failure::Cursor;
        }
        if is_slow(error) && self.memory().size.failed(query.limit, Instant::now()) {
            return Failure::Smaller;
        }
        self.say(errand, error);
        match () {
            () if is_unreadable(error) => Failure::TooLarge,
            () if trouble_of(error).is_refused => Failure::Refused,
            () => Failure::Down,
        }
    }

    /// Says what is wrong, unless it has been said of this stretch for good.
    fn say(&self, errand: Errand, error: &Error) {
        if !(errand.is_known && is_unreadable(error)) {
            self.board.trouble(errand.part, trouble_of(error));
        }
    }

    fn note_failure(&self, error: &Error, priority: Priority, number: u32) {
        self.budget.note(&error.exchange);
        self.remember(&error.exchange);
        self.board.asked(&error.exchange, Some(error));
        tracing::debug!(source = self.info.id, attempt = number, "no page: {error}");
        let mut detail = detail_of(&error.exchange, priority.as_str());
        detail["error"] = json!(error.label());
        detail["message"] = json!(error.to_string());
        detail["attempt"] = json!(number);
        let entry = LedgerEntry { at: error.exchange.sent_at, kind: "error".to_owned(), batch: None, detail };
        self.memory().failed.push(entry);
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
        let mut detail = detail_of(&exchange, priority.as_str());
        detail["rows"] = json!(page.data.len());
        detail["rejected"] = json!(rejects.len());
        detail["has_more"] = json!(page.has_more);
        detail["first_id"] = json!(page.first_id);
        detail["last_id"] = json!(page.last_id);
        let entry = LedgerEntry { at: exchange.sent_at, kind: "page".to_owned(), batch: None, detail };
        let (date, attempts, drift) = (exchange.date, 1, Vec::new());
        Haul { page, date, times, attempts, drift, batch, rejects, reads, contents, entry }
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

    /// How many commits there were.
    pub(crate) fn commits(&self) -> u64 {
        self.memory().commits
    }

    /// When the newest of our own requests was sent that this feed has shown.
    pub(crate) fn echo(&self) -> Option<Instant> {
        self.memory().echo
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

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing in here can be left half done.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the ledger says of every request.
pub(crate) fn detail_of(exchange: &Exchange, purpose: &str) -> Value {
    json!({
        "for": purpose,
        "endpoint": feed::PATH,
        "query": exchange.query,
        "status": exchange.status,
        "request_id": exchange.request_id,
        "bytes": exchange.body_bytes,
        "sha256": exchange.body_sha256_hex(),
        "elapsed_ms": exchange.elapsed.as_millis() as u64,
    })
}

/// Whether something in the page itself may be at fault, so that it is closed in on.
fn is_unreadable(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::TooLarge { .. } | ErrorKind::Invalid(_) => true,
        _ => error.api().is_some_and(|api| api.status == 500),
    }
}

/// Whether a smaller page may come where this one did not: it takes too long, or breaks on the way.
fn is_slow(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::Timeout(_) | ErrorKind::Cut(_) | ErrorKind::Dropped(_) => true,
        _ => matches!(error.api().map(|api| api.status), Some(502..=504)),
    }
}

/// A number from 0 to 1 that spreads the waits of many sources.
fn spread(number: u32) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(number) as f64 / u64::MAX as f64
}
