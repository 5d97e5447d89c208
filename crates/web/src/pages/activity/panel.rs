//! One activity as a page or a panel shows it.

use activity::catalog;
use auditlake_store::{Columns, LedgerQuery, LedgerRow, Result};
use futures::try_join;
use serde_json::Value;

use super::{
    super::{
        dimension::{Dimension, LONGEST},
        line::Line,
        text,
    },
    Entry, find,
};
use crate::{Site, scope::Params};

/// More entries of the ledger than this belong to no commit.
const ENTRIES: u64 = 50;

/// Everything about one activity.
pub struct Panel {
    pub line: Line,
    pub record: Vec<Entry>,
    pub raw: String,
    /// The commit that stored it.
    pub seq: u64,
    /// What was fetched in that commit, and brought the activity.
    pub fetched: Option<LedgerRow>,
    pub related: Vec<Related>,
}

/// Other activities that share a value with this one.
pub struct Related {
    pub title: &'static str,
    pub value: String,
    /// The page about the value.
    pub page: Option<String>,
    /// All activities with it.
    pub explore: String,
}

impl Panel {
    pub async fn load(site: &Site, id: &str) -> Result<Option<Panel>> {
        let (record, summary) = try_join!(find(site, id, Columns::Unified), find(site, id, Columns::Summary))?;
        let Some((record, summary)) = record.zip(summary) else { return Ok(None) };
        let seq = summary.get("seq").and_then(Value::as_u64).unwrap_or_default();
        let line = Line::of(summary)?;
        let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let query = LedgerQuery { source: Some(text("sourceID")), seq: Some(seq), limit: Some(ENTRIES), since: None };
        let fetched = site.engine.ledger(&query).await?;
        let raw = text("rawLog");
        let resources = record.get("resources").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut related: Vec<Related> = ["actor", "api_key", "admin_api_key", "ip", "target", "org", "type"]
            .into_iter()
            .filter_map(Dimension::of)
            .filter_map(|dimension| {
                let value = match dimension.name {
                    "actor" => line.actor.clone().unwrap_or_default(),
                    "target" => line.target.clone().unwrap_or_default(),
                    _ => text(dimension.column),
                };
                (!value.is_empty()).then(|| Related::new(dimension, value))
            })
            .collect();
        let resource = Dimension::of("resource");
        let ids = resources.iter().filter_map(Value::as_str).filter(|id| !id.is_empty()).take(12);
        related.extend(ids.filter_map(|id| Some(Related::new(resource?, id.to_owned()))));
        let mut seen = std::collections::HashSet::new();
        related.retain(|one| one.value.len() <= LONGEST && seen.insert(one.value.clone()));
        let record = record.into_iter().filter(|(name, _)| name != "rawLog").map(Entry::of).collect();
        let fetched = brought(fetched, &line);
        Ok(Some(Panel { line, record, raw, seq, fetched, related }))
    }

    pub fn filled(&self) -> impl Iterator<Item = (&Entry, &str)> {
        self.record.iter().filter_map(|entry| Some((entry, entry.value.as_deref()?)))
    }

    pub fn empty(&self) -> Vec<&str> {
        self.record.iter().filter(|entry| entry.value.is_none()).map(|entry| entry.name.as_str()).collect()
    }

    /// A value of the record that the page shows in its head.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.filled().find(|(entry, _)| entry.name == name).map(|(_, value)| value)
    }

    /// What was added to what was received: place, network, client, directory.
    pub fn enrichment(&self) -> Vec<(&Entry, &str)> {
        let is_own = |name: &str| {
            name.starts_with("srcAS") || name.starts_with("src") && name != "srcIP" || name == "enrichments"
        };
        self.filled().filter(|(entry, _)| is_own(&entry.name)).collect()
    }

    /// A member of the ledger's entry.
    pub fn detail(&self, name: &str) -> Option<String> {
        let value = self.fetched.as_ref()?.detail.get(name)?;
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    pub fn is_known(&self) -> bool {
        catalog::get(&self.line.event_name).is_some()
    }

    pub fn size(&self) -> String {
        text::bytes(self.raw.len() as u64)
    }

    pub fn explore_url(&self) -> String {
        Params::default().with("range", Some("all")).with("open", Some(&self.line.event_id)).url("/explore")
    }
}

impl Related {
    fn new(dimension: &'static Dimension, value: String) -> Related {
        let filter = dimension.filter(&value).to_string();
        let explore = Params::default().with("q", Some(&filter)).with("range", Some("all")).url("/explore");
        Related { title: dimension.title, page: dimension.link(&value), explore, value }
    }
}

/// The entry of the page that brought the activity, if the commit's entries tell; otherwise the only one that brought any.
fn brought(entries: Vec<LedgerRow>, line: &Line) -> Option<LedgerRow> {
    let names = |row: &LedgerRow| {
        let is = |name: &str| row.detail.get(name).and_then(Value::as_str) == Some(line.event_id.as_str());
        is("first_id") || is("last_id")
    };
    let mut with_rows: Vec<LedgerRow> = entries.into_iter().filter(|row| row.new > 0).collect();
    if let Some(at) = with_rows.iter().position(names) {
        return Some(with_rows.swap_remove(at));
    }
    if with_rows.len() == 1 { with_rows.pop() } else { None }
}
