//! What changes, in table `state`: rows of an area, a key and a version, of which the last one counts.
//!
//! Rows that belong to a commit carry its number and count only if that commit was not given up ([`Seen::aborted`]).

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, UInt64Array},
    datatypes::{DataType, Field, Schema},
};
use auditlake_store::Result;

use crate::{
    client::{Server, Table},
    schema::quoted,
};

/// How far the store has come, as readers see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The number of the last commit.
    pub seq: u64,
    /// Numbers that were given up, in mid-commit: rows that carry them do not count.
    pub aborted: Vec<u64>,
}

impl Seen {
    /// Asks the server.
    pub(crate) async fn read(server: &Server) -> Result<Self> {
        let doing = "reading the last commit";
        let text = "SELECT DISTINCT version FROM state WHERE area = 'aborted' ORDER BY 1";
        let aborted: Vec<u64> = server.rows(doing, text).await?.rows().filter_map(|row| row.number(0)).collect();
        let gone = Seen { seq: 0, aborted: aborted.clone() };
        let text = format!("SELECT max(seq) FROM state WHERE area = 'commit'{}", gone.without_aborted());
        let seq = server.rows(doing, &text).await?.first().and_then(|row| row.number(0)).unwrap_or_default();
        Ok(Seen { seq, aborted })
    }

    /// The condition of rows that count, to stand first.
    pub(crate) fn visible(&self) -> String {
        format!("seq <= {}{}", self.seq, self.without_aborted())
    }

    /// The condition of rows that were not given up, to stand behind another one.
    pub(crate) fn without_aborted(&self) -> String {
        // Numbers beyond the last one are out of reach already.
        let list: Vec<String> = self.aborted.iter().map(u64::to_string).collect();
        match list.is_empty() {
            true => String::new(),
            false => format!(" AND seq NOT IN ({})", list.join(", ")),
        }
    }
}

/// One thing that changes.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What kind of thing.
    pub area: &'static str,
    /// Which one.
    pub key: String,
    /// The commit that it belongs to; 0 if to none.
    pub seq: u64,
    /// What it is from now on; `None` if it is gone.
    pub value: Option<String>,
}

impl Entry {
    pub(crate) fn new(area: &'static str, key: impl Into<String>, value: impl ToString) -> Self {
        Entry { area, key: key.into(), seq: 0, value: Some(value.to_string()) }
    }

    pub(crate) fn gone(area: &'static str, key: impl Into<String>) -> Self {
        Entry { area, key: key.into(), seq: 0, value: None }
    }
}

/// Entries as rows, all of this version.
pub(crate) fn rows(entries: &[Entry], version: u64) -> Result<RecordBatch> {
    let texts = |get: fn(&Entry) -> &str| Arc::new(StringArray::from_iter_values(entries.iter().map(get))) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("area", texts(|entry| entry.area)),
        ("key", texts(|entry| &entry.key)),
        ("version", Arc::new(UInt64Array::from_value(version, entries.len()))),
        ("seq", Arc::new(UInt64Array::from_iter_values(entries.iter().map(|entry| entry.seq)))),
        ("deleted", Arc::new(entries.iter().map(|entry| Some(entry.value.is_none())).collect::<BooleanArray>())),
        ("value", texts(|entry| entry.value.as_deref().unwrap_or_default())),
    ];
    batch(columns)
}

/// Columns as rows.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, DataType::clone(column.data_type()), column.null_count() > 0))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| auditlake_store::StoreError::Engine { doing: "laying out rows", message: error.to_string() })
}

/// What an area says now, by key; only of some keys where `keys` are given.
pub(crate) async fn read(
    server: &Server,
    seen: &Seen,
    area: &str,
    keys: Option<&[String]>,
) -> Result<BTreeMap<String, String>> {
    if keys.is_some_and(<[String]>::is_empty) {
        return Ok(BTreeMap::new());
    }
    let mut condition = format!("area = '{area}'{}", seen.without_aborted());
    if let Some(keys) = keys {
        let list: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
        condition.push_str(&format!(" AND key IN ({})", list.join(", ")));
    }
    read_where(server, &condition).await
}

/// What those keys say now for whose rows this holds.
pub(crate) async fn read_where(server: &Server, condition: &str) -> Result<BTreeMap<String, String>> {
    let text = format!(
        "SELECT key, argMax(value, version), argMax(deleted, version) AS gone FROM state WHERE {condition} \
         GROUP BY key HAVING NOT gone"
    );
    let table: Table = server.rows("reading what changes", &text).await?;
    Ok(table.rows().map(|row| (row.string(0), row.string(1))).collect())
}
