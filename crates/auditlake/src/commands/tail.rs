//! `auditlake tail`: follows new activities, with the service running or not yet.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use arrow::array::RecordBatch;
use auditlake_store::{Order, Rows, Select, Seqs};
use futures::{StreamExt, TryStreamExt, stream};

use super::{filter, search::columns};
use crate::{
    cli::{QueryFormat, Tail},
    config::Config,
    datadir::DataDir,
    lake::Lake,
    log, output,
    remote::Remote,
};

pub async fn run(config: &Config, words: &Tail) -> Result<ExitCode> {
    let format = output::choose(words.format.map(Into::into), None);
    let select = Select { filter: filter(&words.filter)?, columns: columns(format), ..Select::default() };
    let data = config.data_dir()?;
    let mut screen = Screen { format, has_heading: false };
    newest(config, &data, &select, words.lines, &mut screen).await?;
    let mut has_told = false;
    loop {
        if let Some(remote) = service(&data).await {
            follow(&remote, &select, &mut screen).await?;
        } else if !has_told {
            log::say(format!("no service is running on {}: waiting for one", data.path().display()));
            has_told = true;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn service(data: &DataDir) -> Option<Remote> {
    let remote = Remote::new(&data.service()?).ok()?;
    remote.answers().await.then_some(remote)
}

/// What is there already: the newest, in their order.
async fn newest(config: &Config, data: &DataDir, select: &Select, lines: u64, screen: &mut Screen) -> Result<()> {
    if lines == 0 || (!config.has_store(data) && data.service().is_none()) {
        return Ok(());
    }
    let lake = Lake::find(config, "tail").await?;
    let rows = lake.select(&Select { limit: Some(lines), ..select.clone() }).await?;
    let schema = rows.schema.clone();
    let mut reversed = Vec::new();
    for batch in rows.collect().await? {
        reversed.extend((0..batch.num_rows()).map(|row| batch.slice(row, 1)));
    }
    reversed.reverse();
    let batches: Vec<RecordBatch> = match reversed.is_empty() {
        true => Vec::new(),
        false => vec![arrow::compute::concat_batches(&schema, &reversed)?],
    };
    screen.show(Rows { schema, batches: Box::pin(stream::iter(batches.into_iter().map(Ok))) }).await
}

/// Each commit's activities when it comes, until the service ends.
async fn follow(remote: &Remote, select: &Select, screen: &mut Screen) -> Result<()> {
    let mut commits = Box::pin(remote.commits().await?);
    let Some(mut last) = commits.next().await else { return Ok(()) };
    while let Some(seq) = commits.next().await {
        if seq <= last {
            continue;
        }
        let seqs = Seqs { after: Some(last), until: Some(seq) };
        last = seq;
        screen.show(remote.select(&Select { seqs, order: Order::Arrival, ..select.clone() }).await?).await?;
    }
    Ok(())
}

/// What is written, and whether there was a heading already: one is enough.
struct Screen {
    format: QueryFormat,
    has_heading: bool,
}

impl Screen {
    /// Writes rows, if there are any: a heading alone says nothing.
    async fn show(&mut self, rows: Rows) -> Result<()> {
        let Rows { schema, mut batches } = rows;
        let Some(first) = batches.try_next().await? else { return Ok(()) };
        let rows = Rows { schema, batches: Box::pin(stream::once(async { Ok(first) }).chain(batches)) };
        match std::mem::replace(&mut self.has_heading, true) {
            false => output::write_rows(rows, self.format, None).await?,
            true => output::write_more(rows, self.format).await?,
        };
        Ok(())
    }
}
