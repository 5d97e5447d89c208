//! Why a file is of no use.

use std::path::PathBuf;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum EnrichError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is no location database.
    #[error("{} is no MaxMind database: {message}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// It is no directory of people.
    #[error("{}: {message}", path.display())]
    Directory {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        message: String,
    },
}

impl EnrichError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            EnrichError::Read { .. } => "see that the file is there and this user may read it",
            EnrichError::Database { .. } => {
                "name a file that ends with .mmdb and was fetched whole: GeoLite2, GeoIP2, DB-IP or IPinfo"
            }
            EnrichError::Directory { .. } => {
                "begin the file with a line that names its columns, such as `email,user_id,name,department,manager,service_account`"
            }
        }
    }
}

/// With the error of this room.
pub type Result<T, E = EnrichError> = std::result::Result<T, E>;
