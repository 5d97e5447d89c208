//! `auditlake drift`: what the catalogue does not know, and what re-reading shows that was not so at first.

use std::process::ExitCode;

use anyhow::Result;
use auditlake_store::DriftQuery;

use super::time;
use crate::{cli::Drift, config::Config, lake::Lake, output};

pub async fn run(config: &Config, words: &Drift) -> Result<ExitCode> {
    let query =
        DriftQuery { source: words.source.clone(), since: time("since", words.since.as_deref())?, limit: words.limit };
    let rows = Lake::find(config, "drift").await?.drift(&query).await?;
    let columns = ["source", "kind", "type", "name", "value", "first_seen", "last_seen", "count", "example"];
    output::write_list(&rows, &columns, words.format)?;
    Ok(ExitCode::SUCCESS)
}
