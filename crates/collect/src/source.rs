//! One source: first contact, then the past and the present side by side, until told to stop.
//!
//! Everything that must survive is in the store's checkpoints `tail` and `backfill`; they are written in the transactions
//! that store the rows. When the store fails, what is in memory is forgotten and read again from there.

use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe, path::PathBuf, sync::Arc, time::Duration};

use auditlake_store::SourceInfo;
use enrich::Enricher;
use feed::{Query, client::RetryPolicy};
use futures::{FutureExt, future::BoxFuture};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::{
    Budget, CollectError, Priority, Result, Round, SourceState, Stop, Turns, Upstream,
    backfill::{Backfill, Saved},
    desk::{Desk, Errand, Failure, Store, Work},
    reconcile::Reconcile,
    state::{Board, Phase},
    tail::{Tail, TailPoint, moved},
    trouble::{Part, ended, trouble_here},
};

/// How to collect from a source.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Where the rows come from.
    pub info: SourceInfo,
    /// The directory below which rejects are kept.
    pub dir: PathBuf,
    /// Only these organizations, and activities of none; all if empty.
    pub organization_ids: Vec<String>,
    /// How often the feed is asked for what is new.
    pub interval: Duration,
    /// How far each reading reaches back behind the last one.
    pub overlap: SignedDuration,
    /// How far back the first run reads; 90 days if `None`.
    pub backfill_from: Option<Timestamp>,
    /// When older windows are read again.
    pub rounds: Vec<Round>,
    /// Windows of the past that are read at a time.
    pub parallel: usize,
    /// Activities a page.
    pub page_limit: u32,
    /// After so long without one of our own requests in a feed that used to show them, it counts as stalled.
    pub stalled_after: Duration,
    /// How often a feed that refuses is asked all the same.
    pub refused_wait: Duration,
    /// How patiently a request is repeated.
    pub retry: RetryPolicy,
    /// Who knows more of an activity than itself.
    pub enricher: Option<Arc<Enricher>>,
    /// Whose commit is next: the same for all sources of a store.
    pub turns: Arc<Turns>,
}

impl SourceOptions {
    /// How far back the first run reads unless told otherwise.
    pub const DEFAULT_BACKFILL: SignedDuration = SignedDuration::from_hours(90 * 24);

    /// The usual way.
    pub fn new(info: SourceInfo, dir: impl Into<PathBuf>) -> Self {
        SourceOptions {
            info,
            dir: dir.into(),
            organization_ids: Vec::new(),
            interval: Duration::from_secs(60),
            overlap: SignedDuration::from_mins(5),
            backfill_from: None,
            rounds: Round::DEFAULT.to_vec(),
            parallel: 8,
            page_limit: feed::MAX_LIMIT,
            stalled_after: Duration::from_secs(1_800),
            refused_wait: Duration::from_secs(300),
            retry: RetryPolicy::default(),
            enricher: None,
            turns: Arc::default(),
        }
    }
}

impl SourceOptions {
    /// The size of a page that the feed accepts.
    pub(crate) fn limit(&self) -> u32 {
        self.page_limit.clamp(1, feed::MAX_LIMIT)
    }
}

/// Collects from one source.
pub struct Collector {
    pub(crate) desk: Arc<Desk>,
    pub(crate) options: Arc<SourceOptions>,
}

/// The name of the checkpoint of the past that every source reads.
const BACKFILL: &str = "backfill";
/// After the store has failed, it is tried again after so long, then ever more slowly.
const FIRST_STORE_WAIT: Duration = Duration::from_secs(2);
const LONGEST_STORE_WAIT: Duration = Duration::from_secs(60);
/// A store that has taken everything for so long works again.
const CALM: Duration = Duration::from_secs(15);

/// A part that has trouble no longer than this is there.
struct Gone<'b>(&'b Board, Part);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let Gone(board, part) = *self;
        board.forget(|other| other == part);
    }
}

impl Collector {
    /// A collector that has not begun.
    pub fn new(
        options: SourceOptions,
        upstream: Arc<dyn Upstream>,
        budget: Arc<Budget>,
        store: Arc<dyn Store>,
    ) -> Self {
        let desk = Desk::new(&options, upstream, budget, store);
        Collector { desk: Arc::new(desk), options: Arc::new(options) }
    }

    /// What it is doing, now and from now on.
    pub fn state(&self) -> watch::Receiver<SourceState> {
        self.desk.board.subscribe()
    }

    /// As [`Collector::run`]. If it ends otherwise than on request, that is said at once and stands in the state from then on;
    /// a panic ends no more than this.
    ///
    /// # Errors
    /// As [`Collector::run`], and [`CollectError::Thread`] for a panic.
    pub async fn collect(&self, stop: Stop) -> Result<()> {
        let done = AssertUnwindSafe(self.run(stop)).catch_unwind().await;
        let error = match done.unwrap_or_else(|panic| Err(CollectError::Thread(told(&*panic)))) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let trouble = ended(&error);
        tracing::error!(source = self.source(), hint = trouble.hint, "{}", trouble.message);
        self.desk.board.end(trouble);
        Err(error)
    }

