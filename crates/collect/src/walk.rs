//! Walking a window of the feed page by page, without ever trusting a cursor more than the clock on the rows.
//!
//! Within a walk, the feed's cursor leads from page to page. What is remembered across restarts is only the event time
//! that was reached: it cannot be rejected, it survives every change upstream, and what it makes us read twice the store
//! drops.

use std::collections::VecDeque;

use feed::{Cursor, Order, Page, Query, Window};
use jiff::{SignedDuration, Timestamp};

/// A window, and how far it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    /// From this time on.
    pub(crate) from: Timestamp,
    /// Before this time; open if `None`.
    pub(crate) to: Option<Timestamp>,
    pub(crate) order: Order,
    pub(crate) limit: u32,
    /// The largest page that could be asked for last.
    most: u32,
    cursor: Option<String>,
    /// The event time of the last row read. The window is drawn in to it only when the cursor is dropped, as a cursor
    /// belongs to the window that it was made for.
    reached: Option<Timestamp>,
    /// The first rows of the last pages: a feed that gives one again goes in circles, whatever its cursor says.
    first_rows: VecDeque<u64>,
    /// Pages one after the other that lie behind what was reached before them.
    astray: u32,
    /// The feed has led nowhere in this window, which has not been read to its end since.
    pub(crate) is_stuck: bool,
    /// Pages of the source when this was last cut in two, as not even one row of it was to be had.
    pub(crate) cut_at: Option<u64>,
}

/// What a page meant for its walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// More follows, or may follow.
    More,
    /// The window is read.
    Done,
    /// The feed says that more follows, but leads nowhere.
    Stuck,
}

/// The smallest step in time.
const MICROSECOND: SignedDuration = SignedDuration::from_micros(1);
/// Circles of up to so many pages are noticed when they close; in a longer one, so many pages go by that lead no further.
const LONGEST_CIRCLE: usize = 64;

impl Walk {
    /// Newest first through a closed window.
    pub(crate) fn back(from: Timestamp, to: Timestamp, limit: u32) -> Self {
        Walk::new(from, Some(to), Order::Desc, limit)
    }

    /// Oldest first into an open window.
    pub(crate) fn forth(from: Timestamp, limit: u32) -> Self {
        Walk::new(from, None, Order::Asc, limit)
    }

    fn new(from: Timestamp, to: Option<Timestamp>, order: Order, limit: u32) -> Self {
        Walk {
            from,
            to,
            order,
            limit,
            most: limit,
            cursor: None,
            reached: None,
            first_rows: VecDeque::new(),
            astray: 0,
            is_stuck: false,
            cut_at: None,
        }
    }

    /// The next request.
    pub(crate) fn query(&self, organizations: &[String]) -> Query {
        Query {
            organization_ids: organizations.to_vec(),
            created_at: Window { gte: Some(self.from), lt: self.to, ..Window::default() },
            cursor: self.cursor.clone().map(Cursor::After),
            limit: self.limit,
            order: self.order,
            ..Query::default()
        }
    }

    /// Moves past a page whose rows lie between these times.
    pub(crate) fn pass(&mut self, page: &Page, times: Option<(Timestamp, Timestamp)>) -> Next {
        // A full page that says it is the last one is not believed: the next one tells.
        if !page.has_more && page.data.len() < self.limit as usize {
            return Next::Done;
        }
        let next = self.follow(page, times);
        self.is_stuck |= next == Next::Stuck;
        next
    }

    fn follow(&mut self, page: &Page, times: Option<(Timestamp, Timestamp)>) -> Next {
        let Some(first_row) = page.data.first().map(|row| auditlake_store::content_hash(row)) else {
            return Next::Stuck;
        };
        if self.cursor.is_some() && (page.last_id == self.cursor || self.first_rows.contains(&first_row)) {
            return Next::Stuck;
        }
        self.first_rows.push_back(first_row);
        if self.first_rows.len() > LONGEST_CIRCLE {
            self.first_rows.pop_front();
        }
        if times.is_some_and(|times| !self.reach(times)) && self.astray as usize > LONGEST_CIRCLE {
            return Next::Stuck;
        }
        self.cut_at = None;
        self.cursor.clone_from(&page.last_id);
        if self.cursor.is_some() || self.drop_cursor() { Next::More } else { Next::Stuck }
    }

