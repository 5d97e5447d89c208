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

    fn keep(&self, sessions: &KeptSessions) -> Result<(), String> {
        let written = serde_json::to_string(sessions).map_err(anyhow::Error::from);
        written.and_then(|text| self.0.replace(FILE, &text)).map_err(|error| format!("{error:#}"))
    }

    fn forget(&self) -> Result<(), String> {
        let path = self.0.path().join(FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("cannot remove {}: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_can_be_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let file = SessionFile::new(&DataDir::new(dir.path().to_owned()));
        let sessions = KeptSessions { secret: "5".repeat(64), sessions: Vec::new() };
        assert_eq!((file.load(), file.forget()), (None, Ok(())));
        file.keep(&sessions).unwrap();
        assert_eq!(file.load(), Some(sessions.clone()));
        // In the place of the file that would replace it stands something that cannot be replaced.
        std::fs::create_dir(dir.path().join("sessions.json.new")).unwrap();
        assert!(file.keep(&sessions).unwrap_err().contains("sessions.json"));
        assert_eq!(file.forget(), Ok(()));
        assert_eq!(file.load(), None);
    }
}
