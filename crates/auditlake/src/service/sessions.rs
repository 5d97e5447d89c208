//! Sessions of the pages in the data directory, so that a restart logs nobody out.
//!
//! `sessions.json` is for the service's user alone and holds hashes: neither the ids that browsers have nor passwords can be
//! made of them. What it signs forms with stands there too.

use web::{KeptSessions, SessionKeeper};

use crate::datadir::DataDir;

const FILE: &str = "sessions.json";

/// The file of a data directory.
pub struct SessionFile(DataDir);

impl SessionFile {
    pub fn new(data: &DataDir) -> SessionFile {
        SessionFile(data.clone())
    }
}

impl SessionKeeper for SessionFile {
    fn load(&self) -> Option<KeptSessions> {
        let text = std::fs::read_to_string(self.0.path().join(FILE)).ok()?;
        let kept = serde_json::from_str(&text);
        kept.inspect_err(|error| tracing::warn!("everybody has to log in anew: {FILE}: {error}")).ok()
    }

    fn keep(&self, sessions: &KeptSessions) {
        let written = serde_json::to_string(sessions).map_err(anyhow::Error::from);
        if let Err(error) = written.and_then(|text| self.0.replace(FILE, &text)) {
            tracing::warn!("a restart will log people out: {error:#}");
        }
    }
}
