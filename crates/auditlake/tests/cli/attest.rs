//! A completeness statement: complete after a whole past, honest about gaps, the future and whose activities are read, and
//! checked again.

use crate::{
    clickhouse,
    feed::Feed,
    place::{Place, activities},
};

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
    assert!(told.contains("read      all that the key may read"), "{told}");
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
    // What is covered follows from the ledger, and the checkpoint says the same.
    assert_eq!((&source["because"], &source["gaps"]), (&serde_json::json!([]), &serde_json::json!([])), "{source}");
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

#[test]
fn a_statement_of_a_server_is_made_and_checked() {
    let Some(engine) = clickhouse::engine() else { return };
    let place = Place::new().on(&engine.database("attest"));
    let feed = Feed::start(&place, &["--frozen", "--people", "30", "--days", "4", "--fault", "error503=5%"]);
    let mut run = feed.collector(&place);
    run.says("the past is here");
    assert_eq!(run.terminate().code, Some(0));
    place.run(&["attest", "--from", "3d", "--to", "1d", "-o", "statement.json"]).ok();
    let text = std::fs::read_to_string(place.path().join("statement.json")).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&text).unwrap();
    let source = &statement["sources"][0];
    assert_eq!((&source["kind"], &source["complete"]), (&"feed".into(), &true.into()), "{statement}");
    assert!(!source["covered"].as_array().unwrap().is_empty());
    let verified = place.run(&["attest", "--verify", "statement.json"]).ok();
    assert!(verified.contains("the store holds what is stated"), "{verified}");
}

#[test]
fn nothing_of_the_future_is_complete() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "20", "--days", "2"]);
    let mut run = feed.collector(&place);
    run.says("the past is here");
    let ahead = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 365);
    let ahead = format!("{ahead:.0}");
    feed.env(place.program(&["backfill", "--from", "1d", "--to", &ahead])).run().ok();
    let told = place.run(&["attest", "--from", "1h", "--to", &ahead]);
    assert_eq!(told.code, Some(3), "{told:?}");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let gap = text.lines().find(|line| line.starts_with("  GAP")).unwrap_or_else(|| panic!("{text}"));
    assert!(gap.ends_with(&format!("to {ahead}")), "{gap}");
    assert_eq!(run.terminate().code, Some(0));
}

#[test]
fn more_organizations_than_before_are_read_from_the_beginning() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "30", "--days", "3"]);
    let id = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["organization_id"].as_str().map(str::to_owned)
    };
    let organization = feed.truth().lines().lines().find_map(id).unwrap();
    let source = |ids: &[&str]| {
        let (url, key) = (&feed.url, &feed.key);
        let text =
            format!("[[source]]\nname = \"acme\"\nbase_url = \"{url}\"\nkey = \"{key}\"\norganization_ids = {ids:?}\n");
        place.file("auditlake.toml", text);
    };
    let read = || {
        let mut run = place.program(&["run", "--port", "0"]).start();
        run.says("the past is here");
        assert_eq!(run.terminate().code, Some(0));
        String::from_utf8(place.run(&["attest", "--from", "2d", "--to", "1d"]).stdout).unwrap()
    };
    source(&["org_of_nobody"]);
    let narrow = read();
    assert!(narrow.contains("read      org_of_nobody, and what belongs to none"), "{narrow}");
    let before = place.count();
    assert!(before < feed.truth().len() as u64);
    source(&["org_of_nobody", &organization]);
    let wide = read();
    assert!(wide.contains(&organization), "{wide}");
    assert!(place.count() > before, "of the past of the other one");
    source(&[]);
    let all = read();
    assert!(all.contains("read      all that the key may read") && all.contains("verdict   COMPLETE"), "{all}");
    feed.truth().holds(&place);
    assert_eq!(place.rows("select count(*) as n from activities where late")[0]["n"], 0);
}
