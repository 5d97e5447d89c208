//! Asking again about activities that are stored.

use std::sync::Arc;

use activity::{Enrichment, Record};

use crate::Window;

/// What to ask again, and whom.
#[derive(Clone)]
pub struct LateEnrichment {
    /// About activities of this time.
    pub window: Window,
    /// Who answers. It is asked once for all activities that are alike, with a record of the actor alone.
    pub with: Arc<dyn Fn(&Record) -> Enrichment + Send + Sync>,
}

impl std::fmt::Debug for LateEnrichment {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("LateEnrichment").field("window", &self.window).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Enriched {
    /// Activities that were asked about.
    pub asked: u64,
    /// Of these, how many have another place now.
    pub places: u64,
    /// How many have another client.
    pub agents: u64,
    /// How many have another person.
    pub people: u64,
}
