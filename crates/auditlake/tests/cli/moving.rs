//! A deployment from one store to another and back: everything is there, whenever the copy was killed, and what is not is told.

use serde_json::Value;

use crate::{
    clickhouse::{Engine, engine},
    feed::Feed,
    http,
    place::{Place, activity, lines},
    program::Outcome,
};

/// A deployment that has everything: pages of a feed in many commits, alerts that people have dealt with, notices, look-ups, keys.
fn deployment() -> Place {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "15", "--days", "12", "--scenario", "sso-weakened"]);
    let destination = "[[destination]]\nname = \"log\"\nkind = \"file\"\npath = \"alerts.jsonl\"\n";
    place.file("auditlake.toml", destination);
    for piece in 0..5 {
        let lines: String = (0..200).map(|at| activity(&format!("{piece}_{at:04}"), at) + "\n").collect();
        place.file("piece.jsonl", lines);
        place.run(&["import", "piece.jsonl"]).ok();
    }
    let mut run = feed.collector(&place);
    let url = run.line(|line| line.starts_with("http://"));
    run.says("the past is here");
    assert!(!alerts(&place).is_empty(), "the attack is noticed");
    let page = http::get(&format!("{url}/explore?q=type%3Asso_login_failed"));
    assert_eq!(page.0, 200);
    let id = alerts(&place)[0]["id"].as_str().unwrap().to_owned();
    place.run(&["alerts", "ack", &id, "--note", "mine"]).ok();
    place.run(&["keys", "create", "--name", "siem"]).ok();
    assert_eq!(run.terminate().code, Some(0));
    place
}

fn alerts(place: &Place) -> Vec<Value> {
    lines(&place.run(&["alerts", "list", "--format", "jsonl"]).ok())
}

fn copy(place: &Place, from: &str, to: &str) -> Outcome {
    place.run(&["-v", "store", "copy", "--from", from, "--to", to, "--rows", "150", "--format", "jsonl"])
}

/// What the report says, by what was counted.
fn counted(report: &str, what: &str) -> u64 {
    let line = lines(report).into_iter().find(|line| line["what"] == what).unwrap();
    assert_eq!(line["same"], true, "{line}");
    assert_eq!(line["from"], line["to"], "{line}");
    line["from"].as_u64().unwrap()
}

/// Copies, and is killed in the middle.
fn killed(place: &Place, from: &str, to: &str) {
    let words = ["-v", "store", "copy", "--from", from, "--to", to, "--rows", "150", "--format", "jsonl"];
    let mut copy = place.program(&words).start();
    copy.says("copied seq=3");
    copy.kill9();
}

fn same(place: &Place, one: &str, other: &str) -> bool {
    let done = place.run(&["store", "compare", "--from", one, "--to", other, "--format", "jsonl"]);
    match done.code {
        Some(0) => true,
        Some(3) => false,
        _ => panic!("{done:?}"),
    }
}

fn finish(place: &Place, from: &str, to: &str) -> Outcome {
    // The right of whoever was killed has to run out first.
    let done = copy(place, from, to);
    assert!(done.stderr.contains("a copy was broken off here"), "{done:?}");
    done
}

fn back_and_forth(engine: &Engine) {
    let place = deployment();
    let data = place.data().to_str().unwrap().to_owned();
    // Whoever is killed has the right to write until it runs out.
    let server = format!("{}?lease=2s", engine.database("moved"));
    killed(&place, &data, &server);
    let closed = place.program(&["query", "select 1"]).env("AUDITLAKE_STORE_URL", &server).run().failed();
    assert!(closed.contains("the target of a copy that was never finished"), "{closed}");
    let report = finish(&place, &data, &server).ok();
    for what in
        ["activities", "raw logs", "commits", "ledger", "checkpoints", "alerts", "subscribers", "look-ups", "handled"]
    {
        assert!(counted(&report, what) > 0, "{what}: {report}");
    }
    assert!(same(&place, &data, &server));
    let again = copy(&place, &data, &server).failed();
    assert!(again.contains("the target holds something already"), "{again}");

    let back = place.path().join("back").to_str().unwrap().to_owned();
    killed(&place, &server, &back);
    finish(&place, &server, &back).ok();
    assert!(same(&place, &data, &back));
    for words in [
        ["search", "", "--format", "jsonl"].as_slice(),
        &["export", "--shape", "raw"],
        &["alerts", "list", "--format", "json"],
    ] {
        let there = place.program(words).env("AUDITLAKE_DATA", &back).run().ok();
        let on_server = place.program(words).env("AUDITLAKE_STORE_URL", &server).run().ok();
        let here = place.run(words).ok();
        assert_eq!(there, here, "{words:?}");
        assert_eq!(on_server, here, "{words:?}");
    }
    // The files went along, as --data names where they are.
    assert!(place.program(&["keys", "list"]).env("AUDITLAKE_DATA", &back).run().ok().contains("siem"));

    let twice = place.path().join("twice").to_str().unwrap().to_owned();
    copy(&place, &back, &twice).ok();
    assert!(same(&place, &data, &twice));
}