    /// Takes note of how far a page with rows of these times has led; says whether it is no step back.
    fn reach(&mut self, (oldest, newest): (Timestamp, Timestamp)) -> bool {
        let (at, is_back) = match (self.order, self.reached) {
            (Order::Desc, reached) => (oldest, reached.is_some_and(|reached| oldest > reached)),
            (Order::Asc, reached) => (newest, reached.is_some_and(|reached| newest < reached)),
        };
        if is_back {
            self.astray += 1;
        } else {
            (self.reached, self.astray) = (Some(at), 0);
        }
        !is_back
    }

    /// No page is larger than this, at the moment.
    pub(crate) fn fit(&mut self, most: u32) {
        (self.limit, self.most) = (self.limit.min(most), most);
    }

    /// Whether the last page was as large as it could be: nothing had to be closed in on.
    pub(crate) fn is_whole(&self) -> bool {
        self.limit >= self.most
    }

    /// Whether nothing is wrong with this window after a page of it that meant this.
    pub(crate) fn is_well(&self, next: Next) -> bool {
        next == Next::Done || (next == Next::More && self.is_whole() && !self.is_stuck)
    }

    /// Halves the pages, if they are not smallest already.
    pub(crate) fn ask_for_less(&mut self) -> bool {
        let is_smallest = self.limit <= 1;
        self.limit = (self.limit / 2).max(1);
        !is_smallest
    }

    /// Doubles the pages, as far as they may grow.
    pub(crate) fn ask_for_more(&mut self, most: u32) {
        self.limit = self.limit.saturating_mul(2).min(most);
    }

    /// What is left to read, by the clock on the rows; the row at the edge is read again.
    pub(crate) fn rest(&self) -> (Timestamp, Option<Timestamp>) {
        match (self.reached, self.order) {
            (None, _) => (self.from, self.to),
            (Some(reached), Order::Asc) => (self.from.max(reached), self.to),
            (Some(reached), Order::Desc) => {
                let edge = reached.checked_add(MICROSECOND).unwrap_or(Timestamp::MAX);
                (self.from, Some(self.to.map_or(edge, |to| to.min(edge))))
            }
        }
    }

    /// Goes on from the time that was reached instead of from the cursor. Says whether that leads further.
    pub(crate) fn drop_cursor(&mut self) -> bool {
        let (from, to) = self.rest();
        let moves = (from, to) != (self.from, self.to);
        (self.from, self.to) = (from, to);
        self.cursor = None;
        // The row at the edge comes again, and so may the first one of the last page.
        self.first_rows.clear();
        self.astray = 0;
        moves
    }

    /// Leaves what lies before `from` to somebody else. Says whether anything is left to read.
    pub(crate) fn shrink(&mut self, from: Timestamp) -> bool {
        let (_, to) = self.rest();
        // The cursor was made for the old window.
        self.drop_cursor();
        self.from = self.from.max(from);
        to.is_none_or(|to| self.from < to)
    }

    /// Before this time nothing of the window has been seen: [`Walk::rest`] without the edge, of which a part may have been.
    pub(crate) fn unseen(&self) -> (Timestamp, Option<Timestamp>) {
        match (self.cursor.as_ref().and(self.reached), self.order) {
            (Some(reached), Order::Desc) => (self.from, Some(reached)),
            _ => self.rest(),
        }
    }

    /// Two walks through the halves of what is left, the newer one first; `None` if there is nothing to halve.
    pub(crate) fn halves(&self) -> Option<(Walk, Walk)> {
        let (from, Some(to)) = self.rest() else { return None };
        let half = SignedDuration::from_micros(to.duration_since(from).as_micros() as i64 / 2);
        let middle = from.checked_add(half).ok().filter(|middle| *middle > from && *middle < to)?;
        Some((Walk::back(middle, to, self.limit), Walk::back(from, middle, self.limit)))
    }

