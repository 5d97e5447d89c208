//! What of the past is still to be read: a span, cut into windows that are read newest first, several at a time.
//!
//! Windows adapt to how much is in them, so that each takes some pages, and the last ones are shared out among those who
//! have nothing left to do. What is persisted is only time: which spans remain.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    state::BackfillProgress,
    walk::{Next, Walk},
};

/// A window should take so many pages: the last one of each is mostly not full.
const PAGES_PER_WINDOW: f64 = 16.0;
/// The first window, before anything is known.
const FIRST_WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// No window is shorter, except at the end.
const SHORTEST_WINDOW: SignedDuration = SignedDuration::from_secs(1);
/// No window is longer.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A window is at most so many times longer than what is known to be as sparse, or shorter than the last one.
const MOST_CHANGE: f64 = 8.0;

/// A span of time: from the first moment, before the second.
pub(crate) type Span = (Timestamp, Timestamp);

/// The checkpoint: what is still to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The start of everything that was ever to be read.
    pub(crate) from: Timestamp,
    /// Its end.
    pub(crate) to: Timestamp,
    /// What is not read and stored yet, the newest first.
    pub(crate) remaining: Vec<Span>,
    /// Rows read.
    pub(crate) rows: u64,
    /// The round of reading again that this is, and when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) round: Option<(String, Timestamp)>,
}

impl Saved {
    /// Everything of a span.
    pub(crate) fn new(from: Timestamp, to: Timestamp) -> Self {
        Saved { from, to, remaining: if from < to { vec![(from, to)] } else { Vec::new() }, rows: 0, round: None }
    }

    /// Adds a span that is to be read, be it for the first time or once more.
    pub(crate) fn add(&mut self, from: Timestamp, to: Timestamp) {
        if from < to {
            self.remaining.push((from, to));
            self.remaining = merged(std::mem::take(&mut self.remaining));
            (self.from, self.to) = (self.from.min(from), self.to.max(to));
        }
    }

    /// How far that is.
    pub(crate) fn progress(&self) -> BackfillProgress {
        let seconds = |(from, to): &Span| to.duration_since(*from).as_secs().max(1) as u64;
        BackfillProgress {
            from: self.from,
            to: self.to,
            remaining_seconds: self.remaining.iter().map(seconds).sum(),
            rows: self.rows,
        }
    }
}

/// Spans without overlaps, the newest first.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| std::cmp::Reverse(span.1));
    let mut list: Vec<Span> = Vec::new();
    for (from, to) in spans {
        match list.last_mut() {
            Some(last) if to >= last.0 => last.0 = last.0.min(from),
            _ => list.push((from, to)),
        }
    }
    list
}

/// The plan in motion.
#[derive(Debug)]
pub(crate) struct Plan {
    saved: Saved,
    /// Spans that nobody reads yet, the newest first.
    unread: Vec<Span>,
    /// Windows that wait for their next page.
    ready: Vec<Walk>,
    /// Windows of which a page is being fetched, and what they leave if the process ends now.
    fetching: BTreeMap<u64, Walk>,
    next_id: u64,
    window: SignedDuration,
    limit: u32,
}

impl Plan {
    /// The plan that a checkpoint left.
    pub(crate) fn new(saved: Saved, limit: u32) -> Self {
        let unread = merged(saved.remaining.clone());
        Plan { saved, unread, ready: Vec::new(), fetching: BTreeMap::new(), next_id: 0, window: FIRST_WINDOW, limit }
    }

    /// The next page to fetch, if there is any: windows that were begun go first.
    pub(crate) fn next(&mut self) -> Option<(u64, Walk)> {
        let walk = self.ready.pop().or_else(|| self.cut()).or_else(|| self.share())?;
        let id = self.next_id;
        self.next_id += 1;
        self.fetching.insert(id, walk.clone());
        Some((id, walk))
    }

    /// A window from the newest unread span.
    fn cut(&mut self) -> Option<Walk> {
        let (from, to) = self.unread.first_mut().map(|span| (span.0, &mut span.1))?;
        let end = *to;
        let start = end.checked_sub(self.window).unwrap_or(from).max(from);
        *to = start;
        if start <= from {
            self.unread.remove(0);
        }
        Some(Walk::back(start, end, self.limit))
    }

