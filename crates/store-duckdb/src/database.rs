//! One opening of the database file, with everything switched off that reaches beyond it.
//!
//! One of the rooms that call the engine's C interface themselves: the opening is kept as a raw handle, so that `guard` can
//! look at statements before the safe wrapper runs them, and `filter` can add functions.
#![allow(unsafe_code, reason = "the wrapper hands out no raw handle, which looking at statements needs")]

use std::{
    ffi::{CStr, CString},
    fs,
    os::unix::ffi::OsStrExt,
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use auditlake_store::{Result, StoreError};
use duckdb::{Connection, ffi};

use crate::{
    Options,
    ask::{Asker, Chunk, Kind},
    bulk::Bulk,
    cube::Cube,
    error, filter,
    hits::Hits,
    shelves::Shelves,
    writer::Connections,
};

/// An open database.
pub(crate) struct Database {
    raw: RawDatabase,
    idle: Mutex<Vec<Connection>>,
    askers: Mutex<Vec<Asker>>,
    abandoned: AtomicBool,
    /// Counts and rows in memory, which end with this opening.
    pub(crate) cube: Cube,
    pub(crate) hits: Hits,
    pub(crate) shelves: Shelves,
}

/// The engine's handle; closed when the last user is gone.
pub(crate) struct RawDatabase(ffi::duckdb_database);

// SAFETY: the engine's database handle may be used from any thread at once; it only counts references to the instance.
unsafe impl Send for RawDatabase {}
unsafe impl Sync for RawDatabase {}

impl Drop for RawDatabase {
    fn drop(&mut self) {
        // SAFETY: the handle came from `duckdb_open_ext` and is closed once. Connections keep the instance alive.
        unsafe { ffi::duckdb_close(&mut self.0) }
    }
}

impl Database {
    /// Opens the file and locks the configuration.
    pub(crate) fn open(options: &Options) -> Result<Self> {
        fs::create_dir_all(&options.spill).map_err(|error| StoreError::Engine {
            doing: "making the directory for queries that need more than their memory",
            message: format!("{}: {error}", options.spill.display()),
        })?;
        let raw = RawDatabase::open(options)?;
        filter::register(&raw)?;
        let database = Database {
            raw,
            idle: Mutex::default(),
            askers: Mutex::default(),
            abandoned: AtomicBool::new(false),
            cube: Cube::default(),
            hits: Hits::default(),
            shelves: Shelves::default(),
        };
        let connection = database.connect()?;
        // What is scanned from memory on its way into the file stands there (see `bulk`).
        connection
            .execute_batch("ATTACH ':memory:' AS staging; SET lock_configuration = true")
            .map_err(|error| error::translate("locking the configuration", &error))?;
        Ok(database)
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Result<Connection> {
        // SAFETY: the handle is open as long as `self` lives, and the connection keeps the instance.
        unsafe { Connection::open_from_raw(self.raw.0) }.map_err(|error| error::translate("connecting", &error))
    }

    /// The writer's connections.
    pub(crate) fn connect_writer(&self) -> Result<Connections> {
        let reader = self.connect()?;
        let lake: String = reader
            .query_row("SELECT current_database()", [], |row| row.get(0))
            .map_err(|error| error::translate("connecting", &error))?;
        let bulk = Bulk::connect(&self.raw, &lake).map_err(|error| error::translate("connecting", &error))?;
        Ok(Connections { reader, bulk })
    }

    /// A connection that nobody uses; give it back with [`Database::give_back`] if it is still well.
    pub(crate) fn take(&self) -> Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        idle.map_or_else(|| self.connect(), Ok)
    }

    /// Takes a connection back.
    pub(crate) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() < 8 && !self.abandoned.load(Ordering::Relaxed) {
            idle.push(connection);
        }
    }

    /// Lets go of all idle connections, and of all others when they come back.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        self.askers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    /// Asks on a connection that nobody uses: see [`Asker::ask`].
    pub(crate) fn ask(
        &self,
        question: &str,
        values: &[String],
        kinds: &[Kind],
        take: impl FnMut(&Chunk),
    ) -> duckdb::Result<()> {
        let askers = || self.askers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let idle = askers().pop();
        let asker = idle.map_or_else(|| Asker::connect(&self.raw), Ok)?;
        asker.ask(question, values, kinds, take)?;
        let mut askers = askers();
        if askers.len() < 8 && !self.abandoned.load(Ordering::Relaxed) {
            askers.push(asker);
        }
        Ok(())
    }

    /// The engine's handle, for looking at statements.
    pub(crate) fn raw(&self) -> &RawDatabase {
        &self.raw
    }
}

impl RawDatabase {
    pub(crate) fn handle(&self) -> ffi::duckdb_database {
        self.0
    }

    fn open(options: &Options) -> Result<Self> {
        let settings = settings(options);
        let path = CString::new(options.path.as_os_str().as_bytes()).map_err(|_| StoreError::Engine {
            doing: "opening the database",
            message: "the path holds a zero byte".to_owned(),
        })?;
        // SAFETY: every pointer is valid for the call; config and message are freed on every way out.
        unsafe {
            let mut config: ffi::duckdb_config = ptr::null_mut();
            ffi::duckdb_create_config(&mut config);
            for (name, value) in &settings {
                if ffi::duckdb_set_config(config, name.as_ptr(), value.as_ptr()) != ffi::DuckDBSuccess {
                    ffi::duckdb_destroy_config(&mut config);
                    return Err(StoreError::Engine {
                        doing: "configuring the engine",
                        message: format!("{name:?} = {value:?} was refused"),
                    });
                }
            }
            let mut database: ffi::duckdb_database = ptr::null_mut();
            let mut message = ptr::null_mut();
            let state = ffi::duckdb_open_ext(path.as_ptr(), &mut database, config, &mut message);
            ffi::duckdb_destroy_config(&mut config);
            if state == ffi::DuckDBSuccess {
                return Ok(RawDatabase(database));
            }
            let text = match message.is_null() {
                true => "no reason given".to_owned(),
                false => CStr::from_ptr(message).to_string_lossy().into_owned(),
            };
            ffi::duckdb_free(message.cast());
            let failure = duckdb::Error::DuckDBFailure(ffi::Error::new(state), Some(text));
            Err(error::translate("opening the database", &failure))
        }
    }
}

/// Everything that reaches beyond the file is off: extensions are neither installed nor loaded, no statement opens a file
/// or a connection.
fn settings(options: &Options) -> Vec<(CString, CString)> {
    let threads = options.threads.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(2);
    let list = [
        ("storage_compatibility_version", "latest".to_owned()),
        ("autoinstall_known_extensions", "false".to_owned()),
        ("autoload_known_extensions", "false".to_owned()),
        ("allow_community_extensions", "false".to_owned()),
        ("threads", threads.to_string()),
        ("memory_limit", format!("{}B", options.memory_bytes)),
        ("temp_directory", options.spill.to_string_lossy().into_owned()),
        ("max_temp_directory_size", format!("{}B", options.spill_bytes)),
        ("checkpoint_threshold", "64MB".to_owned()),
        // Whoever commits also merges small row groups, but only where no query runs at that moment: without a bound, what piled up behind
        // minutes of queries was merged at once, and the next commit took ten seconds and more.
        ("max_vacuum_tasks", "1".to_owned()),
        // The last one: with it, no directory can be named any more.
        ("enable_external_access", "false".to_owned()),
    ];
    list.into_iter().filter_map(|(name, value)| Some((CString::new(name).ok()?, CString::new(value).ok()?))).collect()
}
