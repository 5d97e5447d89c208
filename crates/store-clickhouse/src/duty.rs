//! What one process of several does at a time: it collects a source, or detects and delivers. Others stand by.
//!
//! A duty is a right of its own ([`crate::lease`]). Whoever writes without the duty that it believes to have is told when it gets its
//! turn to write, as nobody else can have written before that.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auditlake_store::{Result, StoreError};
use tokio::sync::watch;

use crate::{
    ClickStore, Inner,
    client::Server,
    lease::{self, Lease},
    schema::quoted,
};

/// How often it is looked whether somebody is at work.
const LOOK: Duration = Duration::from_millis(250);

/// A duty that this process has until it lets go of it. If it is dropped, it runs out.
pub struct Duty {
    inner: Arc<Inner>,
    name: String,
    lease: Lease,
    lost: watch::Receiver<bool>,
}

/// The duties of a process, and whether another one has them by now.
#[derive(Default)]
pub(crate) struct Duties(Mutex<BTreeMap<String, watch::Sender<bool>>>);

impl ClickStore {
    /// Takes a duty that nobody has.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it. If that one's rank is lower, it is asked to let go of it.
    pub async fn take_duty(&self, name: &str, rank: u8) -> Result<Duty> {
        let inner = &self.inner;
        let taken = Lease::take(&inner.server, name, &inner.owner, rank, inner.options.lease).await;
        if matches!(taken, Err(StoreError::Locked(_)))
            && lease::last(&inner.server, name).await?.is_some_and(|last| last.rank < rank)
        {
            lease::want(&inner.server, name, &inner.owner, rank).await?;
        }
        let (lease, _) = taken?;
        // Whoever had it before has committed what this one goes on from.
        inner.follow().await?;
        Ok(Duty { inner: inner.clone(), name: name.to_owned(), lease, lost: inner.duties.add(name) })
    }

    /// As [`ClickStore::take_duty`], waiting for a process that was killed until what it had has run out.
    ///
    /// # Errors
    /// As [`ClickStore::take_duty`].
    pub async fn await_duty(&self, name: &str) -> Result<Duty> {
        self.nobody_has(&format!("key = {}", quoted(name))).await?;
        self.take_duty(name, Duty::FIRST).await
    }

    /// Waits until nobody has the duties for whose names this holds, as far as those who had them were killed.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names a process that is at work: it has said so again meanwhile.
    pub(crate) async fn nobody_has(&self, condition: &str) -> Result<()> {
        let inner = &self.inner;
        let is_held = |last: &lease::Last| {
            let is_heard_of = u128::from(last.idle_millis) < inner.options.lease.as_millis();
            is_heard_of && !last.is_released && last.owner != inner.owner
        };
        let mut silent = BTreeMap::new();
        loop {
            let mut all = lease::all(&inner.server, condition).await?;
            all.retain(is_held);
            if all.is_empty() {
                return Ok(());
            }
            for last in all {
                let before = silent.insert((last.name.clone(), last.number), last.idle_millis);
                if before.is_some_and(|before| before > last.idle_millis) {
                    return Err(last.held());
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Duty {
    /// To detect and to deliver.
    pub const DETECTION: &'static str = "detection";

    /// The rank before which no other goes.
    pub const FIRST: u8 = u8::MAX;

    /// The name of the duty to collect a source.
    pub fn of_source(id: &str) -> String {
        format!("source:{id}")
    }

    /// Keeps it. Ready when another process has it, or is to have it.
    pub async fn lost(&mut self) {
        let every = self.inner.attends_every();
        loop {
            let kept = async {
                self.lease.keep(&self.inner.server).await?;
                self.lease.is_wanted(&self.inner.server).await
            };
            match kept.await {
                Ok(false) => {}
                Ok(true) | Err(StoreError::Locked(_)) => return,
                // Nobody else reaches the server either, or it will be seen afterwards.
                Err(error) => tracing::debug!(%error, name = self.name, "a duty could not be renewed"),
            }
            tokio::select! {
                () = told(&mut self.lost) => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    /// Lets go of it, so that the next process need not wait until it runs out.
    ///
    /// # Errors
    /// As the server says.
    pub async fn end(self) -> Result<()> {
        let is_ours = match self.lease.is_overdue() {
            true => self.lease.confirm(&self.inner.server).await.is_ok(),
            false => !*self.lost.borrow(),
        };
        self.inner.duties.remove(&self.name);
        if is_ours { self.lease.release(&self.inner.server).await } else { Ok(()) }
    }
}

/// Ready when it is so, or nobody can say so any more.
async fn told(lost: &mut watch::Receiver<bool>) {
    let _ = lost.wait_for(|is_lost| *is_lost).await;
}

impl Duties {
    fn add(&self, name: &str) -> watch::Receiver<bool> {
        let (sender, lost) = watch::channel(false);
        self.held().insert(name.to_owned(), sender);
        lost
    }

    fn remove(&self, name: &str) {
        self.held().remove(name);
    }

    /// Looks which of them another process has by now.
    pub(crate) async fn look(&self, server: &Server, owner: &str) -> Result<()> {
        let names: Vec<String> = self.held().keys().map(|name| quoted(name)).collect();
        if names.is_empty() {
            return Ok(());
        }
        for last in lease::all(server, &format!("key IN ({})", names.join(", "))).await? {
            if last.owner != owner
                && let Some(is_lost) = self.held().get(&last.name)
            {
                is_lost.send_replace(true);
            }
        }
        Ok(())
    }

    /// Whether this process still has this duty, or never had it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it by now.
    pub(crate) fn confirm(&self, name: &str) -> Result<()> {
        match self.held().get(name).is_some_and(|is_lost| *is_lost.borrow()) {
            true => Err(StoreError::Locked(format!("another process has taken over: {name}"))),
            false => Ok(()),
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<bool>>> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
