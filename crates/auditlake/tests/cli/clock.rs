//! The wall clock of this machine is set back an hour while the service runs, and forward again: nothing is missed, nothing
//! is taken for late, nothing is complained of.
//!
//! The clock is the service's alone: a small library before it (`clock.c`) answers for the system. Passed over where no C
//! compiler is, but not in CI.

use std::{path::PathBuf, process::Command};

use crate::{feed::Feed, place::Place};

/// Builds the library; `None` if that cannot be done here.
fn library(place: &Place) -> Option<PathBuf> {
    let source = "tests/cli/clock.c";
    let library = place.path().join("clock.so");
    let output = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
    match output {
        Ok(output) if output.status.success() => Some(library),
        other => {
            assert!(std::env::var_os("CI").is_none(), "in CI this test has to run, and needs cc: {other:?}");
            eprintln!("passed over: no library can be built here: {other:?}");
            None
        }
    }
}

#[test]
fn a_clock_that_is_set_back_an_hour_while_the_service_runs_costs_nothing() {
    let place = Place::new();
    let Some(library) = library(&place) else { return };
    let set = |seconds: i32| {
        // At once, so that nobody reads half of it.
        place.file("offset.new", seconds.to_string());
        std::fs::rename(place.path().join("offset.new"), place.path().join("offset")).unwrap();
    };
    set(0);
    let feed = Feed::start(&place, &["--people", "60", "--days", "2", "--speed", "20"]);
    let source = format!(
        "[[source]]\nname = \"acme\"\nbase_url = \"{}\"\nkey = \"{}\"\ninterval_seconds = 5\n",
        feed.url, feed.key
    );
    place.file("auditlake.toml", source);
    let mut run = place
        .program(&["run", "--port", "0"])
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("CLOCK_OFFSET", place.path().join("offset").to_str().unwrap())
        .start();
    run.says("the past is here");
    let mut tail = place.program(&["tail", "--lines", "0", "--format", "jsonl"]).start();
    for seconds in [-3_600, 0, 3_600, -3_600] {
        set(seconds);
        // What happens from now on is read as ever, by that clock.
        let now = feed.truth().newest();
        tail.line(|line| crate::tail::is_later(line, &now) && is_received(line, seconds));
    }
    let sure = feed.truth().newest();
    tail.line(|line| crate::tail::is_later(line, &sure));
    drop(tail);
    // The service did live by that clock: what it stored last is two hours older than what it stored before.
    let sql = "select arg_max(receivedAt, seq) < max(receivedAt) - interval '100 minutes' as is_behind from activities";
    let behind = place.rows(sql);
    assert_eq!(behind[0]["is_behind"], true, "{behind:?}");
    let late = place.rows("select count(*) as n from activities where late");
    assert_eq!(late[0]["n"], 0);
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(!outcome.stderr.contains("WARN") && !outcome.stderr.contains("ERROR"), "{}", outcome.stderr);
    let (_, all) = feed.end();
    all.until(&sure).holds_up_to(&all, &place);
}

/// Whether it was received by a clock that is off by so many seconds.
fn is_received(line: &str, seconds: i32) -> bool {
    let row: serde_json::Value = serde_json::from_str(line).unwrap();
    let at: jiff::Timestamp = row["receivedAt"].as_str().unwrap().parse().unwrap();
    (at.duration_since(jiff::Timestamp::now()).as_secs() - i64::from(seconds)).abs() < 1_000
}