    /// Collects until told to stop; the commit in progress is finished then. Trouble of any kind is shown in the state and
    /// outlived. Dropping the future is safe too: whatever was not committed is collected again.
    ///
    /// # Errors
    /// [`CollectError::Checkpoint`] only: a newer program has written what cannot be understood.
    pub async fn run(&self, stop: Stop) -> Result<()> {
        let work = || -> BoxFuture<'_, Result<()>> {
            Box::pin(async {
                let (point, saved) = match self.begin(&stop).await? {
                    Some(begun) => begun,
                    None => return Ok(()),
                };
                let mut tail = Tail::new(self.desk.clone(), self.options.clone(), point);
                let mut backfill = self.past(saved);
                let reconcile = Reconcile { desk: self.desk.clone(), options: self.options.clone() };
                tokio::try_join!(tail.run(&stop), backfill.run(&stop), reconcile.run(&stop))?;
                Ok(())
            })
        };
        self.outlive(Part::Store, &stop, &work).await?;
        if stop.is_given() {
            self.desk.board.update(|state| state.phase = Phase::Stopped);
        }
        Ok(())
    }

    /// Does `work` until it ends well or a stop is given. What was in memory is forgotten when the store fails. The trouble of
    /// `part` is over when work has gone well for a while: a small commit may fit on a disk that is full for the next one.
    pub(crate) async fn outlive<'w>(
        &self,
        part: Part,
        stop: &Stop,
        work: &(dyn Fn() -> BoxFuture<'w, Result<()>> + Sync),
    ) -> Result<()> {
        let board = &self.desk.board;
        // However this ends, nobody can say any more when the trouble is over.
        let _gone = Gone(board, part);
        let mut wait = FIRST_STORE_WAIT;
        loop {
            let (seen, before) = (board.subscribe().borrow().new, self.desk.commits());
            let done = tokio::select! {
                biased;
                done = work() => done,
                never = self.calm_down(part) => match never {},
            };
            match done {
                Ok(()) => {
                    if self.desk.commits() > before {
                        board.well(part);
                    }
                    return Ok(());
                }
                Err(error @ CollectError::Checkpoint { .. }) => return Err(error),
                Err(error) => board.trouble(part, trouble_here(&error)),
            }
            let has_stored = board.subscribe().borrow().new > seen;
            wait = if has_stored { FIRST_STORE_WAIT } else { (wait * 2).min(LONGEST_STORE_WAIT) };
            if !stop.sleep(wait).await {
                return Ok(());
            }
        }
    }

    /// Says from time to time that a part is well, if anything has been committed since the last time.
    async fn calm_down(&self, part: Part) -> Infallible {
        loop {
            let before = self.desk.commits();
            tokio::time::sleep(CALM).await;
            if self.desk.commits() > before {
                self.desk.board.well(part);
            }
        }
    }

    fn past(&self, saved: Saved) -> Backfill {
        let (purpose, name) = (Priority::Backfill, Priority::Backfill.as_str());
        Backfill::new(self.desk.clone(), self.options.clone(), purpose, name, saved)
    }

    /// The checkpoints as last committed, or those of the first contact. `None` if told to stop before that.
    async fn begin(&self, stop: &Stop) -> Result<Option<(TailPoint, Saved)>> {
        self.recall().await?;
        let (point, saved) = (TailPoint::load(&self.desk).await?, Saved::load(&self.desk, BACKFILL).await?);
        if let (Some(point), Some(mut saved)) = (point, saved) {
            // Somebody wants more of the past than at the first contact.
            if let Some(from) = self.options.backfill_from {
                saved.add(from, saved.from);
            }
            return Ok(Some((point, saved)));
        }
        self.first_contact(stop).await
    }

    /// Asks for the newest activity: what is older is the past, what is newer the present.
    async fn first_contact(&self, stop: &Stop) -> Result<Option<(TailPoint, Saved)>> {
        let query = Query { limit: 1, organization_ids: self.options.organization_ids.clone(), ..Query::default() };
        let haul = loop {
            let (wait, is_refused) = match self.desk.ask(&query, Errand::TAIL, stop).await {
                Ok(haul) => break haul,
                Err(Failure::Stopped) => return Ok(None),
                Err(Failure::Refused) => (self.options.refused_wait, true),
                Err(_) => (self.options.interval, false),
            };
            self.desk.commit_errors().await?;
            if !self.desk.pause(wait, is_refused, stop).await {
                return Ok(None);
            }
        };
        self.desk.board.well(Part::Tail);
        let ago = |span| haul.date.unwrap_or_else(Timestamp::now).checked_sub(span).unwrap_or(Timestamp::MIN);
        let from = self.options.backfill_from.unwrap_or_else(|| ago(SourceOptions::DEFAULT_BACKFILL));
        // Of a feed that shows nothing yet, everything is the present, and no clock matters.
        let newest = match haul.times {
            Some(_) => moved(Timestamp::MIN, haul.times, haul.date),
            None => from,
        };
        let point = TailPoint::new(newest);
        // A span of the past may have been asked for before.
        let mut saved = Saved::load(&self.desk, BACKFILL).await?.unwrap_or_else(|| Saved::new(from, newest));
        saved.add(from, newest);
        let (checkpoints, watermark) = (vec![point.checkpoint(), saved.checkpoint(BACKFILL)], Some(newest));
        self.desk.commit(Work { hauls: vec![haul], checkpoints, watermark, ..Work::default() }).await?;
        Ok(Some((point, saved)))
    }
}

/// What a panic says.
fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a panic: {}", text.unwrap_or("nobody knows why"))
}

/// A checkpoint, if there is one, as it is when every commit is there that has begun.
pub(crate) async fn read_checkpoint<T: DeserializeOwned>(desk: &Desk, name: &'static str) -> Result<Option<T>> {
    let _settled = desk.coverage.lock().await;
    let mut all = desk.store.checkpoints(&desk.info.id).await?;
    let Some(value) = all.remove(name) else { return Ok(None) };
    serde_json::from_value(value).map(Some).map_err(|error| CollectError::Checkpoint {
        source_id: desk.info.id.clone(),
        name,
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
