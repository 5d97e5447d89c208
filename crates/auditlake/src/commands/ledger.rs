//! `auditlake ledger`: what was fetched when.

use std::process::ExitCode;

use anyhow::Result;
use auditlake_store::LedgerQuery;

use super::time;
use crate::{cli::Ledger, config::Config, lake::Lake, output};

pub async fn run(config: &Config, words: &Ledger) -> Result<ExitCode> {
    let query = LedgerQuery {
        source: words.source.clone(),
        since: time("since", words.since.as_deref())?,
        seq: None,
        limit: words.limit,
    };
    let rows = Lake::find(config, "ledger").await?.ledger(&query).await?;
    output::write_list(&rows, &["seq", "source", "at", "kind", "new", "known", "late", "detail"], words.format)?;
    Ok(ExitCode::SUCCESS)
}