#[test]
fn a_deployment_goes_to_a_server_and_back() {
    if let Some(engine) = engine() {
        back_and_forth(&engine);
    }
}

#[test]
fn what_was_changed_on_the_way_is_told() {
    let Some(engine) = engine() else { return };
    let place = deployment();
    let data = place.data().to_str().unwrap().to_owned();
    let server = format!("{}?lease=2s", engine.database("tampered"));
    killed(&place, &data, &server);
    let change = "ALTER TABLE activity UPDATE raw_log = concat(raw_log, ' ') WHERE event_id = (SELECT min(event_id) FROM activity)";
    engine.run(&server, change);
    let failed = copy(&place, &data, &server);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("activities, raw logs differ"), "{failed:?}");
    assert!(failed.stderr.contains("was changed in the source before the copy went on"), "{failed:?}");
    let closed = place.program(&["query", "select 1"]).env("AUDITLAKE_STORE_URL", &server).run().failed();
    assert!(closed.contains("never finished"), "{closed}");
    assert!(!same(&place, &data, &server));
    // Whoever runs keeps others out.
    let feed = Feed::start(&place, &["--frozen", "--people", "5", "--days", "2"]);
    let mut run = feed.collector(&place);
    run.line(|line| line.starts_with("http://"));
    let busy = copy(&place, &data, &engine.database("busy")).failed();
    assert!(busy.contains("is in use by `auditlake run`"), "{busy}");
    drop(run);
}

#[test]
fn what_a_server_deletes_by_itself_is_no_difference() {
    let Some(engine) = engine() else { return };
    let place = Place::new();
    place.file("auditlake.toml", "[[source]]\nname = \"brief\"\nkey = \"sk-ant-api01-x\"\nretention_days = 30\n");
    let old: String =
        (0..90).map(|at| activity(&format!("old_{at:04}"), at).replace("2026-", "2021-") + "\n").collect();
    place.file("old.jsonl", old);
    place.file("new.jsonl", (0..40).map(|at| activity(&format!("new_{at:04}"), at) + "\n").collect::<String>());
    place.run(&["import", "old.jsonl", "--source", "brief"]).ok();
    place.run(&["import", "new.jsonl"]).ok();
    let data = place.data().to_str().unwrap().to_owned();
    let server = engine.database("expired");
    let done = copy(&place, &data, &server);
    assert!(done.stderr.contains("activities at the end of their retention (90 here, "), "{done:?}");
    let report = done.ok();
    assert_eq!(counted(&report, "activities"), 40);
    engine.run(&server, "OPTIMIZE TABLE activity FINAL");
    let there = place.program(&["query", "select count() as n from activities"]).env("AUDITLAKE_STORE_URL", &server);
    assert_eq!(there.run().ok().trim(), r#"{"n":40}"#);
    let done = place.run(&["store", "compare", "--from", &data, "--to", &server, "--format", "jsonl"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let expired = lines(&done.ok()).into_iter().find(|line| line["what"] == "expired").unwrap();
    assert_eq!((&expired["from"], &expired["to"]), (&90.into(), &0.into()), "{expired}");
    // Between files nothing is deleted, and everything is compared.
    let file = place.path().join("file").to_str().unwrap().to_owned();
    assert_eq!(counted(&copy(&place, &data, &file).ok(), "activities"), 130);
}

#[test]
fn a_side_is_what_it_is_and_not_how_it_is_spelt() {
    let Some(engine) = engine() else { return };
    let place = Place::new();
    place.file("some.jsonl", activity("one", 1));
    place.run(&["import", "some.jsonl"]).ok();
    let data = place.data().to_str().unwrap().to_owned();
    copy(&place, &data, "clickhouse-backup").ok();
    assert!(place.path().join("clickhouse-backup/lake.duckdb").exists(), "a directory may be named so");
    let server = engine.database("spelt");
    copy(&place, &data, &server).ok();
    let other = format!("{}?lease=5s", server.replace("127.0.0.1", "localhost"));
    let twice = place.run(&["store", "copy", "--from", &server, "--to", &other]);
    assert!(twice.code == Some(2) && twice.stderr.contains("--from and --to are the same"), "{twice:?}");
    let wrong = place.run(&["store", "copy", "--from", &data, "--to", "postgres://h/d"]).failed();
    assert!(wrong.contains("begins with neither clickhouse://"), "{wrong}");
}
