//! Drift as people read it: what the catalogue does not know, and what reading again showed, by kind.

use std::{collections::BTreeMap, sync::Arc};

use auditlake_store::{DriftKind, DriftQuery, DriftRow, Result};

use crate::{Site, scope::Params};

/// So much is looked at, what was seen last first; so many of each kind are listed.
const LOOKED_AT: u64 = 2_000;
const LISTED: usize = 8;

/// Drift of a kind.
pub struct Kind {
    pub title: &'static str,
    pub about: &'static str,
    pub rows: Vec<DriftRow>,
    /// How much there is beside what is listed.
    pub more: usize,
    /// Where all of it can be asked for.
    pub url: String,
}

/// What the kinds are called, in their order on the page. Types have a list of their own, and stretches that cannot be read
/// stand with those that were not read.
const KINDS: [(DriftKind, &str, &str); 7] = [
    (DriftKind::Missing, "Not shown any more", "in the store, and gone from the feed when it was read again"),
    (DriftKind::Poorer, "Poorer when read again", "what was lost; the first-seen record stays"),
    (DriftKind::Changed, "Different when read again", "where it differs; the first-seen record stays"),
    (DriftKind::Field, "New fields", "not in the catalogue"),
    (DriftKind::Value, "New values", "that a field did not have"),
    (DriftKind::Form, "Fields of another form", "another kind of JSON value"),
    (DriftKind::Actor, "New kinds of actors", "not in the catalogue, or not for this type"),
];

/// Every kind of which there is any.
pub async fn kinds(site: &Site) -> Result<Vec<Kind>> {
    let query = DriftQuery { limit: Some(LOOKED_AT), ..DriftQuery::default() };
    let rows: Arc<Vec<DriftRow>> =
        site.ask().lasting().once("drift".to_owned(), async move |engine| engine.drift(&query).await).await?;
    let mut by_kind: BTreeMap<DriftKind, Vec<DriftRow>> = BTreeMap::new();
    for row in rows.iter() {
        by_kind.entry(row.kind).or_default().push(row.clone());
    }
    let one = |(kind, title, about): (DriftKind, &'static str, &'static str)| {
        let mut rows = by_kind.remove(&kind)?;
        let more = rows.len().saturating_sub(LISTED);
        rows.truncate(LISTED);
        let statement = format!("select * from drift where kind = '{}' order by last_seen desc", kind.as_str());
        Some(Kind { title, about, rows, more, url: Params::default().with("q", Some(&statement)).url("/sql") })
    };
    Ok(KINDS.into_iter().filter_map(one).collect())
}
