//! Reading the past, for the first time or once more: several windows at a time, newest first, each page committed with
//! what then remains.
//!
//! Fetching and taking in run side by side; one task owns the plan and commits. A page counts as read in the transaction
//! that stores its rows, so that a crash anywhere costs at most the pages that were under way. A page that can never be
//! read is closed in on until only the moment is left out at which it stands.

mod pace;
mod plan;

use std::{sync::Arc, time::Duration};

use auditlake_store::{Counts, Span};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::Instant};

pub(crate) use self::plan::Saved;
use self::{pace::Pace, plan::Plan};
use crate::{
    Priority, Result, Stop,
    desk::{Desk, Errand, Failure, Haul, Work},
    source::{SourceOptions, read_checkpoint},
    trouble::{Part, stuck},
    walk::{Next, Walk},
};

impl Saved {
    /// The plan as last committed under this name.
    pub(crate) async fn load(desk: &Desk, name: &'static str) -> Result<Option<Saved>> {
        read_checkpoint(desk, name).await
    }

    /// For a commit.
    pub(crate) fn checkpoint(&self, name: &'static str) -> (&'static str, serde_json::Value) {
        (name, serde_json::json!(self))
    }
}

/// What came of reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests sent.
    pub requests: u64,
    /// Activities read.
    pub read: u64,
    /// Stored.
    pub new: u64,
    /// In the store already.
    pub known: u64,
    /// Of the new ones, those whose window had been read before.
    pub late: u64,
    /// Differences from what was first seen.
    pub drift: u64,
    /// Stretches that cannot be read.
    pub unreadable: u64,
}

/// So long does what was read wait for more, which is then stored in one go: at the budget that is usual, full pages of so long fill a
/// commit ([`pace`]).
const GATHERING: Duration = Duration::from_secs(4);

/// A fetch: its window, the page, and a second look at what the page lacks.
type Fetched = (u64, Walk, Result<(Haul, Option<Haul>), Failure>);

/// Reads the past of one source.
pub(crate) struct Backfill {
    desk: Arc<Desk>,
    options: Arc<SourceOptions>,
    purpose: Priority,
    /// The name of its checkpoint.
    name: &'static str,
    plan: Plan,
    /// The plan as last committed.
    stored: Saved,
    fetches: JoinSet<Fetched>,
    /// Pages that are read and not committed.
    hauls: Vec<Haul>,
    /// Since when the first of them is there.
    since: Option<Instant>,
    unreadable: Vec<Span>,
    tally: Tally,
    pace: Pace,
}

impl Backfill {
    /// Reads what remains, as [`Priority::Backfill`] or [`Priority::Reconcile`].
    pub(crate) fn new(
        desk: Arc<Desk>,
        options: Arc<SourceOptions>,
        purpose: Priority,
        name: &'static str,
        saved: Saved,
    ) -> Self {
        let plan = Plan::new(saved, options.limit());
        Backfill {
            stored: plan.save(),
            plan,
            desk,
            options,
            purpose,
            name,
            fetches: JoinSet::new(),
            hauls: Vec::new(),
            since: None,
            unreadable: Vec::new(),
            tally: Tally::default(),
            pace: Pace::new(),
        }
    }

    /// Reads until nothing remains, or told to stop. Dropping the future stops at once; what is not committed is read again.
    pub(crate) async fn run(&mut self, stop: &Stop) -> Result<Tally> {
        self.run_telling(stop, &mut |_, _| {}).await
    }

    /// As [`Backfill::run`], telling how far it is after each commit.
    ///
    /// Pages are fetched and taken in while others are being committed: the feed is never kept waiting for the store, until
    /// the store is a whole commit behind.
    pub(crate) async fn run_telling(
        &mut self,
        stop: &Stop,
        tell: &mut (dyn FnMut(&Saved, Tally) + Send),
    ) -> Result<Tally> {
        self.show();
        tell(&self.stored, self.tally);
        let mut committing = None;
        loop {
            // Pages wait where they are, then, and no new ones are asked for: the next commit shall not be a long one.
            let is_behind = committing.is_some() && self.rows() >= self.pace.rows;
            if !stop.is_given() && !is_behind {
                self.fetch(stop);
            }
            if committing.is_none() && self.is_enough() {
                committing = self.commit();
            }
            let due = self.since.map(|since| since + GATHERING);
            let mut wait = None;
            let is_committing = committing.is_some();
            tokio::select! {
                biased;
                stored = finished(&mut committing), if is_committing => {
                    self.take_note(stored?);
                    tell(&self.stored, self.tally);
                }
                Some(done) = self.fetches.join_next(), if !is_behind => {
                    wait = self.settle(done);
                    // Whatever else is there goes into the same commit.
                    while self.rows() < self.pace.rows
                        && let Some(done) = self.fetches.try_join_next()
                    {
                        wait = wait.max(self.settle(done));
                    }
                }
                () = sleep_until(due), if !is_committing && due.is_some() => {}
                else => break,
            }
            if let Some((wait, is_refused)) = wait {
                // Nothing that has been read waits with the feed.
                loop {
                    committing = committing.or_else(|| self.commit());
                    if committing.is_none() {
                        break;
                    }
                    let stored = finished(&mut committing).await?;
                    self.take_note(stored);
                }
                self.desk.commit_errors().await?;
                tell(&self.stored, self.tally);
                self.desk.pause(wait, is_refused, stop).await;
            }
        }
        Ok(self.tally)
    }

