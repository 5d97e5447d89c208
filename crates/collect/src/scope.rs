//! Whose activities a source reads: the organizations of which its coverage tells.
//!
//! What was read for some organizations says nothing of others. So the scope is kept in a checkpoint, and when more is to be read
//! than before, coverage is void and all of the past is read again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Collector, Priority, Result,
    backfill::Saved,
    covered::Coverage,
    desk::{Anew, Work},
    source::read_checkpoint,
    tail::TailPoint,
};

/// The name of the checkpoint.
const CHECKPOINT: &str = "scope";

/// Whose activities are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    /// These organizations, and activities of none; everything that the key may read if there are none.
    pub(crate) organization_ids: BTreeSet<String>,
}

impl Scope {
    fn of(ids: &[String]) -> Scope {
        Scope { organization_ids: ids.iter().cloned().collect() }
    }

    /// Whether it holds activities that `before` did not.
    fn is_wider_than(&self, before: &Scope) -> bool {
        let (now, before) = (&self.organization_ids, &before.organization_ids);
        !before.is_empty() && (now.is_empty() || !now.is_subset(before))
    }
}

impl Collector {
    /// Takes up what an earlier process left, once, before anything is asked or committed.
    pub(crate) async fn recall(&self) -> Result<()> {
        self.desk.recalled.get_or_try_init(|| self.recall_now()).await.map(drop)
    }

    async fn recall_now(&self) -> Result<()> {
        let desk = &self.desk;
        let is_mended = desk.recall().await?;
        let scope = Scope::of(&self.options.organization_ids);
        let before: Option<Scope> = read_checkpoint(desk, CHECKPOINT).await?;
        let why = match &before {
            Some(before) if scope.is_wider_than(before) => "more organizations are read",
            Some(before) if scope != *before => "fewer organizations are read",
            Some(_) if is_mended => "what had not happened yet does not count as read",
            Some(_) => return Ok(()),
            // What an older program read, it read for the organizations that are configured, as far as anybody can know.
            None => "the ledger tells of it from here on",
        };
        let mut checkpoints = vec![(CHECKPOINT, json!(scope))];
        let mut coverage = desk.coverage.lock().await.clone();
        if before.is_some_and(|before| scope.is_wider_than(&before)) {
            let saved = self.whole_past(&coverage).await?;
            let (from, to) = (saved.from, saved.to);
            tracing::info!(source = desk.info.id, %from, %to, "more organizations are read than before: the past is read again");
            checkpoints.push(saved.checkpoint(Priority::Backfill.as_str()));
            coverage = Coverage::default();
        }
        let anew = Anew { why, coverage, organization_ids: scope.organization_ids };
        desk.commit(Work { checkpoints, anew: Some(anew), ..Work::default() }).await.map(drop)
    }

    /// Everything that was ever read or was to be read, up to where the feed has been followed.
    async fn whole_past(&self, coverage: &Coverage) -> Result<Saved> {
        let point = TailPoint::load(&self.desk).await?;
        let (first, last) = (coverage.covered.first(), coverage.covered.last());
        let now = self.desk.present();
        let to = point.map(|point| point.watermark).or(last.map(|part| part.to)).unwrap_or(now);
        let saved = Saved::load(&self.desk, Priority::Backfill.as_str()).await?;
        let mut saved = saved.unwrap_or_else(|| Saved::new(to, to));
        let from = first.map_or(saved.from, |part| part.from.min(saved.from));
        saved.add(from.min(self.options.backfill_from.unwrap_or(from)), to);
        Ok(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wider_holds_what_was_not_read() {
        let scope = |ids: &[&str]| Scope::of(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        assert!(scope(&[]).is_wider_than(&scope(&["a"])));
        assert!(scope(&["a", "b"]).is_wider_than(&scope(&["a"])));
        assert!(scope(&["b"]).is_wider_than(&scope(&["a"])));
        assert!(!scope(&["a"]).is_wider_than(&scope(&[])));
        assert!(!scope(&["a"]).is_wider_than(&scope(&["b", "a"])));
        assert!(!scope(&["a", "b"]).is_wider_than(&scope(&["b", "a", "b"])));
    }
}
