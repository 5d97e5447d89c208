//! The second engine: a ClickHouse server or cluster, for deployments that outgrow one machine.
//!
//! Implements the store's port over the server's HTTP interface. Rows stand in table `activity` with the number of their commit;
//! everything that changes stands in table `state`. Readers see the rows of commits whose last statement is there
//! ([`writer`]), so that nothing is seen by half and nothing twice. One process writes at a time ([`lease`]), any number read.
//! Only this crate knows that there is ClickHouse.

mod alerts;
mod client;
mod drift;
mod enriching;
mod error;
mod feed;
mod filter;
mod guard;
mod insight;
mod lease;
mod lookups;
mod moving;
mod outbox;
mod reader;
mod recall;
mod schema;
mod shape;
mod sql;
mod state;
mod writer;

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use auditlake_store::Result;
use secrecy::SecretString;
use tokio::sync::{Mutex, watch};

pub use schema::tables::VERSION;

use crate::{client::Server, state::Seen, writer::WriterState};

/// Where the server is, and who we are there.
#[derive(Debug, Clone)]
pub struct Options {
    /// `http://host:8123`, or `https://…` with the certificates that the system trusts.
    pub url: String,
    /// The database. It is made if it is not there.
    pub database: String,
    /// The account.
    pub user: String,
    /// Its password.
    pub password: Option<SecretString>,
    /// The cluster that tables are made on, by its name in the server's configuration.
    pub cluster: Option<String>,
    /// Whether rows travel compressed.
    pub is_compressed: bool,
    /// For so long the right to write lasts from the last word of the process that has it.
    pub lease: Duration,
}

impl Options {
    /// Half a minute: how long another process waits for one that was killed.
    pub const LEASE: Duration = Duration::from_secs(30);
}

/// The store in a ClickHouse database. Cheap to clone.
#[derive(Clone)]
pub struct ClickStore {
    inner: Arc<Inner>,
}

struct Inner {
    server: Server,
    options: Options,
    seen: RwLock<Arc<Seen>>,
    writer: Mutex<WriterState>,
    commits: watch::Sender<u64>,
    queued: watch::Sender<u64>,
    news: watch::Sender<u64>,
}

/// The version of what is in the database, without changing anything; `None` if nothing is.
///
/// # Errors
/// As the server says.
pub async fn schema_version(options: &Options) -> Result<Option<u32>> {
    let server = Server::new(options).of_database(&options.database);
    Ok(schema::tables::version(&server).await?.map(|(version, _)| version))
}

impl ClickStore {
    /// Looks at the database, makes or migrates its tables.
    ///
    /// # Errors
    /// [`auditlake_store::StoreError::TooNew`] if a newer program made it, [`auditlake_store::StoreError::Engine`] with the server's words for the
    /// rest, and where it does not answer.
    pub async fn open(options: Options) -> Result<Self> {
        let server = Server::new(&options);
        schema::tables::migrate(&server, &options).await?;
        let server = server.of_database(&options.database);
        let seen = Seen::read(&server).await?;
        let news = alerts::last_news(&server, &seen).await?;
        let (commits, _) = watch::channel(seen.seq);
        let (news, _) = watch::channel(news);
        Ok(ClickStore {
            inner: Arc::new(Inner {
                server,
                options,
                seen: RwLock::new(Arc::new(seen)),
                writer: Mutex::new(WriterState::default()),
                commits,
                queued: watch::Sender::default(),
                news,
            }),
        })
    }

    /// Lets go of the right to write, so that the next process need not wait until it runs out.
    ///
    /// # Errors
    /// As the server says.
    pub async fn close(&self) -> Result<()> {
        let mut writer = self.inner.writer.lock().await;
        writer.release(&self.inner.server).await
    }

    /// Takes the right to write, waiting for a process that was killed as long as its right lasts.
    ///
    /// # Errors
    /// [`auditlake_store::StoreError::Locked`] if another process goes on writing.
    pub async fn claim(&self) -> Result<()> {
        self.claimed(async |writer: &mut WriterState, inner: &Inner| writer.ready(inner).await).await
    }

    async fn claimed(&self, take: impl AsyncFn(&mut WriterState, &Inner) -> Result<()>) -> Result<()> {
        let started = std::time::Instant::now();
        let patience = self.inner.options.lease + Duration::from_secs(2);
        loop {
            let done = take(&mut *self.inner.writer.lock().await, &self.inner).await;
            match done {
                Err(auditlake_store::StoreError::Locked(why)) if started.elapsed() < patience => {
                    tracing::info!(%why, "waiting for the right to write");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                done => return done,
            }
        }
    }

    /// As [`ClickStore::claim`], by whoever moves a deployment here.
    ///
    /// # Errors
    /// As [`ClickStore::claim`].
    pub async fn claim_to_move(&self) -> Result<()> {
        self.claimed(async |writer: &mut WriterState, inner: &Inner| writer.ready_to_move(inner).await).await
    }

    /// Keeps the right to write for as long as it is polled, also while there is nothing to write.
    pub async fn hold(self) {
        self.held(async |writer: &mut WriterState, inner: &Inner| writer.ready(inner).await).await
    }

    /// As [`ClickStore::hold`], by whoever moves a deployment here.
    pub async fn hold_to_move(self) {
        self.held(async |writer: &mut WriterState, inner: &Inner| writer.ready_to_move(inner).await).await
    }

    async fn held(&self, keep: impl AsyncFn(&mut WriterState, &Inner) -> Result<()>) {
        loop {
            tokio::time::sleep(self.inner.options.lease / 3).await;
            let kept = keep(&mut *self.inner.writer.lock().await, &self.inner).await;
            if let Err(error) = kept {
                tracing::warn!(%error, "the right to write could not be renewed");
            }
        }
    }

    /// Looks for commits of another process. Answers the number of the last one.
    ///
    /// # Errors
    /// As the server says.
    pub async fn refresh(&self) -> Result<u64> {
        let seen = Seen::read(&self.inner.server).await?;
        let seq = seen.seq;
        self.inner.set_seen(seen);
        Ok(seq)
    }
}

impl Inner {
    /// What readers see now.
    fn seen(&self) -> Arc<Seen> {
        self.seen.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The beginning of a statement that changes rows of a table: on a cluster, of each host's part.
    pub(crate) fn alter(&self, table: &str) -> String {
        match &self.options.cluster {
            Some(name) => format!("ALTER TABLE {table}_local ON CLUSTER {}", schema::tables::quoted_name(name)),
            None => format!("ALTER TABLE {table}"),
        }
    }

    fn set_seen(&self, seen: Seen) {
        let seq = seen.seq;
        *self.seen.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(seen);
        self.commits.send_if_modified(|last| std::mem::replace(last, seq) != seq);
    }
}

#[cfg(test)]
mod tests;
