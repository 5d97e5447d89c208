//! What of the past is still to be read: a span, cut into windows that are read newest first, several at a time.
//!
//! Windows adapt to how much is in them, so that each takes many pages, and the last ones are shared out among those who
//! have nothing left to do: the last page of each window is mostly not full, and costs of the budget what a full one costs.
//! What is persisted is only time: which spans remain.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    state::BackfillProgress,
    walk::{Next, Walk},
};

/// A window should take so many pages.
const PAGES_PER_WINDOW: f64 = 32.0;
/// No window is shorter, except at the end.
const SHORTEST_WINDOW: SignedDuration = SignedDuration::from_secs(1);
/// How dense the past is, is known from about so many pages: days and nights, workdays and weekends.
const REMEMBERED_PAGES: f64 = 64.0;

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
    /// The newest event time when that round began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<Timestamp>,
}

impl Saved {
    /// Everything of a span.
    pub(crate) fn new(from: Timestamp, to: Timestamp) -> Self {
        let remaining = if from < to { vec![(from, to)] } else { Vec::new() };
        Saved { from, to, remaining, rows: 0, round: None, newest: None }
    }

    /// Adds a span that is to be read, be it for the first time or once more.
    pub(crate) fn add(&mut self, from: Timestamp, to: Timestamp) {
        if from < to {
            self.remaining.push((from, to));
            self.remaining = merged(std::mem::take(&mut self.remaining));
            (self.from, self.to) = (self.from.min(from), self.to.max(to));
        }
    }

