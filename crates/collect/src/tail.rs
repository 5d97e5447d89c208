//! Following the feed: every interval, everything from a little before the watermark on is read, up to whatever is newest.
//!
//! No clock decides what is newest: the window is open upwards. The watermark is the newest event time read, but never
//! later than the feed's own clock, so that one activity from the future does not make us miss the present. It moves in
//! the transaction that stores the rows.

use std::{collections::HashMap, sync::Arc, time::Duration};

use auditlake_store::Span;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    Result, Stop,
    desk::{Desk, Errand, Failure, Haul, Work},
    source::{SourceOptions, read_checkpoint},
    trouble::{self, Part},
    turns::Seat,
    walk::{Next, Walk},
};

/// The name of the checkpoint.
const CHECKPOINT: &str = "tail";
/// A page of one row is asked for so often before what it holds is left to others.
const TRIES_OF_ONE: u32 = 3;

/// Up to where the feed has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TailPoint {
    pub(crate) watermark: Timestamp,
    /// What lies before cannot be read, and is left to those who look at it closely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<Timestamp>,
    /// When the last reading began, by the feed's clock: what was indexed since may lie behind what it had passed by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) began: Option<Timestamp>,
    /// Whether the feed has ever shown one of our own requests.
    #[serde(default)]
    pub(crate) echoes: bool,
}

impl TailPoint {
    pub(crate) fn new(watermark: Timestamp) -> Self {
        TailPoint { watermark, not_before: None, began: None, echoes: false }
    }

    /// The point as last committed.
    pub(crate) async fn load(desk: &Desk) -> Result<Option<TailPoint>> {
        read_checkpoint(desk, CHECKPOINT).await
    }

    /// From where to read again: everything that may be indexed late by as much as the overlap is seen by the next reading.
    fn start(&self, overlap: SignedDuration) -> Timestamp {
        let from = self.began.map_or(self.watermark, |began| began.min(self.watermark));
        let from = from.checked_sub(overlap).unwrap_or(Timestamp::MIN);
        from.max(self.not_before.unwrap_or(Timestamp::MIN))
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
    /// A reading that was broken off.
    reading: Option<Reading>,
    /// When following began, or the feed last showed a request of ours.
    last_echo: Instant,
    failures_of_one: u32,
    /// The feed has led nowhere, and no reading has come to its end since.
    is_stuck: bool,
    shown: Shown,
}

/// A walk under way.
struct Reading {
    walk: Walk,
    begun: Instant,
    /// The same by the feed's clock.
    began: Timestamp,
}

impl Tail {
    pub(crate) fn new(desk: Arc<Desk>, options: Arc<SourceOptions>, point: TailPoint) -> Self {
        Tail {
            desk,
            options,
            point,
            reading: None,
            last_echo: Instant::now(),
            failures_of_one: 0,
            is_stuck: false,
            shown: Shown::default(),
        }
    }

    /// Follows until told to stop.
    pub(crate) async fn run(&mut self, stop: &Stop) -> Result<()> {
        let seat = Seat::new(&self.options.turns);
        let mut due = Instant::now();
        while !stop.is_given() {
            // Who is woken a moment late does not come later every time.
            let now = Instant::now();
            let is_late = now > due && now - due < self.options.interval / 10;
            let begun = if is_late { due } else { now };
            let failure = self.cycle(&seat, stop).await?;
            let is_refused = matches!(failure, Some(Failure::Refused));
            let wait = match failure {
                // From one look to the next, however long a look takes.
                None => self.options.interval.saturating_sub(begun.elapsed()),
                Some(Failure::Stopped) => break,
                Some(Failure::Refused) => self.options.refused_wait,
                Some(Failure::Smaller) => Duration::ZERO,
                Some(Failure::TooLarge) if self.ask_for_less() => Duration::ZERO,
                Some(Failure::TooLarge) => {
                    self.leave_to_others().await?;
                    self.options.interval
                }
                Some(_) => self.options.interval,
            };
            self.desk.commit_errors().await?;
            due = Instant::now() + wait;
            seat.due(due);
            if !self.desk.pause(wait, is_refused, stop).await {
                break;
            }
        }
        Ok(())
    }

