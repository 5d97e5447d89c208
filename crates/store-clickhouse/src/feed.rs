//! Pages of the feed: the table lies in their order, so a page is a short way from where it begins.

use async_trait::async_trait;
use auditlake_store::{Direction, FeedPage, FeedQuery, FeedReader, FeedRow, Position, Result, id_hash};

use crate::{
    ClickStore,
    schema::{moment, quoted},
};

#[async_trait]
impl FeedReader for ClickStore {
    async fn feed_page(&self, query: &FeedQuery) -> Result<FeedPage> {
        let is_back = matches!(query.cursor, Some((_, Direction::Before)));
        let is_ascending = query.ascending != is_back;
        let wanted = u64::from(query.limit) + 1;
        let condition = condition(query, is_ascending);
        let way = if is_ascending { "ASC" } else { "DESC" };
        let text = format!(
            "SELECT toUnixTimestamp64Micro(event_time), event_id, raw_log FROM activity WHERE {}{condition} \
             ORDER BY event_time {way}, event_id {way} LIMIT {wanted}",
            self.inner.seen().visible()
        );
        let table = self.inner.server.rows("reading a page", &text).await?;
        let mut rows: Vec<FeedRow> = table
            .rows()
            .map(|row| FeedRow {
                position: Position { time: row.time(0).unwrap_or_default(), id: row.string(1) },
                raw: row.string(2),
            })
            .collect();
        let has_more = rows.len() as u64 == wanted;
        rows.truncate(query.limit as usize);
        if is_back {
            rows.reverse();
        }
        Ok(FeedPage { rows, has_more })
    }

    async fn locate(&self, id: &str) -> Result<Option<Position>> {
        let text = format!(
            "SELECT toUnixTimestamp64Micro(event_time) FROM activity WHERE id_hash = {} AND event_id = {} AND {} LIMIT 1",
            id_hash(id),
            quoted(id),
            self.inner.seen().visible()
        );
        let table = self.inner.server.rows("looking for an activity", &text).await?;
        let time = table.first().and_then(|row| row.time(0));
        Ok(time.map(|time| Position { time, id: id.to_owned() }))
    }
}

/// What the query asks of a row, to stand behind another condition.
fn condition(query: &FeedQuery, is_ascending: bool) -> String {
    let mut text = String::new();
    for (bound, sign) in [(query.gte, ">="), (query.gt, ">"), (query.lte, "<="), (query.lt, "<")] {
        if let Some(time) = bound {
            text.push_str(&format!(" AND event_time {sign} {}", moment(time)));
        }
    }
    if let Some((position, _)) = &query.cursor {
        let far = if is_ascending { ">" } else { "<" };
        let (time, id) = (moment(position.time), quoted(&position.id));
        // The first part is what the order of the table is good for, the second parts those who share the moment.
        text.push_str(&format!(" AND event_time {far}= {time} AND (event_time {far} {time} OR event_id {far} {id})"));
    }
    let mut among = |test: &str, list: &[String]| {
        if !list.is_empty() {
            let list: Vec<String> = list.iter().map(|value| quoted(value)).collect();
            text.push_str(" AND ");
            text.push_str(&test.replace("??", &list.join(", ")));
        }
    };
    among("event_name IN (??)", &query.types);
    among("event_name NOT IN (??)", &query.exclude_types);
    among("ifNull(actor_user_id IN (??), false)", &query.actor_ids);
    among(
        "(ifNull(organization_id IN (??), false) OR ifNull(organization_uuid IN (??), false) \
         OR (isNull(organization_id) AND isNull(organization_uuid)))",
        &query.organizations,
    );
    among("source_id NOT IN (??)", &query.exclude_sources);
    text
}
