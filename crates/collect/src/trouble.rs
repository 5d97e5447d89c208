//! What is wrong with a source, part by part: each trouble is said once when it begins and once when it is over.
//!
//! What works says nothing of what does not: a window that leads nowhere stays in trouble though others are read, and a feed that
//! stands still though the store takes what comes. So each part has a trouble of its own, which only its own success ends.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use feed::client::{Error, ErrorKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::CollectError;

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
    /// Whether the feed refuses: asking again is of no use.
    pub is_refused: bool,
    /// Whether it stays until a person acts, be it with the feed or on this side.
    pub needs_person: bool,
}

/// What a trouble belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Collecting as a whole, which has ended.
    Whole,
    /// Storing what was collected.
    Store,
    /// The same for a job of this name.
    Job(&'static str),
    /// Following the feed.
    Tail,
    /// Our own requests in the feed.
    Echo,
    /// A window, by its number, of what is read under this name.
    Window(&'static str, u64),
}

/// The troubles of a source.
#[derive(Debug, Default)]
pub(crate) struct Troubles(BTreeMap<Part, Ongoing>);

/// A trouble, and all kinds that it has been since it began: a feed that is down may fail in several ways by turns.
#[derive(Debug, Clone)]
struct Ongoing {
    trouble: Trouble,
    told: BTreeSet<String>,
}

impl Troubles {
    /// Something is wrong with a part. Says whether that is news: nobody has the same trouble already.
    pub(crate) fn begin(&mut self, part: Part, trouble: Trouble) -> bool {
        let same = self.0.values().filter(|one| one.trouble.kind == trouble.kind);
        let since = same.map(|one| one.trouble.since).min().unwrap_or(trouble.since);
        let is_news = self.0.values().all(|one| !one.told.contains(&trouble.kind));
        let mut told = self.0.remove(&part).map(|one| one.told).unwrap_or_default();
        told.insert(trouble.kind.clone());
        self.0.insert(part, Ongoing { trouble: Trouble { since, ..trouble }, told });
        is_news
    }

    pub(crate) fn is_well(&self, part: Part) -> bool {
        !self.0.contains_key(&part)
    }

    /// A part is well. Answers what is over with that: nobody else has the same trouble.
    pub(crate) fn end(&mut self, part: Part) -> Option<Trouble> {
        let over = self.0.remove(&part)?.trouble;
        self.0.values().all(|one| one.trouble.kind != over.kind).then_some(over)
    }

    /// Some parts are no more. Says whether anything was wrong with them.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(Part) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|part, _| !is_gone(*part));
        self.0.len() < before
    }

    /// What is wrong with a part is wrong with another one, too.
    pub(crate) fn copy(&mut self, part: Part, other: Part) {
        if let Some(ongoing) = self.0.get(&part).cloned() {
            self.0.insert(other, ongoing);
        }
    }

    /// What to show of all: what waits for a person, or else what began first.
    pub(crate) fn worst(&self) -> Option<&Trouble> {
        self.0.values().map(|one| &one.trouble).max_by_key(|trouble| (trouble.needs_person, Reverse(trouble.since)))
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
        needs_person: matches!(status, 400 | 401 | 403 | 404),
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
        needs_person: error.needs_person(),
    }
}

/// A feed that answers, but does not show our own requests any more.
pub(crate) fn stalled(silent: Duration, watermark: Timestamp) -> Trouble {
    let minutes = silent.as_secs() / 60;
    Trouble {
        since: Timestamp::now(),
        kind: "stalled".to_owned(),
        message: format!(
            "the feed answers, but has not shown our own requests for {minutes} minutes: what happened after {watermark} may not be in it yet"
        ),
        hint: "nothing is lost if the feed catches up: it is read when it is shown; if this stays, tell whoever runs the feed".to_owned(),
        is_refused: false,
        needs_person: false,
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
        needs_person: false,
    }
}

/// Collecting has ended for good, and nobody asked it to.
pub(crate) fn ended(error: &CollectError) -> Trouble {
    let Trouble { message, hint, .. } = trouble_here(error);
    let hint = match error {
        CollectError::Thread(_) => {
            "restart the service: what was not stored is collected again; and report this".to_owned()
        }
        _ => hint,
    };
    let (kind, message) = ("ended".to_owned(), format!("collecting has ended: {message}"));
    Trouble { since: Timestamp::now(), kind, message, hint, is_refused: false, needs_person: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: &str, second: i64, needs_person: bool) -> Trouble {
        let since = Timestamp::from_second(second).unwrap();
        Trouble { since, kind: kind.to_owned(), needs_person, ..stuck() }
    }

    #[test]
    fn each_part_ends_its_own() {
        let mut troubles = Troubles::default();
        let (one, other) = (Part::Window("backfill", 1), Part::Window("backfill", 2));
        assert!(troubles.begin(one, trouble("stuck", 1, false)));
        assert!(!troubles.begin(one, trouble("stuck", 2, false)), "said once");
        assert!(!troubles.begin(other, trouble("stuck", 3, false)), "whoever has it");
        assert_eq!(troubles.end(Part::Tail), None);
        assert_eq!(troubles.end(one), None, "it is not over for all");
        assert_eq!(troubles.end(other).unwrap().since.as_second(), 1);
        assert_eq!(troubles.worst(), None);
    }

    #[test]
    fn a_trouble_that_changes_its_form_is_no_news() {
        let mut troubles = Troubles::default();
        assert!(troubles.begin(Part::Tail, trouble("overloaded_error", 1, false)));
        assert!(troubles.begin(Part::Tail, trouble("connect", 2, false)));
        assert!(!troubles.begin(Part::Tail, trouble("overloaded_error", 3, false)));
        assert!(troubles.begin(Part::Store, trouble("store", 4, true)));
        assert_eq!(troubles.worst().unwrap().kind, "store");
        troubles.copy(Part::Store, Part::Whole);
        assert!(troubles.forget(|part| part == Part::Store) && troubles.end(Part::Whole).is_some());
        assert_eq!(troubles.worst().unwrap().kind, "overloaded_error");
    }
}