    /// Reads everything that is new once, from where the last reading was broken off, if it was.
    async fn cycle(&mut self, seat: &Seat, stop: &Stop) -> Result<Option<Failure>> {
        let Reading { mut walk, begun, began } = self.go_on();
        loop {
            walk.fit(self.desk.most(self.options.limit()));
            let query = walk.query(&self.options.organization_ids);
            let following = seat.follow();
            let asked = Instant::now();
            let mut haul = match self.desk.ask(&query, Errand::TAIL, stop).await {
                Ok(haul) => haul,
                Err(Failure::Cursor) if walk.drop_cursor() => continue,
                Err(failure) => {
                    self.reading = Some(Reading { walk, begun, began });
                    return Ok(Some(failure));
                }
            };
            self.failures_of_one = 0;
            let (before, _) = walk.rest();
            let next = walk.pass(&haul.page, haul.times);
            let is_well = walk.is_well(next) && (next == Next::Done || !self.is_stuck);
            walk.ask_for_more(self.options.limit());
            let answered = asked.elapsed();
            // What the last readings have shown as it is now was compared then.
            let shown = haul.shown();
            if !self.shown.hold(&shown, self.point.watermark) {
                self.desk.compare(&mut haul, self.point.watermark).await;
            }
            let compared = asked.elapsed();
            // What lies before the last row is there, the oldest first; behind the last page nothing is, up to the present.
            let read = (before, (next != Next::Done).then_some(walk.rest().0));
            self.commit(haul, began, read).await?;
            drop(following);
            self.shown.take(shown, self.point.start(self.options.overlap));
            tracing::debug!(source = self.desk.info.id, ?answered, ?compared, committed = ?asked.elapsed(), "followed");
            if is_well {
                self.is_stuck = false;
                self.desk.board.well(Part::Tail);
            }
            match next {
                Next::More => {}
                Next::Done => {
                    self.listen();
                    return Ok(None);
                }
                Next::Stuck => {
                    self.is_stuck = true;
                    self.desk.board.trouble(Part::Tail, trouble::stuck());
                    return Ok(Some(Failure::Down));
                }
            }
        }
    }

    /// The reading that was broken off, or a new one with its overlap.
    ///
    /// One that is closing in on a page that does not come goes on however long it takes: begun anew, it would never get there.
    fn go_on(&mut self) -> Reading {
        let (patience, is_alone) = (self.patience(), self.failures_of_one > 0);
        let broken_off = self.reading.take();
        match broken_off.filter(|one| one.begun.elapsed() < patience || is_alone || !one.walk.is_whole()) {
            Some(reading) => reading,
            None => Reading {
                walk: Walk::forth(self.point.start(self.options.overlap), self.options.limit()),
                begun: Instant::now(),
                began: self.desk.feed_now(),
            },
        }
    }

    /// A reading that takes longer begins anew, so that what is new does not wait for what was broken off long ago.
    fn patience(&self) -> Duration {
        Duration::try_from(self.options.overlap / 4).unwrap_or_default()
    }

    fn ask_for_less(&mut self) -> bool {
        let is_less = self.reading.as_mut().is_some_and(|reading| reading.walk.ask_for_less());
        self.failures_of_one += u32::from(!is_less);
        is_less || self.failures_of_one < TRIES_OF_ONE
    }

