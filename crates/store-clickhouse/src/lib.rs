//! The second engine: a ClickHouse server or cluster, for deployments that outgrow one machine.
//!
//! Implements the store's port over the server's HTTP interface. Rows stand in table `activity` with the number of their commit;
//! everything that changes stands in table `state`. Readers see the rows of commits whose last statement is there
//! ([`writer`]), so that nothing is seen by half and nothing twice. One process writes at a time ([`turn`]), any number read.
//! Only this crate knows that there is ClickHouse.

mod alerts;
mod client;
mod drift;
mod duty;
mod enriching;
mod error;
mod feed;
mod filter;
mod follow;
mod guard;
mod insight;
mod lease;
mod lookups;
mod moving;
mod narrow;
mod outbox;
mod reader;
mod recall;
mod schema;
mod shape;
mod sql;
mod state;
mod steps;
mod tidy;
mod turn;
mod writer;

use std::{
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use auditlake_store::Result;
use secrecy::SecretString;
use tokio::sync::{Mutex, watch};

pub use duty::Duty;
pub use schema::tables::{VERSION, new_enough};

use crate::{client::Server, duty::Duties, follow::Pulse, state::Seen, turn::WriterState};

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

/// A store that is closed waits so long for whoever writes.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// What other processes know this one by.
    owner: String,
    duties: Duties,
    pulse: Mutex<Pulse>,
    seen: RwLock<Arc<Seen>>,
    writer: Mutex<WriterState>,
    /// What the table holds, and when it did.
    extent: std::sync::Mutex<Option<(Instant, Option<steps::Extent>)>>,
    commits: watch::Sender<u64>,
    queued: watch::Sender<u64>,
    news: watch::Sender<u64>,
    /// Statements of people.
    passed: sql::Passed,
}

/// The server's own version, such as `25.8.3.66`.
///
/// # Errors
/// As the server says.
pub async fn server_version(options: &Options) -> Result<String> {
    schema::tables::server_version(&Server::new(options)).await
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
                owner: lease::owner(),
                duties: Duties::default(),
                pulse: Mutex::default(),
                seen: RwLock::new(Arc::new(seen)),
                writer: Mutex::new(WriterState::default()),
                extent: std::sync::Mutex::default(),
                commits,
                queued: watch::Sender::default(),
                news,
                passed: sql::Passed::default(),
            }),
        })
    }

    /// What tells the database from others, however its server is spelt.
    ///
    /// # Errors
    /// As the server says.
    pub async fn identity(&self) -> Result<String> {
        let Options { url, database, .. } = &self.inner.options;
        let text = format!("SELECT toString(uuid) FROM system.databases WHERE name = {}", schema::quoted(database));
        let table = self.inner.server.rows("asking which database it is", &text).await?;
        let id = table.first().map(|row| row.string(0)).unwrap_or_default();
        // Databases of an old kind have none.
        Ok(if id.contains(|sign| !matches!(sign, '0' | '-')) { id } else { format!("{database} of {url}") })
    }

    /// Lets go of the right to write, so that the next process need not wait until it runs out.
    ///
    /// # Errors
    /// As the server says.
    pub async fn close(&self) -> Result<()> {
        // Whoever waits for its turn, or for a server that is away, has nothing to let go of.
        match tokio::time::timeout(PATIENCE, self.inner.writer.lock()).await {
            Ok(mut writer) => writer.release(&self.inner).await,
            Err(_) => Ok(()),
        }
    }

    /// Takes the right to write and keeps it, so that nobody writes meanwhile. A process that was killed has its right as long as it lasts.
    ///
    /// # Errors
    /// [`auditlake_store::StoreError::Locked`] if another process is at work here.
    pub async fn claim(&self) -> Result<()> {
        self.claimed(async |writer: &mut WriterState| writer.ready(&self.inner).await).await
    }

    /// As [`ClickStore::claim`], by whoever moves a deployment here.
    ///
    /// # Errors
    /// As [`ClickStore::claim`].
    pub async fn claim_to_move(&self) -> Result<()> {
        self.claimed(async |writer: &mut WriterState| writer.ready_to_move(&self.inner).await).await
    }

    async fn claimed(&self, take: impl AsyncFnOnce(&mut WriterState) -> Result<()>) -> Result<()> {
        self.nobody_has(&format!("key != '{}'", lease::WRITER)).await?;
        let mut writer = self.inner.writer.lock().await;
        take(&mut *writer).await?;
        writer.is_kept = true;
        Ok(())
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

    /// The name of what holds a table's rows: on a cluster, of each host's part.
    pub(crate) fn local(&self, table: &str) -> String {
        match self.options.cluster {
            Some(_) => format!("{table}_local"),
            None => table.to_owned(),
        }
    }

    /// Takes what was read, and what is known already where that is newer: numbers only grow, and answers overtake each other.
    fn set_seen(&self, seen: Seen) {
        let seq = {
            let mut held = self.seen.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            let aborted = if seen.aborted.len() < held.aborted.len() { held.aborted.clone() } else { seen.aborted };
            *held = Arc::new(Seen { seq: seen.seq.max(held.seq), aborted });
            held.seq
        };
        self.commits.send_if_modified(|last| std::mem::replace(last, seq.max(*last)) < seq);
    }
}

#[cfg(test)]
mod tests;
