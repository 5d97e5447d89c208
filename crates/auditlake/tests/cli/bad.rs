//! Bad states, one each: the service stays up or stops with a clear error, and goes on by itself when the cause has gone.
//!
//! A full disk is in `disk`, a key that is replaced in `check`; a feed that repeats a page, a cursor that is rejected and a store
//! that fails are beside the collector (`crates/collect/src/source/tests.rs`), where they can be made to happen exactly.

use std::{fs::OpenOptions, net::TcpListener};

use crate::{feed::Feed, place::Place};

fn source(place: &Place, url: &str, key: &str) {
    let source = format!("[[source]]\nname = \"acme\"\nbase_url = \"{url}\"\nkey = \"{key}\"\ninterval_seconds = 5\n");
    place.file("auditlake.toml", source);
}

#[test]
fn a_feed_that_is_gone_is_waited_for() {
    let place = Place::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let words = ["--frozen", "--people", "20", "--days", "3", "--port", &port];
    let feed = Feed::start(&place, &words);
    source(&place, &feed.url, &feed.key);
    feed.end();
    let mut run = place.program(&["run", "--port", "0"]).start();
    run.says("cannot connect to the feed");
    run.says("hint: look at the network");
    let feed = Feed::start(&place, &words);
    run.says("works again");
    run.says("the past is here");
    feed.truth().holds(&place);
    assert_eq!(run.terminate().code, Some(0));
}

#[test]
fn a_clock_that_is_an_hour_off_costs_nothing() {
    for skew in ["skew=100%:1h", "skew=100%:-1h"] {
        let place = Place::new();
        let feed = Feed::start(&place, &["--frozen", "--people", "20", "--days", "3", "--fault", skew]);
        let mut run = feed.collector(&place);
        run.says("the past is here");
        feed.truth().holds(&place);
        assert_eq!(run.terminate().code, Some(0));
    }
}

#[test]
fn a_database_that_somebody_else_has_open_is_named() {
    let place = Place::new();
    let file = place.file("three.jsonl", crate::place::activities(3));
    place.run(&["import", &file]).ok();
    let database = OpenOptions::new().read(true).write(true).open(place.data().join("lake.duckdb")).unwrap();
    rustix::fs::fcntl_lock(&database, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let failed = place.run(&["run", "--port", "0"]).failed();
    assert!(failed.contains("hint: "), "{failed}");
    let check = place.run(&["check", "--format", "csv"]);
    assert_eq!(check.code, Some(3), "{check:?}");
    assert!(String::from_utf8_lossy(&check.stdout).contains("FAIL,store"), "{check:?}");
    drop(database);
    let run = {
        let mut run = place.program(&["run", "--port", "0"]).start();
        run.line(|line| line.starts_with("http://"));
        run
    };
    assert_eq!(place.count(), 3);
    assert_eq!(run.terminate().code, Some(0));
}
