//! Following the feed: every interval, everything from a little before the watermark on is read, up to whatever is newest.
//!
//! No clock decides what is newest: the window is open upwards. The watermark is the newest event time read, but never
//! later than the feed's own clock, so that one activity from the future does not make us miss the present. It moves in
//! the transaction that stores the rows.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

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
    pub(crate) desk: Arc<Desk>,
    pub(crate) options: Arc<SourceOptions>,
    pub(crate) point: TailPoint,
    pub(crate) limit: u32,
}

impl Tail {
    /// Follows until told to stop.
    pub(crate) async fn run(&mut self, stop: &Stop) -> Result<()> {
        self.desk.board.update(|state| state.watermark = Some(self.point.watermark));
        while !stop.is_given() {
            let wait = match self.cycle(stop).await? {
                None => {
                    self.limit = feed::MAX_LIMIT.min(self.options.page_limit);
                    self.options.interval
                }
                Some(Failure::Stopped) => break,
                Some(Failure::Refused) => self.options.refused_wait,
                Some(Failure::TooLarge) if self.limit > 1 => {
                    self.limit /= 2;
                    Duration::ZERO
                }
                Some(_) => self.options.interval,
            };
            self.desk.commit_errors().await?;
            if !stop.sleep(wait).await {
                break;
            }
        }
        Ok(())
    }

    /// Reads everything that is new once.
    pub(crate) async fn cycle(&mut self, stop: &Stop) -> Result<Option<Failure>> {
        let from = self.point.watermark.checked_sub(self.options.overlap).unwrap_or(Timestamp::MIN);
        let mut walk = Walk::forth(from, self.limit);
        loop {
            let query = walk.query(&self.options.organization_ids);
            let haul = match self.desk.ask(&query, Priority::Tail, stop).await {
                Ok(haul) => haul,
                Err(Failure::Cursor) if walk.drop_cursor() => continue,
                Err(failure) => return Ok(Some(failure)),
            };
            let next = walk.pass(&haul.page, haul.times);
            self.commit(haul).await?;
            match next {
                Next::More => {}
                Next::Done => return Ok(None),
                Next::Stuck => {
                    self.desk.board.trouble(crate::state::stuck());
                    return Ok(Some(Failure::Down));
                }
            }
            if stop.is_given() {
                return Ok(Some(Failure::Stopped));
            }
        }
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
