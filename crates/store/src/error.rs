//! What goes wrong in a store, in words that say what to do.

/// The result of asking a store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The statement is wrong or not allowed; the text says where.
    #[error("{0}")]
    Statement(String),
    /// The question asks for more than the limits allow.
    #[error("{message}")]
    Limit {
        /// Which limit.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The disk is full.
    #[error("no space left for the store: {0}")]
    DiskFull(String),
    /// Somebody else has the store open.
    #[error("{0}")]
    Locked(String),
    /// The data was written by a newer program.
    #[error("the store has schema version {found}, this program knows versions up to {known}")]
    TooNew {
        /// The version of the data.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The engine failed in another way.
    #[error("{doing}: {message}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// What the engine said.
        message: String,
    },
}

impl StoreError {
    /// What to do about it, where there is something.
    pub fn hint(&self) -> Option<&str> {
        match self {
            StoreError::Limit { hint, .. } => Some(hint),
            StoreError::DiskFull(_) => {
                Some("free some space or move the data directory to a larger disk; nothing was lost")
            }
            StoreError::Locked(_) => {
                Some("one program at a time has it open: stop the other one, or ask a running service instead")
            }
            StoreError::TooNew { .. } => Some("run the newer program again, or restore a copy of the data directory"),
            _ => None,
        }
    }
}
