//! One source: first contact, then the past and the present side by side, until told to stop.
//!
//! Everything that must survive is in the store's checkpoints `tail` and `backfill`; they are written in the transactions
//! that store the rows. When the store fails, what is in memory is forgotten and read again from there.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use auditlake_store::SourceInfo;
use enrich::Enricher;
use feed::{Query, client::RetryPolicy};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, watch};

use crate::{
    Budget, CollectError, Priority, RejectFile, Result, Round, SourceState, Stop, Turns, Upstream,
    backfill::{Backfill, Saved},
    desk::{Desk, Failure, Memory, Store, Work},
    reconcile::Reconcile,
    state::{Board, Phase, trouble_here},
    tail::{Tail, TailPoint, moved},
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

impl Collector {
    /// A collector that has not begun.
    pub fn new(
        options: SourceOptions,
        upstream: Arc<dyn Upstream>,
        budget: Arc<Budget>,
        store: Arc<dyn Store>,
    ) -> Self {
        let desk = Desk {
            info: options.info.clone(),
            upstream,
            budget,
            store,
            rejects: RejectFile::new(&options.dir, &options.info.id),
            board: Board::new(&options.info.id),
            retry: options.retry.clone(),
            memory: Mutex::new(Memory::default()),
            overlap: options.overlap,
            coverage: Default::default(),
            recalled: OnceCell::new(),
            unreadable: Default::default(),
            enricher: options.enricher.clone(),
        };
        Collector { desk: Arc::new(desk), options: Arc::new(options) }
    }

    /// What it is doing, now and from now on.
    pub fn state(&self) -> watch::Receiver<SourceState> {
        self.desk.board.subscribe()
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
        self.outlive(&stop, &work).await
    }

    /// Does `work` until it ends well or a stop is given. What was in memory is forgotten when the store fails.
    pub(crate) async fn outlive<'w>(
        &self,
        stop: &Stop,
        work: &(dyn Fn() -> BoxFuture<'w, Result<()>> + Sync),
    ) -> Result<()> {
        let mut wait = FIRST_STORE_WAIT;
        loop {
            let seen = self.desk.board.subscribe().borrow().new;
            match work().await {
                Ok(()) => break,
                Err(error @ CollectError::Checkpoint { .. }) => {
                    self.desk.board.trouble(trouble_here(&error));
                    return Err(error);
                }
                Err(error) => self.desk.board.trouble(trouble_here(&error)),
            }
            let has_stored = self.desk.board.subscribe().borrow().new > seen;
            wait = if has_stored { FIRST_STORE_WAIT } else { (wait * 2).min(LONGEST_STORE_WAIT) };
            if !stop.sleep(wait).await {
                break;
            }
        }
        if stop.is_given() {
            self.desk.board.update(|state| state.phase = Phase::Stopped);
        }
        Ok(())
    }

    fn past(&self, saved: Saved) -> Backfill {
        let (purpose, name) = (Priority::Backfill, Priority::Backfill.as_str());
        Backfill::new(self.desk.clone(), self.options.clone(), purpose, name, saved)
    }

    /// The checkpoints as last committed, or those of the first contact. `None` if told to stop before that.
    async fn begin(&self, stop: &Stop) -> Result<Option<(TailPoint, Saved)>> {
        self.desk.recall().await?;
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
            let (wait, is_refused) = match self.desk.ask(&query, Priority::Tail, stop).await {
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
        let checkpoints = vec![point.checkpoint(), saved.checkpoint(BACKFILL)];
        self.desk.commit(Work { hauls: vec![haul], checkpoints, ..Work::default() }).await?;
        Ok(Some((point, saved)))
    }
}

/// A checkpoint, if there is one.
pub(crate) async fn read_checkpoint<T: DeserializeOwned>(desk: &Desk, name: &'static str) -> Result<Option<T>> {
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