    /// Whether the next request continues an earlier one.
    pub(crate) fn has_cursor(&self) -> bool {
        self.cursor.is_some()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn page(rows: usize, has_more: bool, last: Option<&str>) -> Page {
        let last_id = last.map(str::to_owned);
        Page { data: vec![Bytes::from_static(b"{}"); rows], has_more, first_id: last_id.clone(), last_id }
    }

    #[test]
    fn a_full_last_page_is_confirmed() {
        let mut walk = Walk::back(time(0), time(100), 2);
        assert_eq!(walk.pass(&page(2, false, Some("a")), Some((time(50), time(60)))), Next::More);
        assert_eq!(walk.query(&[]).cursor, Some(Cursor::After("a".to_owned())));
        assert_eq!(walk.pass(&page(0, false, None), None), Next::Done);
        assert_eq!(Walk::back(time(0), time(100), 2).pass(&page(1, false, Some("a")), None), Next::Done);
    }

    #[test]
    fn a_feed_that_leads_nowhere_is_noticed() {
        let mut walk = Walk::forth(time(0), 2);
        assert_eq!(walk.pass(&page(2, true, Some("a")), Some((time(5), time(6)))), Next::More);
        assert_eq!(walk.pass(&page(2, true, Some("a")), Some((time(5), time(6)))), Next::Stuck);
        assert_eq!(Walk::forth(time(0), 2).pass(&page(0, true, None), None), Next::Stuck);
    }

    /// A page of one row that differs from others.
    fn one(row: &'static str, cursor: &str) -> Page {
        Page { data: vec![Bytes::from_static(row.as_bytes())], ..page(0, true, Some(cursor)) }
    }

    #[test]
    fn a_circle_of_two_pages_is_noticed() {
        let mut walk = Walk::back(time(0), time(100), 1);
        assert_eq!(walk.pass(&one("{\"a\":1}", "a1"), Some((time(60), time(60)))), Next::More);
        assert_eq!(walk.pass(&one("{\"b\":1}", "b1"), Some((time(50), time(50)))), Next::More);
        assert_eq!(walk.pass(&one("{\"a\":1}", "a2"), Some((time(60), time(60)))), Next::Stuck);
        assert!(walk.is_stuck);
        assert_eq!(walk.rest(), (time(0), Some(time(50) + MICROSECOND)), "what was reached stays reached");
    }

    #[test]
    fn a_way_that_leads_no_further_is_noticed_whatever_it_shows() {
        let mut walk = Walk::forth(time(0), 1);
        walk.pass(&one("{}", "first"), Some((time(50), time(50))));
        let rows: Vec<&'static str> = (0..100).map(|at| &*format!("{{\"at\":{at}}}").leak()).collect();
        let passed = rows.iter().take_while(|row| walk.pass(&one(row, row), Some((time(40), time(40)))) == Next::More);
        assert_eq!(passed.count(), LONGEST_CIRCLE);
    }

    #[test]
    fn a_moment_with_many_pages_is_none() {
        let mut walk = Walk::forth(time(0), 1);
        let rows: Vec<&'static str> = (0..500).map(|at| &*format!("{{\"at\":{at}}}").leak()).collect();
        assert!(rows.iter().all(|row| walk.pass(&one(row, row), Some((time(50), time(50)))) == Next::More));
    }

    #[test]
    fn a_rejected_cursor_is_replaced_by_the_time() {
        let mut walk = Walk::back(time(0), time(100), 2);
        walk.pass(&page(2, true, Some("a")), Some((time(50), time(60))));
        assert_eq!(walk.query(&[]).created_at.lt, Some(time(100)));
        assert!(walk.drop_cursor());
        let query = walk.query(&[]);
        assert_eq!((query.cursor, query.created_at.lt), (None, Some(time(50) + MICROSECOND)));
        walk.pass(&page(2, true, Some("a")), Some((time(50), time(50))));
        assert!(!walk.drop_cursor());
        let mut walk = Walk::forth(time(0), 2);
        walk.pass(&page(2, true, None), Some((time(5), time(6))));
        assert_eq!(walk.query(&[]).created_at.gte, Some(time(6)));
    }
}
