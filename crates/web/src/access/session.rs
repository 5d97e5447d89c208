//! Sessions: by the hash of an id that only the browser has. Where there is a keeper, a restart ends none of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{User, hex, random};

/// So many sessions are kept; the one that was used least lately gives way.
const SESSIONS: usize = 2_000;
/// When sessions were last used is handed to the keeper so often at most.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// Keeps sessions beyond the end of the program, where nobody else reads them.
pub trait SessionKeeper: Send + Sync + 'static {
    /// What was kept last.
    fn load(&self) -> Option<KeptSessions>;

    /// Keeps these and no others.
    fn keep(&self, sessions: &KeptSessions);
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
    keeper: Option<Arc<dyn SessionKeeper>>,
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
        Sessions { idle, longest, held: Mutex::new(Held { sessions, kept: None }), keeper, secret }
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
        self.keep(&mut held, now);
        Some(id)
    }

    /// The name of the user whose session this is, and the hash of their mark.
    pub fn find(&self, id: &str, now: Timestamp) -> Option<(String, String)> {
        let hash = hash(id);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let session = held.sessions.get_mut(&hash)?;
        if !session.is_alive(self, now) {
            held.sessions.remove(&hash);
            return None;
        }
        session.used = session.used.max(now);
        let found = (session.name.clone(), session.mark.clone());
        if held.kept.is_none_or(|kept| since(kept, now) >= KEEP_EVERY) {
            self.keep(&mut held, now);
        }
        Some(found)
    }

    pub fn close(&self, id: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.sessions.remove(&hash(id)).is_some() {
            self.keep(&mut held, Timestamp::now());
        }
    }

    fn keep(&self, held: &mut Held, now: Timestamp) {
        held.kept = Some(now);
        let Some(keeper) = &self.keeper else { return };
        let kept = |(id, session): (&String, &Session)| KeptSession {
            id: id.clone(),
            user: session.name.clone(),
            mark: session.mark.clone(),
            begun: session.begun,
            used: session.used,
        };
        keeper.keep(&KeptSessions { secret: self.secret.clone(), sessions: held.sessions.iter().map(kept).collect() });
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
mod tests {
    use super::{super::Role, *};

    fn sessions(minutes: [u32; 2], keeper: Option<Arc<dyn SessionKeeper>>) -> Sessions {
        let minute = Duration::from_secs(60);
        Sessions::new(minute * minutes[0], minute * minutes[1], keeper)
    }

    fn ann() -> User {
        User { name: "ann".to_owned(), role: Role::Viewer, mark: "1".to_owned() }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    #[test]
    fn end_when_unused_and_in_any_case() {
        let sessions = sessions([30, 100], None);
        let (used, unused) = (sessions.open(&ann(), at(0)).unwrap(), sessions.open(&ann(), at(0)).unwrap());
        assert!(used.len() == 64 && used != unused);
        for minutes in [20, 40, 60, 80, 99] {
            assert!(sessions.find(&used, at(minutes)).is_some(), "{minutes}");
        }
        assert_eq!(sessions.find(&used, at(100)), None, "the longest time is over");
        assert_eq!(sessions.find(&unused, at(30)), None, "nobody used it");
        let closed = sessions.open(&ann(), at(0)).unwrap();
        sessions.close(&closed);
        assert_eq!(sessions.find(&closed, at(0)), None);
        assert_eq!(sessions.find("", at(0)), None);
    }

    #[test]
    fn are_bounded() {
        let sessions = sessions([1, 1], None);
        for _ in 0..SESSIONS + 10 {
            sessions.open(&ann(), at(0)).unwrap();
        }
        assert_eq!(sessions.held.lock().unwrap().sessions.len(), SESSIONS);
    }

    #[derive(Default)]
    struct Memory(Mutex<Option<KeptSessions>>);

    impl SessionKeeper for Memory {
        fn load(&self) -> Option<KeptSessions> {
            self.0.lock().unwrap().clone()
        }

        fn keep(&self, sessions: &KeptSessions) {
            *self.0.lock().unwrap() = Some(sessions.clone());
        }
    }

    #[test]
    fn outlive_the_program() {
        let memory = Arc::new(Memory::default());
        let before = sessions([30, 100], Some(memory.clone()));
        let (id, other) = (before.open(&ann(), at(0)).unwrap(), before.open(&ann(), at(0)).unwrap());
        before.find(&id, at(20)).unwrap();
        before.close(&other);
        let text = serde_json::to_string(&memory.load()).unwrap();
        assert!(!text.contains(&id) && text.contains(&hash(&id)), "{text}");
        let after = sessions([30, 100], Some(memory.clone()));
        assert_eq!(after.secret, before.secret);
        assert_eq!(after.find(&other, at(21)), None, "logged out is logged out");
        assert_eq!(after.find(&id, at(49)), Some(("ann".to_owned(), hash("1"))), "used at 20");
        assert_eq!(sessions([30, 100], Some(memory)).find(&id, at(80)), None, "a restart is no use");
    }
}