    /// What came of it so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    fn rows(&self) -> usize {
        self.hauls.iter().map(Haul::rows).sum()
    }

    /// Whether what was read is to be committed now: few large commits cost the store much less than many small ones.
    fn is_enough(&self) -> bool {
        let is_long = self.since.is_some_and(|since| since.elapsed() >= GATHERING);
        is_long || self.rows() >= self.pace.rows || self.fetches.is_empty()
    }

    /// Has as many pages fetched as may be at a time.
    fn fetch(&mut self, stop: &Stop) {
        while self.fetches.len() < self.options.parallel.max(1) {
            let Some((id, mut walk)) = self.plan.next() else { return };
            walk.fit(self.desk.most(self.options.limit()));
            let (part, is_known) = (self.part(id), self.is_known(&walk));
            let errand = Errand { priority: self.purpose, part, is_known };
            let (desk, options, stop) = (self.desk.clone(), self.options.clone(), stop.clone());
            self.fetches.spawn(async move {
                let query = walk.query(&options.organization_ids);
                let mut haul = match desk.ask(&query, errand, &stop).await {
                    Ok(haul) => haul,
                    Err(failure) => return (id, walk, Err(failure)),
                };
                let mut second = None;
                if errand.priority == Priority::Reconcile
                    && let Some(span) = shown(&walk, &haul)
                {
                    second = desk.reconcile(&mut haul, span, &options.organization_ids, errand, &stop).await;
                }
                (id, walk, Ok((haul, second)))
            });
        }
    }

    /// What has trouble if this window has.
    fn part(&self, id: u64) -> Part {
        Part::Window(self.name, id)
    }

    /// Whether it is known of a moment in this window that it cannot be read.
    fn is_known(&self, walk: &Walk) -> bool {
        let (from, to) = walk.rest();
        let state = self.desk.board.subscribe();
        state.borrow().unreadable.iter().any(|span| span.to > from && to.is_none_or(|to| span.from < to))
    }

    /// Takes note of what came of a fetch. Says how long to wait before the next one, if something is wrong, and whether
    /// the feed refuses.
    fn settle(&mut self, done: Result<Fetched, tokio::task::JoinError>) -> Option<(Duration, bool)> {
        let (id, mut walk, result) = match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return None,
            },
        };
        let wait = match result {
            Ok((haul, second)) => {
                let next = walk.pass(&haul.page, haul.times);
                if walk.is_well(next) {
                    self.desk.board.well(self.part(id));
                }
                walk.ask_for_more(self.options.limit());
                self.plan.passed(id, walk, next, haul.rows());
                for haul in std::iter::once(haul).chain(second) {
                    self.tally.requests += u64::from(haul.attempts);
                    self.tally.read += haul.page.data.len() as u64;
                    self.tally.drift += haul.drift.len() as u64;
                    self.hauls.push(haul);
                    self.since.get_or_insert_with(Instant::now);
                }
                (next == Next::Stuck).then(|| {
                    self.desk.board.trouble(self.part(id), stuck());
                    (self.options.interval, false)
                })
            }
            Err(failure) => {
                self.tally.requests += 1;
                match failure {
                    Failure::TooLarge if !walk.ask_for_less() => self.close_in(id, walk),
                    failure => {
                        let wait = match failure {
                            Failure::Stopped | Failure::Smaller | Failure::TooLarge => None,
                            Failure::Cursor if walk.drop_cursor() => None,
                            Failure::Refused => Some((self.options.refused_wait, true)),
                            Failure::Cursor | Failure::Down => Some((self.options.interval, false)),
                        };
                        self.plan.failed(id, walk);
                        wait
                    }
                }
            }
        };
        if !self.plan.holds(id) {
            let part = self.part(id);
            self.desk.board.forget(|other| other == part);
        }
        wait
    }

    /// Not even one row of what is next in a window can be had. As long as other pages can, the window is halved until it
    /// cannot be any more; that moment is left out, and everything around it is read.
    fn close_in(&mut self, id: u64, mut walk: Walk) -> Option<(Duration, bool)> {
        let pages = self.desk.board.subscribe().borrow().pages;
        // The first halves are asked for before the feed is known to be well: that is how it is known.
        let is_well = walk.cut_at.is_none_or(|before| pages > before);
        match walk.halves() {
            Some((mut newer, mut older)) if is_well => {
                (newer.cut_at, older.cut_at) = (Some(pages), Some(pages));
                let other = self.plan.also(newer);
                self.desk.board.part_in_two(self.part(id), self.part(other));
                self.plan.failed(id, older);
                None
            }
            None if is_well && walk.cut_at.is_some() => {
                self.give_up(id, &walk);
                None
            }
            _ => {
                walk.cut_at = Some(walk.cut_at.unwrap_or(pages));
                self.plan.put_off(id, walk);
                Some((self.options.interval, false))
            }
        }
    }

    fn give_up(&mut self, id: u64, walk: &Walk) {
        let (from, to) = walk.rest();
        if !self.is_known(walk) {
            tracing::warn!(source = self.desk.info.id, %from, "a moment cannot be read; everything around it is");
        }
        self.plan.give_up(id);
        self.unreadable.extend(to.map(|to| Span { from, to }));
        self.tally.unreadable += 1;
    }

    /// Begins to commit what was read since the last commit, if anything was.
    fn commit(&mut self) -> Committing {
        if self.hauls.is_empty() && self.unreadable.is_empty() {
            return None;
        }
        self.since = None;
        let saved = self.plan.save();
        let unreadable = std::mem::take(&mut self.unreadable);
        let mut read = self.plan.read_since(&self.stored.remaining);
        for span in &unreadable {
            read = crate::covered::without(&read, *span);
        }
        let work = Work {
            hauls: std::mem::take(&mut self.hauls),
            checkpoints: vec![saved.checkpoint(self.name)],
            read,
            unreadable,
            ..Work::default()
        };
        let desk = self.desk.clone();
        let (turns, takes, gives_way) = (self.options.turns.clone(), self.pace.takes(), self.pace.gives_way());
        Some(Box::pin(async move {
            let had_way = if gives_way { Some(turns.give_way(takes).await) } else { None };
            let begun = Instant::now();
            let counts = desk.commit(work).await?;
            Ok(Done { saved, counts, took: begun.elapsed(), had_way })
        }))
    }

    fn take_note(&mut self, Done { saved, counts, took, had_way }: Done) {
        tracing::debug!(
            source = self.desk.info.id,
            rows = counts.new + counts.known,
            ?took,
            ?had_way,
            "stored of the past"
        );
        self.stored = saved;
        self.pace.note(took);
        self.pace.note_way(had_way);
        self.tally.new += counts.new;
        self.tally.known += counts.known;
        self.tally.late += counts.late;
        self.show();
    }

    fn show(&self) {
        let progress = self.stored.progress();
        self.desk.board.update(|state| match self.purpose {
            _ if self.name == Priority::Backfill.as_str() => state.backfill = Some(progress),
            Priority::Reconcile => state.reconcile = Some(progress),
            _ => {}
        });
    }
}

