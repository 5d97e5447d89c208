//! A completeness statement: complete after a whole past, honest about gaps, and checked again.

use crate::{feed::Feed, place::Place, place::activities};

#[test]
fn a_statement_is_made_and_checked() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "30", "--days", "5"]);
    let mut run = feed.collector(&place);
    run.says("the past is here");
    let span = |from: &str, to: &str| {
        let time = |age: &str| {
            let rows = place.rows(&format!(
                "select strftime(max(eventTime) - interval '{age}', '%Y-%m-%dT%H:%M:%SZ') as t from anthropic_logs"
            ));
            rows[0]["t"].as_str().unwrap().to_owned()
        };
        [time(from), time(to)]
    };
    let [from, to] = span("4 days", "1 day");
    // While the service runs.
    let text = place.run(&["attest", "--from", &from, "--to", &to]);
    assert_eq!(text.code, Some(0), "{text:?}");
    let told = text.ok();
    assert!(told.contains("verdict   COMPLETE") && told.contains("What is not claimed"), "{told}");
    place.run(&["attest", "--from", &from, "--to", &to, "-o", "statement.json"]).ok();
    assert_eq!(run.terminate().code, Some(0));
    let statement: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(place.path().join("statement.json")).unwrap()).unwrap();
    let source = &statement["sources"][0];
    assert_eq!((&source["source"], &source["complete"]), (&"anthropic".into(), &true.into()), "{statement}");
    let counted = place.rows(&format!(
        "select count(*) as n from anthropic_logs where eventTime >= '{from}'::timestamp and eventTime < '{to}'::timestamp"
    ));
    assert_eq!(source["totals"]["activities"], counted[0]["n"]);
    // The documented SQL gives the same hashes.
    let params =
        [format!("from={from}"), format!("to={to}"), format!("seq={}", statement["seq"]), "source=anthropic".into()];
    let mut words = vec!["query", statement["method"]["days"].as_str().unwrap(), "--format", "json"];
    params.iter().for_each(|param| words.extend(["--param", param]));
    let days: serde_json::Value = serde_json::from_str(&place.run(&words).ok()).unwrap();
    assert_eq!(days, source["days"]);
    let verified = place.run(&["attest", "--verify", "statement.json"]).ok();
    assert!(verified.contains("the store holds what is stated"), "{verified}");
    // What comes later changes nothing of it; a change of it is noticed.
    let more = place.file("more.jsonl", activities(3));
    place.run(&["import", &more]).ok();
    place.run(&["attest", "--verify", "statement.json"]).ok();
    let text = std::fs::read_to_string(place.path().join("statement.json")).unwrap();
    let count = source["days"][0]["activities"].to_string();
    place.file("statement.json", text.replacen(&format!("\"activities\": {count}"), "\"activities\": 1", 1));
    let changed = place.run(&["attest", "--verify", "statement.json"]);
    assert_eq!(changed.code, Some(3), "{changed:?}");
    assert!(String::from_utf8_lossy(&changed.stdout).contains("was changed after it was made"), "{changed:?}");
    // Beyond what was read there is a gap, and it is told.
    let gap = place.run(&["attest", "--from", "2019-01-01", "--to", &to, "--source", "anthropic"]);
    assert_eq!(gap.code, Some(3), "{gap:?}");
    let told = String::from_utf8_lossy(&gap.stdout).into_owned();
    assert!(told.contains("verdict   NOT COMPLETE") && told.contains("GAP       2019-01-01T00:00:00Z to"), "{told}");
    assert_eq!(place.run(&["attest", "--from", "2019-01-01"]).code, Some(2));
    let nobody = place.run(&["attest", "--from", "7d", "--to", "1d", "--source", "nobody"]).failed();
    assert!(nobody.contains("nothing was ever collected from \"nobody\""), "{nobody}");
}
