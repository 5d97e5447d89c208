//! Alerts of the program as a whole: the same from a file in order, in pieces from its end, from a feed that is read backwards, and
//! from a service that is killed again and again; asked for and acted on with the service running or not.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::{feed::Feed, place::Place, place::lines, random::Random};

/// What makes an alert the same alert.
fn alerts(place: &Place) -> Vec<Value> {
    let list = lines(&place.run(&["alerts", "list", "--format", "jsonl"]).ok());
    let mut told: Vec<Value> = list
        .iter()
        .map(|alert| {
            let part = |name: &str| alert[name].clone();
            json!([
                part("id"),
                part("rule"),
                part("severity"),
                part("entity"),
                part("count"),
                part("first"),
                part("last"),
                part("activities")
            ])
        })
        .collect();
    told.sort_by_key(ToString::to_string);
    told
}

#[test]
fn alerts_are_the_same_from_every_reading() {
    let words =
        ["--frozen", "--people", "40", "--days", "20", "--scenario", "sso-weakened", "--scenario", "account-takeover"];
    let place = Place::new();
    place.file("auditlake.toml", "[enrich]\ndatabases = [\"documentation-ranges\"]\n");
    let feed = Feed::start(&place, &words);
    let truth = feed.truth();
    let all: Vec<String> = truth.lines().lines().map(|line| format!("{line}\n")).collect();
    let whole = place.file("whole.jsonl", all.concat());
    place.run(&["import", &whole]).ok();
    let truth = alerts(&place);
    for rule in ["sso-disabled", "impossible-travel", "sign-in-from-hosting"] {
        assert!(truth.iter().any(|alert| alert[1] == rule), "{rule}: {truth:?}");
    }

    // From the end, in pieces, looked at in between.
    place.clear();
    for (number, piece) in all.rchunks(all.len() / 4 + 1).enumerate() {
        let file = place.file(&format!("piece{number}.jsonl"), piece.concat());
        place.run(&["import", &file]).ok();
        alerts(&place);
    }
    assert_eq!(alerts(&place), truth, "in pieces from the end");

    // By a service over the feed, killed ten times on its way.
    place.clear();
    let mut random = Random::new(7);
    for _ in 0..10 {
        let mut service =
            feed.env(place.program(&["run", "--port", "0"])).env("AUDITLAKE_SOURCE_BACKFILL_FROM", "60d").start();
        service.line(|line| line.starts_with("http://"));
        thread::sleep(random.moment(Duration::from_millis(600)));
        service.kill9();
    }
    let mut service =
        feed.env(place.program(&["run", "--port", "0"])).env("AUDITLAKE_SOURCE_BACKFILL_FROM", "60d").start();
    service.line(|line| line.starts_with("http://"));
    crate::program::until("everything is collected", || place.count() >= all.len() as u64);
    assert_eq!(alerts(&place), truth, "killed ten times");

    // People's part, with the service and without.
    let id = truth[0][0].as_str().unwrap();
    place.run(&["alerts", "ack", id, "--note", "I look"]).ok();
    let shown = |place: &Place| lines(&place.run(&["alerts", "show", id, "--format", "jsonl"]).ok()).remove(0);
    assert_eq!(shown(&place)["state"], "acknowledged");
    service.terminate();
    place.run(&["alerts", "close", id, "--note", "it was a test"]).ok();
    let alert = shown(&place);
    assert_eq!(alert["state"], "closed");
    let history: Vec<&str> =
        alert["history"].as_array().unwrap().iter().map(|change| change["what"].as_str().unwrap()).collect();
    assert_eq!(history, ["raised", "acknowledged", "closed"]);
    assert!(place.run(&["alerts", "close", "alert_none", "--note", "x"]).failed().contains("there is no alert"));

    // What a rule would have found is what it found.
    let tried = place.run(&["rules", "backtest", "sso-disabled", "--since", "90d", "--format", "jsonl"]).ok();
    let tried = lines(&tried).remove(0);
    let found: Vec<&Value> = truth.iter().filter(|alert| alert[1] == "sso-disabled").collect();
    assert_eq!(tried["alerts"], found.len());
    assert_eq!(
        tried["matches"].as_array().unwrap().len() as u64,
        found.iter().map(|alert| alert[4].as_u64().unwrap()).sum::<u64>()
    );
}

