//! Reading older windows again, on a schedule: what the feed indexed late never shows up behind a cursor or in a later
//! window, and only this finds it.
//!
//! What is found is stored as any other row and counted as late; what is there already stays as it was first seen, and
//! differences become drift. What the past has not come to yet is left to it. A round reaches back from where the feed was when
//! the last one like it began, so that nothing is passed over while the process does not run. It goes on where it was after a
//! restart, and is due by when the last one began, however often the process is started.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    Priority, Result, Stop,
    backfill::{Backfill, Saved},
    desk::{Desk, Work},
    source::{SourceOptions, read_checkpoint},
};

/// The last of each round that was finished, by its name.
const CHECKPOINT: &str = "reconciled";
/// A round of which the past has not read anything yet is put off for so long.
const PUT_OFF: Duration = Duration::from_secs(60);

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

/// A round that was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Noted")]
struct Last {
    /// When it began.
    began: Timestamp,
    /// The newest event time then; unknown of what an older program finished.
    newest: Option<Timestamp>,
}

/// The same as it may stand in the checkpoint.
#[derive(Deserialize)]
#[serde(untagged)]
enum Noted {
    Whole { began: Timestamp, newest: Option<Timestamp> },
    Old(Timestamp),
}

impl From<Noted> for Last {
    fn from(noted: Noted) -> Last {
        match noted {
            Noted::Whole { began, newest } => Last { began, newest },
            Noted::Old(began) => Last { began, newest: None },
        }
    }
}

type Finished = BTreeMap<String, Last>;

/// Reads again, for one source.
pub(crate) struct Reconcile {
    pub(crate) desk: Arc<Desk>,
    pub(crate) options: Arc<SourceOptions>,
}

impl Reconcile {
    /// Does every round when it is due, until told to stop.
    pub(crate) async fn run(&self, stop: &Stop) -> Result<()> {
        let mut finished: Finished = read_checkpoint(&self.desk, CHECKPOINT).await?.unwrap_or_default();
        // What a restart broke off.
        if let Some(saved) =
            Saved::load(&self.desk, Priority::Reconcile.as_str()).await?.filter(|saved| !saved.remaining.is_empty())
        {
            self.read(saved, &mut finished, stop).await?;
        }
        // A round that never was is counted from now, and from here on that is remembered.
        let (now, known) = (Timestamp::now(), finished.len());
        let first = Last { began: now, newest: Some(self.newest()) };
        self.options.rounds.iter().for_each(|round| _ = finished.entry(round.name()).or_insert(first));
        if finished.len() > known {
            self.note(&finished).await?;
        }
        let begun = Instant::now();
        let wait = |round: &Round| round.wait(finished.get(&round.name()).map(|last| last.began), now);
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
                // The longest of those that are due is one of the others as well.
                () = until_next => match self.plan(self.longest(&due), &finished).await? {
                    Some(saved) => saved,
                    None => {
                        let now = Instant::now();
                        due.iter_mut().filter(|at| **at <= now).for_each(|at| *at = now + PUT_OFF);
                        continue;
                    }
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

    /// The newest event time up to which the feed has been followed.
    fn newest(&self) -> Timestamp {
        self.desk.board.subscribe().borrow().watermark.unwrap_or_else(|| self.desk.present())
    }

    /// From the newest event time back, now or when the last such round began; the last few minutes are the tail's. What could
    /// not be read is tried again. `None` if the past has not read any of it yet.
    async fn plan(&self, round: &Round, finished: &Finished) -> Result<Option<Saved>> {
        let newest = self.newest();
        let mut own =
            Saved::new(start(&self.options.rounds, round, finished, newest), back(newest, self.options.overlap));
        if let Some(past) = Saved::load(&self.desk, Priority::Backfill.as_str()).await? {
            own.leave(&past.remaining);
        }
        if own.remaining.is_empty() {
            return Ok(None);
        }
        let mut saved = self.unreadable().await;
        own.remaining.iter().for_each(|(from, to)| saved.add(*from, *to));
        (saved.round, saved.newest) = (Some((round.name(), Timestamp::now())), Some(newest));
        Ok(Some(saved))
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
        let last = Last { began, newest: saved.newest };
        // It may be one that is not configured any more.
        let span = self.options.rounds.iter().find(|round| round.name() == name).map(|round| round.span);
        for round in self.options.rounds.iter().filter(|round| span.is_some_and(|span| round.span <= span)) {
            finished.insert(round.name(), last);
        }
        self.note(finished).await?;
        Ok(span)
    }

    async fn note(&self, finished: &Finished) -> Result<()> {
        let checkpoints = vec![(CHECKPOINT, serde_json::json!(finished))];
        self.desk.commit(Work { checkpoints, ..Work::default() }).await.map(drop)
    }
}

fn back(from: Timestamp, span: SignedDuration) -> Timestamp {
    from.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// Where a round begins, which is one of all that are no longer as well: so far back as each of them reaches from where the
/// feed was when the last one began.
fn start(rounds: &[Round], round: &Round, finished: &Finished, newest: Timestamp) -> Timestamp {
    let starts = rounds.iter().filter(|one| one.span <= round.span).map(|one| {
        let last = finished.get(&one.name()).and_then(|last| last.newest).unwrap_or(newest);
        back(last.min(newest), one.span)
    });
    starts.min().unwrap_or_else(|| back(newest, round.span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_reaches_back_from_where_the_last_one_was() {
        let [hourly, daily] = Round::DEFAULT;
        let hours = |hours: i64| Timestamp::from_second(hours * 3_600).unwrap();
        let start = |round: &Round, hourly_at: Option<i64>, daily_at: i64| {
            let last = |newest: Option<i64>| Last { began: hours(0), newest: newest.map(hours) };
            let finished = [(hourly.name(), last(hourly_at)), (daily.name(), last(Some(daily_at)))].into();
            super::start(&Round::DEFAULT, round, &finished, hours(10_000)).as_second() / 3_600
        };
        assert_eq!(start(&hourly, Some(9_999), 9_990), 9_999 - 24);
        assert_eq!(start(&daily, Some(9_999), 9_990), 9_990 - 168);
        assert_eq!(start(&hourly, Some(9_700), 9_990), 9_700 - 24, "it did not run for days");
        assert_eq!(start(&daily, Some(9_700), 9_990), 9_700 - 24, "the longer one is the shorter one, too");
        assert_eq!(start(&hourly, None, 9_990), 10_000 - 24);
        assert_eq!(start(&hourly, Some(20_000), 9_990), 10_000 - 24, "nothing is newer than the newest");
    }

    #[test]
    fn what_an_older_program_noted_is_understood() {
        let text = r#"{"a": "2026-10-07T10:00:00Z", "b": {"began": "2026-10-07T10:00:00Z", "newest": "2026-10-07T09:00:00Z"}}"#;
        let noted: Finished = serde_json::from_str(text).unwrap();
        assert_eq!((noted["a"].began, noted["a"].newest), (noted["b"].began, None));
        assert_eq!(serde_json::from_value::<Finished>(serde_json::json!(noted)).unwrap(), noted);
    }

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
