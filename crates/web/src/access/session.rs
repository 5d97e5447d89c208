//! Sessions: by the hash of an id that only the browser has. Where there is a keeper, a restart ends none of them.
//!
//! Who begins or ends is handed to the keeper at once, when sessions were last used now and then. Nothing here waits for it.

mod keeping;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use self::keeping::Keeping;
use super::{User, hex, random};

/// So many sessions are kept; the one that was used least lately gives way.
const SESSIONS: usize = 2_000;
/// When sessions were last used is handed to the keeper so often at most.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// Nobody who logs out waits longer until that is written down.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keeps sessions beyond the end of the program, where nobody else reads them.
pub trait SessionKeeper: Send + Sync + 'static {
    /// What was kept last.
    fn load(&self) -> Option<KeptSessions>;

    /// Keeps these and no others. It may take a moment.
    ///
    /// # Errors
    /// Why it could not, in words. It is asked again then.
    fn keep(&self, sessions: &KeptSessions) -> Result<(), String>;

    /// Keeps none, even where there is no room for anything.
    ///
    /// # Errors
    /// Why it could not, in words.
    fn forget(&self) -> Result<(), String>;
}

/// Sessions as they are kept. Nothing in it opens anything: ids and passwords stand there as hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSessions {
    /// What forms are signed with, in hexadecimal digits.
    pub secret: String,
    /// Every session.
    pub sessions: Vec<KeptSession>,
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSession {
    /// The hash of its id, in hexadecimal digits.
    pub id: String,
    /// The user's name.
    pub user: String,
    /// The hash of the user's mark.
    pub mark: String,
    /// When it began.
    pub begun: Timestamp,
    /// When it was last used.
    pub used: Timestamp,
}

/// Every session.
pub struct Sessions {
    idle: Duration,
    longest: Duration,
    held: Mutex<Held>,
    keeping: Option<Keeping>,
    /// What forms are signed with.
    pub secret: String,
}

#[derive(Default)]
struct Held {
    /// By the hash of the id.
    sessions: HashMap<String, Session>,
    kept: Option<Timestamp>,
}

#[derive(Clone)]
struct Session {
    name: String,
    mark: String,
    begun: Timestamp,
    used: Timestamp,
}

impl Sessions {
    pub fn new(idle: Duration, longest: Duration, keeper: Option<Arc<dyn SessionKeeper>>) -> Sessions {
        let kept = keeper.as_ref().and_then(|keeper| keeper.load()).filter(|kept| kept.secret.len() == 64);
        let (secret, list) = match kept {
            Some(kept) => (kept.secret, kept.sessions),
            // Without random numbers nobody's form is taken, as nobody knows this key either.
            None => (hex(&random().unwrap_or_default()), Vec::new()),
        };
        let session = |kept: KeptSession| {
            (kept.id, Session { name: kept.user, mark: kept.mark, begun: kept.begun, used: kept.used })
        };
        let sessions = list.into_iter().take(SESSIONS).map(session).collect();
        let keeping = keeper.and_then(|keeper| {
            let started = Keeping::start(keeper);
            started.inspect_err(|error| tracing::error!("a restart will log everybody out: {error}")).ok()
        });
        Sessions { idle, longest, held: Mutex::new(Held { sessions, kept: None }), keeping, secret }
    }

    /// Begins a session; answers its id.
    pub fn open(&self, user: &User, now: Timestamp) -> Option<String> {
        let id = hex(&random()?);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.sessions.retain(|_, session| session.is_alive(self, now));
        if held.sessions.len() >= SESSIONS
            && let Some(oldest) =
                held.sessions.iter().min_by_key(|(_, session)| session.used).map(|(hash, _)| hash.clone())
        {
            held.sessions.remove(&oldest);
        }
        let session = Session { name: user.name.clone(), mark: hash(&user.mark), begun: now, used: now };
        held.sessions.insert(hash(&id), session);
        self.keep(&mut held, now, false);
        Some(id)
    }

    /// The name of the user whose session this is, and the hash of their mark. A page that asks by itself uses no session: only
    /// what a person asks for `renews` it.
    pub fn find(&self, id: &str, now: Timestamp, renews: bool) -> Option<(String, String)> {
        let hash = hash(id);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let session = held.sessions.get_mut(&hash)?;
        if !session.is_alive(self, now) {
            held.sessions.remove(&hash);
            return None;
        }
        let found = (session.name.clone(), session.mark.clone());
        if renews {
            session.used = session.used.max(now);
            if held.kept.is_none_or(|kept| since(kept, now) >= KEEP_EVERY) {
                self.keep(&mut held, now, false);
            }
        }
        Some(found)
    }

    /// Ends a session. Waits until a restart would not begin it again; not for ever, if that cannot be written down.
    pub async fn close(&self, id: &str) {
        let number = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.sessions.remove(&hash(id)).and_then(|_| self.keep(&mut held, Timestamp::now(), true))
        };
        self.settled(number, PATIENCE).await;
    }

    /// Hands over when sessions were last used, at the end of the program.
    pub async fn finish(&self, patience: Duration) {
        let number = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            self.keep(&mut held, Timestamp::now(), false)
        };
        self.settled(number, patience).await;
    }

    async fn settled(&self, number: Option<u64>, patience: Duration) {
        if let (Some(keeping), Some(number)) = (&self.keeping, number) {
            keeping.settled(number, patience).await;
        }
    }

    /// Under the lock, so that what is kept last is what was so last.
    fn keep(&self, held: &mut Held, now: Timestamp, is_out: bool) -> Option<u64> {
        held.kept = Some(now);
        let keeping = self.keeping.as_ref()?;
        let kept = |(id, session): (&String, &Session)| KeptSession {
            id: id.clone(),
            user: session.name.clone(),
            mark: session.mark.clone(),
            begun: session.begun,
            used: session.used,
        };
        let sessions = held.sessions.iter().map(kept).collect();
        Some(keeping.put(KeptSessions { secret: self.secret.clone(), sessions }, is_out))
    }
}

/// The time from one moment to another; none if the clock was set back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or_default()
}

impl Session {
    fn is_alive(&self, sessions: &Sessions, now: Timestamp) -> bool {
        since(self.used, now) < sessions.idle && since(self.begun, now) < sessions.longest
    }
}

/// What is kept of an id or a mark: nobody can make either of it.
pub fn hash(id: &str) -> String {
    hex(digest(&SHA256, id.as_bytes()).as_ref())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
