//! Over a real connection: commits are told at once, and who goes away cancels what was asked.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{sync::Arc, time::Duration};

use support::{Fake, TOKEN, TestSite, activity};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);

async fn serve(site: TestSite) -> (std::net::SocketAddr, Arc<Fake>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, site.router).await });
    (address, site.store)
}

async fn connect(site: TestSite, request: String) -> (TcpStream, Arc<Fake>) {
    let (address, store) = serve(site).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    (stream, store)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n")
}

fn sql(text: &str) -> String {
    let body = format!(r#"{{"sql":"{text}"}}"#);
    let length = body.len();
    format!(
        "POST /api/v1/sql HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\naccept: application/x-ndjson\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Reads until `end` stands in what was read, or until the connection ends.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let count = timeout(SOON, stream.read(&mut piece)).await.expect("an answer").unwrap_or(0);
        text.extend_from_slice(&piece[..count]);
        let read = String::from_utf8_lossy(&text);
        if count == 0 || read.contains(end) {
            return read.into_owned();
        }
    }
}

#[tokio::test]
async fn tells_of_each_commit() {
    for path in ["/live", "/api/v1/commits"] {
        let (mut stream, store) = connect(TestSite::new(), get(path)).await;
        let head = read_until(&mut stream, "data: 0").await;
        assert!(head.contains("text/event-stream") && head.contains("event: commit"), "{head}");
        store.add("main", [activity("activity_A", "claude_chat_created", "2026-04-10T08:09:10Z", "")]);
        let event = read_until(&mut stream, "data: 1").await;
        assert!(event.contains("event: commit") && event.contains("id: 1"), "{event}");
    }
}

#[tokio::test]
async fn pages_are_told_once_a_second_at_most() {
    let (mut stream, store) = connect(TestSite::new(), get("/live")).await;
    read_until(&mut stream, "data: 0").await;
    for _ in 0..50 {
        store.add("main", []);
        tokio::task::yield_now().await;
    }
    let text = read_until(&mut stream, "data: 50").await;
    assert_eq!(text.matches("event: commit").count(), 1, "{text}");
}

#[tokio::test]
async fn ends_when_the_program_does() {
    let (close, closing) = tokio::sync::watch::channel(false);
    let site = TestSite::with(|site| site.closing = closing);
    let (mut stream, _store) = connect(site, get("/live")).await;
    read_until(&mut stream, "data: 0").await;
    close.send(true).unwrap();
    // The last chunk is the empty one: a proper end.
    assert!(read_until(&mut stream, "0\r\n\r\n").await.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn going_away_cancels_the_question() {
    let (mut stream, store) = connect(TestSite::new(), sql("endless")).await;
    assert!(read_until(&mut stream, "zoned").await.starts_with("HTTP/1.1 200"));
    drop(stream);
    timeout(SOON, store.dropped.notified()).await.expect("the answer is dropped");
}

#[tokio::test]
async fn an_error_in_the_middle_breaks_the_connection_off() {
    let (mut stream, _store) = connect(TestSite::new(), sql("late")).await;
    let text = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(!text.ends_with("0\r\n\r\n"), "must not end as if it were whole: {text}");
}
