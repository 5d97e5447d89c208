//! Following the feed: every interval, everything from a little before the watermark on is read, up to whatever is newest.
//!
//! No clock decides what is newest: the window is open upwards. The watermark is the newest event time read, but never
//! later than the feed's own clock, so that one activity from the future does not make us miss the present. It moves in
//! the transaction that stores the rows.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    Priority, Result, Stop,
    desk::{Desk, Failure, Haul},
    source::{SourceOptions, read_checkpoint},
    walk::{Next, Walk},
};

/// The name of the checkpoint.
const CHECKPOINT: &str = "tail";

/// Up to where the feed has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TailPoint {
    pub(crate) watermark: Timestamp,
}

impl TailPoint {
    /// The point as last committed.
    pub(crate) async fn load(desk: &Desk) -> Result<Option<TailPoint>> {
        read_checkpoint(desk, CHECKPOINT).await
    }

    /// For a commit.
    pub(crate) fn checkpoint(self) -> (&'static str, serde_json::Value) {
        (CHECKPOINT, serde_json::json!(self))
    }
}

/// Follows the feed of one source.
pub(crate) struct Tail {
    desk: Arc<Desk>,
    options: Arc<SourceOptions>,
    point: TailPoint,
    /// A reading that was broken off, and when it began.
    walk: Option<(Walk, Instant)>,
}

impl Tail {
    pub(crate) fn new(desk: Arc<Desk>, options: Arc<SourceOptions>, point: TailPoint) -> Self {
        Tail { desk, options, point, walk: None }
    }

    /// Follows until told to stop.
    pub(crate) async fn run(&mut self, stop: &Stop) -> Result<()> {
        self.desk.board.update(|state| state.watermark = Some(self.point.watermark));
        while !stop.is_given() {
            let wait = match self.cycle(stop).await? {
                None => self.options.interval,
                Some(Failure::Stopped) => break,
                Some(Failure::Refused) => self.options.refused_wait,
                Some(Failure::TooLarge) if self.ask_for_less() => Duration::ZERO,
                Some(_) => self.options.interval,
            };
            self.desk.commit_errors().await?;
            if !stop.sleep(wait).await {
                break;
            }
        }
        Ok(())
    }

    /// Reads everything that is new once, from where the last reading was broken off, if it was.
    async fn cycle(&mut self, stop: &Stop) -> Result<Option<Failure>> {
        let (mut walk, begun) =
            self.walk.take().filter(|(_, begun)| begun.elapsed() < self.patience()).unwrap_or_else(|| {
                let from = self.point.watermark.checked_sub(self.options.overlap).unwrap_or(Timestamp::MIN);
                (Walk::forth(from, self.options.limit()), Instant::now())
            });
        loop {
            let query = walk.query(&self.options.organization_ids);
            let haul = match self.desk.ask(&query, Priority::Tail, stop).await {
                Ok(haul) => haul,
                Err(Failure::Cursor) if walk.drop_cursor() => continue,
                Err(failure) => {
                    self.walk = Some((walk, begun));
                    return Ok(Some(failure));
                }
            };
            let next = walk.pass(&haul.page, haul.times);
            walk.ask_for_more(self.options.limit());
            self.commit(haul).await?;
            match next {
                Next::More => {}
                Next::Done => return Ok(None),
                Next::Stuck => {
                    self.desk.board.trouble(crate::state::stuck());
                    return Ok(Some(Failure::Down));
                }
            }
        }
    }

    /// A reading that takes longer begins anew, with its overlap: what was indexed meanwhile would be passed over else.
    fn patience(&self) -> Duration {
        Duration::try_from(self.options.overlap / 4).unwrap_or_default()
    }

    fn ask_for_less(&mut self) -> bool {
        self.walk.as_mut().is_some_and(|(walk, _)| walk.ask_for_less())
    }

    async fn commit(&mut self, haul: Haul) -> Result<()> {
        let point = TailPoint { watermark: moved(self.point.watermark, haul.times, haul.date) };
        self.desk.commit(vec![haul], vec![point.checkpoint()]).await?;
        self.point = point;
        self.desk.board.update(|state| state.watermark = Some(point.watermark));
        Ok(())
    }
}

/// The watermark after rows of these times, read when the feed's clock said `date`.
pub(crate) fn moved(watermark: Timestamp, times: Option<(Timestamp, Timestamp)>, date: Option<Timestamp>) -> Timestamp {
    let Some((_, newest)) = times else { return watermark };
    let now =
        date.map_or_else(Timestamp::now, |date| date.saturating_add(SignedDuration::from_secs(1)).unwrap_or(date));
    watermark.max(newest.min(now))
}
