//! A directory of a test's own: files, a data directory, and calls of the program with it.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Outcome, Program};

pub struct Place {
    dir: TempDir,
    data: PathBuf,
    /// Where the data are, if on a server.
    store: Option<String>,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("auditlake-test-").tempdir().unwrap();
        let data = dir.path().join("data");
        Place { dir, data, store: None }
    }

    /// The same place with its data directory elsewhere.
    pub fn with_data(mut self, data: PathBuf) -> Self {
        self.data = data;
        self
    }

    /// The same place with its data on the server at this URL.
    pub fn on(mut self, store: &str) -> Self {
        self.store = Some(store.to_owned());
        self
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Begins with an empty data directory.
    pub fn clear(&self) {
        if self.data.exists() {
            std::fs::remove_dir_all(&self.data).unwrap();
        }
    }

    /// Writes a file; answers its name, as the program is to be told.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path().join(name), bytes).unwrap();
        name.to_owned()
    }

    /// The program with these words, here.
    pub fn program(&self, words: &[&str]) -> Program {
        let program = Program::new(self.path(), words).env("AUDITLAKE_DATA", self.data.to_str().unwrap());
        match &self.store {
            Some(store) => program.env("AUDITLAKE_STORE_URL", store),
            None => program,
        }
    }

    pub fn run(&self, words: &[&str]) -> Outcome {
        self.program(words).run()
    }

    /// The rows of a query that is to succeed.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Value> {
        lines(&self.run(&["query", sql, "--format", "jsonl"]).ok())
    }

    /// How many activities there are; none of them twice.
    #[track_caller]
    pub fn count(&self) -> u64 {
        let rows = self.rows("select count(*) as n, count(distinct eventID) as d from anthropic_logs");
        assert_eq!(rows[0]["n"], rows[0]["d"], "an activity is there twice");
        rows[0]["n"].as_u64().unwrap()
    }

    /// The lines of the reject file of a source.
    pub fn rejects(&self, source: &str) -> Vec<Value> {
        let path = self.data.join(format!("rejects/{source}.jsonl"));
        lines(&std::fs::read_to_string(path).unwrap_or_default())
    }
}

/// JSON, a value a line.
#[track_caller]
pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A plain activity, as a line of a file without its line break.
pub fn activity(id: &str, second: u32) -> String {
    let time = format!("2026-04-10T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    format!(
        r#"{{"id":"activity_{id}","created_at":"{time}","organization_id":"org_1","actor":{{"type":"user_actor","email_address":"ann@example.com","user_id":"user_1"}},"type":"claude_chat_created","claude_chat_id":"claude_chat_{id}"}}"#
    )
}

/// So many of them, a line each.
pub fn activities(count: u32) -> String {
    (0..count).map(|number| activity(&format!("{number:08}"), number) + "\n").collect()
}
