//! A source that holds its activities in memory, for tests: simple enough to be right by reading it.
//!
//! Every page is made from the whole: filter all, sort all, find the cursor's place, take the page. What other sources
//! do with indexes must come out the same as this.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    ApiError, Cursor, Order, Page, Query, RawActivity, Source,
    cursor::{Anchor, Position},
};

/// Activities in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    rows: Arc<Vec<Row>>,
}

/// An activity, and what of its envelope the filters look at.
#[derive(Debug, Clone)]
struct Row {
    position: Position,
    created_at: Timestamp,
    envelope: Envelope,
    raw: RawActivity,
}

#[derive(Debug, Clone, Deserialize)]
struct Envelope {
    id: String,
    created_at: Timestamp,
    #[serde(rename = "type")]
    kind: String,
    organization_id: Option<String>,
    organization_uuid: Option<String>,
    actor: Actor,
}

#[derive(Debug, Clone, Deserialize)]
struct Actor {
    user_id: Option<String>,
}

impl MemorySource {
    /// A source of these activities, in any order, each once.
    pub fn new(activities: impl IntoIterator<Item = RawActivity>) -> Result<MemorySource, serde_json::Error> {
        let mut rows = activities.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by(|a, b| a.position.cmp(&b.position));
        Ok(MemorySource { rows: Arc::new(rows) })
    }

    /// Everything that `query` filters, in its order, no matter its cursor and limit.
    pub fn all(&self, query: &Query) -> Vec<RawActivity> {
        self.select(query).into_iter().map(|row| row.raw.clone()).collect()
    }

    fn select(&self, query: &Query) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| row.matches(query)).collect();
        if query.order == Order::Desc {
            rows.reverse();
        }
        rows
    }

    /// The position that a cursor names, be it a bare id or one of ours.
    fn resolve(&self, cursor: &str) -> Result<Position, ApiError> {
        match Anchor::read(cursor)? {
            Anchor::Position(position) => Ok(position),
            Anchor::ActivityId(id) => {
                let row = self.rows.iter().find(|row| row.envelope.id == id);
                row.map(|row| row.position.clone()).ok_or_else(|| ApiError::unknown_cursor(cursor))
            }
        }
    }
}

#[async_trait::async_trait]
impl Source for MemorySource {
    async fn page(&self, query: &Query) -> Result<Page, ApiError> {
        let rows = self.select(query);
        let limit = query.limit as usize;
        let follows = |row: &Row, position: &Position| match query.order {
            Order::Asc => row.position > *position,
            Order::Desc => row.position < *position,
        };
        let (rows, has_more): (Vec<&Row>, bool) = match &query.cursor {
            None => (rows.iter().copied().take(limit).collect(), rows.len() > limit),
            Some(Cursor::After(cursor)) => {
                let position = self.resolve(cursor)?;
                let rest: Vec<&Row> = rows.into_iter().filter(|row| follows(row, &position)).collect();
                (rest.iter().copied().take(limit).collect(), rest.len() > limit)
            }
            Some(Cursor::Before(cursor)) => {
                let position = self.resolve(cursor)?;
                let precedes = |row: &&Row| row.position != position && !follows(row, &position);
                let rest: Vec<&Row> = rows.into_iter().filter(precedes).collect();
                (rest[rest.len().saturating_sub(limit)..].to_vec(), rest.len() > limit)
            }
        };
        Ok(Page {
            first_id: rows.first().map(|row| row.position.encode()),
            last_id: rows.last().map(|row| row.position.encode()),
            has_more,
            data: rows.into_iter().map(|row| row.raw.clone()).collect(),
        })
    }
}

impl Row {
    fn read(raw: Bytes) -> Result<Row, serde_json::Error> {
        let envelope: Envelope = serde_json::from_slice(&raw)?;
        let position = Position::new(envelope.created_at, envelope.id.clone());
        Ok(Row { position, created_at: envelope.created_at, envelope, raw })
    }

    fn matches(&self, query: &Query) -> bool {
        let Envelope { kind, actor, organization_id, organization_uuid, .. } = &self.envelope;
        let listed = |list: &[String], value: &Option<String>| value.as_ref().is_some_and(|value| list.contains(value));
        let organizations = &query.organization_ids;
        (query.activity_types.is_empty() || query.activity_types.contains(kind))
            && !query.exclude_activity_types.contains(kind)
            && (query.actor_ids.is_empty() || listed(&query.actor_ids, &actor.user_id))
            && (organizations.is_empty()
                || (organization_id.is_none() && organization_uuid.is_none())
                || listed(organizations, organization_id)
                || listed(organizations, organization_uuid))
            && query.created_at.contains(self.created_at)
    }
}
