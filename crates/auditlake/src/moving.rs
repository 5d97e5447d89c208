//! Moving a deployment from one store to another, of the same kind or not: stretch by stretch, then what changes, then the proof.
//!
//! How far it has come is noted in the target, with each stretch; so a copy that was broken off goes on, and until the proof is made
//! nothing else opens the target.

mod files;
pub mod proof;
mod side;

use anyhow::{Context, Result};
use auditlake_store::moving::{Movable, MovedCommit, Part, Stretch};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{engine::Store, hinted};

pub use files::Files;
pub use side::Side;

/// So many commits without rows are taken at once.
const COMMITS: u64 = 2_000;
/// So many items are taken at once.
const ITEMS: u64 = 2_000;

/// What is noted in the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// What tells the source from others.
    origin: String,
    /// The last commit that is there.
    seq: u64,
}

/// How far it has come, for whoever watches.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// A copy that was broken off goes on behind this commit.
    GoesOn(u64),
    /// Commits up to this one are there.
    Record { seq: u64, rows: u64 },
    /// What changes is there.
    State,
}

/// Copies everything, but proves nothing yet.
pub async fn copy(from: &Store, to: &Store, rows_at_once: u64, tell: impl Fn(Step)) -> Result<()> {
    let mut progress = begin(from, to).await?;
    if progress.seq > 0 {
        tell(Step::GoesOn(progress.seq));
    }
    to.drop_after(progress.seq).await?;
    // The next stretch is read while one is written.
    let (ready, mut next) = mpsc::channel(1);
    let read = read(from, progress.seq, rows_at_once, ready);
    let write = async {
        let mut rows = 0;
        while let Some(stretch) = next.recv().await {
            let stretch: Stretch = stretch;
            progress.seq = stretch.commits.last().map_or(progress.seq, |commit| commit.seq);
            rows += stretch.rows.iter().map(|rows| rows.num_rows() as u64).sum::<u64>();
            to.take(stretch, serde_json::to_value(&progress)?).await?;
            tell(Step::Record { seq: progress.seq, rows });
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::try_join!(read, write)?;
    for part in Part::ALL {
        to.clear(part).await?;
        let mut taken = 0;
        loop {
            let items = from.items(part, taken, ITEMS).await?;
            taken += items.len() as u64;
            if items.is_empty() {
                break;
            }
            to.take_items(part, items).await.with_context(|| format!("cannot copy {}", part.name()))?;
        }
    }
    tell(Step::State);
    Ok(())
}

async fn read(from: &Store, mut seq: u64, rows_at_once: u64, ready: mpsc::Sender<Stretch>) -> Result<()> {
    loop {
        let commits = some(from.commits_after(seq, COMMITS).await?, rows_at_once);
        let Some(last) = commits.last().map(|commit| commit.seq) else { return Ok(()) };
        let ledger = from.ledger_between(seq, last).await?;
        let rows = match commits.iter().any(|commit| commit.new > 0) {
            true => from.rows_between(seq, last).await?.batches.try_collect().await?,
            false => Vec::new(),
        };
        if ready.send(Stretch { commits, ledger, rows }).await.is_err() {
            return Ok(());
        }
        seq = last;
    }
}

/// As many of them as have so many rows; at least one.
fn some(mut commits: Vec<MovedCommit>, rows_at_once: u64) -> Vec<MovedCommit> {
    let mut rows = 0;
    let count = commits.iter().take_while(|commit| {
        let is_first = rows == 0;
        rows += commit.new;
        is_first || rows <= rows_at_once
    });
    let count = count.count();
    commits.truncate(count);
    commits
}

/// Where to go on; the target is marked as being copied to.
async fn begin(from: &Store, to: &Store) -> Result<Progress> {
    let origin = match from.commits_after(0, 1).await?.first() {
        Some(first) => format!("{} {} {}", first.seq, first.at, first.source),
        None => "no commit".to_owned(),
    };
    let progress = match to.progress().await? {
        Some(found) => serde_json::from_value(found).unwrap_or(Progress { origin: String::new(), seq: 0 }),
        None if is_empty(to).await? => {
            let progress = Progress { origin: origin.clone(), seq: 0 };
            to.set_progress(Some(serde_json::to_value(&progress)?)).await?;
            progress
        }
        None => {
            return Err(hinted(
                "the target holds something already",
                "name an empty directory, or a database without tables; `auditlake store compare` tells whether two stores hold the same",
            ));
        }
    };
    let is_known = progress.seq == 0
        || from.commits_after(progress.seq - 1, 1).await?.first().is_some_and(|commit| commit.seq == progress.seq);
    if progress.origin != origin || !is_known {
        return Err(hinted(
            "the copy of another store was broken off in the target",
            "finish that one, or name an empty target",
        ));
    }
    Ok(progress)
}

async fn is_empty(store: &Store) -> Result<bool> {
    if !store.commits_after(0, 1).await?.is_empty() {
        return Ok(false);
    }
    for part in Part::ALL {
        if !store.items(part, 0, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
