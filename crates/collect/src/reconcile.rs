//! Reading older windows again, on a schedule: what the feed indexed late never shows up behind a cursor or in a later
//! window, and only this finds it.
//!
//! What is found is stored as any other row and counted as late; what is there already stays as it was first seen. Begins
//! when the past has been read once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    Priority, Result, Stop,
    backfill::{Backfill, Saved},
    desk::Desk,
    source::{SourceOptions, read_checkpoint},
};

/// When each round was last finished, by its name.
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
        if self.options.rounds.is_empty() || !self.past_is_read(stop).await {
            return Ok(());
        }
        // What a crash broke off.
        if let Some(saved) =
            Saved::load(&self.desk, Priority::Reconcile).await?.filter(|saved| !saved.remaining.is_empty())
        {
            self.read(saved, stop).await?;
        }
        let mut finished: Finished = read_checkpoint(&self.desk, CHECKPOINT).await?.unwrap_or_default();
        let now = Instant::now();
        let mut due: Vec<Instant> = self.options.rounds.iter().map(|round| now + wait(round, &finished)).collect();
        while let Some((index, at)) = due.iter().copied().enumerate().min_by_key(|(_, at)| *at) {
            if !stop.sleep(at.saturating_duration_since(Instant::now())).await {
                break;
            }
            let round = &self.options.rounds[index];
            self.read(self.plan(round), stop).await?;
            if stop.is_given() {
                break;
            }
            finished.insert(round.name(), Timestamp::now());
            self.desk.commit(Vec::new(), vec![(CHECKPOINT, serde_json::json!(finished))]).await?;
            due[index] = Instant::now() + round.every;
        }
        Ok(())
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

    /// From the newest event time back; the last few minutes are the tail's.
    fn plan(&self, round: &Round) -> Saved {
        let newest = self.desk.board.subscribe().borrow().watermark.unwrap_or_else(Timestamp::now);
        let back = |span: SignedDuration| newest.checked_sub(span).unwrap_or(Timestamp::MIN);
        Saved::new(back(round.span), back(self.options.overlap))
    }

    async fn read(&self, saved: Saved, stop: &Stop) -> Result<u64> {
        let late = Backfill::new(self.desk.clone(), self.options.clone(), Priority::Reconcile, saved.clone())
            .run(stop)
            .await?;
        if late > 0 {
            tracing::info!(source = self.desk.info.id, late, from = %saved.from, to = %saved.to, "found what was indexed late");
        }
        Ok(late)
    }
}

/// How long until a round is due; a clock that was set back does not put it off by more than a round.
fn wait(round: &Round, finished: &Finished) -> Duration {
    let Some(at) = finished.get(&round.name()) else { return round.every };
    let past = Duration::try_from(Timestamp::now().duration_since(*at)).unwrap_or_default();
    round.every.saturating_sub(past)
}
