//! Bad states, one each: the service stays up or stops with a clear error, and goes on by itself when the cause has gone.
//!
//! A full disk is in `disk`, a wrong key in `check`, a wall clock that is set back in `clock`. A feed that is gone for a day, one
//! that repeats a page, one that rejects cursors and a store that fails are beside the collector
//! (`crates/collect/src/source/tests/`), where time passes as fast as it is wanted to.

use std::{fs::OpenOptions, net::TcpListener};

use crate::{
    feed::Feed,
    place::{Place, activities, activity, lines},
};

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
    let file = place.file("three.jsonl", activities(3));
    place.run(&["import", &file]).ok();
    let database = OpenOptions::new().read(true).write(true).open(place.data().join("lake.duckdb")).unwrap();
    rustix::fs::fcntl_lock(&database, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let failed = place.run(&["run", "--port", "0"]).failed();
    assert!(failed.contains("error: cannot open the store in ") && failed.contains("lake.duckdb"), "{failed}");
    assert!(failed.contains("the database is open in another process"), "{failed}");
    assert!(failed.contains("hint: one program at a time has it") && failed.contains("stop the other one"), "{failed}");
    let check = place.run(&["check", "--format", "csv"]);
    assert_eq!(check.code, Some(3), "{check:?}");
    let told = String::from_utf8_lossy(&check.stdout).into_owned();
    let store = told.lines().find(|line| line.starts_with("FAIL,store")).unwrap_or_else(|| panic!("{told}"));
    assert!(
        store.contains("the database is open in another process") && store.contains("one program at a time"),
        "{store}"
    );
    drop(database);
    let run = {
        let mut run = place.program(&["run", "--port", "0"]).start();
        run.line(|line| line.starts_with("http://"));
        run
    };
    assert_eq!(place.count(), 3);
    assert_eq!(run.terminate().code, Some(0));
}

#[test]
fn a_key_that_is_revoked_and_replaced_takes_no_restart() {
    // The feed is a deployment of our own, which can revoke keys.
    let upstream = Place::new();
    upstream.run(&["import", &upstream.file("past.jsonl", activities(50))]).ok();
    let mut feed = upstream.program(&["run", "--port", "0"]).start();
    let url = feed.line(|line| line.starts_with("http://"));
    let create = |name: &str| upstream.run(&["keys", "create", "--name", name]).ok().lines().next().unwrap().to_owned();
    let place = Place::new();
    place.file("key", create("first"));
    let source = format!(
        "[[source]]\nname = \"acme\"\nbase_url = \"{url}\"\nkey_file = \"key\"\ninterval_seconds = 5\nbackfill_from = \"6y\"\n"
    );
    place.file("auditlake.toml", source);
    let mut run = place.program(&["run", "--port", "0"]).start();
    run.says("the past is here");
    assert_eq!(place.count(), 50);
    let keys = lines(&upstream.run(&["keys", "list", "--format", "jsonl"]).ok());
    upstream.run(&["keys", "revoke", keys[0]["id"].as_str().unwrap()]).ok();
    run.says("401 authentication_error");
    run.says("hint: the key is unknown or revoked");
    // What happens meanwhile is not lost.
    upstream.run(&["import", &upstream.file("more.jsonl", activity("meanwhile", 60) + "\n")]).ok();
    let mut tail = place.program(&["tail", "--lines", "0", "--format", "jsonl"]).start();
    place.file("key", create("second"));
    run.says("works again");
    tail.line(|line| line.contains("activity_meanwhile"));
    drop(tail);
    assert_eq!(place.count(), 51);
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr.matches("401 authentication_error").count(), 1, "{}", outcome.stderr);
    assert_eq!(feed.terminate().code, Some(0));
}
