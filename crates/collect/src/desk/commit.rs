//! Making durable what was collected: rows, checkpoints, coverage and ledger in one transaction, and what is in memory after it.

use std::{collections::BTreeSet, sync::Arc};

use auditlake_store::{Commit, Committed, Counts, Covered, LedgerEntry, Span};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::{Desk, Haul};
use crate::{
    CollectError, Reject, Result, compare,
    covered::{Coverage, account},
    source::read_checkpoint,
    tail::TailPoint,
};

/// Own requests of an earlier process that are looked for in the feed.
const RECALLED_REQUESTS: usize = 4_096;

/// What goes into a commit beside what waits for one.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) hauls: Vec<Haul>,
    pub(crate) checkpoints: Vec<(&'static str, Value)>,
    /// Entries of the ledger beside those of the hauls.
    pub(crate) entries: Vec<LedgerEntry>,
    /// Up to where the feed has been followed with it, if it was.
    pub(crate) watermark: Option<Timestamp>,
    /// What has been read to its end with it.
    pub(crate) read: Vec<Span>,
    /// What cannot be read.
    pub(crate) unreadable: Vec<Span>,
    /// Coverage in place of what it was, before anything of this is added.
    pub(crate) anew: Option<Anew>,
}

/// Coverage that stands anew, why, and of which organizations it tells.
pub(crate) struct Anew {
    pub(crate) why: &'static str,
    pub(crate) coverage: Coverage,
    pub(crate) organization_ids: BTreeSet<String>,
}

/// What a commit means for what is in memory.
struct Outcome {
    covers: Coverage,
    watermark: Option<Timestamp>,
    own: u64,
    /// When the newest of our own requests was sent that it shows.
    echo: Option<Instant>,
    unknown: Vec<auditlake_store::Drift>,
    rejected: u64,
    drift: u64,
}

