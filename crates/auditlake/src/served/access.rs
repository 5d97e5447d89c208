//! Who read: every request to the served feed becomes an activity of the lake, as upstream's own do.
//!
//! Answering never waits for it: requests go into a bounded queue, and one task writes down what has come together, at
//! most one commit a second, and the rest when the service ends. What is lost if the store stands still for long, or if
//! somebody without a good key floods the feed, is counted and told in the log.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use activity::{Activity, Record};
use auditlake_store::{BatchBuilder, Commit, Engine, Result, SourceInfo};
use enrich::Enricher;
use feed::server::{Access, AccessLog};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::Origin;
use crate::keys::short_id;

/// The time between two commits.
const PAUSE: Duration = Duration::from_secs(1);
/// So many requests may wait to be written down. The default budget lets a hundred a second through.
const QUEUE: usize = 8_192;
/// Requests that were refused cost nobody's budget, so anybody can send them: of these, so many a minute are written down.
const REFUSED: u32 = 600;
const MINUTE: Duration = Duration::from_secs(60);

/// Hears of each request.
pub struct ReadLog {
    queue: mpsc::Sender<Access>,
    /// How many requests left no activity since that was last told.
    lost: Arc<AtomicU64>,
    /// How many more refused ones may, in the minute that began then.
    refused: Mutex<(Instant, u32)>,
}

/// The task that writes; [`Writing::finish`] lets it write the rest.
pub struct Writing {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What the task works with.
struct Scribe {
    lake: Arc<dyn Engine>,
    source: SourceInfo,
    origin: Origin,
    enricher: Arc<Enricher>,
    lost: Arc<AtomicU64>,
    /// Written, not yet committed.
    held: Vec<String>,
}

impl ReadLog {
    /// Begins to write for `source`; urls are said to lie below `origin`.
    pub fn start(
        lake: Arc<dyn Engine>,
        source: SourceInfo,
        origin: Origin,
        enricher: Arc<Enricher>,
    ) -> (ReadLog, Writing) {
        let (queue, queued) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let scribe = Scribe { lake, source, origin, enricher, lost: lost.clone(), held: Vec::new() };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(scribe.work(queued, stopped));
        (ReadLog { queue, lost, refused: Mutex::new((Instant::now(), REFUSED)) }, Writing { stop, task })
    }

    /// Whether one more refused request may be written down.
    fn has_room_for_refused(&self) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.0.elapsed() >= MINUTE {
            *refused = (Instant::now(), REFUSED);
        }
        let has_room = refused.1 > 0;
        refused.1 = refused.1.saturating_sub(1);
        has_room
    }
}

impl AccessLog for ReadLog {
    fn record(&self, access: Access) {
        let has_room = access.is_charged || self.has_room_for_refused();
        if !has_room || self.queue.try_send(access).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Writing {
    /// Writes down what is still waiting, and ends.
    pub async fn finish(self, within: Duration) {
        let _ = self.stop.send(());
        if tokio::time::timeout(within, self.task).await.is_err() {
            tracing::error!("the last requests to the feed could not be written down in time");
        }
    }
}

impl Scribe {
    async fn work(mut self, mut queue: mpsc::Receiver<Access>, mut stop: oneshot::Receiver<()>) {
        let mut next = Instant::now();
        loop {
            // With something held from a failed commit, there is no need to wait for more.
            let more = async { if self.held.is_empty() { queue.recv().await } else { None } };
            let (first, is_over) = tokio::select! {
                first = more => (first, false),
                _ = &mut stop => (None, true),
            };
            self.hold(first);
            let is_over = is_over
                || tokio::select! {
                    _ = sleep_until(next) => false,
                    _ = &mut stop => true,
                };
            if is_over {
                queue.close();
            }
            while self.held.len() < QUEUE
                && let Ok(access) = queue.try_recv()
            {
                self.hold(Some(access));
            }
            self.commit().await;
            if is_over {
                return;
            }
            next = Instant::now() + PAUSE;
        }
    }

    fn hold(&mut self, access: Option<Access>) {
        let Some(access) = access else { return };
        self.held.push(activity(&access, &self.origin.of(access.host.as_deref())));
    }

    /// Commits what is held; keeps it for the next time if that fails.
    async fn commit(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(requests = lost, "too many requests to the feed at once: these left no activity");
        }
        if self.held.is_empty() {
            return;
        }
        match self.try_commit().await {
            Ok(()) => self.held.clear(),
            Err(error) => {
                tracing::error!(%error, requests = self.held.len(), "who read the feed is not yet written down")
            }
        }
    }

    async fn try_commit(&self) -> Result<()> {
        let mut rows = BatchBuilder::with_capacity(self.held.len());
        for raw in &self.held {
            match Activity::parse_str(raw) {
                Ok(activity) => {
                    let record = Record::of(&activity);
                    rows.push_enriched(&record, &self.enricher.of(&record));
                }
                Err(error) => tracing::error!(%error, "a request to the feed cannot be written down"),
            }
        }
        let mut commit = Commit::new(self.source.clone());
        commit.batches.push(rows.finish());
        self.lake.commit(commit).await.map(|_| ())
    }
}

/// The activity that a request leaves, in upstream's form.
pub(super) fn activity(access: &Access, origin: &str) -> String {
    let ip = access.ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_canonical().to_string());
    // The catalogue has these methods only. Any other was answered 405, which the status says.
    let method = match access.method.as_str() {
        known @ ("DELETE" | "POST" | "PUT") => known,
        _ => "GET",
    };
    json!({
        "id": format!("activity_01{}", short_id(uuid::Uuid::now_v7())),
        "created_at": access.at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        "organization_id": null,
        "organization_uuid": null,
        "actor": {
            "type": "api_actor",
            "api_key_id": access.key_id.as_deref().unwrap_or("unknown"),
            "ip_address": ip,
            "user_agent": access.user_agent.as_deref().unwrap_or_default(),
        },
        "type": "compliance_api_accessed",
        "request_id": access.request_id,
        "request_method": method,
        "url": format!("{origin}{}", access.url),
        "status_code": access.status,
        "request_body": null,
    })
    .to_string()
}