    /// Whatever comes next cannot be read, not even alone. The rest must not wait for it: following goes on from now, and
    /// the stretch up to now counts as unreadable until somebody has found out which part of it is.
    async fn leave_to_others(&mut self) -> Result<()> {
        self.failures_of_one = 0;
        let Some(reading) = self.reading.take() else { return Ok(()) };
        let now = self.desk.feed_now();
        let span = Span { from: reading.walk.rest().0, to: now };
        // Nothing is known to be wrong with what has not happened yet.
        if span.from >= span.to {
            return Ok(());
        }
        let point = TailPoint { watermark: self.point.watermark.max(now), not_before: Some(now), ..self.point };
        tracing::warn!(source = self.desk.info.id, from = %span.from, to = %span.to, "cannot be read; following goes on behind it");
        let (checkpoints, watermark) = (vec![point.checkpoint()], Some(point.watermark));
        self.desk.commit(Work { checkpoints, watermark, unreadable: vec![span], ..Work::default() }).await?;
        self.point = point;
        self.desk.unreadable.notify_one();
        Ok(())
    }

    /// Commits a page of the reading that `began` then. Everything is read from the first moment up to the second, or up to the
    /// feed's present if there is none.
    async fn commit(&mut self, haul: Haul, began: Timestamp, read: (Timestamp, Option<Timestamp>)) -> Result<()> {
        let watermark = moved(self.point.watermark, haul.times, haul.date);
        let point = TailPoint { watermark, began: Some(began), ..self.point };
        let point = TailPoint { echoes: point.echoes || self.desk.echo().is_some(), ..point };
        // The feed's clock and ours, so that no wrong one makes us believe to know the future.
        let present = || haul.date.map_or(watermark, |date| date.min(Timestamp::now()).max(watermark));
        let read = vec![Span { from: read.0, to: read.1.unwrap_or_else(present) }];
        let (checkpoints, watermark) = (vec![point.checkpoint()], Some(watermark));
        let work = Work { hauls: vec![haul], checkpoints, watermark, read, ..Work::default() };
        self.desk.commit(work).await?;
        self.point = point;
        Ok(())
    }

    /// Our own requests are activities, too. If the feed has shown them before and does not any more, then its silence
    /// does not mean that nothing happens.
    fn listen(&mut self) {
        if let Some(shown) = self.desk.echo() {
            self.last_echo = self.last_echo.max(shown);
        }
        let silent = self.last_echo.elapsed();
        let is_stalled = self.point.echoes && silent > self.options.stalled_after.max(self.options.interval * 3);
        self.desk.board.stalled(is_stalled.then(|| trouble::stalled(silent, self.point.watermark)));
    }
}

/// What the feed has shown lately: when each activity happened and what it said, by its id.
#[derive(Debug, Default)]
struct Shown(HashMap<String, (Timestamp, u64)>);

/// So many are remembered; of more, all are compared with what is stored.
const MOST_SHOWN: usize = 50_000;

impl Shown {
    /// Whether all of these up to this time are remembered as they are.
    fn hold(&self, rows: &[(String, Timestamp, u64)], until: Timestamp) -> bool {
        let is_held = |(id, at, content): &(String, Timestamp, u64)| {
            *at > until || self.0.get(id).is_some_and(|(_, known)| known == content)
        };
        rows.iter().all(is_held)
    }

    /// Remembers these, and of all only what happened since.
    fn take(&mut self, rows: Vec<(String, Timestamp, u64)>, since: Timestamp) {
        self.0.extend(rows.into_iter().map(|(id, at, content)| (id, (at, content))));
        self.0.retain(|_, (at, _)| *at >= since);
        if self.0.len() > MOST_SHOWN {
            self.0.clear();
        }
    }
}

/// The watermark after rows of these times, read when the feed's clock said `date`.
pub(crate) fn moved(watermark: Timestamp, times: Option<(Timestamp, Timestamp)>, date: Option<Timestamp>) -> Timestamp {
    let Some((_, newest)) = times else { return watermark };
    let now =
        date.map_or_else(Timestamp::now, |date| date.saturating_add(SignedDuration::from_secs(1)).unwrap_or(date));
    watermark.max(newest.min(now))
}
