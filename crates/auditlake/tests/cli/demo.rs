//! What needs no key: the demo, the simulator, and the contract's checks.

use crate::{
    feed::Feed,
    http,
    place::{Place, lines},
};

#[test]
fn the_demo_answers_and_says_that_its_people_are_simulated() {
    let place = Place::new();
    let mut demo = place.program(&["demo", "--no-open", "--people", "20", "--days", "5", "--port", "0"]).start();
    let url = demo.line(|line| line.starts_with("http://"));
    demo.says("The people of this demo are simulated");
    let (status, page) = http::get(&format!("{url}/"));
    assert_eq!(status, 200);
    assert!(page.contains("People in this organisation are simulated."), "{page}");
    demo.says("the past is here");
    let count = place.count();
    assert!(count > 1_000, "{count}");
    let (_, page) = http::get(&format!("{url}/"));
    assert!(page.contains("activities"), "{page}");
    // Somebody was in two places at once, which only shows with the demo's own location database.
    let list = |rule: &str| lines(&place.run(&["alerts", "list", "--rule", rule, "--format", "jsonl"]).ok());
    let travels = list("impossible-travel");
    assert!(
        travels.iter().any(|alert| alert["severity"] == "high" && alert["count"].as_u64() >= Some(2)),
        "{travels:?}"
    );
    assert!(!list("logging-disabled").is_empty());
    let outcome = demo.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(place.count() >= count);
    // The same people go on working; other people have no place here.
    let again = ["demo", "--no-open", "--people", "20", "--days", "5", "--port", "0"];
    let mut demo = place.program(&again).start();
    demo.line(|line| line.starts_with("http://"));
    assert!(place.count() >= count);
    assert_eq!(demo.terminate().code, Some(0));
    let failed = place.run(&["demo", "--no-open", "--people", "21", "--days", "5", "--port", "0"]).failed();
    assert!(failed.contains("--people 20 --days 5"), "{failed}");
}

#[test]
fn a_demo_keeps_out_of_real_data() {
    let place = Place::new();
    let file = place.file("real.jsonl", crate::place::activities(3));
    place.run(&["import", &file]).ok();
    let failed = place.run(&["demo", "--no-open", "--port", "0"]).failed();
    assert!(failed.contains("holds data that no demo made") && failed.contains("hint: "), "{failed}");
    assert_eq!(place.count(), 3);
}

#[test]
fn the_simulator_keeps_the_contract() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--people", "50", "--days", "3"]);
    let report = place.run(&["conformance", "--url", &feed.url, "--key", &feed.key]).ok();
    let last = report.lines().last().unwrap();
    assert!(last.contains(" passed, 0 failed, "), "{report}");
    // What the last days held decides whether there is anything to compare, and this is chance.
    let of_chance = |line: &str| matches!(line.split_whitespace().nth(1), Some("order-ties" | "organization-null"));
    let skipped: Vec<&str> = report.lines().filter(|line| line.starts_with("skip ")).collect();
    assert!(skipped.iter().all(|line| of_chance(line)), "{skipped:#?}");
    let wrong = place.run(&["conformance", "--url", &feed.url, "--key", "sk-ant-api01-wrong"]);
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    let (outcome, truth) = feed.end();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    // The looks that the checks took are activities themselves.
    assert!(truth.lines().contains("compliance_api_accessed"));
}