/// A commit under way.
type Committing = Option<BoxFuture<'static, Result<Done>>>;

/// What came of a commit.
struct Done {
    /// The plan that it left.
    saved: Saved,
    counts: Counts,
    took: Duration,
    /// Whether nobody was kept waiting by it; `None` if it did not give way to anybody.
    had_way: Option<bool>,
}

impl Drop for Backfill {
    fn drop(&mut self) {
        let name = self.name;
        self.desk.board.forget(|part| matches!(part, Part::Window(other, _) if other == name));
    }
}

/// What came of the commit under way; for ever if there is none.
async fn finished(committing: &mut Committing) -> Result<Done> {
    let Some(commit) = committing else { return std::future::pending().await };
    let result = commit.await;
    *committing = None;
    result
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What of a window a page shows completely: from its oldest row, or from the window's start, to where the page before ended.
fn shown(walk: &Walk, haul: &Haul) -> Option<Span> {
    let (_, to) = walk.unseen();
    let mut after = walk.clone();
    let from = match after.pass(&haul.page, haul.times) {
        Next::Stuck => return None,
        Next::Done => walk.from,
        // The oldest moment of the page may go on on the next one.
        Next::More => after.rest().1?,
    };
    to.filter(|to| from < *to).map(|to| Span { from, to })
}