#[test]
fn rules_of_a_directory_are_linted_tested_and_taken_up() {
    let place = Place::new();
    let rules = place.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let good = "title: gone\nname: gone\nlevel: critical\nlogsource: {product: anthropic, service: compliance}\ndetection:\n  a: {type: account_deleted}\n  condition: a\n";
    std::fs::write(rules.join("good.yml"), good).unwrap();
    place.run(&["rules", "lint", "rules"]).ok();
    std::fs::write(rules.join("bad.yml"), good.replace("account_deleted", "account_deletedd").replace("gone", "bad"))
        .unwrap();
    let outcome = place.run(&["rules", "lint", "rules", "--format", "jsonl"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("account_deletedd"), "{outcome:?}");
    place.run(&["rules", "lint"]).ok();
    place.run(&["rules", "test"]).ok();
    std::fs::remove_file(rules.join("bad.yml")).unwrap();
    let activity = r#"{"id":"activity_1","created_at":"2026-04-10T10:00:00Z","organization_id":"org_1","actor":{"type":"user_actor","email_address":"ann@example.com","user_id":"user_1"},"type":"account_deleted"}"#;
    let file = place.file("one.jsonl", activity);
    let with = |words: &[&str]| place.program(words).env("AUDITLAKE_DETECT_RULES", rules.to_str().unwrap()).run();
    with(&["import", &file]).ok();
    let listed = lines(&with(&["alerts", "list", "--rule", "gone", "--format", "jsonl"]).ok());
    assert_eq!(
        (listed.len(), &listed[0]["severity"], &listed[0]["activities"]),
        (1, &json!("critical"), &json!(["activity_1"]))
    );
    let shown = lines(&with(&["rules", "list", "--format", "jsonl"]).ok());
    assert!(shown.iter().any(|rule| rule["id"] == "gone") && shown.iter().any(|rule| rule["id"] == "sso-disabled"));
}

#[test]
fn a_running_service_takes_up_rules_and_exceptions() {
    let place = Place::new();
    let rules = place.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let feed = Feed::start(&place, &["--frozen", "--people", "3", "--days", "1"]);
    let program = place.program(&["run", "--port", "0", "-v"]).env("AUDITLAKE_DETECT_RULES", rules.to_str().unwrap());
    let mut service = feed.env(program).start();
    service.line(|line| line.starts_with("http://"));
    let deleted = |who: &str| {
        let activity = format!(
            r#"{{"id":"activity_{who}","created_at":"2026-04-10T10:00:00Z","organization_id":"org_1","actor":{{"type":"user_actor","email_address":"{who}@example.com","user_id":"user_{who}"}},"type":"account_deleted"}}"#
        );
        let file = place.file(&format!("{who}.jsonl"), activity);
        place.run(&["import", &file]).ok();
        let listed = lines(&place.run(&["alerts", "list", "--rule", "gone", "--format", "jsonl"]).ok());
        listed.iter().map(|alert| alert["entity"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(deleted("early").is_empty());
    let good = "title: gone\nname: gone\nlevel: low\nlogsource: {product: anthropic, service: compliance}\ndetection:\n  a: {type: account_deleted}\n  condition: a\n";
    let exceptions = "---\nexceptions:\n  - {rule: gone, when: {actor.email_address: spared@example.com}, until: 2026-12-31, reason: known}\n  - {rule: gone, when: {actor.email_address: late@example.com}, until: 2026-01-31, reason: over}\n";
    let broken = "title: half\nname: half\nlogsource: {product: anthropic, service: compliance}\ndetection: nonsense\n";
    // All at once: the service looks at the directory every other second.
    let staged = place.path().join("staged.yml");
    std::fs::write(&staged, format!("{good}{exceptions}---\n{broken}")).unwrap();
    std::fs::rename(&staged, rules.join("mine.yml")).unwrap();
    assert!(service.says("refused").contains("half"), "a broken rule is named");
    service.says("rules were read again");
    assert!(deleted("spared").iter().all(|who| who != "spared@example.com"));
    assert!(deleted("late").contains(&"late@example.com".to_owned()), "the exception was over by then");
    assert!(deleted("other").contains(&"other@example.com".to_owned()));
    assert_eq!(service.terminate().code, Some(0));
}
