//! Pages of the lake as the feed's source: the contract's words into the store's, and rows into a page.

use std::sync::Arc;

use auditlake_store::{Direction, Engine, FeedPage, FeedQuery, Position, StoreError};
use bytes::Bytes;
use feed::{
    ApiError, Cursor, Order, Page, Query, Source,
    cursor::{self, Anchor},
};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::types::KnownTypes;

/// The lake as a feed.
pub struct LakeSource {
    lake: Arc<dyn Engine>,
    types: KnownTypes,
    hidden: Vec<String>,
    /// Pages that are read at once. More would not be read faster, only beside each other, and in the way of everybody
    /// who looks at the lake.
    turns: Semaphore,
}

impl LakeSource {
    /// Everything in the lake but what came from the sources `hidden`.
    pub fn new(lake: Arc<dyn Engine>, hidden: Vec<String>) -> LakeSource {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        LakeSource { types: KnownTypes::new(lake.clone()), lake, hidden, turns: Semaphore::new(cores + 1) }
    }

    /// Where a cursor stands: it says so itself, or names an activity of the lake.
    async fn resolve(&self, text: &str) -> Result<Position, ApiError> {
        let unknown = || ApiError::unknown_cursor(text);
        match Anchor::read(text)? {
            Anchor::Position(cursor::Position { created_at_us, id }) => {
                let time = Timestamp::from_microsecond(created_at_us).map_err(|_| unknown())?;
                Ok(Position { time, id })
            }
            Anchor::ActivityId(id) => self.lake.locate(&id).await.map_err(|error| failed(&error))?.ok_or_else(unknown),
        }
    }
}

#[async_trait::async_trait]
impl Source for LakeSource {
    async fn page(&self, query: &Query) -> Result<Page, ApiError> {
        self.types.check(query).await?;
        let cursor = match &query.cursor {
            None => None,
            Some(Cursor::After(text)) => Some((self.resolve(text).await?, Direction::After)),
            Some(Cursor::Before(text)) => Some((self.resolve(text).await?, Direction::Before)),
        };
        let asked = FeedQuery { cursor, exclude_sources: self.hidden.clone(), ..asked(query) };
        let _turn = self.turns.acquire().await;
        let page = self.lake.feed_page(&asked).await.map_err(|error| failed(&error))?;
        Ok(written(page))
    }
}

/// The query in the store's words, but for its cursor.
fn asked(query: &Query) -> FeedQuery {
    let window = query.created_at;
    FeedQuery {
        types: query.activity_types.clone(),
        exclude_types: query.exclude_activity_types.clone(),
        actor_ids: query.actor_ids.clone(),
        organizations: query.organization_ids.clone(),
        // The store counts in microseconds, a client may not: each bound goes to the microsecond that means the same.
        gte: window.gte.map(|bound| whole(bound, true)),
        gt: window.gt.map(|bound| whole(bound, false)),
        lte: window.lte.map(|bound| whole(bound, false)),
        lt: window.lt.map(|bound| whole(bound, true)),
        cursor: None,
        limit: query.limit,
        ascending: query.order == Order::Asc,
        exclude_sources: Vec::new(),
    }
}

/// The microsecond at or before an instant, or at or after it.
fn whole(instant: Timestamp, is_up: bool) -> Timestamp {
    let nanoseconds = instant.as_nanosecond() + if is_up { 999 } else { 0 };
    Timestamp::from_nanosecond(nanoseconds.div_euclid(1_000) * 1_000).unwrap_or(instant)
}

fn written(page: FeedPage) -> Page {
    let cursor = |position: &Position| cursor::Position::new(position.time, position.id.clone()).encode();
    Page {
        first_id: page.rows.first().map(|row| cursor(&row.position)),
        last_id: page.rows.last().map(|row| cursor(&row.position)),
        has_more: page.has_more,
        data: page.rows.into_iter().map(|row| Bytes::from(row.raw)).collect(),
    }
}

/// The caller is told nothing but that it failed; the log is told why.
pub(super) fn failed(error: &StoreError) -> ApiError {
    tracing::error!(%error, "the store could not answer the feed");
    ApiError::internal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_mean_the_same_in_microseconds() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        for (text, down, up) in [
            ("2026-04-10T08:09:10.123456Z", "2026-04-10T08:09:10.123456Z", "2026-04-10T08:09:10.123456Z"),
            ("2026-04-10T08:09:10.123456001Z", "2026-04-10T08:09:10.123456Z", "2026-04-10T08:09:10.123457Z"),
            ("1969-12-31T23:59:59.9999995Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!((whole(at(text), false), whole(at(text), true)), (at(down), at(up)), "{text}");
        }
        assert_eq!(whole(Timestamp::MAX, true), Timestamp::MAX);
    }
}
