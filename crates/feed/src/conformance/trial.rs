//! Asking on behalf of a check, and keeping what was asked and how it was answered.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    Cursor, MAX_LIMIT, Page, Query,
    client::{Ask, Exchange, KeyChoice, Reply},
};

/// A check's end: what was seen, or why not.
pub(super) type Verdict<T = String> = Result<T, Stop>;

/// Why a check ends before its good end.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    Fail(String),
    Skip(String),
}

/// Ends a check as failed.
pub(super) fn fail<T>(saw: impl Into<String>) -> Verdict<T> {
    Err(Stop::Fail(saw.into()))
}

/// Ends a check as skipped.
pub(super) fn skip<T>(why: impl Into<String>) -> Verdict<T> {
    Err(Stop::Skip(why.into()))
}

/// The envelope of an activity, as far as checks look at it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Row {
    pub id: String,
    pub created_at: Timestamp,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub organization_id: Option<String>,
    #[serde(default)]
    pub organization_uuid: Option<String>,
    pub actor: Actor,
    #[serde(skip)]
    pub raw: Bytes,
}

/// The actor, as far as checks look at it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Actor {
    #[serde(rename = "type")]
    pub _kind: String,
    #[serde(default)]
    pub user_id: Option<String>,
}

/// No sample is larger, so a walk that comes so far goes in circles.
const MOST_ROWS: usize = 4 * MAX_LIMIT as usize;

/// A page with its rows read.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub page: Page,
    pub rows: Vec<Row>,
}

/// A check's way to ask.
pub(super) struct Trial {
    client: crate::client::Client,
    retries: u32,
    /// Whether all retries of an earlier request were in vain: then the feed is down, and the next ones are not repeated
    /// until one is answered again.
    is_down: bool,
    asked: Vec<String>,
}

impl Trial {
    pub fn new(client: crate::client::Client, retries: u32) -> Trial {
        Trial { client, retries, is_down: false, asked: Vec::new() }
    }

    /// What was asked since this was last called.
    pub fn take_asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }

    /// Asks anything. Transient failures are asked again; whatever comes then is the answer.
    pub async fn ask(&mut self, ask: Ask<'_>) -> Verdict<Reply> {
        let mut wait = Duration::from_millis(500);
        let retries = if self.is_down { 0 } else { self.retries };
        for retries_left in (0..=retries).rev() {
            let mut exchange = Exchange::new(ask.query);
            let result = self.client.send(&ask, &mut exchange).await;
            self.note(&ask, &exchange, &result);
            let is_transient = result.as_ref().map_or(true, |reply| self.client.api_error(reply).is_retryable());
            // An error before the key or the path is looked at says nothing of how pages are doing.
            self.is_down = is_transient && retries_left == 0 || self.is_down && !result.as_ref().is_ok_and(is_page);
            match result {
                Ok(reply) if retries_left == 0 || !is_transient => return Ok(reply),
                Ok(reply) => wait = self.client.api_error(&reply).retry_after.unwrap_or(wait),
                Err(kind) if retries_left == 0 => return fail(format!("no answer: {kind}")),
                Err(_) => {}
            }
            tokio::time::sleep(wait.min(Duration::from_secs(60))).await;
            wait *= 2;
        }
        fail("no answer")
    }

    fn note(&mut self, ask: &Ask<'_>, exchange: &Exchange, result: &Result<Reply, crate::client::ErrorKind>) {
        let mut line = format!("GET {}", ask.path);
        if !ask.query.is_empty() {
            line += &format!("?{}", ask.query);
        }
        match ask.key {
            KeyChoice::Own => {}
            KeyChoice::None => line += " (no key)",
            KeyChoice::Other(key) => line += &format!(" (key {key:?})"),
        }
        match result {
            Ok(reply) => line += &format!(" -> {}, {} bytes", reply.status, reply.body.len()),
            Err(kind) => line += &format!(" -> {kind}"),
        }
        if let Some(request_id) = &exchange.request_id {
            line += &format!(", {request_id}");
        }
        self.asked.push(line);
    }

    /// Asks with a query string as it stands.
    pub async fn get(&mut self, query: &str) -> Verdict<Reply> {
        self.ask(Ask { query, ..Ask::default() }).await
    }

    /// Asks for a page, which must come.
    pub async fn page(&mut self, query: &Query) -> Verdict<Seen> {
        self.page_of(&query.encode()).await
    }

    /// Asks for a page with a query string as it stands.
    pub async fn page_of(&mut self, query: &str) -> Verdict<Seen> {
        let reply = self.get(query).await?;
        read_page(&reply)
    }

    /// Asks for all that a query filters, which must fit a page, and compares.
    pub async fn expect(&mut self, query: &Query, expected: &[&Row]) -> Verdict {
        self.expect_of(&Query { limit: MAX_LIMIT, ..query.clone() }.encode(), expected).await
    }

    /// The same with a query string as it stands.
    pub async fn expect_of(&mut self, query: &str, expected: &[&Row]) -> Verdict {
        let seen = self.page_of(query).await?;
        if seen.page.has_more {
            return fail(format!("has_more is true behind all {} activities", seen.rows.len()));
        }
        same(&seen.rows, expected)
    }

    /// Asks for something wrong, which must be refused so; the message.
    pub async fn refused(&mut self, query: &str, status: u16) -> Verdict {
        let reply = self.get(query).await?;
        self.refusal(&reply, status)
    }

    /// The message of an answer that must be this error.
    pub fn refusal(&self, reply: &Reply, status: u16) -> Verdict {
        let error = self.client.api_error(reply);
        let expected = crate::ErrorType::of_status(status);
        if reply.status != status {
            return fail(format!("answered {}, not {status}", reply.status));
        }
        if serde_json::from_slice::<serde_json::Value>(&reply.body).is_err() {
            return fail("the body is not JSON");
        }
        if error.kind != expected {
            return fail(format!("error.type is {:?}, not {:?}", error.kind.as_str(), expected.as_str()));
        }
        Ok(error.message)
    }

    /// Walks from page to page until `has_more` is false; all rows in the order of `query`.
    pub async fn walk(&mut self, query: &Query, backward: bool) -> Verdict<Vec<Row>> {
        let mut query = query.clone();
        let mut rows: Vec<Row> = Vec::new();
        let mut cursors = HashSet::new();
        loop {
            let seen = self.page(&query).await?;
            let cursor = if backward { &seen.page.first_id } else { &seen.page.last_id };
            if seen.rows.len() > query.limit as usize {
                return fail(format!("{} activities on a page of {}", seen.rows.len(), query.limit));
            }
            match cursor {
                Some(cursor) if seen.page.has_more => {
                    if !cursors.insert(cursor.clone()) {
                        return fail(format!("the walk comes to cursor {cursor:?} twice"));
                    }
                    let cursor = cursor.clone();
                    query.cursor = Some(if backward { Cursor::Before(cursor) } else { Cursor::After(cursor) });
                }
                None if seen.page.has_more => return fail("has_more is true on a page without a cursor"),
                _ => query.cursor = None,
            }
            if backward {
                rows.splice(0..0, seen.rows);
            } else {
                rows.extend(seen.rows);
            }
            if query.cursor.is_none() {
                return Ok(rows);
            }
            if rows.len() > MOST_ROWS {
                return fail(format!("{} activities and no end, in a window that had fewer", rows.len()));
            }
        }
    }
}

