//! Delivery in the service: who turns changed alerts into notices, and a worker for each destination. Of several processes on a server
//! one delivers.

use std::{sync::Arc, time::Duration};

use auditlake_store::outbox::DeliveryLog;
use deliver::{Postman, Subscription, Worker};
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, task::JoinHandle};

use super::duty::becomes;
use crate::{
    config::{Config, DestinationConfig},
    engine::Store,
};

/// What was settled is kept so long, for lists.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How often it is looked at what to forget.
const TIDYING: Duration = Duration::from_secs(24 * 60 * 60);

/// Delivery, for as long as it is this process's to do.
pub struct Delivering {
    stop: watch::Sender<Option<Duration>>,
    work: JoinHandle<()>,
}

impl Delivering {
    /// Begins to deliver. `address` is where the page answers, for links, unless one is configured.
    pub fn start(config: &Config, store: &Store, address: &str, is_ours: watch::Receiver<bool>) -> Delivering {
        let (stop, stopped) = watch::channel(None);
        let link = config.alerts.link.clone().unwrap_or_else(|| address.to_owned());
        let work = in_turn(config.destinations.clone(), store.clone(), link, is_ours, stopped);
        Delivering { stop, work: tokio::spawn(work) }
    }

    /// Ends: attempts under way may end within `grace`.
    pub async fn end(self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        let _ = self.work.await;
    }
}

async fn in_turn(
    destinations: Vec<DestinationConfig>,
    store: Store,
    link: String,
    mut is_ours: watch::Receiver<bool>,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    loop {
        tokio::select! {
            _ = asked(&mut stopped) => return,
            () = becomes(&mut is_ours, true) => {}
        }
        let workers = Workers::start(&destinations, &store, &link);
        let grace = tokio::select! {
            grace = asked(&mut stopped) => grace,
            () = becomes(&mut is_ours, false) => Duration::ZERO,
        };
        // Whoever has it now may deliver the same again: better twice than never.
        workers.end(grace).await;
    }
}

/// Waits until it is to end, and says how much time is left for that.
async fn asked(stopped: &mut watch::Receiver<Option<Duration>>) -> Duration {
    match stopped.wait_for(Option::is_some).await {
        Ok(grace) => grace.unwrap_or_default(),
        Err(_) => Duration::ZERO,
    }
}

/// Delivery that works.
struct Workers {
    stop: watch::Sender<bool>,
    work: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start(destinations: &[DestinationConfig], store: &Store, link: &str) -> Workers {
        let (stop, stopped) = watch::channel(false);
        let outbox = Arc::new(store.clone());
        let mut workers = Workers { stop, work: Vec::new() };
        let mut subscriptions = Vec::new();
        for destination in destinations {
            subscriptions.push(Subscription { destination: destination.name.clone(), route: destination.route() });
            let open = Arc::new(destination.clone());
            let patience = destination.patience();
            let worker = Worker::new(destination.name.clone(), open, outbox.clone(), patience, deliver::clock());
            workers.work.push(tokio::spawn(worker.run(stopped.clone())));
        }
        // Without any destination it still goes with the alerts, so that one that is added later is told of later ones.
        let postman = Postman {
            alerts: outbox.clone(),
            outbox,
            subscriptions,
            link: Some(link.to_owned()),
            clock: deliver::clock(),
        };
        workers.work.push(tokio::spawn(postman.run(stopped.clone())));
        workers.work.push(tokio::spawn(tidy(store.clone(), stopped)));
        workers
    }

    async fn end(self, grace: Duration) {
        self.stop.send_replace(true);
        for work in self.work {
            let abort = work.abort_handle();
            if tokio::time::timeout(grace, work).await.is_err() {
                abort.abort();
            }
        }
    }
}

/// Forgets what was settled long ago.
async fn tidy(store: Store, mut stopped: watch::Receiver<bool>) {
    loop {
        match store.forget_deliveries(Timestamp::now() - KEPT).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "old deliveries were forgotten"),
            Err(error) => tracing::warn!(%error, "old deliveries could not be forgotten"),
        }
        tokio::select! {
            _ = async { _ = stopped.wait_for(|stop| *stop).await; } => return,
            () = tokio::time::sleep(TIDYING) => {}
        }
    }
}
