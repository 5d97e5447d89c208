//! What a source is doing, for everybody who wants to know: page, metrics, health, command line.

use std::time::Duration;

use auditlake_store::{Covered, Lateness, Span};
use feed::client::{Error, ErrorKind, Exchange};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::CollectError;

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
    /// Stopped on request.
    Stopped,
}

/// What is wrong, in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// A short fixed name of the kind.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Whether a person must act.
    pub is_refused: bool,
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
pub(crate) struct Board(watch::Sender<SourceState>);

impl Board {
    pub(crate) fn new(source: &str) -> Self {
        Board(watch::Sender::new(SourceState { source: source.to_owned(), ..SourceState::default() }))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<SourceState> {
        self.0.subscribe()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut SourceState)) {
        self.0.send_modify(|state| {
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

    /// Something is wrong. It is logged once, when it begins.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.update(|state| {
            let same = state.trouble.as_ref().filter(|old| old.kind == trouble.kind);
            if same.is_none() {
                let Trouble { message, hint, .. } = &trouble;
                tracing::warn!(source = state.source, hint, "{message}");
            }
            let since = same.map_or(trouble.since, |old| old.since);
            state.trouble = Some(Trouble { since, ..trouble });
        });
    }

    /// The feed answers and does not show what it used to show, or it does again.
    pub(crate) fn stalled(&self, trouble: Option<Trouble>) {
        let is_stalled = trouble.is_some();
        let was_stalled = self.0.borrow().is_stalled;
        self.update(|state| state.is_stalled = is_stalled);
        match trouble {
            Some(trouble) => self.trouble(trouble),
            None if was_stalled => self.well(),
            None => {}
        }
    }

    /// Nothing is wrong any more.
    pub(crate) fn well(&self) {
        self.update(|state| {
            // That a page came says nothing against a feed that shows old ones.
            let is_over = |trouble: &mut Trouble| !state.is_stalled || trouble.kind != STALLED;
            if let Some(trouble) = state.trouble.take_if(is_over) {
                tracing::info!(source = state.source, since = %trouble.since, "works again: {}", trouble.kind);
            }
        });
    }
}

/// A request's failure in plain words.
pub(crate) fn trouble_of(error: &Error) -> Trouble {
    let status = error.api().map_or(0, |api| api.status);
    let hint = match (&error.kind, status) {
        (_, 401) => {
            "the key is unknown or revoked: create a new one with the scope read:compliance_activities and configure it"
        }
        (_, 403) => {
            "the key lacks a scope: create one with the scope read:compliance_activities; scopes of a key never change"
        }
        (_, 404) => "nothing is found at this address: look at the base URL",
        (_, 400) => {
            "the feed does not accept the request: look at organization_ids and the other settings of this source"
        }
        (_, 429) => "other tools use the same budget: leave them a larger share, or wait",
        (ErrorKind::Api(_), _) => "the feed has a problem of its own: it is asked again by itself",
        (ErrorKind::Connect(_), _) => "look at the network, the proxy and the base URL",
        (ErrorKind::TooLarge { .. }, _) => "raise the bound on the size of a page",
        _ => "it is asked again by itself; if it stays, look at the network and the proxy",
    };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error.kind);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = inner.source();
    }
    Trouble {
        since: Timestamp::now(),
        kind: error.label().to_owned(),
        message,
        hint: hint.to_owned(),
        is_refused: matches!(status, 400 | 401 | 403 | 404),
    }
}

/// The same for what happens on this side.
pub(crate) fn trouble_here(error: &CollectError) -> Trouble {
    let mut message = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        message = format!("{message}: {cause}");
    }
    Trouble {
        since: Timestamp::now(),
        kind: "store".to_owned(),
        message,
        hint: error.hint().unwrap_or("it is tried again by itself; nothing is lost").to_owned(),
        is_refused: false,
    }
}

const STALLED: &str = "stalled";

/// A feed that answers, but does not show our own requests any more.
pub(crate) fn stalled(silent: Duration, watermark: Timestamp) -> Trouble {
    let minutes = silent.as_secs() / 60;
    Trouble {
        since: Timestamp::now(),
        kind: STALLED.to_owned(),
        message: format!(
            "the feed answers, but has not shown our own requests for {minutes} minutes: what happened after {watermark} may not be in it yet"
        ),
        hint: "nothing is lost if the feed catches up: it is read when it is shown; if this stays, tell whoever runs the feed".to_owned(),
        is_refused: false,
    }
}

/// A feed that says that more follows but leads nowhere.
pub(crate) fn stuck() -> Trouble {
    Trouble {
        since: Timestamp::now(),
        kind: "stuck".to_owned(),
        message: "the feed says that more follows, but gives the same page again, or none".to_owned(),
        hint: "it is asked again by itself; if it stays, tell whoever runs the feed".to_owned(),
        is_refused: false,
    }
}
