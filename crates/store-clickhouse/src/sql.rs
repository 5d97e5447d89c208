//! SQL of people and scripts: one statement that reads, bounded in time and rows.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use auditlake_store::{Result, Rows, Sql, SqlQuery, StoreError};
use futures::StreamExt;

use crate::{
    ClickStore,
    client::Author,
    guard,
    narrow::{self, Narrowed},
    schema::quoted,
    shape::Shape,
};

#[async_trait]
impl Sql for ClickStore {
    async fn sql(&self, query: SqlQuery) -> Result<Rows> {
        let text = query.text.trim().trim_end_matches(';').trim_end();
        let text = with_values(text, &query.params);
        let Looked { types, narrowed } = self.looked_at(&text).await?;
        let text = narrowed.map_or(text, |narrowed| narrowed.text(&self.inner.seen().visible()));
        let rows = self.inner.server.stream(&text, Author::Somebody, query.timeout, Shape::Sql(types)).await?;
        Ok(match query.max_rows {
            Some(most) => bounded(rows, most),
            None => rows,
        })
    }
}

/// A statement that may run.
#[derive(Clone)]
pub(crate) struct Looked {
    /// The types of its columns.
    types: Arc<Vec<String>>,
    /// What runs in its place.
    narrowed: Option<Narrowed>,
}

/// Statements that were looked at and may run: what becomes of one depends on nothing but its text.
#[derive(Default)]
pub(crate) struct Passed(Mutex<HashMap<String, Looked>>);

const MAX_KEPT: usize = 256;
const MAX_KEPT_LENGTH: usize = 16 * 1024;

impl Passed {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Looked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClickStore {
    /// What runs in the place of a statement.
    #[cfg(test)]
    pub(crate) async fn narrowed(&self, text: &str) -> Option<String> {
        self.looked_at(text).await.ok()?.narrowed.map(|narrowed| narrowed.text("true"))
    }

    async fn looked_at(&self, text: &str) -> Result<Looked> {
        let inner = &self.inner;
        let known = inner.passed.all().get(text).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let types = guard::check(&inner.server, &inner.options.database, text).await?;
        let mut narrowed = None;
        for is_packed in [true, false] {
            let Some(other) = narrow::narrowed(text, is_packed) else { break };
            let own = guard::types(&inner.server, &other.text(&inner.seen().visible())).await;
            // What the server refuses, or reads in another way, is not taken.
            if own.is_ok_and(|own| own.iter().map(|own| unpacked(own)).eq(types.iter().map(|own| unpacked(own)))) {
                narrowed = Some(other);
                break;
            }
        }
        let looked = Looked { types: Arc::new(types), narrowed };
        if text.len() <= MAX_KEPT_LENGTH {
            let mut all = inner.passed.all();
            if all.len() >= MAX_KEPT {
                all.clear();
            }
            all.insert(text.to_owned(), looked.clone());
        }
        Ok(looked)
    }
}

/// The type of a column without its dictionary: answers come without.
fn unpacked(name: &str) -> &str {
    name.strip_prefix("LowCardinality(").and_then(|name| name.strip_suffix(')')).unwrap_or(name)
}

/// The same rows, and an error where there are more.
fn bounded(rows: Rows, most: u64) -> Rows {
    let batches = rows.batches.scan(0, move |count, batch| {
        let batch = batch.and_then(|batch| {
            *count += batch.num_rows() as u64;
            match *count > most {
                false => Ok(batch),
                true => Err(StoreError::Limit {
                    message: format!("the answer has more than {most} rows"),
                    hint: "add LIMIT, narrow the query, or raise the limit".to_owned(),
                }),
            }
        });
        futures::future::ready(Some(batch))
    });
    Rows { schema: rows.schema, batches: Box::pin(batches) }
}

/// The statement with values in the places of `$name`, outside of texts, names and comments.
fn with_values(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let length = match sign {
            '\'' | '"' | '`' => closed(rest, sign),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '$' => {
                let is_part = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
                let name = &rest[1..rest[1..].find(|sign| !is_part(sign)).map_or(rest.len(), |at| at + 1)];
                if let Some(value) = values.get(name) {
                    out.push_str(&quoted(value));
                    rest = &rest[1 + name.len()..];
                    continue;
                }
                1 + name.len()
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The length of what stands between two of these signs, with them.
pub(crate) fn closed(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, sign) in text.char_indices().skip(1) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            sign if sign == end => return at + end.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_values_in_their_places() {
        let values = BTreeMap::from([("a".to_owned(), "it's \\ $b".to_owned()), ("b".to_owned(), "1".to_owned())]);
        for (text, expected) in [
            ("select $a", "select 'it\\'s \\\\ $b'"),
            ("select '$a', \"$a\", `$b`, $b", "select '$a', \"$a\", `$b`, '1'"),
            ("select 'it''s $a' -- $a\n, $b /* $a */", "select 'it''s $a' -- $a\n, '1' /* $a */"),
            ("select '\\'$a', $c, $ab, $", "select '\\'$a', $c, $ab, $"),
        ] {
            assert_eq!(with_values(text, &values), expected);
        }
    }
}
