//! Reading older windows again, on a schedule: what the feed indexed late never shows up behind a cursor or in a later
//! window, and only this finds it.
//!
//! What is found is stored as any other row and counted as late; what is there already stays as it was first seen, and
//! differences become drift. Begins when the past has been read once. A round goes on where it was after a restart, and is
//! due by when the last one began, however often the process is started.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    Priority, Result, Stop,
    backfill::{Backfill, Saved},
    desk::{Desk, Work},
    source::{SourceOptions, read_checkpoint},
};

/// When each round last began, of those that were finished, by its name.
const CHECKPOINT: &str = "reconciled";

/// A round: how often, and how far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// How often.
    pub every: Duration,
    /// How far back, from the newest event time.
    pub span: SignedDuration,
}

impl Round {
    /// Hourly the last day, daily the last week.
    pub const DEFAULT: [Round; 2] = [
        Round { every: Duration::from_secs(3_600), span: SignedDuration::from_hours(24) },
        Round { every: Duration::from_secs(24 * 3_600), span: SignedDuration::from_hours(7 * 24) },
    ];

    fn name(&self) -> String {
        format!("{}s", self.span.as_secs())
    }

    /// How long until it is due; a clock that was set back does not put it off by more than a round.
    fn wait(&self, last: Option<Timestamp>, now: Timestamp) -> Duration {
        let past = last.map(|last| Duration::try_from(now.duration_since(last)).unwrap_or_default());
        self.every.saturating_sub(past.unwrap_or_default())
    }
}

type Finished = BTreeMap<String, Timestamp>;

/// Reads again, for one source.
pub(crate) struct Reconcile {
    pub(crate) desk: Arc<Desk>,
    pub(crate) options: Arc<SourceOptions>,
}

impl Reconcile {
    /// Does every round when it is due, until told to stop.
    pub(crate) async fn run(&self, stop: &Stop) -> Result<()> {
        if !self.past_is_read(stop).await {
            return Ok(());
        }
        let mut finished: Finished = read_checkpoint(&self.desk, CHECKPOINT).await?.unwrap_or_default();
        // What a restart broke off.
        if let Some(saved) =
            Saved::load(&self.desk, Priority::Reconcile.as_str()).await?.filter(|saved| !saved.remaining.is_empty())
        {
            self.read(saved, &mut finished, stop).await?;
        }
        // A round that never was is counted from now, and from here on that is remembered.
        let (now, known) = (Timestamp::now(), finished.len());
        self.options.rounds.iter().for_each(|round| _ = finished.entry(round.name()).or_insert(now));
        if finished.len() > known {
            self.note(&finished).await?;
        }
        let begun = Instant::now();
        let wait = |round: &Round| round.wait(finished.get(&round.name()).copied(), now);
        // From here on no clock counts that somebody may set.
        let mut due: Vec<Instant> = self.options.rounds.iter().map(|round| begun + wait(round)).collect();
        while !stop.is_given() {
            let rounds = due.iter().zip(&self.options.rounds);
            let next = rounds.min_by_key(|(at, round)| (**at, std::cmp::Reverse(round.span)));
            let until_next = async {
                match next {
                    Some((at, _)) => tokio::time::sleep_until(*at).await,
                    None => std::future::pending().await,
                }
            };
            let saved = tokio::select! {
                biased;
                () = stop.given() => break,
                () = until_next => match next {
                    // The longest of those that are due is one of the others as well.
                    Some(_) => self.plan(self.longest(&due)).await,
                    None => continue,
                },
                () = self.desk.unreadable.notified() => self.unreadable().await,
            };
            let done = self.read(saved, &mut finished, stop).await?;
            for (at, round) in due.iter_mut().zip(&self.options.rounds) {
                if done.is_some_and(|done| round.span <= done) {
                    *at = Instant::now() + round.every;
                }
            }
        }
        Ok(())
    }

    fn longest(&self, due: &[Instant]) -> &Round {
        let now = Instant::now();
        let ready = due.iter().zip(&self.options.rounds).filter(|(at, _)| **at <= now).map(|(_, round)| round);
        ready.max_by_key(|round| round.span).unwrap_or(&self.options.rounds[0])
    }

    /// Waits until there is something to compare with. Says whether to go on.
    async fn past_is_read(&self, stop: &Stop) -> bool {
        let mut state = self.desk.board.subscribe();
        tokio::select! {
            biased;
            () = stop.given() => false,
            result = state.wait_for(|state| state.backfill.is_some_and(|backfill| backfill.is_done())) => result.is_ok(),
        }
    }

    /// From the newest event time back; the last few minutes are the tail's. What could not be read is tried again.
    async fn plan(&self, round: &Round) -> Saved {
        let newest = self.desk.board.subscribe().borrow().watermark.unwrap_or_else(Timestamp::now);
        let back = |span: SignedDuration| newest.checked_sub(span).unwrap_or(Timestamp::MIN);
        let mut saved = self.unreadable().await;
        saved.add(back(round.span), back(self.options.overlap));
        saved.round = Some((round.name(), Timestamp::now()));
        saved
    }

    /// What could not be read.
    async fn unreadable(&self) -> Saved {
        let spans = self.desk.coverage.lock().await.unreadable.clone();
        let now = self.desk.feed_now();
        let (from, to) = spans.first().zip(spans.last()).map_or((now, now), |(first, last)| (first.from, last.to));
        let mut saved = Saved { from, to, ..Saved::new(now, now) };
        spans.iter().for_each(|span| saved.add(span.from, span.to));
        saved
    }

    /// Reads again what a plan says. Answers the span of the round that it was, if it is over.
    async fn read(&self, saved: Saved, finished: &mut Finished, stop: &Stop) -> Result<Option<SignedDuration>> {
        let name = Priority::Reconcile.as_str();
        // So that a restart before the first page goes on with it, too.
        self.desk.commit(Work { checkpoints: vec![saved.checkpoint(name)], ..Work::default() }).await?;
        let mut reading =
            Backfill::new(self.desk.clone(), self.options.clone(), Priority::Reconcile, name, saved.clone());
        let tally = reading.run(stop).await?;
        if tally.late > 0 || tally.drift > 0 {
            let (late, drift) = (tally.late, tally.drift);
            tracing::info!(source = self.desk.info.id, late, drift, from = %saved.from, to = %saved.to, "read again");
        }
        let Some((name, began)) = saved.round.filter(|_| !stop.is_given()) else { return Ok(None) };
        // It may be one that is not configured any more.
        let span = self.options.rounds.iter().find(|round| round.name() == name).map(|round| round.span);
        for round in self.options.rounds.iter().filter(|round| span.is_some_and(|span| round.span <= span)) {
            finished.insert(round.name(), began);
        }
        self.note(finished).await?;
        Ok(span)
    }

    async fn note(&self, finished: &Finished) -> Result<()> {
        let checkpoints = vec![(CHECKPOINT, serde_json::json!(finished))];
        self.desk.commit(Work { checkpoints, ..Work::default() }).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_puts_nothing_off_for_long() {
        let round = Round::DEFAULT[0];
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        assert_eq!(round.wait(Some(at(0)), at(600)).as_secs(), 3_000);
        assert_eq!(round.wait(Some(at(0)), at(9_000)).as_secs(), 0);
        assert_eq!(round.wait(Some(at(0)), at(-3_600)).as_secs(), 3_600);
        assert_eq!(round.wait(None, at(0)).as_secs(), 3_600);
    }
}