impl Desk {
    /// Commits hauls and checkpoints in one transaction. Rejects are on disk before it.
    ///
    /// Dropping the future leaves nothing half done: before its turn nothing of it happens, and from then on it is finished
    /// and taken note of all the same.
    ///
    /// # Errors
    /// Nothing of it has happened then, and the entries of failed requests stay for the next commit.
    pub(crate) async fn commit(self: &Arc<Self>, work: Work) -> Result<Counts> {
        let coverage = self.coverage.clone().lock_owned().await;
        let desk = self.clone();
        // A task of its own: the store does not stop for somebody who goes away, and what is in memory must not fall behind it.
        match tokio::spawn(async move { desk.commit_in_turn(work, coverage).await }).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(CollectError::Thread(error.to_string())),
            },
        }
    }

    async fn commit_in_turn(&self, work: Work, mut coverage: OwnedMutexGuard<Coverage>) -> Result<Counts> {
        let (mut commit, mut rejects) = (Commit::new(self.info.clone()), Vec::new());
        commit.read_before = coverage.settled(self.overlap);
        // Taken out at once, as others fail at the same time.
        let failed = std::mem::take(&mut self.memory().failed);
        let outcome = self.fill(&mut commit, &mut rejects, work, &coverage, failed.entries());
        let claimed = commit.own_reads.clone();
        let committed = match self.put(commit, rejects).await {
            Ok(committed) => committed,
            Err(error) => {
                self.memory().failed.give_back(failed);
                self.budget.own().give_back(claimed);
                return Err(error);
            }
        };
        coverage.clone_from(&outcome.covers);
        self.take_note(&committed, outcome);
        Ok(committed.total())
    }

    /// Lays everything into the commit.
    fn fill(
        &self,
        commit: &mut Commit,
        rejects: &mut Vec<Reject>,
        work: Work,
        coverage: &Coverage,
        failed: Vec<LedgerEntry>,
    ) -> Outcome {
        let Work { hauls, checkpoints, entries, watermark, read, unreadable, anew } = work;
        let at = commit.received_at;
        commit.checkpoints = checkpoints.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect();
        let is_anew = anew.is_some();
        let mut covers = match anew {
            Some(Anew { why, coverage, organization_ids }) => {
                commit.ledger.push(account::anew(at, why, &coverage, &organization_ids));
                coverage
            }
            None => coverage.clone(),
        };
        for span in unreadable {
            covers.give_up(span);
            commit.drift.push(compare::unreadable(span));
            commit.ledger.push(account::gap(at, span));
        }
        // What has not happened yet has not been read, whoever asked for it.
        let present = self.present().max(watermark.unwrap_or(Timestamp::MIN));
        let cut = read.into_iter().map(|span| Span { to: span.to.min(present), ..span });
        let read: Vec<Span> = cut.filter(|span| span.from < span.to).collect();
        covers.add(&read, at);
        if is_anew || covers != *coverage {
            commit.checkpoints.push((Covered::CHECKPOINT.to_owned(), Some(json!(covers.covered))));
            commit.checkpoints.push((Covered::UNREADABLE.to_owned(), Some(json!(covers.unreadable))));
        }
        commit.ledger.extend(entries.into_iter().chain(failed));
        let (mut own, mut echo, mut unknown) = (0, None, Vec::new());
        for mut haul in hauls {
            let index = (!haul.batch.is_empty()).then_some(commit.batches.len());
            unknown.extend(haul.batch.drift());
            let reads = haul.reads.iter().map(|read| (read.row, &*read.request_id, &*read.activity));
            let found = self.budget.own().recognise(reads);
            haul.batch.tag_own_reads(found.rows);
            own += found.fresh;
            echo = found.newest.max(echo);
            commit.batches.extend(index.map(|_| haul.batch));
            commit.ledger.push(LedgerEntry { batch: index, ..haul.entry });
            commit.drift.extend(haul.drift);
            rejects.extend(haul.rejects);
        }
        if !read.is_empty() {
            account::read(at, &read, &mut commit.ledger);
        }
        commit.own_reads = self.budget.own().take_claimed();
        let (rejected, drift) = (rejects.len() as u64, commit.drift.len() as u64);
        Outcome { covers, watermark, own, echo, unknown, rejected, drift }
    }

    /// Shows what came of a commit.
    fn take_note(&self, committed: &Committed, outcome: Outcome) {
        let Outcome { covers, watermark, own, echo, unknown, rejected, drift } = outcome;
        let counts = committed.total();
        let (unknown, echo) = {
            let mut memory = self.memory();
            memory.commits += 1;
            ((!unknown.is_empty()).then(|| memory.meet(unknown)), memory.hear(echo))
        };
        self.board.update(|state| {
            state.new += counts.new;
            state.known += counts.known;
            state.late += counts.late;
            state.lateness.merge(&committed.lateness);
            state.drift += drift;
            state.unknown = unknown.unwrap_or_else(|| std::mem::take(&mut state.unknown));
            state.rejected += rejected;
            state.own_reads += own;
            state.watermark = watermark.or(state.watermark);
            if echo.is_some() {
                (state.echo, state.echo_at) = (echo, Some(Timestamp::now()));
            }
            (state.covered, state.unreadable) = (covers.covered, covers.unreadable);
        });
    }

    async fn put(&self, commit: Commit, rejects: Vec<Reject>) -> Result<Committed> {
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
    pub(crate) async fn commit_errors(self: &Arc<Self>) -> Result<()> {
        let is_empty = self.memory().failed.is_empty();
        if !is_empty {
            self.commit(Work::default()).await?;
        }
        Ok(())
    }

    /// What an earlier process left: what has been read, and which requests were ours. Says whether any of it counted as read
    /// that had not happened yet.
    pub(crate) async fn recall(&self) -> Result<bool> {
        let point = TailPoint::load(self).await?;
        let mut coverage = Coverage {
            covered: read_checkpoint(self, Covered::CHECKPOINT).await?.unwrap_or_default(),
            unreadable: read_checkpoint(self, Covered::UNREADABLE).await?.unwrap_or_default(),
        };
        for (id, _) in self.store.requests(&self.info.id, RECALLED_REQUESTS).await?.into_iter().rev() {
            self.budget.own().sent(&id, None);
        }
        self.board.update(|state| state.watermark = point.map(|point| point.watermark));
        let is_mended = coverage.cut(self.present());
        self.board.update(|state| {
            state.covered.clone_from(&coverage.covered);
            state.unreadable.clone_from(&coverage.unreadable);
        });
        *self.coverage.lock().await = coverage;
        Ok(is_mended)
    }

    /// The feed's present, by its clock and by ours, so that no wrong one makes us believe to know the future; what has been
    /// followed has happened.
    pub(crate) fn present(&self) -> Timestamp {
        let watermark = self.board.subscribe().borrow().watermark;
        self.feed_now().min(Timestamp::now()).max(watermark.unwrap_or(Timestamp::MIN))
    }
}
