//! What is looked up, as something to write down: told by the request alone, gathered, and stored together.
//!
//! A request never waits for it. The same question by the same one within a minute is one look-up, so that a page that keeps
//! itself up to date, or somebody who goes back and forth, writes no more than somebody who reads.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use auditlake_store::lookup::{Lookup, Lookups};
use axum::http::{Method, Uri};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::scope::Params;

/// Look-ups that wait to be written, at most; and those that are written together.
const QUEUE: usize = 4_096;
/// What has come in this time is written together.
const GATHER: Duration = Duration::from_secs(2);
/// The same again within this time is no other look-up.
const SAME: Duration = Duration::from_secs(60);
/// So many are remembered for that.
const REMEMBERED: usize = 4_096;
/// Statements and addresses are cut after so many characters.
const LONGEST: usize = 4_000;
/// How often what is old is forgotten.
const FORGET: Duration = Duration::from_secs(3_600);

/// Takes look-ups.
#[derive(Clone)]
pub struct Notebook {
    queue: mpsc::Sender<Lookup>,
    lost: Arc<AtomicU64>,
    recent: Arc<Mutex<HashMap<(String, String), Instant>>>,
}

/// Writes them down.
pub struct Scribe {
    /// Ends when `closing` turns true and everything is written.
    pub work: JoinHandle<()>,
}

impl Scribe {
    /// Begins to write into a store, and to forget what is older than `days`; nothing is forgotten if that is 0.
    pub fn start(store: Arc<dyn Lookups>, days: u32, closing: watch::Receiver<bool>) -> (Notebook, Scribe) {
        let (queue, queued) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let work = tokio::spawn(write(store, days, queued, lost.clone(), closing));
        (Notebook { queue, lost, recent: Arc::default() }, Scribe { work })
    }
}

impl Notebook {
    pub(super) fn note(&self, lookup: Lookup) {
        let key = (lookup.who.clone(), lookup.link.clone());
        let now = Instant::now();
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() >= REMEMBERED {
                recent.retain(|_, at| now.saturating_duration_since(*at) < SAME);
                if recent.len() >= REMEMBERED {
                    recent.clear();
                }
            }
            if recent.get(&key).is_some_and(|at| now.saturating_duration_since(*at) < SAME) {
                return;
            }
            recent.insert(key, now);
        }
        if self.queue.try_send(lookup).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write(
    store: Arc<dyn Lookups>,
    days: u32,
    mut queue: mpsc::Receiver<Lookup>,
    lost: Arc<AtomicU64>,
    mut closing: watch::Receiver<bool>,
) {
    let mut held: Vec<Lookup> = Vec::new();
    let mut forgotten: Option<Instant> = None;
    loop {
        let is_over = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => true,
            got = queue.recv_many(&mut held, QUEUE) => got == 0,
            () = sleep(FORGET) => false,
        };
        if is_over {
            queue.close();
        } else if !held.is_empty() {
            let _ = timeout(GATHER, closing.wait_for(|closing| *closing)).await;
        }
        while let Ok(more) = queue.try_recv() {
            held.push(more);
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(lookups = lost, "too much was looked up at once: this many look-ups are not written down");
        }
        if !held.is_empty() {
            match store.note(held.clone()).await {
                Ok(()) => held.clear(),
                Err(error) => {
                    tracing::error!(%error, lookups = held.len(), "what was looked up is not yet written down");
                    held.truncate(QUEUE);
                }
            }
        }
        if is_over {
            return;
        }
        if days > 0 && forgotten.is_none_or(|at| at.elapsed() >= FORGET) {
            forgotten = Some(Instant::now());
            let before = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * i64::from(days)));
            if let Ok(before) = before
                && let Err(error) = store.forget_lookups(before).await
            {
                tracing::error!(%error, "old look-ups could not be forgotten");
            }
        }
        if !held.is_empty() {
            sleep(GATHER).await;
        }
    }
}

/// What a request looks up: on which page, and what; none if it is no question about the log. `body` is that of an API request.
pub(super) fn asked(method: &Method, uri: &Uri, body: Option<&[u8]>) -> Option<(&'static str, String)> {
    let path = uri.path();
    let params = || axum::extract::Query::<Params>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
    let parameter = |name: &str| params().get(name).unwrap_or_default().to_owned();
    let cut = |text: String| text.chars().take(LONGEST).collect::<String>();
    let below = |prefix: &str| {
        let rest = path.strip_prefix(prefix)?.strip_prefix('/')?;
        Some(decode(rest.split('/').next().unwrap_or_default())).filter(|id| !id.is_empty())
    };
    let (what, detail) = match path {
        _ if method == Method::POST && path == "/api/v1/sql" => {
            let body: serde_json::Value = serde_json::from_slice(body?).ok()?;
            ("sql", body.get("sql")?.as_str()?.to_owned())
        }
        _ if method != Method::GET => return None,
        // Regions of pages that are open already, and help with typing.
        _ if path.ends_with("/live") || matches!(path, "/explore/facets" | "/explore/complete") => return None,
        "/explore" => ("explorer", parameter("q")),
        "/explore/export.csv" | "/explore/export.jsonl" => ("export", parameter("q")),
        "/sql" => ("sql", Some(parameter("q")).filter(|text| !text.is_empty())?),
        "/sql.csv" => ("export", parameter("q")),
        "/api/v1/select" => ("search", parameter("filter")),
        "/api/v1/alerts" => ("alerts", parameter("id")),
        "/posture" => ("posture", parameter("at")),
        "/alerts" => ("alerts", [parameter("rule"), parameter("q")].join(" ").trim().to_owned()),
        _ => [
            ("activity", "/activity"),
            ("person", "/person"),
            ("key", "/key"),
            ("address", "/address"),
            ("organisation", "/organization"),
            ("resource", "/resource"),
            ("dashboard", "/dashboards"),
            ("alert", "/alerts"),
        ]
        .into_iter()
        .find_map(|(what, prefix)| Some((what, below(prefix)?)))?,
    };
    Some((what, cut(detail)))
}

/// The link of a look-up: path and question, cut.
pub(super) fn link(uri: &Uri) -> String {
    uri.path_and_query().map(ToString::to_string).unwrap_or_default().chars().take(LONGEST).collect()
}

/// A part of a path as it was before it was written for an address.
fn decode(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let sign = more.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match sign.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_asked() {
        let get = |uri: &str| asked(&Method::GET, &uri.parse().unwrap(), None);
        let is = |what: &'static str, detail: &str| Some((what, detail.to_owned()));
        assert_eq!(get("/explore?q=actor%3Aeve%40example.com&range=7d"), is("explorer", "actor:eve@example.com"));
        assert_eq!(get("/explore"), is("explorer", ""));
        assert_eq!(get("/person/eve%40example.com?range=1y"), is("person", "eve@example.com"));
        assert_eq!(get("/activity/activity_1/panel"), is("activity", "activity_1"));
        assert_eq!(get("/explore/export.csv?q=ip%3A192.0.2.1"), is("export", "ip:192.0.2.1"));
        assert_eq!(get("/sql?q=select%201"), is("sql", "select 1"));
        assert_eq!(get("/api/v1/select?filter=x"), is("search", "x"));
        for none in
            ["/", "/explore/live?q=x", "/explore/facets?q=x", "/sql", "/settings", "/rules/a", "/live", "/person/"]
        {
            assert_eq!(get(none), None, "{none}");
        }
        let body = br#"{"sql":"select 2"}"#;
        assert_eq!(asked(&Method::POST, &"/api/v1/sql".parse().unwrap(), Some(body)), is("sql", "select 2"));
    }
}
