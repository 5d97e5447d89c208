//! What a collector asks of what is stored.

use async_trait::async_trait;
use auditlake_store::{Fingerprint, Recall, Result, Seqs, Window, id_hash};
use jiff::Timestamp;

use crate::{ClickStore, schema::quoted};

#[async_trait]
impl Recall for ClickStore {
    async fn fingerprints(&self, window: Window) -> Result<Vec<Fingerprint>> {
        let text = format!(
            "SELECT event_id, toUnixTimestamp64Micro(event_time), CAST(source_id AS String), CAST(event_name AS String), \
             CAST(organization_id AS Nullable(String)), CAST(organization_uuid AS Nullable(String)), \
             toUnixTimestamp64Micro(received_at), xxh3(raw_log) FROM activity WHERE {}",
            self.inner.base(window, Seqs::default())
        );
        let table = self.inner.server.rows("comparing a window", &text).await?;
        let own = |text: Option<&str>| text.map(str::to_owned);
        let one = |row: crate::client::Row| Fingerprint {
            id: row.string(0),
            time: row.time(1).unwrap_or_default(),
            source: row.string(2),
            event_name: row.string(3),
            organizations: [own(row.text(4)), own(row.text(5))],
            received_at: row.time(6).unwrap_or_default(),
            content: row.number(7).unwrap_or_default(),
        };
        Ok(table.rows().map(one).collect())
    }

    async fn raw_logs(&self, ids: &[String]) -> Result<Vec<(String, String)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let hashes: Vec<String> = ids.iter().map(|id| id_hash(id).to_string()).collect();
        let names: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
        let text = format!(
            "SELECT event_id, raw_log FROM activity WHERE id_hash IN ({}) AND event_id IN ({}) AND {}",
            hashes.join(", "),
            names.join(", "),
            self.inner.seen().visible()
        );
        let table = self.inner.server.rows("comparing activities", &text).await?;
        Ok(table.rows().map(|row| (row.string(0), row.string(1))).collect())
    }

    async fn requests(&self, source: &str, limit: usize) -> Result<Vec<(String, Timestamp)>> {
        let text = format!(
            "SELECT JSONExtractString(detail, 'request_id') AS id, toUnixTimestamp64Micro(happened_at) FROM ledger_entry \
             WHERE source_id = {} AND kind IN ('page', 'error') AND id != '' AND {} \
             ORDER BY seq DESC, happened_at DESC LIMIT {limit}",
            quoted(source),
            self.inner.seen().visible()
        );
        let table = self.inner.server.rows("reading the ledger", &text).await?;
        Ok(table.rows().map(|row| (row.string(0), row.time(1).unwrap_or_default())).collect())
    }
}

#[cfg(test)]
mod tests {
    use auditlake_store::content_hash;

    use super::*;

    /// The server computes the hash; it has to be ours.
    #[tokio::test]
    async fn hashes_as_we_do() {
        let Some(server) = crate::tests::engine::server().await else { return };
        for text in ["", "a", "activity_01", &"long ✓ ".repeat(100)] {
            let question = format!("SELECT xxh3({})", quoted(text));
            let table = server.rows("asking", &question).await.unwrap();
            assert_eq!(table.first().and_then(|row| row.number(0)), Some(content_hash(text.as_bytes())), "{text:?}");
        }
    }
}
