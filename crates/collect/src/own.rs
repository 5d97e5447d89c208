//! Our own requests, known by their `request-id`: the feed shows them like everybody's, and so tells how far it lags.
//!
//! Shared by all sources with keys under one organisation, as each shows the others' requests.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
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
    /// When the request was sent that the feed showed last, of those sent by this process.
    newest_shown: Option<Instant>,
}

/// What came of looking for our own requests among some rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recognised {
    /// Which rows are ours.
    pub(crate) rows: Vec<u32>,
    /// How many of them the feed had not shown before.
    pub(crate) fresh: u64,
    /// How long ago the newest of those was sent.
    pub(crate) echo: Option<Duration>,
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
    pub(crate) fn recognise<'r>(
        &self,
        rows: impl Iterator<Item = (u32, &'r str, &'r str)>,
        now: Instant,
    ) -> Recognised {
        let mut known = self.lock();
        let (mut found, mut newest) = (Recognised::default(), None);
        for (row, request, activity) in rows {
            match known.sent.get_mut(request) {
                Some((sent, shown)) => {
                    found.rows.push(row);
                    if !std::mem::replace(shown, true) {
                        found.fresh += 1;
                        newest = newest.max(*sent);
                    }
                }
                None => known.unclaim(request, activity),
            }
        }
        known.newest_shown = known.newest_shown.max(newest);
        found.echo = newest.map(|sent| now.saturating_duration_since(sent));
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

    /// When the request was sent that the feed showed last.
    pub(crate) fn newest_shown(&self) -> Option<Instant> {
        self.lock().newest_shown
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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn knows_its_own() {
        let own = OwnRequests::default();
        own.sent("req_old", None);
        own.sent("req_1", Some(Instant::now()));
        tokio::time::advance(Duration::from_secs(7)).await;
        let rows = [(3, "req_1", "a_1"), (4, "req_2", "a_2"), (5, "req_old", "a_0")];
        let found = own.recognise(rows.into_iter(), Instant::now());
        assert_eq!(found, Recognised { rows: vec![3, 5], fresh: 2, echo: Some(Duration::from_secs(7)) });
        let again = own.recognise(rows.into_iter(), Instant::now());
        assert_eq!((again.rows, again.fresh, again.echo), (vec![3, 5], 0, None), "each counts once");
        own.sent("req_2", Some(Instant::now()));
        assert_eq!(own.take_claimed(), ["a_2"], "shown before its own answer was there");
        assert_eq!(own.take_claimed(), [""; 0]);
    }
}
