//! Sessions on their way to whoever keeps them, on a thread of its own, so that nobody who asks for a page waits for a disk.
//!
//! What cannot be kept is tried again until it can. Until then a restart must not let somebody in who has logged out: what was
//! kept before is forgotten, and a restart logs everybody out.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::{KeptSessions, SessionKeeper};

/// The first wait before something is tried again, and the longest.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// The way to a keeper.
pub struct Keeping {
    state: Arc<State>,
    safe: watch::Receiver<u64>,
}

#[derive(Default)]
struct State {
    wish: Mutex<Wish>,
    changed: Condvar,
}

/// What is to be kept.
#[derive(Default)]
struct Wish {
    sessions: Option<KeptSessions>,
    /// Counts them; and the last one at which somebody left.
    number: u64,
    left: u64,
    is_over: bool,
}

impl Keeping {
    /// Begins to hand over what [`Keeping::put`] is given.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub fn start(keeper: Arc<dyn SessionKeeper>) -> io::Result<Keeping> {
        let state = Arc::new(State::default());
        let (told, safe) = watch::channel(0);
        let of_thread = state.clone();
        thread::Builder::new().name("sessions".to_owned()).spawn(move || work(&*keeper, &of_thread, &told))?;
        Ok(Keeping { state, safe })
    }

    /// Has these kept and no others, instead of any before; `is_out` if somebody is not among them any more who left. Answers
    /// what [`Keeping::settled`] is to wait for.
    pub fn put(&self, sessions: KeptSessions, is_out: bool) -> u64 {
        let mut wish = self.state.wish.lock().unwrap_or_else(PoisonError::into_inner);
        wish.number += 1;
        if is_out {
            wish.left = wish.number;
        }
        wish.sessions = Some(sessions);
        self.state.changed.notify_all();
        wish.number
    }

    /// Waits until a restart would let nobody in who has left; not for ever.
    pub async fn settled(&self, number: u64, patience: Duration) {
        let mut safe = self.safe.clone();
        let _ = timeout(patience, safe.wait_for(|safe| *safe >= number)).await;
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.state.wish.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.state.changed.notify_all();
    }
}

fn work(keeper: &dyn SessionKeeper, state: &State, told: &watch::Sender<u64>) {
    let (mut kept, mut wait) = (0, FIRST);
    while let Some((sessions, number, left)) = next(state) {
        let failed = match keeper.keep(&sessions) {
            Ok(()) => {
                (kept, wait) = (number, FIRST);
                told.send_replace(number);
                continue;
            }
            Err(why) => why,
        };
        tracing::error!("sessions are not kept yet, and a restart may log people out: {failed}");
        if left > kept {
            match keeper.forget() {
                Ok(()) => drop(told.send_replace(number)),
                Err(why) => tracing::error!("after a restart, somebody who has logged out could be let in: {why}"),
            }
        }
        let mut wish = state.wish.lock().unwrap_or_else(PoisonError::into_inner);
        // Unless something newer is there meanwhile.
        wish.sessions.get_or_insert(sessions);
        if wish.is_over {
            return;
        }
        if wish.number == number {
            drop(state.changed.wait_timeout(wish, wait));
        }
        wait = (2 * wait).min(LONGEST);
    }
}

/// The next to be kept, its number, and the last number at which somebody left. `None` when nothing more will come.
fn next(state: &State) -> Option<(KeptSessions, u64, u64)> {
    let mut wish = state.wish.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(sessions) = wish.sessions.take() {
            return Some((sessions, wish.number, wish.left));
        }
        if wish.is_over {
            return None;
        }
        wish = state.changed.wait(wish).unwrap_or_else(PoisonError::into_inner);
    }
}
