//! How sessions end, and what of them outlives the program.

use std::sync::atomic::{AtomicBool, Ordering};

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

#[tokio::test]
async fn end_when_unused_and_in_any_case() {
    let sessions = sessions([30, 100], None);
    let (used, unused) = (sessions.open(&ann(), at(0)).unwrap(), sessions.open(&ann(), at(0)).unwrap());
    assert!(used.len() == 64 && used != unused);
    for minutes in [20, 40, 60, 80, 99] {
        assert!(sessions.find(&used, at(minutes), true).is_some(), "{minutes}");
    }
    assert_eq!(sessions.find(&used, at(100), true), None, "the longest time is over");
    assert_eq!(sessions.find(&unused, at(30), true), None, "nobody used it");
    let closed = sessions.open(&ann(), at(0)).unwrap();
    sessions.close(&closed).await;
    assert_eq!(sessions.find(&closed, at(0), true), None);
    assert_eq!(sessions.find("", at(0), true), None);
}

#[test]
fn a_page_that_asks_by_itself_uses_none() {
    let sessions = sessions([30, 100], None);
    let id = sessions.open(&ann(), at(0)).unwrap();
    for minutes in [10, 20, 29] {
        assert!(sessions.find(&id, at(minutes), false).is_some(), "{minutes}");
    }
    assert_eq!(sessions.find(&id, at(30), false), None, "nobody was there");
}

#[test]
fn are_bounded() {
    let sessions = sessions([1, 1], None);
    for _ in 0..SESSIONS + 10 {
        sessions.open(&ann(), at(0)).unwrap();
    }
    assert_eq!(sessions.held.lock().unwrap().sessions.len(), SESSIONS);
}

/// Keeps sessions in memory, unless its disk is full.
#[derive(Default)]
struct Memory {
    kept: Mutex<Option<KeptSessions>>,
    is_full: AtomicBool,
    /// Held by a test: nothing can be kept meanwhile.
    is_slow: Mutex<()>,
}

impl SessionKeeper for Memory {
    fn load(&self) -> Option<KeptSessions> {
        self.kept.lock().unwrap().clone()
    }

    fn keep(&self, sessions: &KeptSessions) -> Result<(), String> {
        let _turn = self.is_slow.lock().unwrap();
        if self.is_full.load(Ordering::SeqCst) {
            return Err("no space left".to_owned());
        }
        *self.kept.lock().unwrap() = Some(sessions.clone());
        Ok(())
    }

    fn forget(&self) -> Result<(), String> {
        *self.kept.lock().unwrap() = None;
        Ok(())
    }
}

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn outlive_the_program() {
    let memory = Arc::new(Memory::default());
    let before = sessions([30, 100], Some(memory.clone()));
    let (id, other) = (before.open(&ann(), at(0)).unwrap(), before.open(&ann(), at(0)).unwrap());
    before.find(&id, at(20), true).unwrap();
    before.close(&other).await;
    before.finish(SOON).await;
    let text = serde_json::to_string(&memory.load()).unwrap();
    assert!(!text.contains(&id) && text.contains(&hash(&id)), "{text}");
    let after = sessions([30, 100], Some(memory.clone()));
    assert_eq!(after.secret, before.secret);
    assert_eq!(after.find(&other, at(21), true), None, "logged out is logged out");
    assert_eq!(after.find(&id, at(49), true), Some(("ann".to_owned(), hash("1"))), "used at 20");
    after.finish(SOON).await;
    assert_eq!(sessions([30, 100], Some(memory)).find(&id, at(80), true), None, "a restart is no use");
}

#[tokio::test]
async fn nobody_waits_for_the_disk() {
    let memory = Arc::new(Memory::default());
    let before = sessions([30, 100], Some(memory.clone()));
    {
        let _full = memory.is_slow.lock().unwrap();
        let id = before.open(&ann(), at(0)).unwrap();
        assert!(before.find(&id, at(20), true).is_some());
        assert_eq!(memory.load(), None);
    }
    before.finish(SOON).await;
    assert_eq!(memory.load().unwrap().sessions.len(), 1);
}

#[tokio::test]
async fn whoever_has_left_stays_out() {
    let memory = Arc::new(Memory::default());
    let before = sessions([30, 100], Some(memory.clone()));
    let (ann_s, other) = (before.open(&ann(), at(0)).unwrap(), before.open(&ann(), at(0)).unwrap());
    before.finish(SOON).await;
    memory.is_full.store(true, Ordering::SeqCst);
    before.close(&other).await;
    let after = sessions([30, 100], Some(memory.clone()));
    assert_eq!(after.find(&other, at(1), true), None, "though it could not be written down");
    drop(after);
    memory.is_full.store(false, Ordering::SeqCst);
    // It is tried again by itself; this only waits for it.
    before.finish(SOON).await;
    let after = sessions([30, 100], Some(memory));
    assert_eq!(after.find(&other, at(1), true), None);
    assert!(after.find(&ann_s, at(1), true).is_some(), "nobody else has to log in anew");
}
