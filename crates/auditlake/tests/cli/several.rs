//! Several processes on one database of a server: each source is collected by one of them, and every other reads what is there.
//!
//! The engine is that of [`crate::clickhouse`]; without one these tests say so and pass.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::{
    clickhouse::{Engine, engine, start},
    feed::Feed,
    http,
    place::{Place, activities},
    program::{Running, until},
    truth::Truth,
};

/// A data directory of its own on a database that others have as well.
fn place(engine: &Engine, database: &str) -> Place {
    // Whoever is killed has what it had for as long.
    Place::new().on(&format!("{}?lease=8s", engine.database(database)))
}

/// `auditlake run` with this feed as a source of this name.
fn collector(place: &Place, name: &str, feed: &Feed) -> Running {
    let source = format!("[[source]]\nname = \"{name}\"\nbase_url = \"{}\"\nkey = \"{}\"\n", feed.url, feed.key);
    place.file("auditlake.toml", source);
    place.program(&["run", "--port", "0"]).start()
}

/// Organisations with nobody in common.
fn feeds(places: [&Place; 2]) -> [Feed; 2] {
    let words = ["--frozen", "--people", "15", "--days", "6", "--seed"];
    let [one, other] = places;
    [Feed::start(one, &[&words[..], &["1"]].concat()), Feed::start(other, &[&words[..], &["2"]].concat())]
}

/// What both feeds tell.
fn both(places: [&Place; 2]) -> Truth {
    let text: String = places.map(|place| fs::read_to_string(place.path().join("truth.jsonl")).unwrap()).concat();
    Truth::read(&places[0].path().join(places[0].file("both.jsonl", text)))
}

#[test]
fn two_collect_and_others_read() {
    let Some(engine) = engine() else { return };
    let [one, other, reader, importer] = [(); 4].map(|()| place(&engine, "several"));
    let feeds = feeds([&one, &other]);
    let mut runs = [collector(&one, "one", &feeds[0]), collector(&other, "other", &feeds[1])];
    for run in &mut runs {
        run.says("the past is here");
    }
    let truth = both([&one, &other]);
    let mut reads = reader.program(&["run", "--port", "0"]).start();
    let url = reads.line(|line| line.starts_with("http://"));
    truth.holds(&reader);
    assert_eq!(http::get(&format!("{url}/explore")).0, 200);

    // Whoever writes for a moment gets its turn, and readers see what came of it.
    importer.file("some.jsonl", activities(200));
    importer.run(&["import", "some.jsonl"]).ok();
    let begun = Instant::now();
    until("the reader sees it", || reader.count() == truth.len() as u64 + 200);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    for run in runs.into_iter().chain([reads]) {
        let outcome = run.terminate();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(!outcome.stderr.contains("error: "), "{outcome:?}");
    }
    let rows = other
        .rows("select sourceID, count() as n from anthropic_logs where sourceID != 'import' group by 1 order by 1");
    assert_eq!(rows.len(), 2, "{rows:?}");
}

#[test]
fn a_standby_takes_over_from_who_was_killed() {
    let Some(engine) = engine() else { return };
    let (one, other) = (place(&engine, "standby"), place(&engine, "standby"));
    let feed = Feed::start(&one, &["--frozen", "--people", "25", "--days", "15"]);
    let mut first = collector(&one, "acme", &feed);
    first.line(|line| line.starts_with("http://"));
    until("something is collected", || one.count() > 0);
    let mut second = collector(&other, "acme", &feed);
    second.says("source acme: standing by, as another process collects source acme");
    let job = place(&engine, "standby");
    job.file("auditlake.toml", fs::read_to_string(one.path().join("auditlake.toml")).unwrap());
    let busy = job.run(&["backfill", "--source", "acme"]).failed();
    assert!(busy.contains("another process collects source acme"), "{busy}");
    first.kill9();
    second.says("source acme: this process does it from now on");
    second.says("the past is here");
    feed.truth().holds(&other);
    // One that ends in order is followed at once.
    let mut third = collector(&one, "acme", &feed);
    third.says("source acme: standing by");
    let outcome = second.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    third.says("source acme: this process does it from now on");
    third.says("the past is here");
    feed.truth().holds(&one);
    assert_eq!(third.terminate().code, Some(0));
}

#[test]
fn a_server_that_is_away_at_the_start_is_waited_for() {
    if engine().is_none() {
        return;
    }
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let near = Place::new().on(&format!("clickhouse://{free}/away"));
    let feed = Feed::start(&near, &["--frozen", "--people", "5", "--days", "2"]);
    let begun = Instant::now();
    let failed = near.run(&["search", ""]).failed();
    assert!(failed.contains("does not answer") && failed.contains("hint: look whether the server runs"), "{failed}");
    assert!(begun.elapsed() < Duration::from_secs(20), "a command does not wait");
    let mut run = collector(&near, "acme", &feed);
    run.says("does not answer");
    let Some(_engine) = start(&["--port", &free.port().to_string()]) else { return };
    run.says("the store is there");
    run.says("the past is here");
    feed.truth().holds(&near);
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr.matches("does not answer").count(), 1, "{outcome:?}");
}

#[test]
fn an_account_that_only_reads_serves_what_is_there() {
    let Some(engine) = engine() else { return };
    let url = engine.database("readonly");
    let (writer, reader) = (Place::new().on(&url), Place::new().on(&url));
    writer.file("some.jsonl", activities(30));
    writer.run(&["import", "some.jsonl"]).ok();
    let (host, name) = url.trim_start_matches("clickhouse://").split_once('/').unwrap();
    http::post(host, &format!("/fault?database={name}&kind=refuse&count=1000000&match=INSERT"), "");
    let mut run = reader.program(&["run", "--port", "0"]).start();
    let page = run.line(|line| line.starts_with("http://"));
    run.says("detection: left to other processes");
    assert_eq!(reader.count(), 30);
    for path in ["/", "/explore", "/alerts", "/sources", "/healthz"] {
        assert_eq!(http::get(&format!("{page}{path}")).0, 200, "{path}");
    }
    assert_eq!(reader.run(&["alerts", "list", "--format", "jsonl"]).ok(), "");
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}
