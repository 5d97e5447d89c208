//! What stops collecting altogether. What goes wrong with one record is a [`crate::Reject`].

use std::path::PathBuf;

use auditlake_store::StoreError;

/// The result of collecting.
pub type Result<T, E = CollectError> = std::result::Result<T, E>;

/// Why collecting cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The store did not take the rows. Nothing of the commit has happened.
    #[error("cannot store what was collected")]
    Store(#[from] StoreError),
    /// What cannot be stored cannot be kept either.
    #[error("cannot write rejected records to {path}")]
    Rejects {
        /// The reject file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread or a task could not be started, or died.
    #[error("it broke off: {0}")]
    Thread(String),
    /// A checkpoint is not in the form that this program writes.
    #[error("the checkpoint {name:?} of source {source_id:?} cannot be read: {message}")]
    Checkpoint {
        /// The source.
        source_id: String,
        /// The checkpoint.
        name: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl CollectError {
    /// What to do about it, where there is something.
    pub fn hint(&self) -> Option<&str> {
        match self {
            CollectError::Store(error) => error.hint(),
            CollectError::Rejects { .. } => Some("free some space, or make the directory writable, and run it again"),
            CollectError::Thread(_) => Some("run it again: what is stored already is not stored twice"),
            CollectError::Checkpoint { .. } => Some("it was written by a newer program: run that one"),
        }
    }

    /// Whether it stays until a person acts.
    pub(crate) fn needs_person(&self) -> bool {
        match self {
            CollectError::Store(error) => matches!(error, StoreError::DiskFull(_) | StoreError::TooNew { .. }),
            CollectError::Rejects { .. } | CollectError::Checkpoint { .. } => true,
            CollectError::Thread(_) => false,
        }
    }
}
