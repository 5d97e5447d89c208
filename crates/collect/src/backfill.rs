//! Reading the past, for the first time or once more: several windows at a time, newest first, each page committed with
//! what then remains.
//!
//! Fetching and taking in run side by side; one task owns the plan and commits. A page counts as read in the transaction
//! that stores its rows, so that a crash anywhere costs at most the pages that were under way.

mod plan;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use self::plan::Plan;
pub(crate) use self::plan::Saved;
use crate::{
    Priority, Result, Stop,
    desk::{Desk, Failure, Haul},
    source::{SourceOptions, read_checkpoint},
    walk::{Next, Walk},
};

/// A commit takes pages that are there until it has so many rows.
const ROWS_PER_COMMIT: usize = 50_000;

impl Saved {
    /// The plan as last committed. What it is for names the checkpoint.
    pub(crate) async fn load(desk: &Desk, purpose: Priority) -> Result<Option<Saved>> {
        read_checkpoint(desk, purpose.as_str()).await
    }

    /// For a commit.
    pub(crate) fn checkpoint(&self, purpose: Priority) -> (&'static str, serde_json::Value) {
        (purpose.as_str(), serde_json::json!(self))
    }
}

/// Reads the past of one source.
pub(crate) struct Backfill {
    desk: Arc<Desk>,
    options: Arc<SourceOptions>,
    purpose: Priority,
    plan: Plan,
    fetches: JoinSet<(u64, Walk, Result<Haul, Failure>)>,
    /// Pages that are read and not committed.
    hauls: Vec<Haul>,
    /// Rows that were new.
    new: u64,
}

impl Backfill {
    /// Reads what remains, as [`Priority::Backfill`] or [`Priority::Reconcile`].
    pub(crate) fn new(desk: Arc<Desk>, options: Arc<SourceOptions>, purpose: Priority, saved: Saved) -> Self {
        let plan = Plan::new(saved, options.limit());
        Backfill { desk, options, purpose, plan, fetches: JoinSet::new(), hauls: Vec::new(), new: 0 }
    }

    /// Reads until nothing remains, or told to stop. Dropping the future stops at once; what is not committed is read again.
    /// Gives the number of rows that were new.
    pub(crate) async fn run(&mut self, stop: &Stop) -> Result<u64> {
        self.show();
        loop {
            let mut wait = None;
            if !stop.is_given() {
                self.fetch(stop);
            }
            let Some(done) = self.fetches.join_next().await else { break };
            wait = wait.max(self.settle(done));
            // Whatever else is there goes into the same commit.
            while self.rows() < ROWS_PER_COMMIT
                && let Some(done) = self.fetches.try_join_next()
            {
                wait = wait.max(self.settle(done));
            }
            self.commit().await?;
            if let Some(wait) = wait {
                self.desk.commit_errors().await?;
                stop.sleep(wait).await;
            }
        }
        Ok(self.new)
    }

    fn rows(&self) -> usize {
        self.hauls.iter().map(Haul::rows).sum()
    }

    /// Has as many pages fetched as may be at a time.
    fn fetch(&mut self, stop: &Stop) {
        while self.fetches.len() < self.options.parallel.max(1) {
            let Some((id, walk)) = self.plan.next() else { return };
            let (desk, stop, purpose) = (self.desk.clone(), stop.clone(), self.purpose);
            let query = walk.query(&self.options.organization_ids);
            self.fetches.spawn(async move {
                let result = desk.ask(&query, purpose, &stop).await;
                (id, walk, result)
            });
        }
    }

    /// Takes note of what came of a fetch. Says how long to wait before the next one, if something is wrong.
    fn settle(&mut self, done: Result<(u64, Walk, Result<Haul, Failure>), tokio::task::JoinError>) -> Option<Duration> {
        let (id, mut walk, result) = match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return None,
            },
        };
        match result {
            Ok(haul) => {
                let next = walk.pass(&haul.page, haul.times);
                walk.ask_for_more(self.options.limit());
                self.plan.passed(id, walk, next, haul.rows());
                self.hauls.push(haul);
                (next == Next::Stuck).then(|| {
                    self.desk.board.trouble(crate::state::stuck());
                    self.options.interval
                })
            }
            Err(failure) => {
                let wait = match failure {
                    Failure::Stopped => None,
                    Failure::Cursor if walk.drop_cursor() => None,
                    Failure::TooLarge if walk.ask_for_less() => None,
                    Failure::Refused => Some(self.options.refused_wait),
                    _ => Some(self.options.interval),
                };
                self.plan.failed(id, walk);
                wait
            }
        }
    }

    async fn commit(&mut self) -> Result<()> {
        if self.hauls.is_empty() {
            return Ok(());
        }
        let saved = self.plan.save();
        let hauls = std::mem::take(&mut self.hauls);
        let counts = self.desk.commit(hauls, vec![saved.checkpoint(self.purpose)]).await?;
        self.new += counts.new;
        if self.purpose == Priority::Reconcile {
            self.desk.board.update(|state| state.late += counts.new);
        }
        self.show();
        Ok(())
    }

    fn show(&self) {
        if self.purpose != Priority::Backfill {
            return;
        }
        let progress = self.plan.save().progress();
        self.desk.board.update(|state| state.backfill = Some(progress));
    }
}
