//! What both engines are put through and have to agree on: a collector that everything goes wrong for, the served feed's contract,
//! what detection finds, every number of every dashboard.
//!
//! The engine is that of [`crate::clickhouse`]; without one these tests say so and pass.

use serde_json::Value;

use crate::{
    chaos::{self, Size},
    clickhouse::engine,
    feed::Feed,
    http,
    place::Place,
    program::Running,
    truth::Truth,
};

/// Every attack that the simulator knows.
const SCENARIOS: [&str; 12] = [
    "password-spray",
    "account-takeover",
    "session-theft",
    "admin-persistence",
    "sso-weakened",
    "logging-tampered",
    "insider-exfiltration",
    "mcp-supply-chain",
    "mass-deletion",
    "spend-abuse",
    "compliance-key-theft",
    "inference-hook-open",
];

/// What parts the words of a report.
const SIGNS: [char; 5] = [' ', '=', '&', ',', '"'];

/// Everything that happened in an organisation until an hour ago, with all attacks.
fn attacked(place: &Place, people: &str, days: &str) -> Truth {
    let scenarios = SCENARIOS.map(|name| ["--scenario", name]).concat();
    let words = ["--frozen", "--people", people, "--days", days, "--seed", "5"];
    let all = Feed::start(place, &[&words[..], &scenarios].concat()).truth();
    all.until(&chaos::later(&all.newest(), -3_600))
}

/// The service at this place, and its address.
fn service(place: &Place) -> (Running, String) {
    let mut run = place.program(&["run", "--port", "0"]).start();
    let url = run.line(|line| line.starts_with("http://"));
    (run, url)
}

#[test]
fn chaos_leaves_the_truth_on_a_server() {
    let Some(engine) = engine() else { return };
    // Whoever is killed holds the right to write until the lease has run out: half a minute, if nothing else is said.
    let place = Place::new().on(&format!("{}?lease=2s", engine.database("chaos")));
    chaos::everything_goes_wrong(&place, &Size { people: 40, days: 4, kills: 4, seconds: 3 });
}

#[test]
fn the_served_feed_keeps_the_contract_in_the_same_words() {
    let Some(engine) = engine() else { return };
    let places = [Place::new(), Place::new().on(&engine.database("conformance"))];
    let truth = attacked(&places[0], "15", "6");
    // Some that happened at one moment, so that what is told of ties is compared too.
    let lines = truth.lines();
    let newest = lines.lines().find(|line| line.contains(&truth.newest())).unwrap();
    let tied = ["0", "1", "2"].map(|sign| newest.replacen("\"activity_", &format!("\"activity_{sign}"), 1) + "\n");
    let lines = lines.clone() + &tied.concat();
    let reports = places.each_ref().map(|place| {
        place.file("all.jsonl", &lines);
        place.run(&["import", "all.jsonl"]).ok();
        let key = place.run(&["keys", "create", "--name", "siem"]).ok();
        let (run, url) = service(place);
        let report = place.run(&["conformance", "--url", &url, "--key", key.trim()]).ok();
        assert_eq!(run.terminate().code, Some(0));
        told(&report, &url)
    });
    let end = reports[0].last().unwrap();
    assert!(reports[0].len() > 300 && end.contains(" passed, 0 failed, "), "{:?}", reports[0]);
    for (one, other) in reports[0].iter().zip(&reports[1]) {
        assert_eq!(other, one);
    }
    assert_eq!(reports[1].len(), reports[0].len());
}

/// A report without what is of one run: the address, the ids of requests, how many are left, and times by the clock, which are whole
/// seconds as no activity's is.
fn told(report: &str, url: &str) -> Vec<String> {
    let is_clock = |word: &str| {
        let text = word.replace("%3A", ":");
        !text.contains('.') && text.get(..19).is_some_and(|time| time.parse::<jiff::civil::DateTime>().is_ok())
    };
    let word = |word: &str| {
        let (word, sign) = word.split_at(word.len() - usize::from(word.ends_with(SIGNS)));
        let word = if word.starts_with("req_") || is_clock(word) { "" } else { word };
        format!("{word}{sign}")
    };
    let lines = report.lines().filter(|line| !line.contains("requests left"));
    lines.map(|line| line.replace(url, "").split_inclusive(SIGNS).map(word).collect()).collect()
}

