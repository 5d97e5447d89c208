//! How a deployment is set, for people to read: never a secret, and nothing to change here.

use jiff::Timestamp;

/// What the Settings page shows.
#[derive(Debug, Clone, Default)]
pub struct SettingsReport {
    /// The keys of this deployment's own feed.
    pub keys: Vec<KeyReport>,
    /// Who can log in: name and role. None where no login is asked for.
    pub users: Option<Vec<(String, String)>>,
    /// Everything else.
    pub sections: Vec<SettingsSection>,
    /// Whose SQL the store takes.
    pub dialect: Dialect,
}

/// Whose SQL people write here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// That of the embedded engine.
    #[default]
    DuckDb,
    /// That of a server.
    ClickHouse,
}

impl Dialect {
    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Dialect::DuckDb => "DuckDB",
            Dialect::ClickHouse => "ClickHouse",
        }
    }
}

/// A key, without what would open anything.
#[derive(Debug, Clone)]
pub struct KeyReport {
    /// `apikey_01…`
    pub id: String,
    /// What a person calls it.
    pub name: Option<String>,
    /// Its beginning and its last characters.
    pub shown: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

/// Some settings that belong together.
#[derive(Debug, Clone, Default)]
pub struct SettingsSection {
    /// What they are about.
    pub title: String,
    /// What to know of them.
    pub about: String,
    /// Names of the columns; none for names and values.
    pub columns: Vec<&'static str>,
    /// The rows: as many texts as there are columns, or name and value.
    pub rows: Vec<Vec<String>>,
}
