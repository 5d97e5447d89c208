//! What a collector asks of what is stored. The content of a window is hashed as it comes, so that no more than one piece
//! of it is in memory at a time.

use async_trait::async_trait;
use auditlake_store::{Fingerprint, Recall, Result, Seqs, Window, content_hash, filter::Filter, id_hash};
use duckdb::{params, params_from_iter, types::Value};
use jiff::Timestamp;

use crate::{
    DuckStore,
    reader::{condition, moment},
    schema,
};

#[async_trait]
impl Recall for DuckStore {
    async fn fingerprints(&self, window: Window) -> Result<Vec<Fingerprint>> {
        let mut values = Vec::new();
        let condition = condition(&Filter::All, window, Seqs::default(), &mut values);
        self.read("comparing a window", move |connection, _| {
            let mut statement = connection.prepare(&format!(
                "SELECT event_id, epoch_us(event_time), source_id, event_name, organization_id, organization_uuid, \
                 epoch_us(received_at), {} FROM activity WHERE {condition}",
                schema::raw_log()
            ))?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                let raw: String = row.get(7)?;
                Ok(Fingerprint {
                    id: row.get(0)?,
                    time: moment(row, 1)?.unwrap_or_default(),
                    source: row.get(2)?,
                    event_name: row.get(3)?,
                    organizations: [row.get(4)?, row.get(5)?],
                    received_at: moment(row, 6)?.unwrap_or_default(),
                    content: content_hash(raw.as_bytes()),
                })
            })?;
            rows.collect()
        })
        .await
    }

    async fn raw_logs(&self, ids: &[String]) -> Result<Vec<(String, String)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let hashes: Vec<String> = ids.iter().map(|id| id_hash(id).to_string()).collect();
        let marks = vec!["?"; ids.len()].join(", ");
        let values: Vec<Value> = ids.iter().cloned().map(Value::Text).collect();
        self.read("comparing activities", move |connection, _| {
            let mut statement = connection.prepare(&format!(
                "SELECT event_id, {} FROM activity WHERE id_hash IN ({}) AND event_id IN ({marks})",
                schema::raw_log(),
                hashes.join(", ")
            ))?;
            let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .await
    }

    async fn requests(&self, source: &str, limit: usize) -> Result<Vec<(String, Timestamp)>> {
        let source = source.to_owned();
        self.read("reading the ledger", move |connection, _| {
            let mut statement = connection.prepare(&format!(
                "SELECT detail->>'request_id' AS id, epoch_us(happened_at) FROM ledger \
                 WHERE source_id = ? AND kind IN ('page', 'error') AND id IS NOT NULL ORDER BY seq DESC, happened_at DESC LIMIT {limit}"
            ))?;
            let rows = statement
                .query_map(params![source], |row| Ok((row.get(0)?, moment(row, 1)?.unwrap_or_default())))?;
            rows.collect()
        })
        .await
    }
}