#[test]
fn detection_finds_the_same() {
    let Some(engine) = engine() else { return };
    let places = [Place::new(), Place::new().on(&engine.database("detection"))];
    let lines = attacked(&places[0], "40", "12").lines();
    let (mut lists, mut shown) = (Vec::new(), Vec::new());
    for place in &places {
        place.file("auditlake.toml", "[enrich]\ndatabases = [\"documentation-ranges\"]\n");
        place.file("all.jsonl", &lines);
        place.run(&["import", "all.jsonl"]).ok();
        let list = alerts(place, &["list", "--limit", "1000"]);
        let (first, last) =
            (list.first().unwrap()["id"].as_str().unwrap(), list.last().unwrap()["id"].as_str().unwrap());
        place.run(&["alerts", "ack", first, "--note", "I look"]).ok();
        place.run(&["alerts", "close", last, "--note", "it was a test"]).ok();
        shown.push([first, last].map(|id| alerts(place, &["show", id])));
        lists.push(list);
    }
    let rules: std::collections::BTreeSet<&str> =
        lists[0].iter().map(|alert| alert["rule"].as_str().unwrap()).collect();
    assert!(rules.len() >= 15, "the attacks are found: {rules:?}");
    assert_eq!(lists[1].len(), lists[0].len());
    for (one, other) in lists[0].iter().zip(&lists[1]) {
        assert_eq!(other, one);
    }
    assert_eq!(shown[1], shown[0]);
}

/// What `auditlake alerts` answers, without the clock of this machine.
fn alerts(place: &Place, words: &[&str]) -> Vec<Value> {
    let text = place.program(&["alerts"]).words(words).words(["--format", "json"]).run().ok();
    let Value::Array(mut list) = serde_json::from_str(&text).unwrap() else { panic!("no list: {text}") };
    for alert in &mut list {
        let alert = alert.as_object_mut().unwrap();
        alert.remove("raised_at");
        alert.remove("changed_at");
        for change in alert.get_mut("history").and_then(Value::as_array_mut).into_iter().flatten() {
            change.as_object_mut().unwrap().remove("at");
        }
    }
    list
}

#[test]
fn every_board_shows_the_same_numbers() {
    let Some(engine) = engine() else { return };
    let (file, url) = (Place::new(), engine.database("boards"));
    let truth = attacked(&file, "30", "12");
    file.file("auditlake.toml", "[enrich]\ndatabases = [\"documentation-ranges\"]\n");
    file.file("all.jsonl", truth.lines());
    file.run(&["import", "all.jsonl"]).ok();
    file.run(&["store", "copy", "--from", file.data().to_str().unwrap(), "--to", &url]).ok();
    let server = Place::new().on(&url);
    assert_eq!(server.count(), truth.len() as u64);
    let columns = "max(eventTime) as until, max(eventTime) - interval 5 day as since, min(organizationID) as org";
    let span = file.rows(&format!("select {columns} from activities")).remove(0);
    let [until, since, org] = ["until", "since", "org"].map(|name| span[name].as_str().unwrap());
    let services = [service(&file), service(&server)];
    let (status, index) = http::get(&format!("{}/dashboards", services[0].1));
    assert_eq!(status, 200);
    let (mut panels, mut filled) = (0, 0);
    for board in boards(&index) {
        for scope in ["since=2001-01-01".to_owned(), format!("since={since}&org={org}")] {
            let path = format!("/dashboards/{board}/numbers?until={until}&{scope}");
            let [(_, one), (_, other)] = services.each_ref().map(|(_, base)| http::get(&format!("{base}{path}")));
            let [one, other]: [Value; 2] = [one, other].map(|text| serde_json::from_str(&text).unwrap());
            let list = one["panels"].as_array().unwrap_or_else(|| panic!("{path}: {one}"));
            for (at, panel) in list.iter().enumerate() {
                assert_eq!(other["panels"][at], *panel, "{path}");
                panels += 1;
                filled += usize::from(!matches!(panel["answer"].to_string().as_str(), "0" | "[]" | "null"));
            }
            assert_eq!(other, one, "{path}");
        }
    }
    assert!(panels >= 2 * 140 && filled > panels / 3, "they say something: {filled} of {panels}");
}

/// The names of all dashboards, from the page that lists them.
fn boards(index: &str) -> Vec<&str> {
    let names = index.split("href=\"/dashboards/").skip(1).filter_map(|rest| rest.split('"').next());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 14, "{names:?}");
    names
}
