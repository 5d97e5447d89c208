//! Whether this process is the one that does something: with the embedded engine it always is; on a server's database another process may be,
//! and this one stands by until that one ends or is not heard of any more.

use std::time::Duration;

use auditlake_store::StoreError;
use tokio::{sync::watch, task::JoinHandle};

use crate::engine::{self, Store};

/// How often it is looked whether it can be had.
const LOOK: Duration = Duration::from_secs(1);
/// An account that may not have it asks again after so long.
const REFUSED: Duration = Duration::from_secs(60);
/// Who works has so long to stop before another process begins.
const LEAVE: Duration = Duration::from_millis(200);

/// See the module.
pub struct Duty {
    is_ours: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    work: JoinHandle<()>,
}

impl Duty {
    /// Seeks to have it. Of those who do, the first one has it, until one of a higher rank comes.
    pub fn seek(store: &Store, name: String, rank: u8, what: String) -> Duty {
        let (ours, is_ours) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let work = tokio::spawn(seek(store.clone(), name, rank, what, ours, stopped));
        Duty { is_ours, stop, work }
    }

    /// Whether this process has it, now and from now on.
    pub fn is_ours(&self) -> watch::Receiver<bool> {
        self.is_ours.clone()
    }

    /// Lets go of it. Whoever works has ended before.
    pub async fn end(self) {
        self.stop.send_replace(true);
        let _ = self.work.await;
    }
}

/// Waits until it is so; for ever if nobody can say so any more.
pub async fn becomes(is_ours: &mut watch::Receiver<bool>, wanted: bool) {
    if is_ours.wait_for(|is_ours| *is_ours == wanted).await.is_err() {
        std::future::pending().await
    }
}

async fn seek(
    store: Store,
    name: String,
    rank: u8,
    what: String,
    ours: watch::Sender<bool>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut last_told = None;
    loop {
        let taken = tokio::select! {
            taken = store.take_duty(&name, rank) => taken,
            () = becomes(&mut stopped, true) => return,
        };
        let wait = match taken {
            Ok(mut duty) => {
                if last_told.take().is_some() {
                    tracing::info!("{what}: this process does it from now on");
                }
                ours.send_replace(true);
                tokio::select! {
                    () = duty.lost() => {}
                    () = becomes(&mut stopped, true) => return let_go(duty).await,
                }
                ours.send_replace(false);
                tokio::time::sleep(LEAVE).await;
                let_go(duty).await;
                LOOK
            }
            Err(error) => {
                // Which process it is changes seldom, when it was last heard of every time.
                let kind = std::mem::discriminant(&error);
                if last_told.replace(kind) != Some(kind) {
                    tell(&what, &error);
                }
                match error {
                    StoreError::Locked(_) => LOOK,
                    error if error.is_away() => LOOK,
                    _ => REFUSED,
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = becomes(&mut stopped, true) => return,
        }
    }
}

fn tell(what: &str, error: &StoreError) {
    match error {
        StoreError::Locked(who) => tracing::info!("{what}: standing by, as {who}"),
        error => tracing::warn!("{what}: left to other processes: {error}"),
    }
}

async fn let_go(duty: engine::Duty) {
    if let Err(error) = duty.end().await {
        tracing::warn!(%error, "a duty runs out by itself, as it could not be let go of");
    }
}
