//! A query as a URL query string, and back.
//!
//! What a stranger sends comes in here: every text is either a query or a 400 that says which parameter is at fault.
//! Parameters that the contract does not have are ignored, as HTTP APIs do; a parameter that may stand once but
//! stands twice is refused, because either choice would be a guess. A list is also read under its bare name and with
//! numbered brackets, as many HTTP libraries write it: a filter that is ignored gives everything, unasked.

use std::borrow::Cow;

use form_urlencoded::Serializer;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Cursor, Order, Query, Window, timestamp};
use crate::{ApiError, MAX_LIMIT};

const TYPES: &str = "activity_types[]";
const EXCLUDED_TYPES: &str = "exclude_activity_types[]";
const ACTORS: &str = "actor_ids[]";
const USERS: &str = "user_ids[]";
const ORGANIZATIONS: &str = "organization_ids[]";
const GTE: &str = "created_at.gte";
const GT: &str = "created_at.gt";
const LTE: &str = "created_at.lte";
const LT: &str = "created_at.lt";
const AFTER: &str = "after_id";
const BEFORE: &str = "before_id";
const LIMIT: &str = "limit";
const ORDER: &str = "order";

/// The parameters that may stand once.
const SCALARS: [&str; 8] = [GTE, GT, LTE, LT, AFTER, BEFORE, LIMIT, ORDER];

/// Echoed values are cut here: an error must not become a way to send somebody a long text.
const ECHO_CHARS: usize = 120;

impl Query {
    /// Reads the query string of a URL (without the `?`).
    ///
    /// `known` says whether an activity type exists. Errors are 400s, worded as they go out.
    pub fn parse(text: &str, known: impl Fn(&str) -> bool) -> Result<Query, ApiError> {
        let mut query = Query::default();
        let mut scalars = Scalars::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match list_name(&name).unwrap_or(&name) {
                TYPES => query.activity_types.push(value.into_owned()),
                EXCLUDED_TYPES => query.exclude_activity_types.push(value.into_owned()),
                ACTORS | USERS => query.actor_ids.push(value.into_owned()),
                ORGANIZATIONS => organization(value, &mut query.organization_ids),
                name => scalars.keep(name, value)?,
            }
        }
        check_types(&query, known)?;
        query.created_at = scalars.window()?;
        query.cursor = scalars.cursor()?;
        query.limit = scalars.limit()?.unwrap_or(query.limit);
        query.order = scalars.order()?.unwrap_or(query.order);
        Ok(query)
    }

    /// Writes the query string of a URL (without the `?`). What has its default value is left out.
    pub fn encode(&self) -> String {
        let mut out = Serializer::new(String::new());
        let lists = [
            (TYPES, &self.activity_types),
            (EXCLUDED_TYPES, &self.exclude_activity_types),
            (ACTORS, &self.actor_ids),
            (ORGANIZATIONS, &self.organization_ids),
        ];
        for (name, values) in lists {
            out.extend_pairs(values.iter().map(|value| (name, value)));
        }
        let Window { gte, gt, lte, lt } = self.created_at;
        for (name, bound) in [(GTE, gte), (GT, gt), (LTE, lte), (LT, lt)] {
            out.extend_pairs(bound.map(|instant| (name, instant.to_string())));
        }
        match &self.cursor {
            Some(Cursor::After(cursor)) => _ = out.append_pair(AFTER, cursor),
            Some(Cursor::Before(cursor)) => _ = out.append_pair(BEFORE, cursor),
            None => {}
        }
        if self.limit != crate::DEFAULT_LIMIT {
            out.append_pair(LIMIT, &self.limit.to_string());
        }
        if self.order != Order::default() {
            out.append_pair(ORDER, self.order.as_str());
        }
        out.finish()
    }
}

