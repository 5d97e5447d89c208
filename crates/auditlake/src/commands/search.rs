//! `auditlake search`: activities that pass a filter, the newest first.

use std::process::ExitCode;

use anyhow::Result;
use auditlake_store::{Columns, Select, Window};

use super::{filter, time};
use crate::{
    cli::{QueryFormat, Search},
    config::Config,
    lake::Lake,
    output,
};

pub async fn run(config: &Config, words: &Search) -> Result<ExitCode> {
    let format = output::choose(words.format.map(Into::into), None);
    let select = Select {
        filter: filter(&words.filter)?,
        window: Window { since: time("since", words.since.as_deref())?, until: time("until", words.until.as_deref())? },
        limit: Some(words.limit),
        columns: columns(format),
        ..Select::default()
    };
    let lake = Lake::find(config, "search").await?;
    output::write_rows(lake.select(&select).await?, format, None).await?;
    Ok(ExitCode::SUCCESS)
}

/// People see what fits on a line, programs get the unified record.
pub fn columns(format: QueryFormat) -> Columns {
    match format {
        QueryFormat::Table => Columns::Summary,
        _ => Columns::Unified,
    }
}
