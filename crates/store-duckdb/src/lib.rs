//! The embedded engine: one DuckDB file in the data directory.
//!
//! Implements the store's port. What varies is stored once, in table `activity`; the 46 columns of the unified record are
//! the view `anthropic_logs` over it (see [`schema`]). One writer at a time, any number of readers, each on a connection of
//! its own. Everything that calls the engine runs on blocking threads. Only this crate knows that there is DuckDB.

mod alerts;
mod ask;
mod assemble;
mod bulk;
mod cube;
mod database;
mod drift;
mod enriching;
mod error;
mod feed;
mod filter;
mod guard;
mod hits;
mod insight;
mod inspect;
mod lookups;
mod moving;
mod narrow;
mod order;
mod outbox;
mod reader;
mod recall;
pub mod schema;
mod shelves;
mod slices;
mod sql;
mod stream;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use auditlake_store::{Result, StoreError};
use tokio::sync::watch;

pub use inspect::schema_version;

use crate::{database::Database, writer::WriterState};

/// What the engine may take of the machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database file. It is made if it is not there.
    pub path: PathBuf,
    /// Where queries that need more than their memory put the rest.
    pub spill: PathBuf,
    /// Memory for the engine, in bytes.
    pub memory_bytes: u64,
    /// Space below `spill`, in bytes.
    pub spill_bytes: u64,
    /// Threads for queries; as many as there are cores if `None`.
    pub threads: Option<usize>,
}

impl Options {
    /// A database `lake.duckdb` in `dir`, with 1 GiB of memory and 20 GiB for what does not fit.
    pub fn in_dir(dir: &Path) -> Self {
        Options {
            path: dir.join("lake.duckdb"),
            spill: dir.join("spill"),
            memory_bytes: 1 << 30,
            spill_bytes: 20 << 30,
            threads: None,
        }
    }
}

/// The store in a DuckDB file. Cheap to clone.
#[derive(Clone)]
pub struct DuckStore {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    database: Mutex<Arc<Database>>,
    writer: Mutex<WriterState>,
    commits: watch::Sender<u64>,
    extents: feed::Extents,
    kept: feed::Kept,
    lists: feed::Lists,
    queued: watch::Sender<u64>,
    news: watch::Sender<u64>,
}

impl DuckStore {
    /// Opens the database, makes or migrates its schema.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it open, [`StoreError::TooNew`] if a newer program wrote it,
    /// [`StoreError::Engine`] with the engine's words for the rest.
    pub fn open(options: Options) -> Result<Self> {
        let database = Database::open(&options)?;
        let connection = database.connect()?;
        schema::migrate(&connection)?;
        let seq = writer::last_seq(&connection)?;
        let last_news = alerts::last_news(&connection)?;
        drop(connection);
        let writer = database.connect_writer()?;
        let (commits, _) = watch::channel(seq);
        let (news, _) = watch::channel(last_news);
        Ok(DuckStore {
            inner: Arc::new(Inner {
                options,
                database: Mutex::new(Arc::new(database)),
                writer: Mutex::new(WriterState::new(writer, seq)),
                commits,
                extents: feed::Extents::default(),
                kept: feed::Kept::default(),
                lists: feed::Lists::default(),
                queued: watch::Sender::default(),
                news,
            }),
        })
    }

    /// Moves what the write-ahead log holds into the database file.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn checkpoint(&self) -> Result<()> {
        self.blocking(|inner| inner.with_writer("moving the write-ahead log", |state| state.checkpoint())).await
    }

    /// Makes what questions about single things are answered from, which takes a second for some million activities. Without it they take
    /// longer.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn prepare(&self) -> Result<()> {
        self.blocking(|inner| {
            let database = inner.database();
            database.shelves.make(&database).map_err(|error| error::translate("reading what activities name", &error))
        })
        .await
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = self.inner.clone();
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(done) => done,
            Err(error) => Err(StoreError::Engine { doing: "asking the engine", message: error.to_string() }),
        }
    }
}

impl Inner {
    /// The open database, or a new opening of it if the engine gave up the last one.
    fn database(&self) -> Arc<Database> {
        self.database.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Runs `work` as the one writer. If the engine has given the database up (a full disk in mid-write does that), it is
    /// opened anew, so that the next attempt finds it well.
    fn with_writer<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut WriterState) -> duckdb::Result<T>,
    ) -> Result<T> {
        let mut state = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.is_broken() {
            self.reopen(&mut state)?;
        }
        work(&mut state).map_err(|error| {
            if error::is_fatal(&error) {
                state.break_off();
                if let Err(again) = self.reopen(&mut state) {
                    tracing::error!(error = %again, "the database could not be opened again");
                }
            }
            error::translate(doing, &error)
        })
    }

    /// The length of the write-ahead log.
    fn log_bytes(&self) -> u64 {
        let mut path = self.options.path.clone().into_os_string();
        path.push(".wal");
        std::fs::metadata(path).map_or(0, |file| file.len())
    }

    fn reopen(&self, state: &mut WriterState) -> Result<()> {
        let mut database = self.database.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The old opening holds the file's lock until its last connection is gone; readers end soon.
        database.abandon();
        let fresh = Database::open(&self.options)?;
        *state = WriterState::new(fresh.connect_writer()?, 0);
        state.read_seq().map_err(|error| error::translate("reading the last sequence number", &error))?;
        *database = Arc::new(fresh);
        tracing::warn!("the database was opened anew after the engine gave it up");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
