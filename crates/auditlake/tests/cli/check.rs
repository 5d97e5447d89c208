//! `auditlake check`, and the form of everything on stderr.

use crate::{
    feed::Feed,
    http,
    place::{Place, activities, lines},
};

#[test]
fn a_line_each_and_exit_code_3_if_one_fails() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--people", "20", "--days", "1"]);
    let outcome = feed.env(place.program(&["check", "--format", "jsonl"])).run();
    let text = outcome.ok();
    assert!(lines(&text).iter().all(|line| line["result"] == "ok"), "{text}");
    assert!(!place.data().exists(), "looking makes nothing");
    let text = feed.env(place.program(&["check", "--format", "table"])).run().ok();
    assert!(text.lines().any(|line| line.starts_with("ok    anthropic: key kind: Compliance Access Key")), "{text}");
    // Beside a service.
    let run = {
        let mut run = feed.collector(&place);
        run.says("the past is here");
        run
    };
    let text = feed.env(place.program(&["check", "--format", "jsonl"])).run().ok();
    let lock = lines(&text).into_iter().find(|line| line["check"] == "lock").unwrap();
    assert!(lock["saw"].as_str().unwrap().contains("held by `auditlake run`"), "{text}");
    assert_eq!(run.terminate().code, Some(0));
    let wrong =
        place.program(&["check", "--format", "csv"]).env("ANTHROPIC_COMPLIANCE_ACCESS_KEY", "sk-ant-api03-x").run();
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("FAIL,key kind,anthropic"), "{wrong:?}");
    place.file("auditlake.toml", "[store]\nmemroy = 1\n");
    let wrong = place.run(&["check", "--format", "table"]);
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    let text = String::from_utf8_lossy(&wrong.stdout).into_owned();
    assert!(text.starts_with("FAIL  configuration: auditlake.toml: unknown field `memroy`"), "{text}");
}

#[test]
fn everything_on_stderr_is_json_if_asked_for() {
    let place = Place::new();
    let json = |words: &[&str]| place.program(words).env("AUDITLAKE_LOG_FORMAT", "json");
    let check = |stderr: &str| {
        let lines = lines(stderr);
        assert!(!lines.is_empty());
        for line in &lines {
            for name in ["timestamp", "level", "message"] {
                assert!(line[name].is_string(), "no {name} in {line}");
            }
        }
        lines
    };
    let failed = json(&["query", "select 1"]).run();
    assert_eq!(failed.code, Some(1));
    let told = check(&failed.stderr);
    assert!(told[0]["level"] == "ERROR" && told[0]["hint"].as_str().unwrap().contains("auditlake run"), "{told:?}");
    let misused = json(&["query"]).run();
    assert_eq!(misused.code, Some(2));
    check(&misused.stderr);
    let misused = place.run(&["--log-format", "json", "quarry"]);
    assert_eq!(misused.code, Some(2));
    check(&misused.stderr);
    place.file("mixed.jsonl", activities(3) + "{\"id\":7}\n");
    check(&json(&["import", "mixed.jsonl", "absent.jsonl"]).run().stderr);
    let feed = Feed::start(&place, &["--frozen", "--people", "20", "--days", "2", "--fault", "error503=30%"]);
    let mut run = feed.env(json(&["run", "--port", "0"])).start();
    run.says("the past is here");
    let told = check(&run.terminate().stderr);
    let page = told.iter().find(|line| line["message"].as_str().unwrap().contains("the page is at")).unwrap();
    assert_eq!(page["level"], "INFO");
}

#[test]
fn a_failure_is_told_once_when_it_begins_and_once_when_it_is_over() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "20", "--days", "2"]);
    place.file("key", "sk-ant-api01-wrong");
    let config =
        format!("[[source]]\nname = \"acme\"\nbase_url = \"{}\"\nkey_file = \"key\"\ninterval_seconds = 5\n", feed.url);
    place.file("auditlake.toml", config);
    let mut run = place.program(&["run", "--port", "0"]).start();
    run.says("401 authentication_error");
    let url = run.line(|line| line.starts_with("http://"));
    let (status, body) = http::get(&format!("{url}/readyz"));
    assert!(status == 503 && body.contains("acme") && body.contains("401"), "{body}");
    assert_eq!(http::get(&format!("{url}/healthz")).0, 200);
    place.file("key", &feed.key);
    run.says("works again");
    run.says("the past is here");
    assert_eq!(http::get(&format!("{url}/readyz")).0, 200);
    let (status, text) = http::get(&format!("{url}/metrics"));
    assert_eq!(status, 200);
    assert!(text.contains("auditlake_request_errors_total{kind=\"authentication_error\",source=\"acme\"}"), "{text}");
    let outcome = run.terminate();
    assert_eq!(outcome.stderr.matches("401 authentication_error").count(), 1, "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("works again").count(), 1, "{}", outcome.stderr);
}