/// The documented name of a list, for its other spellings: `actor_ids`, `actor_ids[0]`.
fn list_name(name: &str) -> Option<&'static str> {
    let (bare, rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let index = if rest.is_empty() { "" } else { rest.strip_prefix('[')?.strip_suffix(']')? };
    if !index.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    [TYPES, EXCLUDED_TYPES, ACTORS, USERS, ORGANIZATIONS].into_iter().find(|list| list.strip_suffix("[]") == Some(bare))
}

/// An organization by its UUID is the same in capitals. The feed writes small letters; what was given is asked for as
/// well, because a lake may hold what others wrote.
fn organization(value: Cow<'_, str>, ids: &mut Vec<String>) {
    let small = value.to_ascii_lowercase();
    // A UUID of this length has its hyphens; without them, it is no spelling of the feed's.
    if small != value && value.len() == 36 && Uuid::try_parse(&value).is_ok() {
        ids.push(small);
    }
    ids.push(value.into_owned());
}

fn check_types(query: &Query, known: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    if !query.activity_types.is_empty() && !query.exclude_activity_types.is_empty() {
        return Err(ApiError::invalid(format!(
            "{TYPES} and {EXCLUDED_TYPES} cannot be given together: send one of them"
        )));
    }
    for (name, types) in [(TYPES, &query.activity_types), (EXCLUDED_TYPES, &query.exclude_activity_types)] {
        if let Some(unknown) = types.iter().find(|text| !known(text)) {
            return Err(ApiError::invalid(format!("{name}: unknown activity type {}", echo(unknown))));
        }
    }
    Ok(())
}

/// The parameters that may stand once, as they stood in the URL.
#[derive(Default)]
struct Scalars<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Scalars<'a> {
    fn keep(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), ApiError> {
        let Some(name) = SCALARS.into_iter().find(|scalar| *scalar == name) else { return Ok(()) };
        if self.get(name).is_some() {
            return Err(ApiError::invalid(format!("{name}: given more than once, send it once")));
        }
        self.0.push((name, value));
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(kept, _)| *kept == name).map(|(_, value)| value.as_ref())
    }

    fn window(&self) -> Result<Window, ApiError> {
        Ok(Window { gte: self.instant(GTE)?, gt: self.instant(GT)?, lte: self.instant(LTE)?, lt: self.instant(LT)? })
    }

    fn instant(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        timestamp::parse(value).map(Some).ok_or_else(|| {
            let hint = if value.contains(' ') { " (a plus sign is sent as %2B)" } else { "" };
            ApiError::invalid(format!(
                "{name}: invalid timestamp {}, expected RFC 3339 with a time zone such as 2026-04-01T00:00:00Z{hint}",
                echo(value)
            ))
        })
    }

    fn cursor(&self) -> Result<Option<Cursor>, ApiError> {
        match (self.get(AFTER), self.get(BEFORE)) {
            (Some(_), Some(_)) => {
                Err(ApiError::invalid(format!("{AFTER} and {BEFORE} cannot be given together: send one of them")))
            }
            (Some(cursor), None) => Ok(Some(Cursor::After(cursor.to_owned()))),
            (None, Some(cursor)) => Ok(Some(Cursor::Before(cursor.to_owned()))),
            (None, None) => Ok(None),
        }
    }

    fn limit(&self) -> Result<Option<u32>, ApiError> {
        let Some(value) = self.get(LIMIT) else { return Ok(None) };
        match value.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(Some(limit)),
            _ => Err(ApiError::invalid(format!(
                "{LIMIT}: must be an integer between 1 and {MAX_LIMIT}, got {}",
                echo(value)
            ))),
        }
    }

    fn order(&self) -> Result<Option<Order>, ApiError> {
        match self.get(ORDER) {
            None => Ok(None),
            Some("asc") => Ok(Some(Order::Asc)),
            Some("desc") => Ok(Some(Order::Desc)),
            Some(other) => Err(ApiError::invalid(format!("{ORDER}: must be asc or desc, got {}", echo(other)))),
        }
    }
}

/// A value as it stood, in quotes and of bounded length.
fn echo(value: &str) -> String {
    match value.char_indices().nth(ECHO_CHARS) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
