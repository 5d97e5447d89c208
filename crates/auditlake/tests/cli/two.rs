//! Two processes on one data directory: the second talks to the first, waits for it, or says who it is.

use std::{fs, io::Write, time::Duration};

use crate::{
    feed::Feed,
    place::{Place, activities, activity, lines},
    program::until,
};

#[test]
fn commands_work_through_the_service() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "20", "--days", "5"]);
    let mut run = feed.collector(&place);
    run.says("the past is here");
    let truth = feed.truth();
    truth.holds(&place);
    assert_eq!(lines(&place.run(&["search", "--limit", "3", "--format", "jsonl"]).ok()).len(), 3);

    let mut tail = place.program(&["tail", "--lines", "2", "--format", "jsonl"]).start();
    tail.line(|line| line.contains(&truth_newest_id(&place)));
    let file = place.file("more.jsonl", activities(5) + "{\"id\":7}\n");
    let imported = place.run(&["import", &file]);
    assert!(imported.stderr.contains("rejected more.jsonl:6: `id` must be a string, found a number"), "{imported:?}");
    let summary = lines(&imported.ok()).remove(0);
    assert_eq!((summary["new"].as_u64(), summary["rejected"].as_u64()), (Some(5), Some(1)));
    assert_eq!(place.rejects("import").len(), 1);
    tail.line(|line| line.contains("activity_00000004"));
    drop(tail);

    let stdin = activity("stdin", 1) + "\nnonsense\n";
    let imported = place.program(&["import", "-", "--source", "pipe"]).stdin(stdin).run();
    assert!(imported.stderr.contains("rejected standard input:2: not a JSON object"), "{imported:?}");
    imported.ok();
    let failed = place.run(&["import", "absent.jsonl", "."]).failed();
    assert!(failed.contains("absent.jsonl: ") && failed.contains(".: is a directory"), "{failed}");
    let ledger = lines(&place.run(&["ledger", "--format", "jsonl"]).ok());
    for source in ["anthropic", "import", "pipe"] {
        assert!(ledger.iter().any(|entry| entry["source"] == source), "{source}");
    }

    for words in [&["run", "--port", "0"][..], &["demo", "--no-open", "--port", "0"]] {
        let failed = feed.env(place.program(words)).run().failed();
        let who = format!("is in use by `auditlake run` (process {})", run.pid());
        assert!(failed.contains(&who) && failed.contains("hint: "), "{failed}");
    }
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(!place.data().join("service.json").exists());
    assert_eq!(place.count(), truth.len() as u64 + 6);
}

fn truth_newest_id(place: &Place) -> String {
    let rows = place.rows("select eventID from anthropic_logs order by eventTime desc, eventID desc limit 1");
    rows[0]["eventID"].as_str().unwrap().to_owned()
}

#[test]
fn an_import_in_progress_is_named_or_waited_for() {
    let place = Place::new();
    let mut import = place.program(&["import", "-"]).start_with_stdin();
    let lock = place.data().join("auditlake.lock");
    let holder = format!("\"pid\":{},", import.pid());
    until("the import has the directory", || fs::read_to_string(&lock).is_ok_and(|text| text.contains(&holder)));
    until("it has made its store", || place.data().join("lake.duckdb").exists());
    // One that cannot wait, and one that waits in vain.
    let who = format!("is in use by `auditlake import` (process {})", import.pid());
    for words in [&["run", "--port", "0"][..], &["query", "select 1"]] {
        let program = place.program(words).env("ANTHROPIC_COMPLIANCE_ACCESS_KEY", "sk-ant-api01-x");
        let failed = program.run().failed();
        assert!(failed.contains(&who) && failed.contains("hint: wait until it ends"), "{failed}");
    }
    // One that is asked while the import is busy and answers when it is done.
    let query = place.program(&["query", "select count(*) as n from anthropic_logs"]).start();
    let mut stdin = import.stdin.take().unwrap();
    stdin.write_all(activities(1_000).as_bytes()).unwrap();
    drop(stdin);
    import.end().ok();
    assert_eq!(query.end().ok().trim(), r#"{"n":1000}"#);
}

#[test]
fn imports_at_the_same_time_add_up() {
    let place = Place::new();
    let file = place.file("all.jsonl", activities(20_000));
    let new =
        |outcomes: Vec<String>| -> u64 { outcomes.iter().map(|text| lines(text)[0]["new"].as_u64().unwrap()).sum() };
    let several = || {
        let started = [0; 3].map(|_| place.program(&["import", &file]).within(Duration::from_secs(60)).start());
        new(started.map(|import| import.end().ok()).into())
    };
    assert_eq!(several(), 20_000);
    assert_eq!(place.count(), 20_000);
    // The same with a service, which has them all in its own process.
    place.clear();
    let first = place.file("first.jsonl", activity("first", 0));
    place.run(&["import", &first]).ok();
    let mut run = place.program(&["run", "--port", "0"]).start();
    run.line(|line| line.starts_with("http://"));
    assert_eq!(several(), 20_000);
    assert_eq!(place.count(), 20_001);
    assert_eq!(run.terminate().code, Some(0));
    assert_eq!(place.count(), 20_001);
}