    /// Half of the longest window that somebody else reads, when nothing else is left and it is worth a page or two.
    fn share(&mut self) -> Option<Walk> {
        let length = |walk: &Walk| walk.rest().1.map_or(SignedDuration::ZERO, |to| to.duration_since(walk.from));
        let longest = self.fetching.values_mut().filter(|walk| walk.has_cursor()).max_by_key(|walk| length(walk))?;
        let (from, to) = (longest.from, longest.rest().1?);
        let half = to.duration_since(from) / 2;
        let page = self.window.as_secs_f64() / PAGES_PER_WINDOW;
        if half < SHORTEST_WINDOW || half.as_secs_f64() < 2.0 * page {
            return None;
        }
        let middle = from.checked_add(half).ok()?;
        longest.from = middle;
        Some(Walk::back(from, middle, self.limit))
    }

    /// Moves past a page of a window. Says whether the feed leads on.
    pub(crate) fn passed(&mut self, id: u64, mut walk: Walk, next: Next, rows: usize) {
        let Some(kept) = self.fetching.remove(&id) else { return };
        self.saved.rows += rows as u64;
        let (from, to) = walk.rest();
        self.learn(walk_span(&kept), (from, to.unwrap_or(from)), next, rows);
        if next == Next::Stuck {
            walk.drop_cursor();
        }
        if next != Next::Done {
            self.put_back(walk, kept.from);
        }
    }

    /// Gives half of a window that cannot be had to be read by itself.
    pub(crate) fn also(&mut self, walk: Walk) {
        self.ready.push(walk);
    }

    /// Leaves a window out that cannot be had at all.
    pub(crate) fn give_up(&mut self, id: u64) {
        self.fetching.remove(&id);
    }

    /// Takes a window back whose page could not be had.
    pub(crate) fn failed(&mut self, id: u64, walk: Walk) {
        if let Some(kept) = self.fetching.remove(&id) {
            self.put_back(walk, kept.from);
        }
    }

    fn put_back(&mut self, mut walk: Walk, from: Timestamp) {
        // Somebody else may have taken the older half meanwhile.
        if from <= walk.from || walk.shrink(from) {
            self.ready.push(walk);
        }
    }

    /// What lay open in `before` and does not any more.
    pub(crate) fn read_since(&self, before: &[Span]) -> Vec<auditlake_store::Span> {
        let whole = before.iter().map(|(from, to)| auditlake_store::Span { from: *from, to: *to }).collect();
        self.save()
            .remaining
            .into_iter()
            .fold(whole, |left: Vec<_>, (from, to)| crate::covered::without(&left, auditlake_store::Span { from, to }))
    }

    /// Fits the length of windows to how much a page covered.
    fn learn(&mut self, before: Span, rest: Span, next: Next, rows: usize) {
        let read = if next == Next::Done { before.0 } else { rest.1 };
        let covered = before.1.duration_since(read).as_secs_f64().max(1e-3);
        let wanted = f64::from(self.limit) * PAGES_PER_WINDOW * covered / (rows.max(1) as f64);
        let now = self.window.as_secs_f64();
        let fitted = wanted.max(now / MOST_CHANGE).min(covered * MOST_CHANGE);
        let fitted = fitted.clamp(SHORTEST_WINDOW.as_secs_f64(), LONGEST_WINDOW.as_secs_f64());
        self.window = SignedDuration::from_secs_f64(fitted);
    }

    /// The checkpoint: what is not passed yet.
    pub(crate) fn save(&self) -> Saved {
        let open = self.ready.iter().chain(self.fetching.values()).map(walk_span);
        let remaining = merged(self.unread.iter().copied().chain(open).collect());
        Saved { remaining, ..self.saved.clone() }
    }
}

fn walk_span(walk: &Walk) -> Span {
    let (from, to) = walk.rest();
    (from, to.unwrap_or(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn spans_are_merged() {
        let mut saved = Saved::new(time(100), time(200));
        saved.add(time(300), time(400));
        saved.add(time(150), time(250));
        saved.add(time(50), time(50));
        assert_eq!(saved.remaining, [(time(300), time(400)), (time(100), time(250))]);
        assert_eq!((saved.from, saved.to), (time(100), time(400)));
        assert_eq!(saved.progress().remaining_seconds, 250);
    }

    #[test]
    fn windows_are_cut_newest_first_and_nothing_is_left_out() {
        let saved = Saved::new(time(0), time(100_000));
        let mut plan = Plan::new(saved.clone(), 10);
        let (id, walk) = plan.next().unwrap();
        assert_eq!(walk.rest(), (time(96_400), Some(time(100_000))));
        let (_, second) = plan.next().unwrap();
        assert_eq!(second.to, Some(time(96_400)));
        assert_eq!(plan.save(), saved);
        plan.passed(id, walk, Next::Done, 0);
        assert_eq!(plan.save().remaining, [(time(0), time(96_400))]);
        assert_eq!(plan.window, FIRST_WINDOW * 8);
    }
}
