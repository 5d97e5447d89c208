//! Our own requests, known by their `request-id`: the feed shows them like everybody's, and so tells how far it lags.
//!
//! Shared by all sources with keys under one organisation, as each shows the others' requests. What the feed of a source has shown
//! last, which tells whether it stands still, is each source's own ([`Recognised::newest`]).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

/// So many requests are remembered until the feed shows them.
const REMEMBERED: usize = 16_384;
/// So many requests of others, or of ours whose answer is still under way, are remembered.
const UNCLAIMED: usize = 4_096;

/// See the module.
#[derive(Debug, Default)]
pub struct OwnRequests(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// When each was sent, and whether the feed has shown it. `None` before this process began.
    sent: HashMap<String, (Option<Instant>, bool)>,
    order: VecDeque<String>,
    /// Requests that the feed has shown and nobody claims yet, with their activity ids.
    unclaimed: HashMap<String, String>,
    unclaimed_order: VecDeque<String>,
    /// Stored activities that turned out to be ours.
    claimed: Vec<String>,
}

/// What came of looking for our own requests among some rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recognised {
    /// Which rows are ours.
    pub(crate) rows: Vec<u32>,
    /// How many of them no feed had shown before.
    pub(crate) fresh: u64,
    /// When the newest of all was sent, of those sent by this process.
    pub(crate) newest: Option<Instant>,
}

impl OwnRequests {
    /// A request of ours has been answered.
    pub(crate) fn sent(&self, id: &str, at: Option<Instant>) {
        let mut known = self.lock();
        if known.sent.insert(id.to_owned(), (at, false)).is_some() {
            return;
        }
        known.order.push_back(id.to_owned());
        if known.order.len() > REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.sent.remove(&oldest);
        }
        // The feed may have shown it to another request before its own answer arrived.
        if let Some(activity) = known.unclaimed.remove(id) {
            known.claimed.push(activity);
        }
    }

    /// Looks for ours among requests that the feed shows: row, request id, activity id.
    pub(crate) fn recognise<'r>(&self, rows: impl Iterator<Item = (u32, &'r str, &'r str)>) -> Recognised {
        let mut known = self.lock();
        let mut found = Recognised::default();
        for (row, request, activity) in rows {
            match known.sent.get_mut(request) {
                Some((sent, shown)) => {
                    found.rows.push(row);
                    found.fresh += u64::from(!std::mem::replace(shown, true));
                    found.newest = found.newest.max(*sent);
                }
                None => known.unclaim(request, activity),
            }
        }
        found
    }

    /// Stored activities that turned out to be ours since the last time.
    pub(crate) fn take_claimed(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().claimed)
    }

    /// The same, given back, as they could not be stored.
    pub(crate) fn give_back(&self, claimed: Vec<String>) {
        self.lock().claimed.extend(claimed);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn unclaim(&mut self, request: &str, activity: &str) {
        if self.unclaimed.insert(request.to_owned(), activity.to_owned()).is_none() {
            self.unclaimed_order.push_back(request.to_owned());
        }
        if self.unclaimed_order.len() > UNCLAIMED
            && let Some(oldest) = self.unclaimed_order.pop_front()
        {
            self.unclaimed.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn knows_its_own() {
        let own = OwnRequests::default();
        own.sent("req_old", None);
        let sent = Instant::now();
        own.sent("req_1", Some(sent));
        tokio::time::advance(Duration::from_secs(7)).await;
        let rows = [(3, "req_1", "a_1"), (4, "req_2", "a_2"), (5, "req_old", "a_0")];
        let found = own.recognise(rows.into_iter());
        assert_eq!(found, Recognised { rows: vec![3, 5], fresh: 2, newest: Some(sent) });
        let again = own.recognise(rows.into_iter());
        assert_eq!((again.rows, again.fresh), (vec![3, 5], 0), "each counts once");
        own.sent("req_2", Some(Instant::now()));
        assert_eq!(own.take_claimed(), ["a_2"], "shown before its own answer was there");
        assert_eq!(own.take_claimed(), [""; 0]);
    }
}
