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
    /// The server that holds the store does not answer, or does not let us.
    #[error("{doing}: {message}")]
    Server {
        /// What was being done.
        doing: &'static str,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: &'static str,
        /// Whether it did not answer: it may again.
        is_away: bool,
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
            StoreError::Server { hint, .. } => Some(hint),
            StoreError::DiskFull(_) => Some("free some space, or give the store a larger disk; nothing was lost"),
            StoreError::Locked(_) => {
                Some("one program at a time has it: stop the other one, or ask a running service instead")
            }
            StoreError::TooNew { .. } => Some("run the newer program again, or restore a copy of before it"),
            StoreError::Statement(_) | StoreError::Engine { .. } => None,
        }
    }

    /// Whether the server that holds the store did not answer, so that it may be asked again later.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Server { is_away: true, .. })
    }
}