fn is_page(reply: &Reply) -> bool {
    reply.status == 200
}

/// The page of an answer that must hold one.
pub(super) fn read_page(reply: &Reply) -> Verdict<Seen> {
    if reply.status != 200 {
        return fail(format!("answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body)));
    }
    let page = match Page::parse(&reply.body) {
        Ok(page) => page,
        Err(error) => {
            return fail(format!(
                "{error}: {}",
                std::error::Error::source(&error).map_or(String::new(), |e| e.to_string())
            ));
        }
    };
    let mut rows = Vec::with_capacity(page.data.len());
    for raw in &page.data {
        match serde_json::from_slice::<Row>(raw) {
            Ok(row) => rows.push(Row { raw: raw.clone(), ..row }),
            Err(error) => return fail(format!("not an activity: {error}: {}", String::from_utf8_lossy(raw))),
        }
    }
    Ok(Seen { page, rows })
}

/// Whether these are the expected activities in the expected order.
pub(super) fn same(seen: &[Row], expected: &[&Row]) -> Verdict {
    let ids: Vec<&str> = seen.iter().map(|row| row.id.as_str()).collect();
    let expected: Vec<&str> = expected.iter().map(|row| row.id.as_str()).collect();
    if ids == expected {
        return Ok(format!("{} activities as expected", ids.len()));
    }
    let (have, want): (HashSet<&str>, HashSet<&str>) =
        (ids.iter().copied().collect(), expected.iter().copied().collect());
    let missing: Vec<_> = expected.iter().filter(|id| !have.contains(*id)).take(3).collect();
    let extra: Vec<_> = ids.iter().filter(|id| !want.contains(*id)).take(3).collect();
    if missing.is_empty() && extra.is_empty() {
        let at = ids.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(ids.len().min(expected.len()));
        return fail(format!(
            "{} activities, {} expected; from number {at} on in another order or repeated",
            ids.len(),
            expected.len()
        ));
    }
    fail(format!("{} activities, {} expected; missing {missing:?}, not expected {extra:?}", ids.len(), expected.len()))
}