    /// Leaves out what lies in one of these spans.
    pub(crate) fn leave(&mut self, spans: &[Span]) {
        for (from, to) in spans {
            let parts = self.remaining.iter().flat_map(|span| [(span.0.max(*to), span.1), (span.0, span.1.min(*from))]);
            self.remaining = parts.filter(|(from, to)| from < to).collect();
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
    /// Windows that wait for their next page, with their numbers.
    ready: Vec<(u64, Walk)>,
    /// Windows of which a page is being fetched, and what they leave if the process ends now.
    fetching: BTreeMap<u64, Walk>,
    next_id: u64,
    density: Density,
    limit: u32,
}

/// Rows of the latest pages, and the seconds that they cover.
#[derive(Debug, Default)]
struct Density {
    rows: f64,
    seconds: f64,
}

impl Density {
    fn learn(&mut self, rows: usize, seconds: f64) {
        let kept = 1.0 - 1.0 / REMEMBERED_PAGES;
        self.rows = self.rows * kept + rows as f64;
        self.seconds = self.seconds * kept + seconds;
    }

    fn is_known(&self) -> bool {
        self.seconds > 0.0
    }

    /// How long it takes until there are so many rows; for ever, if there never were any.
    fn length(&self, rows: f64) -> SignedDuration {
        let seconds = rows * self.seconds / self.rows;
        match self.rows > 0.0 && seconds < SignedDuration::MAX.as_secs_f64() {
            true => SignedDuration::from_secs_f64(seconds).max(SHORTEST_WINDOW),
            false => SignedDuration::MAX,
        }
    }
}

impl Plan {
    /// The plan that a checkpoint left.
    pub(crate) fn new(saved: Saved, limit: u32) -> Self {
        let unread = merged(saved.remaining.clone());
        let density = Density::default();
        Plan { saved, unread, ready: Vec::new(), fetching: BTreeMap::new(), next_id: 0, density, limit }
    }

    /// The next page to fetch, if there is any, and the number of its window: windows that were begun go first.
    pub(crate) fn next(&mut self) -> Option<(u64, Walk)> {
        if self.ready.is_empty() {
            let walk = self.cut().or_else(|| self.share())?;
            self.also(walk);
        }
        let (id, walk) = self.ready.pop()?;
        self.fetching.insert(id, walk.clone());
        Some((id, walk))
    }

    /// Whether anything of this window is still to be read.
    pub(crate) fn holds(&self, id: u64) -> bool {
        self.fetching.contains_key(&id) || self.ready.iter().any(|(other, _)| *other == id)
    }

    /// A window from the newest unread span: all of it, before anything is known, and then the first page tells.
    fn cut(&mut self) -> Option<Walk> {
        let (from, to) = *self.unread.first()?;
        if !self.density.is_known() && !self.fetching.is_empty() {
            return None;
        }
        let start = self.start_of_window(from, to);
        if start <= from {
            self.unread.remove(0);
        } else {
            self.unread[0].1 = start;
        }
        Some(Walk::back(start, to, self.limit))
    }

    /// Where a window begins that ends at `to`.
    fn start_of_window(&self, from: Timestamp, to: Timestamp) -> Timestamp {
        let length = match self.density.is_known() {
            true => self.density.length(f64::from(self.limit) * PAGES_PER_WINDOW),
            false => SignedDuration::MAX,
        };
        to.checked_sub(length).unwrap_or(from).max(from)
    }

    /// Half of the longest window that somebody else reads, when nothing else is left and it is worth a page or two.
    fn share(&mut self) -> Option<Walk> {
        let length = |walk: &Walk| walk.rest().1.map_or(SignedDuration::ZERO, |to| to.duration_since(walk.from));
        let longest = self.fetching.values_mut().filter(|walk| walk.has_cursor()).max_by_key(|walk| length(walk))?;
        let (from, to) = (longest.from, longest.rest().1?);
        let half = to.duration_since(from) / 2;
        if half < self.density.length(2.0 * f64::from(self.limit)) {
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
        let (before, rest) = (walk_span(&kept), walk_span(&walk));
        let read = if next == Next::Done { before.0 } else { rest.1 };
        let is_first = !self.density.is_known();
        self.density.learn(rows, before.1.duration_since(read).as_secs_f64().max(1e-3));
        if next == Next::Stuck {
            walk.drop_cursor();
        }
        if next == Next::Done {
            return;
        }
        let mut start = kept.from;
        if is_first {
            start = self.start_of_window(kept.from, rest.1);
        }
        if start > kept.from {
            self.unread = merged(self.unread.iter().copied().chain([(kept.from, start)]).collect());
        }
        self.put_back(id, walk, start);
    }

    /// A window to be read by itself. Answers its number.
    pub(crate) fn also(&mut self, walk: Walk) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.ready.push((id, walk));
        id
    }

    /// Leaves a window out that cannot be had at all.
    pub(crate) fn give_up(&mut self, id: u64) {
        self.fetching.remove(&id);
    }

    /// Takes a window back whose page could not be had.
    pub(crate) fn failed(&mut self, id: u64, walk: Walk) {
        if let Some(kept) = self.fetching.remove(&id) {
            self.put_back(id, walk, kept.from);
        }
    }

    /// The same, and every other window that was begun goes first.
    pub(crate) fn put_off(&mut self, id: u64, walk: Walk) {
        self.failed(id, walk);
        if let Some(last) = self.ready.pop() {
            self.ready.insert(0, last);
        }
    }

    fn put_back(&mut self, id: u64, mut walk: Walk, from: Timestamp) {
        // Somebody else may have taken the older half meanwhile.
        if from <= walk.from || walk.shrink(from) {
            self.ready.push((id, walk));
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

    /// The checkpoint: what is not passed yet.
    pub(crate) fn save(&self) -> Saved {
        let open = self.ready.iter().map(|(_, walk)| walk).chain(self.fetching.values()).map(walk_span);
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
    fn what_others_read_is_left_to_them() {
        let mut saved = Saved::new(time(0), time(100));
        saved.leave(&[(time(90), time(200)), (time(20), time(30)), (time(-10), time(5))]);
        assert_eq!(saved.remaining, [(time(30), time(90)), (time(5), time(20))]);
        saved.leave(&[(time(0), time(100))]);
        assert_eq!(saved.remaining, []);
    }

    /// A feed of pages of so many rows, with so many rows in each hour of a week. Reads everything with so many at a time, and
    /// answers the spans of pages in the order of reading, and how many rows there were.
    fn read(hours: i64, rows: impl Fn(i64) -> i64, limit: u32, parallel: usize) -> (Vec<Span>, usize) {
        let rows: Vec<i64> = (0..hours)
            .flat_map(|hour| {
                (0..rows(hour)).map(move |at| (hour, at)).map(|(hour, at)| (hour * 3_600 + at) * 1_000_000)
            })
            .collect();
        let mut plan = Plan::new(Saved::new(time(0), time(hours * 3_600)), limit);
        let (mut fetches, mut pages) = (std::collections::VecDeque::new(), Vec::new());
        let mut seen = vec![false; rows.len()];
        loop {
            while fetches.len() < parallel {
                let Some(fetch) = plan.next() else { break };
                fetches.push_back(fetch);
            }
            let Some((id, mut walk)) = fetches.pop_front() else { break };
            let query = walk.query(&[]).created_at;
            let (gte, lt) = (query.gte.unwrap().as_microsecond(), query.lt.unwrap().as_microsecond());
            let end = match &walk.query(&[]).cursor {
                Some(feed::Cursor::After(last)) => last.parse().unwrap(),
                _ => rows.partition_point(|row| *row < lt),
            };
            let start = rows.partition_point(|row| *row < gte).max(end.saturating_sub(limit as usize)).min(end);
            seen[start..end].fill(true);
            let moment = |at: usize| Timestamp::from_microsecond(rows[at]).unwrap();
            let has_more = start > 0 && rows[start - 1] >= gte;
            let page = feed::Page {
                data: (start..end).map(|at| bytes::Bytes::from(format!("{{\"n\":{at}}}"))).collect(),
                has_more,
                first_id: None,
                last_id: Some(start.to_string()),
            };
            let times = (start < end).then(|| (moment(start), moment(end - 1)));
            let next = walk.pass(&page, times);
            pages.push(times.unwrap_or((walk.from, walk.from)));
            plan.passed(id, walk, next, end - start);
        }
        assert!(seen.iter().all(|seen| *seen), "something was left out");
        assert!(plan.save().remaining.is_empty());
        (pages, rows.len())
    }

    /// By night and on weekends there is little to read.
    fn office(hour: i64) -> i64 {
        match (hour % 168 / 24, hour % 24) {
            (5 | 6, _) => 20,
            (_, 8..18) => 1_000,
            _ => 50,
        }
    }

    #[test]
    fn hardly_any_of_the_budget_is_spent_on_pages_that_are_not_full() {
        let (pages, rows) = read(60 * 24, office, 500, 8);
        let least = rows.div_ceil(500);
        assert!(pages.len() * 100 <= least * 106, "{} pages, {least} would be enough", pages.len());
    }

    #[test]
    fn the_newest_comes_first() {
        let (pages, _) = read(120 * 24, office, 500, 8);
        let half = pages[..pages.len() / 2].iter().map(|page| page.0).min().unwrap();
        assert!(half > time(20 * 24 * 3_600), "half way through it is at {half}");
        assert_eq!(pages[0].1, time(120 * 24 * 3_600 - 3_600 + 49));
    }

    #[test]
    fn a_feed_with_little_in_it_takes_no_more_pages_than_that() {
        assert_eq!(read(2_000, |_| 0, 500, 8).0.len(), 1);
        assert_eq!(read(24, |_| 50, 500, 8).0.len(), 3);
    }

    #[test]
    fn what_a_first_page_leaves_is_shared_out() {
        let saved = Saved::new(time(0), time(100_000));
        let mut plan = Plan::new(saved.clone(), 10);
        let (id, mut walk) = plan.next().unwrap();
        assert_eq!(walk.rest(), (time(0), Some(time(100_000))));
        assert!(plan.next().is_none(), "the first page tells how much there is");
        assert_eq!(plan.save(), saved);
        let page = feed::Page {
            data: vec![bytes::Bytes::new(); 10],
            has_more: true,
            first_id: None,
            last_id: Some("x".into()),
        };
        let next = walk.pass(&page, Some((time(99_900), time(99_999))));
        plan.passed(id, walk, next, 10);
        let starts: Vec<_> = (0..3).map(|_| plan.next().unwrap().1.from).collect();
        // 32 pages of 100 s each; the first window had one of them already.
        assert_eq!(starts.len(), 3);
        assert!(starts.windows(2).all(|pair| pair[0] > pair[1]), "{starts:?}");
        assert_eq!(plan.save().remaining.len(), 1);
    }
}
