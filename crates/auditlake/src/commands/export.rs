//! `auditlake export`: the records in the shape that another tool expects, the oldest first.
//!
//! The time is cut into windows of some thousand records (`export/plan.rs`), each of which the engine sorts by itself, so that
//! memory is the same for a thousand records and for ten million. One task reads windows ahead, workers write them in their
//! shape, and this one puts the pieces out in their order (`export/sink.rs`).

mod plan;
mod sink;

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use auditlake_store::{Columns as Wanted, Order, Select, Seqs};
use futures::{StreamExt, TryStreamExt, stream};
use shapes::{
    Columns, Shape,
    flat::{Csv, Table},
};
use tokio::sync::mpsc;

use self::sink::{Piece, Sink};
use super::{filter, time};
use crate::{
    cli::{Export, ExportFormat, ShapeName},
    config::Config,
    lake::Lake,
};

/// So many windows are read, and so many written in their shape, at a time.
const AT_ONCE: usize = 2;

pub async fn run(config: &Config, words: &Export) -> Result<ExitCode> {
    let format = sink::choose(words.format, words.output.as_deref())?;
    let shape = shape(words.shape);
    let (filter, since, until) =
        (filter(&words.filter)?, time("since", words.since.as_deref())?, time("until", words.until.as_deref())?);
    let sink = Sink::new(shape, format, words.output.as_deref())?;
    let lake = Arc::new(Lake::find(config, "export").await?);
    let plan = plan::Plan::of(&lake, config.store.dialect(), since, until).await?;
    // Everything is made of what is stored: the engine's views make maps and lists of it, one value at a time.
    let columns = if shape == Shape::Raw { Wanted::Raw } else { Wanted::Plain };
    let select = Select {
        filter,
        seqs: Seqs { after: None, until: Some(plan.seq) },
        order: Order::Oldest,
        columns,
        ..Select::default()
    };
    let pieces = read(lake, plan, select).map(move |window| write(window, shape, format)).buffered(AT_ONCE);
    sink.fill(pieces.boxed()).await?;
    Ok(ExitCode::SUCCESS)
}

fn shape(name: ShapeName) -> Shape {
    match name {
        ShapeName::Raw => Shape::Raw,
        ShapeName::Unified => Shape::Unified,
        ShapeName::Datadog => Shape::Datadog,
        ShapeName::Ocsf => Shape::Ocsf,
        ShapeName::Ecs => Shape::Ecs,
        ShapeName::Panther => Shape::Panther,
    }
}

/// The records of each window, in their order. Ends when nobody takes them.
fn read(lake: Arc<Lake>, plan: plan::Plan, select: Select) -> stream::BoxStream<'static, Result<Vec<RecordBatch>>> {
    let (give, mut take) = mpsc::channel(1);
    tokio::spawn(async move {
        let lake = &lake;
        let windows = stream::iter(plan.windows).map(|window| {
            let select = Select { window, ..select.clone() };
            async move { Ok(lake.select(&select).await?.batches.try_collect().await?) }
        });
        let mut windows = Box::pin(windows.buffered(AT_ONCE));
        while let Some(window) = windows.next().await {
            let is_over = window.is_err();
            if give.send(window).await.is_err() || is_over {
                return;
            }
        }
    });
    stream::poll_fn(move |context| take.poll_recv(context)).boxed()
}

/// A window in its shape.
async fn write(window: Result<Vec<RecordBatch>>, shape: Shape, format: ExportFormat) -> Result<Piece> {
    let batches = window?;
    tokio::task::spawn_blocking(move || match format {
        ExportFormat::Jsonl => lines(&batches, shape, |columns, at, out| {
            shape.write(&columns.row(at), out);
            out.push(b'\n');
        }),
        ExportFormat::Csv => {
            let mut csv = Csv::new(shape);
            lines(&batches, shape, move |columns, at, out| csv.line(&columns.row(at), out))
        }
        ExportFormat::Parquet => {
            let mut table = Table::new(shape);
            for batch in &batches {
                let columns = Columns::of(batch)?;
                (0..columns.len()).for_each(|at| table.push(&columns.row(at)));
            }
            Ok(Piece::Rows(vec![table.finish()?]))
        }
    })
    .await
    .context("cannot write a record in its shape")?
}

fn lines(batches: &[RecordBatch], shape: Shape, mut line: impl FnMut(&Columns, usize, &mut Vec<u8>)) -> Result<Piece> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut out = Vec::with_capacity(rows * if shape == Shape::Raw { 700 } else { 2_500 });
    for batch in batches {
        let columns = Columns::of(batch)?;
        (0..columns.len()).for_each(|at| line(&columns, at, &mut out));
    }
    Ok(Piece::Bytes(out))
}
