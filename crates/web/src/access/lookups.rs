//! What is looked up, as something to write down: told by the request alone, gathered, and stored together.
//!
//! A request never waits for it. The same question by the same one within a minute is one look-up, and what a page asks by itself
//! is none beside the page's own: a page that keeps itself up to date, or somebody who goes back and forth, writes no more than
//! somebody who reads.

mod asked;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use auditlake_store::lookup::{Lookup, Lookups};
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::hex;

pub use asked::{Asked, asked};

/// Look-ups that wait to be written, at most; and those that are written together.
const QUEUE: usize = 4_096;
/// What has come in this time is written together.
const GATHER: Duration = Duration::from_secs(2);
/// The same again within this time is no other look-up.
const SAME: Duration = Duration::from_secs(60);
/// What a part of a page asks is none either, if it or its page was asked for within this time.
const FOLLOWED: Duration = Duration::from_secs(3_600);
/// So many are remembered for that.
const REMEMBERED: usize = 16_384;
/// Of longer statements, in characters, beginning and end are kept, and a hash of the whole; of longer links, the page.
const LONGEST: usize = 4_000;
/// How often what is old is forgotten.
const FORGET: Duration = Duration::from_secs(3_600);

/// Takes look-ups.
#[derive(Clone)]
pub struct Notebook {
    queue: mpsc::Sender<Lookup>,
    lost: Arc<AtomicU64>,
    recent: Arc<Mutex<HashMap<[u8; 32], Seen>>>,
}

/// When a question was written down, and when it was last asked.
#[derive(Clone, Copy)]
struct Seen {
    noted: Instant,
    asked: Instant,
}

/// Who asks, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub who: &'a str,
    pub address: Option<&'a str>,
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
    pub(super) fn note(&self, by: Asking<'_>, asked: Asked) {
        if !self.is_new(by, &asked, Instant::now()) {
            return;
        }
        let is_long = asked.link.chars().count() > LONGEST;
        // A link that is cut would lead to another question.
        let page = asked.link.split('?').next().filter(|page| page.len() <= LONGEST).unwrap_or("/");
        let lookup = Lookup {
            at: Timestamp::now(),
            who: by.who.to_owned(),
            address: by.address.map(str::to_owned),
            what: asked.what.to_owned(),
            detail: short(&asked.detail),
            link: if is_long { page.to_owned() } else { asked.link },
        };
        if self.queue.try_send(lookup).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_new(&self, by: Asking<'_>, asked: &Asked, now: Instant) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= REMEMBERED {
            recent.retain(|_, seen| now.saturating_duration_since(seen.asked) < FOLLOWED);
            if recent.len() >= REMEMBERED {
                // Some are written down once more.
                recent.clear();
            }
        }
        let seen = recent.entry(key(by.who, asked));
        let before = match &seen {
            Entry::Occupied(seen) => Some(*seen.get()),
            Entry::Vacant(_) => None,
        };
        let is_same = before.is_some_and(|seen| match asked.is_part {
            true => now.saturating_duration_since(seen.asked) < FOLLOWED,
            false => now.saturating_duration_since(seen.noted) < SAME,
        });
        let noted = before.map(|seen| seen.noted).filter(|_| is_same).unwrap_or(now);
        seen.insert_entry(Seen { noted, asked: now });
        !is_same
    }
}

/// What makes two questions one: who asks what about which stretch of the log, whole, however long it is.
fn key(who: &str, asked: &Asked) -> [u8; 32] {
    let mut text = String::new();
    for part in [who, asked.what, &asked.scope, &asked.detail] {
        text.push_str(part);
        text.push('\0');
    }
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    key
}

/// A text as it is kept. Who hides a question in a long text does not hide that there was one: two of them stay two.
fn short(text: &str) -> String {
    let count = text.chars().count();
    let Some(left_out) = count.checked_sub(LONGEST).filter(|&left_out| left_out > 0) else { return text.to_owned() };
    let head: String = text.chars().take(LONGEST / 2).collect();
    let tail: String = text.chars().skip(count - LONGEST / 2).collect();
    let hash = hex(digest(&SHA256, text.as_bytes()).as_ref());
    format!("{head} … {left_out} characters are left out; the whole has the SHA-256 {hash} … {tail}")
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
