//! The same program on the other engine: what is imported into ClickHouse is found, counted, exported and served as from a file.
//!
//! The engine is the one at `AUDITLAKE_TEST_CLICKHOUSE`, or one that `.ci/tools/clickhouse-http` starts; where neither is named nor to be
//! had, this says so. What goes over the wire is packed, as it is by default.

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
        format!("{}/{name}_{}", self.url, std::process::id())
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
    match std::env::var("AUDITLAKE_TEST_CLICKHOUSE") {
        Ok(url) => Some(Engine { url: of(&url), _child: None }),
        Err(_) => start(&[]),
    }
}

/// The tool with more words.
pub fn start(words: &[&str]) -> Option<Engine> {
    let named = std::env::var("AUDITLAKE_TEST_CHDB");
    let python = named.as_deref().unwrap_or("python3");
    let mut command = Command::new(python);
    command.args(["../../.ci/tools/clickhouse-http", "--until-eof"]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
    let Some(url) = line.trim().strip_prefix("listening on ") else {
        assert!(named.is_err(), "AUDITLAKE_TEST_CHDB names a python without chdb: {python}");
        eprintln!("skipped: there is no ClickHouse for tests, see crates/store-clickhouse/src/tests/engine.rs");
        return None;
    };
    Some(Engine { url: of(url), _child: Some(child) })
}

/// A server's address as the program is told it.
fn of(url: &str) -> String {
    let url = url.trim_end_matches('/');
    match url.strip_prefix("https://") {
        Some(host) => format!("clickhouse+https://{host}"),
        None => format!("clickhouse://{}", url.trim_start_matches("http://")),
    }
}

#[test]
fn answers_as_from_a_file() {
    let Some(engine) = engine() else { return };
    let url = format!("{}?compression=none", engine.database("cli"));
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

#[test]
fn a_server_with_tls_and_a_password_is_named_on_the_command_line() {
    let (file, place) = (Place::new(), Place::new().on("clickhouse://127.0.0.1:9/nobody"));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    place.file("cert.pem", made.cert.pem());
    place.file("key.pem", made.signing_key.serialize_pem());
    place.file("password", "correct horse\n");
    let [certificate, key] = ["cert.pem", "key.pem"].map(path);
    let words = ["--password", "correct horse", "--certificate", &certificate, "--key", &key];
    let Some(engine) = start(&words) else { return };
    let url = engine.database("wire");
    let program = |words: &[&str]| place.program(&["--store", &url]).words(words).env("SSL_CERT_FILE", &certificate);
    let known = |words: &[&str]| program(words).env("AUDITLAKE_STORE_PASSWORD", "correct horse");
    // Enough for an answer of several pieces, and a body of some megabytes.
    for place in [&file, &place] {
        place.file("some.jsonl", activities(20_000));
    }
    file.run(&["import", "some.jsonl"]).ok();
    known(&["import", "some.jsonl"]).run().ok();
    let words = ["search", "", "--limit", "20000", "--format", "jsonl"];
    let there = program(&words).env("AUDITLAKE_STORE_PASSWORD_FILE", "password").run().ok();
    let here = file.run(&words).ok();
    assert_eq!(here.lines().count(), 20_000);
    assert!(without_receipt(&there) == without_receipt(&here), "other rows over the wire");

    let nobody = program(&words).env("AUDITLAKE_STORE_PASSWORD", "wrong battery").run().failed();
    assert!(nobody.contains("the server refuses user or password") && !nobody.contains("battery"), "{nobody}");
    let stranger =
        place.program(&["--store", &url]).words(words).env("AUDITLAKE_STORE_PASSWORD", "correct horse").run();
    let stranger = stranger.failed();
    assert!(stranger.contains("does not answer") && stranger.contains("certificate"), "{stranger}");
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
