//! A source of this process: collected for as long as no other process does it, from what is stored on.

use std::sync::Arc;

use collect::{Collector, SourceState, Stop, Turns};
use enrich::Enricher;
use tokio::sync::{mpsc, watch};

use super::{
    Collectors, Prepared,
    duty::{Duty, becomes},
    reports::States,
    watch::Sources,
};
use crate::engine::{self, Store};

/// What all sources of a process share.
#[derive(Clone)]
pub struct Collecting {
    pub store: Store,
    pub enricher: Arc<Enricher>,
    pub turns: Arc<Turns>,
    pub collectors: Collectors,
    pub watched: Arc<Sources>,
    pub states: States,
    /// Told of each source that is begun.
    pub begun: mpsc::UnboundedSender<watch::Receiver<SourceState>>,
}

impl Collecting {
    /// Collects a source until told to stop.
    pub async fn run(self, source: Prepared, stop: Stop) -> collect::Result<()> {
        let Prepared { mut options, upstream, budget } = source;
        options.enricher = Some(self.enricher.clone());
        options.turns = self.turns.clone();
        let name = options.info.id.clone();
        let (duty, rank) = (engine::Duty::of_source(&name), engine::Duty::FIRST);
        let duty = Duty::seek(&self.store, duty, rank, format!("source {name}"));
        let mut is_ours = duty.is_ours();
        let done = loop {
            tokio::select! {
                () = stop.given() => break Ok(()),
                () = becomes(&mut is_ours, true) => {}
            }
            // A new one each time: what it remembers is of before another process had its turn.
            let store = Arc::new(self.store.clone());
            let collector = Arc::new(Collector::new(options.clone(), upstream.clone(), budget.clone(), store));
            self.collectors.add(collector.clone());
            self.watched.add(collector.state());
            self.states.add(collector.state());
            // Nobody may want to know.
            let _ = self.begun.send(collector.state());
            tokio::select! {
                done = collector.collect(stop.clone()) => break done,
                () = becomes(&mut is_ours, false) => self.collectors.remove(&name),
            }
            tracing::warn!(source = name, "another process collects it from now on");
        };
        duty.end().await;
        done
    }
}
