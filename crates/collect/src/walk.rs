//! Walking a window of the feed page by page, without ever trusting a cursor more than the clock on the rows.
//!
//! Within a walk, the feed's cursor leads from page to page. What is remembered across restarts is only the event time
//! that was reached: it cannot be rejected, it survives every change upstream, and what it makes us read twice the store
//! drops.

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
    cursor: Option<String>,
    /// The event time of the last row read. The window is drawn in to it only when the cursor is dropped, as a cursor
    /// belongs to the window that it was made for.
    reached: Option<Timestamp>,
    /// The first row of the last page: a feed that gives it again leads nowhere, whatever its cursor says.
    first_row: Option<u64>,
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

impl Walk {
    /// Newest first through a closed window.
    pub(crate) fn back(from: Timestamp, to: Timestamp, limit: u32) -> Self {
        Walk { from, to: Some(to), order: Order::Desc, limit, cursor: None, reached: None, first_row: None }
    }

    /// Oldest first into an open window.
    pub(crate) fn forth(from: Timestamp, limit: u32) -> Self {
        Walk { from, to: None, order: Order::Asc, limit, cursor: None, reached: None, first_row: None }
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
        let first_row = page.data.first().map(|row| auditlake_store::content_hash(row));
        let repeats = self.cursor.is_some() && (page.last_id == self.cursor || first_row == self.first_row);
        self.first_row = first_row;
        if page.data.is_empty() || repeats {
            return Next::Stuck;
        }
        if let Some((oldest, newest)) = times {
            self.reached = Some(if self.order == Order::Desc { oldest } else { newest });
        }
        self.cursor.clone_from(&page.last_id);
        if self.cursor.is_some() || self.drop_cursor() { Next::More } else { Next::Stuck }
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
