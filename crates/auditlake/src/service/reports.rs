//! What the sources are doing, in the words of the pages.

use std::sync::{Arc, Mutex, PoisonError};

use collect::{Phase, SourceState};
use tokio::sync::watch;
use web::SourceReport;

/// The states of all sources that are collected.
#[derive(Clone, Default)]
pub struct States(Arc<Mutex<Vec<watch::Receiver<SourceState>>>>);

impl States {
    pub fn add(&self, state: watch::Receiver<SourceState>) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(is_collected);
        states.push(state);
    }

    /// Asks for what they are doing now.
    pub fn reader(&self) -> Arc<dyn Fn() -> Vec<SourceReport> + Send + Sync> {
        let states = self.clone();
        Arc::new(move || {
            let states = states.0.lock().unwrap_or_else(PoisonError::into_inner);
            states.iter().filter(|state| is_collected(state)).map(|state| report(&state.borrow())).collect()
        })
    }
}

/// Whether there is still a collector behind a state: another process may have taken over.
pub fn is_collected(state: &watch::Receiver<SourceState>) -> bool {
    state.has_changed().is_ok()
}

fn report(state: &SourceState) -> SourceReport {
    let phase = match state.phase {
        Phase::Starting => "starting",
        Phase::Backfilling => "backfilling",
        Phase::Following => "following",
        Phase::Retrying => "retrying",
        Phase::Stalled => "stalled",
        Phase::Refused => "refused",
        Phase::Stopped => "stopped",
    };
    let trouble = state.trouble.as_ref();
    SourceReport {
        source: state.source.clone(),
        phase: phase.to_owned(),
        last_success: state.last_success,
        watermark: state.watermark,
        echo: state.echo,
        trouble: trouble.map(|trouble| (trouble.since, trouble.message.clone(), trouble.hint.clone())),
        requests: state.requests,
        errors: state.errors.iter().map(|(kind, count)| (kind.clone(), *count)).collect(),
        late: state.late,
        rejected: state.rejected,
        own_reads: state.own_reads,
        limit: state.limit,
        remaining: state.remaining,
        backfilled: state.backfill.map(|backfill| backfill.share()),
    }
}
