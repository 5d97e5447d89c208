//! `backfill` and `reconcile` on demand, while the service runs and while it does not; what reading again shows; and what of
//! it are our own requests.

use crate::{
    feed::Feed,
    http,
    place::{Place, lines},
    program::until,
};

/// The one report of a command that was to succeed.
#[track_caller]
fn report(place: &Place, words: &[&str]) -> serde_json::Value {
    let reports = lines(&place.program(words).words(["--format", "jsonl"]).run().ok());
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.into_iter().next().unwrap()
}

fn source(place: &Place, feed: &Feed, more: &str) {
    let text = format!("[[source]]\nname = \"acme\"\nbase_url = \"{}\"\nkey = \"{}\"\n{more}\n", feed.url, feed.key);
    place.file("auditlake.toml", text);
}

#[test]
fn more_of_the_past_comes_with_the_service_and_without() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "20", "--days", "20"]);
    source(&place, &feed, "backfill_from = \"5d\"");
    let mut run = place.program(&["run", "--port", "0"]).start();
    run.says("the past is here");
    let first = place.count();
    let got = report(&place, &["backfill", "--from", "12d", "--to", "5d"]);
    let second = place.count();
    assert!(first > 0 && second > first);
    assert_eq!(got["new"], second - first, "{got}");
    assert_eq!(run.terminate().code, Some(0));
    let got = report(&place, &["backfill", "--from", "30d", "--source", "acme"]);
    assert_eq!(got["new"], place.count() - second, "{got}");
    feed.truth().holds(&place);
    // All of it once more: nothing is new, nothing differs.
    let got = report(&place, &["reconcile", "--from", "30d"]);
    assert!(got["new"] == 0 && got["drift"] == 0 && got["known"] == got["read"], "{got}");
    let nobody = place.run(&["backfill", "--source", "nobody"]).failed();
    assert!(nobody.contains("hint: there are: acme"), "{nobody}");
    // A failure is told once.
    source(&place, &feed, "");
    let text = std::fs::read_to_string(place.path().join("auditlake.toml")).unwrap();
    place.file("auditlake.toml", text.replace(&feed.key, "sk-ant-api01-wrong"));
    let failed = place.run(&["backfill"]).failed();
    assert_eq!(failed.matches("401 authentication_error").count(), 1, "{failed}");
}

#[test]
fn what_comes_back_poorer_is_drift_and_the_first_record_stays() {
    let place = Place::new();
    // Names are blank from the second reading on, a second after the first.
    let words =
        ["--frozen", "--people", "20", "--days", "10", "--fault", "blank-names=100%:1s", "--fault", "unknown=5%"];
    let feed = Feed::start(&place, &words);
    source(&place, &feed, "");
    let mut run = place.program(&["run", "--port", "0"]).start();
    let url = run.line(|line| line.starts_with("http://"));
    run.says("the past is here");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let got = report(&place, &["reconcile", "--from", "30d"]);
    assert!(got["drift"].as_u64().unwrap() > 0 && got["new"] == 0, "{got}");
    feed.truth().holds(&place);
    let drift = lines(&place.run(&["drift", "--format", "jsonl"]).ok());
    let kinds = |kind: &str| drift.iter().filter(|one| one["kind"] == kind).count();
    assert!(kinds("poorer") > 0 && kinds("type") > 0, "{drift:?}");
    let seen = place.rows("select count(*) as n from drift where kind = 'poorer'");
    assert_eq!(seen[0]["n"], kinds("poorer"));
    let (_, metrics) = http::get(&format!("{url}/metrics"));
    let metric = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert!(metric("auditlake_drift_total{") > 0.0);
    assert_eq!(metric("auditlake_catalog_drift{kind=\"type\"") as usize, kinds("type"));
    assert_eq!(run.terminate().code, Some(0));
}

#[test]
fn what_a_check_asks_is_known_as_our_own() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--people", "20", "--days", "1"]);
    source(&place, &feed, "interval_seconds = 5");
    // Of all requests of checks: how many the feed has shown by now, and how many of them have the tag.
    let seen = || {
        let sql = "select count(*) as n, count(*) filter (ownRead) as own from activities, ledger \
                   where detail->>'for' = 'check' and eventName = 'compliance_api_accessed' \
                   and contains(rawLog, detail->>'request_id')";
        let rows = place.rows(sql);
        (rows[0]["n"].as_u64().unwrap(), rows[0]["own"].as_u64().unwrap())
    };
    let mut run = place.program(&["run", "--port", "0"]).start();
    run.says("the past is here");
    place.run(&["check"]).ok();
    until("its requests are shown", || seen().0 >= 2);
    assert_eq!(run.terminate().code, Some(0));
    let (with, own) = seen();
    assert_eq!(with, own, "beside a service");
    // Without one, the next start knows them.
    place.run(&["check"]).ok();
    let mut run = place.program(&["run", "--port", "0"]).start();
    run.says("the past is here");
    until("its requests are shown, too", || seen().0 >= with + 2);
    assert_eq!(run.terminate().code, Some(0));
    let (with, own) = seen();
    assert_eq!(with, own, "without a service");
}
