//! The same program on the other engine: what is imported into ClickHouse is found, counted, exported and served as from a file.
//!
//! The engine is the one at `AUDITLAKE_TEST_CLICKHOUSE`, or one that `.ci/tools/clickhouse-http` starts; without either this says so.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::{
    http,
    place::{Place, activities},
};

/// An engine that ends with the test.
pub struct Engine {
    url: String,
    _child: Option<Child>,
}

impl Engine {
    /// A database that nobody has made yet.
    pub fn database(&self, name: &str) -> String {
        format!("{}/{name}_{}?compression=none", self.url, std::process::id())
    }

    /// Runs a statement.
    #[track_caller]
    pub fn run(&self, database: &str, statement: &str) {
        let name = database.rsplit('/').next().unwrap_or_default().split('?').next().unwrap_or_default();
        let host = self.url.trim_start_matches("clickhouse://");
        let path = format!("/?mutations_sync=2&database={name}");
        let answer = http::post(host, &path, statement);
        assert!(answer.contains(" 200 "), "{answer}");
    }
}

pub fn engine() -> Option<Engine> {
    let of = |url: &str| format!("clickhouse://{}", url.trim_end_matches('/').trim_start_matches("http://"));
    if let Ok(url) = std::env::var("AUDITLAKE_TEST_CLICKHOUSE") {
        return Some(Engine { url: of(&url), _child: None });
    }
    let python = std::env::var("AUDITLAKE_TEST_CHDB").unwrap_or_else(|_| "python3".to_owned());
    let tool = "../../.ci/tools/clickhouse-http";
    let mut command = Command::new(python);
    command.args([tool, "--until-eof"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
    let Some(url) = line.trim().strip_prefix("listening on ") else {
        eprintln!("skipped: there is no ClickHouse for tests, see crates/store-clickhouse/src/tests/engine.rs");
        return None;
    };
    Some(Engine { url: of(url), _child: Some(child) })
}

#[test]
fn answers_as_from_a_file() {
    let Some(engine) = engine() else { return };
    let url = engine.database("cli");
    let (file, server) = (Place::new(), Place::new());
    let both = |words: &[&str]| {
        let one = file.run(words).ok();
        let other = server.program(words).env("AUDITLAKE_STORE_URL", &url).run().ok();
        (one, other)
    };
    for place in [&file, &server] {
        place.file("some.jsonl", activities(300));
    }
    both(&["import", "some.jsonl"]);
    both(&["import", "some.jsonl"]);
    for words in [
        ["search", "", "--format", "jsonl"].as_slice(),
        &["search", "type:claude_*", "--format", "jsonl"],
        &["export", "--shape", "raw"],
        &["export", "--shape", "ocsf"],
        &["query", "select count(*) as n, count(distinct eventID) as ids from activities", "--format", "jsonl"],
        &["alerts", "list", "--format", "json"],
    ] {
        let (one, other) = both(words);
        let (one, other) = (without_receipt(&one), without_receipt(&other));
        assert!(!one.is_empty(), "{words:?}");
        assert_eq!(other, one, "{words:?}");
    }
    let nobody = server.program(&["search", ""]).env("AUDITLAKE_STORE_URL", "clickhouse://127.0.0.1:9").run();
    assert!(nobody.stderr.contains("does not answer"), "{}", nobody.stderr);
}

/// The lines without the moment at which they were stored, in the parts that name it.
fn without_receipt(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match serde_json::from_str::<serde_json::Value>(line) {
            Ok(serde_json::Value::Object(mut row)) => {
                for name in ["receivedAt", "raised_at", "changed_at"] {
                    row.remove(name);
                }
                if let Some(serde_json::Value::Object(metadata)) = row.get_mut("metadata") {
                    metadata.remove("logged_time");
                    metadata.remove("processed_time");
                }
                lines.push(serde_json::Value::Object(row).to_string());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}
