//! What the faults that depend on earlier requests remember, bounded.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use feed::{Page, Query};

use super::{FaultKind, Faults};
use crate::{
    event::Event,
    hash::{happens, named},
    ids::Id,
};

/// What the faults that depend on earlier requests remember, bounded.
pub(crate) struct Memory {
    /// Queries that were told that the end is reached.
    ended: Mutex<HashSet<u64>>,
    /// When the activities whose names will be blank were first read.
    read: Mutex<HashMap<Id, Instant>>,
    early_end: f64,
    blank: Option<(f64, Duration)>,
}

/// How much is remembered; what exceeds it goes right.
const REMEMBERED: usize = 1_000_000;

impl Memory {
    /// Nothing is remembered yet.
    pub(crate) fn new(faults: &Faults) -> Memory {
        Memory {
            ended: Mutex::default(),
            read: Mutex::default(),
            early_end: faults.rate(|kind| kind == FaultKind::EarlyEnd),
            blank: faults.all.iter().find_map(|fault| match fault.kind {
                FaultKind::BlankNames(after) if fault.rate > 0.0 => Some((fault.rate, after)),
                _ => None,
            }),
        }
    }

    /// Says that the end is reached although it is not, once for a query that has bad luck.
    pub(crate) fn end_early(&self, query: &Query, mut page: Page, faults: &Faults) -> Page {
        if self.early_end > 0.0 && page.has_more {
            let query = named(&format!("{query:?}"));
            if happens(faults.luck(3, query), self.early_end) {
                let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
                if ended.len() < REMEMBERED && ended.insert(query) {
                    page.has_more = false;
                }
            }
        }
        page
    }

    /// Whether the names of an activity are blank by now.
    pub(crate) fn is_blank(&self, event: &Event, faults: &Faults) -> bool {
        let Some((rate, after)) = self.blank else { return false };
        if !happens(faults.luck(4, event.id.0), rate) {
            return false;
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match read.get(&event.id) {
            Some(first) => first.elapsed() >= after,
            None => {
                if read.len() < REMEMBERED {
                    read.insert(event.id, Instant::now());
                }
                false
            }
        }
    }
}
