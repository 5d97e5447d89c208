//! `auditlake query`: SQL that reads.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::Result;
use auditlake_store::SqlQuery;

use crate::{cli::Query, config::Config, lake::Lake, output};

pub async fn run(config: &Config, words: &Query) -> Result<ExitCode> {
    let lake = Lake::find(config, "query").await?;
    let timeout = words.timeout.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    let query = SqlQuery {
        text: words.sql.clone(),
        params: words.param.iter().cloned().collect::<BTreeMap<_, _>>(),
        timeout: Some(timeout.unwrap_or_else(|| config.query_timeout())),
        max_rows: Some(words.max_rows.unwrap_or(config.query.max_rows)),
    };
    let rows = lake.sql(query).await?;
    let format = output::choose(words.format, words.output.as_deref());
    output::write_rows(rows, format, words.output.as_deref()).await?;
    Ok(ExitCode::SUCCESS)
}
