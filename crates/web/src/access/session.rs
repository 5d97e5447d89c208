//! Sessions: in memory, by the hash of an id that only the browser has. A restart ends them all.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ring::digest::{SHA256, digest};

use super::{User, hex, random};

/// So many sessions are kept; the one that was used least lately gives way.
const SESSIONS: usize = 2_000;

type Hash = [u8; 32];

/// Every session.
pub struct Sessions {
    idle: Duration,
    longest: Duration,
    held: Mutex<HashMap<Hash, Session>>,
}

struct Session {
    name: String,
    mark: String,
    begun: Instant,
    used: Instant,
}

impl Sessions {
    pub fn new(idle: Duration, longest: Duration) -> Sessions {
        Sessions { idle, longest, held: Mutex::default() }
    }

    /// Begins a session; answers its id.
    pub fn open(&self, user: &User, now: Instant) -> Option<String> {
        let id = hex(&random()?);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, session| session.is_alive(self, now));
        if held.len() >= SESSIONS
            && let Some(oldest) = held.iter().min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash)
        {
            held.remove(&oldest);
        }
        let session = Session { name: user.name.clone(), mark: user.mark.clone(), begun: now, used: now };
        held.insert(hash(&id), session);
        Some(id)
    }

    /// The name and mark of the user whose session this is.
    pub fn find(&self, id: &str, now: Instant) -> Option<(String, String)> {
        let hash = hash(id);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let session = held.get_mut(&hash)?;
        if !session.is_alive(self, now) {
            held.remove(&hash);
            return None;
        }
        session.used = now;
        Some((session.name.clone(), session.mark.clone()))
    }

    pub fn close(&self, id: &str) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash(id));
    }
}

impl Session {
    fn is_alive(&self, sessions: &Sessions, now: Instant) -> bool {
        now.saturating_duration_since(self.used) < sessions.idle
            && now.saturating_duration_since(self.begun) < sessions.longest
    }
}

/// What is kept of an id: nobody can make the id of it.
fn hash(id: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{super::Role, *};

    #[test]
    fn end_when_unused_and_in_any_case() {
        let minute = Duration::from_secs(60);
        let sessions = Sessions::new(minute * 30, minute * 100);
        let user = User { name: "ann".to_owned(), role: Role::Viewer, mark: "1".to_owned() };
        let start = Instant::now();
        let (used, unused) = (sessions.open(&user, start).unwrap(), sessions.open(&user, start).unwrap());
        assert!(used.len() == 64 && used != unused);
        for minutes in [20, 40, 60, 80, 99] {
            assert!(sessions.find(&used, start + minute * minutes).is_some(), "{minutes}");
        }
        assert_eq!(sessions.find(&used, start + minute * 100), None, "the longest time is over");
        assert_eq!(sessions.find(&unused, start + minute * 30), None, "nobody used it");
        let closed = sessions.open(&user, start).unwrap();
        sessions.close(&closed);
        assert_eq!(sessions.find(&closed, start), None);
        assert_eq!(sessions.find("", start), None);
    }

    #[test]
    fn are_bounded() {
        let sessions = Sessions::new(Duration::from_secs(60), Duration::from_secs(60));
        let user = User { name: "ann".to_owned(), role: Role::Viewer, mark: "1".to_owned() };
        let now = Instant::now();
        for _ in 0..SESSIONS + 10 {
            sessions.open(&user, now).unwrap();
        }
        assert_eq!(sessions.held.lock().unwrap().len(), SESSIONS);
    }
}
