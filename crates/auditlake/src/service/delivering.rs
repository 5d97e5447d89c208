//! Delivery in the service: who turns changed alerts into notices, and a worker for each destination.

use std::{sync::Arc, time::Duration};

use auditlake_store::outbox::DeliveryLog;
use deliver::{Postman, Subscription, Worker};
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, task::JoinHandle};

use crate::{config::Config, engine::Store};

/// What was settled is kept so long, for lists.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How often it is looked at what to forget.
const TIDYING: Duration = Duration::from_secs(24 * 60 * 60);

/// Delivery that works.
pub struct Delivering {
    stop: watch::Sender<bool>,
    work: Vec<JoinHandle<()>>,
}

impl Delivering {
    /// Begins to deliver. `address` is where the page answers, for links, unless one is configured.
    pub fn start(config: &Config, store: &Store, address: &str) -> Delivering {
        let (stop, stopped) = watch::channel(false);
        let outbox = Arc::new(store.clone());
        let mut delivering = Delivering { stop, work: Vec::new() };
        let mut subscriptions = Vec::new();
        for destination in &config.destinations {
            subscriptions.push(Subscription { destination: destination.name.clone(), route: destination.route() });
            let open = Arc::new(destination.clone());
            let patience = destination.patience();
            let worker = Worker::new(destination.name.clone(), open, outbox.clone(), patience, deliver::clock());
            delivering.work.push(tokio::spawn(worker.run(stopped.clone())));
        }
        // Without any destination it still goes with the alerts, so that one that is added later is told of later ones.
        let postman = Postman {
            alerts: outbox.clone(),
            outbox,
            subscriptions,
            link: Some(config.alerts.link.clone().unwrap_or_else(|| address.to_owned())),
            clock: deliver::clock(),
        };
        delivering.work.push(tokio::spawn(postman.run(stopped.clone())));
        delivering.work.push(tokio::spawn(tidy(store.clone(), stopped)));
        delivering
    }

    /// Ends: attempts under way may end within `grace`.
    pub async fn end(self, grace: Duration) {
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
