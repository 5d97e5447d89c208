//! What a source is doing, for everybody who wants to know: page, metrics, health, command line.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auditlake_store::{Covered, Lateness, Span};
use feed::client::{Error, Exchange};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    Trouble,
    trouble::{Part, Troubles},
};

/// What a source is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has been heard from the feed yet.
    #[default]
    Starting,
    /// Reading the past, and following the feed beside it.
    Backfilling,
    /// Following the feed.
    Following,
    /// Something is wrong that waiting may cure.
    Retrying,
    /// The feed answers, but our own requests do not show up in it any more.
    Stalled,
    /// The feed refuses: a person must act. It is still asked now and then.
    Refused,
    /// Stopped on request; or for good, and then the trouble says why.
    Stopped,
}

/// How far a backfill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BackfillProgress {
    /// The start of the span.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Of the span, so many seconds are still to be read.
    pub remaining_seconds: u64,
    /// Rows read.
    pub rows: u64,
}

impl BackfillProgress {
    /// The share of the span that is read, 0 to 1.
    pub fn share(&self) -> f64 {
        let all = self.to.duration_since(self.from).as_secs_f64().max(1.0);
        (1.0 - self.remaining_seconds as f64 / all).clamp(0.0, 1.0)
    }

    /// Whether nothing remains.
    pub fn is_done(&self) -> bool {
        self.remaining_seconds == 0
    }
}

/// The state of a source. Counts are since the process began.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SourceState {
    /// The source's id.
    pub source: String,
    /// What it is at.
    pub phase: Phase,
    /// When a page last came.
    pub last_success: Option<Timestamp>,
    /// What is wrong, until it is not any more.
    pub trouble: Option<Trouble>,
    /// The newest event time up to which the feed has been followed.
    pub watermark: Option<Timestamp>,
    /// How long the feed took to show our own last request: how far it lags behind what happens.
    pub echo: Option<Duration>,
    /// When that request was seen in the feed.
    pub echo_at: Option<Timestamp>,
    /// How many of the activities read were our own requests.
    pub own_reads: u64,
    /// Rows stored.
    pub new: u64,
    /// Rows read that were stored already.
    pub known: u64,
    /// Rows that came after their window had been read.
    pub late: u64,
    /// How long after they had happened.
    pub lateness: Lateness,
    /// Differences that reading again has shown: changed, poorer, missing.
    pub drift: u64,
    /// How many different things activities have shown that the catalogue does not know, by kind: types, actors, fields,
    /// values, forms.
    pub unknown: std::collections::BTreeMap<&'static str, u64>,
    /// Pages read.
    pub pages: u64,
    /// Records that were no activities.
    pub rejected: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that gave no page, by kind.
    pub errors: std::collections::BTreeMap<String, u64>,
    /// The upstream's limit, requests a minute.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// Whether the feed, though it answers, does not show our own requests any more.
    pub is_stalled: bool,
    /// The backfill, if there is or was one.
    pub backfill: Option<BackfillProgress>,
    /// The reading again that is under way, or was last.
    pub reconcile: Option<BackfillProgress>,
    /// What has been read to its end; as the checkpoint [`Covered::CHECKPOINT`].
    pub covered: Vec<Covered>,
    /// What cannot be read; as the checkpoint [`Covered::UNREADABLE`].
    pub unreadable: Vec<Span>,
}

impl SourceState {
    /// How far the watermark lies back.
    pub fn lag(&self, now: Timestamp) -> Option<Duration> {
        self.watermark.map(|watermark| now.duration_since(watermark).try_into().unwrap_or_default())
    }

    fn settle(&mut self) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.phase = match &self.trouble {
            Some(Trouble { is_refused: true, .. }) => Phase::Refused,
            Some(_) if self.is_stalled => Phase::Stalled,
            Some(_) => Phase::Retrying,
            None if self.last_success.is_none() => Phase::Starting,
            None if self.backfill.is_some_and(|backfill| !backfill.is_done()) => Phase::Backfilling,
            None => Phase::Following,
        };
    }
}

/// Where the state is kept up to date.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    state: watch::Sender<SourceState>,
    troubles: Arc<Mutex<Troubles>>,
}

impl Board {
    pub(crate) fn new(source: &str) -> Self {
        let state = SourceState { source: source.to_owned(), ..SourceState::default() };
        Board { state: watch::Sender::new(state), troubles: Arc::default() }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<SourceState> {
        self.state.subscribe()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut SourceState)) {
        self.state.send_modify(|state| {
            change(state);
            state.settle();
        });
    }

    /// A request has been answered.
    pub(crate) fn asked(&self, exchange: &Exchange, error: Option<&Error>) {
        self.update(|state| {
            state.requests += 1;
            state.limit = exchange.rate_limit.limit.or(state.limit);
            state.remaining = exchange.rate_limit.remaining.or(state.remaining);
            match error {
                None => {
                    state.last_success = Some(Timestamp::now());
                    state.pages += 1;
                }
                Some(error) => *state.errors.entry(error.label().to_owned()).or_default() += 1,
            }
        });
    }

    /// Something is wrong with a part. It is logged once, when it begins; who has read that finds the state to be so.
    pub(crate) fn trouble(&self, part: Part, trouble: Trouble) {
        let mut troubles = self.troubles();
        let is_new = troubles.begin(part, trouble.clone());
        self.show(&troubles);
        if is_new {
            let Trouble { message, hint, .. } = &trouble;
            tracing::warn!(source = self.source(), hint, "{message}");
        }
    }

    /// Collecting has ended for good. That has been logged.
    pub(crate) fn end(&self, trouble: Trouble) {
        let mut troubles = self.troubles();
        troubles.begin(Part::Whole, trouble);
        self.update(|state| state.phase = Phase::Stopped);
        self.show(&troubles);
    }

    /// Nothing is wrong with a part any more. That is logged once, too.
    pub(crate) fn well(&self, part: Part) {
        let mut troubles = self.troubles();
        if troubles.is_well(part) {
            return;
        }
        let ended = troubles.end(part);
        self.show(&troubles);
        if let Some(trouble) = ended {
            tracing::info!(source = self.source(), since = %trouble.since, "works again: {}", trouble.kind);
        }
    }

    /// A part is no more, whatever was wrong with it.
    pub(crate) fn forget(&self, is_gone: impl Fn(Part) -> bool) {
        let mut troubles = self.troubles();
        if troubles.forget(is_gone) {
            self.show(&troubles);
        }
    }

    /// A part is cut in two: what is wrong is wrong with both, until one of them turns out to be well.
    pub(crate) fn part_in_two(&self, part: Part, other: Part) {
        self.troubles().copy(part, other);
    }

    /// The feed answers and does not show what it used to show, or it does again.
    pub(crate) fn stalled(&self, trouble: Option<Trouble>) {
        let is_stalled = trouble.is_some();
        if self.state.borrow().is_stalled != is_stalled {
            self.update(|state| state.is_stalled = is_stalled);
        }
        match trouble {
            Some(trouble) => self.trouble(Part::Echo, trouble),
            None => self.well(Part::Echo),
        }
    }

    fn show(&self, troubles: &Troubles) {
        self.update(|state| state.trouble = troubles.worst().cloned());
    }

    fn source(&self) -> String {
        self.state.borrow().source.clone()
    }

    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        // Nothing in here can be left half done.
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
