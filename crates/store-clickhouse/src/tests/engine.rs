//! The engine for tests: the one at `AUDITLAKE_TEST_CLICKHOUSE`, or a real one that `.ci/tools/clickhouse-http` starts.
//!
//! Where neither is named nor to be had, a test that needs it says so and passes.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Options, client::Server};

/// The started engine; it ends with the test process, as its input ends then.
static ENGINE: OnceLock<Option<(String, Option<Child>)>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// What the started engine calls the cluster that is itself alone.
pub(crate) const CLUSTER: &str = "main";

fn start() -> Option<(String, Option<Child>)> {
    if let Ok(url) = std::env::var("AUDITLAKE_TEST_CLICKHOUSE") {
        return Some((url, None));
    }
    let tool = "../../.ci/tools/clickhouse-http";
    let python = std::env::var("AUDITLAKE_TEST_CHDB").unwrap_or_else(|_| "python3".to_owned());
    let mut child = Command::new(python)
        .args([tool, "--until-eof", "--cluster", CLUSTER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
    match line.trim().strip_prefix("listening on ") {
        Some(url) => Some((url.to_owned(), Some(child))),
        None if std::env::var_os("AUDITLAKE_TEST_CHDB").is_some() => {
            panic!("AUDITLAKE_TEST_CHDB names a python without chdb")
        }
        None => {
            eprintln!(
                "skipped: there is no ClickHouse for tests. Install the package chdb for python3 (or for the python that \
                 AUDITLAKE_TEST_CHDB names), or set AUDITLAKE_TEST_CLICKHOUSE to the URL of a server"
            );
            let _ = child.wait();
            None
        }
    }
}

/// Where the engine is.
pub(crate) fn url() -> Option<String> {
    ENGINE.get_or_init(start).as_ref().map(|(url, _)| url.clone())
}

/// A database that nobody has made yet.
pub(crate) async fn fresh() -> Option<Options> {
    let url = tokio::task::spawn_blocking(url).await.ok()??;
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    Some(Options {
        url,
        database: format!("test_{}_{number}", std::process::id()),
        user: "default".to_owned(),
        password: None,
        cluster: None,
        is_compressed: true,
        lease: Options::LEASE,
    })
}

/// The server itself.
pub(crate) async fn server() -> Option<Server> {
    Some(Server::new(&fresh().await?))
}

/// Makes requests about a database go wrong: see the tool.
pub(crate) async fn fault(database: &str, parameters: &str) {
    let url = url().unwrap_or_default();
    let host = url.strip_prefix("http://").unwrap_or_default();
    let mut wire = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!(
        "POST /fault?database={database}&{parameters} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    wire.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    wire.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

/// Makes them go well again.
pub(crate) async fn mend(database: &str) {
    fault(database, "count=0").await;
}
