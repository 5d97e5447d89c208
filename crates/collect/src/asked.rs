//! Requests that another command of this deployment makes with a source's key, such as `auditlake check`: the feed shows them,
//! and they are ours as well. They stand in the ledger, so that whoever collects next knows them, too.

use auditlake_store::LedgerEntry;
use feed::client::{Error, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Collector, Result,
    desk::{Work, detail_of},
};

/// A request that was answered, page or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    at: Timestamp,
    kind: String,
    detail: Value,
}

impl Asked {
    /// What its `for` says in the ledger: nothing of what these requests brought was stored.
    pub const PURPOSE: &str = "check";

    /// A request and what came of it.
    pub fn of(answer: &Result<Response, Error>) -> Asked {
        let (exchange, kind) = match answer {
            Ok(response) => (&response.exchange, "page"),
            Err(error) => (&*error.exchange, "error"),
        };
        let mut detail = detail_of(exchange, Self::PURPOSE);
        match answer {
            Ok(response) => detail["rows"] = json!(response.page.data.len()),
            Err(error) => (detail["error"], detail["message"]) = (json!(error.label()), json!(error.to_string())),
        }
        Asked { at: exchange.sent_at, kind: kind.to_owned(), detail }
    }

    /// Its id, by which the feed shows it.
    fn id(&self) -> Option<&str> {
        self.detail["request_id"].as_str()
    }

    /// Its entry for the ledger.
    pub fn entry(self) -> LedgerEntry {
        LedgerEntry { at: self.at, kind: self.kind, batch: None, detail: self.detail }
    }
}

impl Collector {
    /// Takes note of requests with this source's key: they are known as ours from here on, and stored ones get the tag.
    ///
    /// # Errors
    /// As [`Collector::run`], and if the store fails: nothing of it has happened then.
    pub async fn note(&self, asked: Vec<Asked>) -> Result<()> {
        self.recall().await?;
        asked.iter().filter_map(Asked::id).for_each(|id| self.desk.budget.own().sent(id, None));
        let entries = asked.into_iter().map(Asked::entry).collect();
        self.desk.commit(Work { entries, ..Work::default() }).await.map(drop)
    }
}
