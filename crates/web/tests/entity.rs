//! Pages about one thing, found by CSS selectors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use auditlake_store::alert::Severity;
use jiff::{SignedDuration, Timestamp};
use support::{
    TestSite, activity,
    desk::{FakeAlerts, FakeRules, alert, furnish},
};

fn ago(hours: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(hours)).to_string()
}

/// Two people at two addresses, in two organizations.
fn site() -> TestSite {
    let mut far = alert("alert_far", Severity::Low, "sign-ins from 10.0.0.12");
    far.finding.entity = "10.0.0.12".to_owned();
    far.finding.organization = Some("org_2".to_owned());
    let mut near = alert("alert_near", Severity::High, "many failures from 10.0.0.1.");
    near.finding.entity = "joe.ada@example.com".to_owned();
    let alerts = FakeAlerts::new(vec![far, near]);
    let rules = Arc::new(FakeRules(Mutex::default(), Mutex::default()));
    let site = TestSite::with(|site| furnish(site, &alerts, &rules));
    let one = |id: &str, who: &str, ip: &str, org: &str, chat: &str| {
        let more = format!(r#","claude_chat_id":"{chat}""#);
        let raw = activity(id, "claude_chat_created", &ago(3), &more);
        raw.replace("ada@example.com", who).replace("198.51.100.7", ip).replace("org_1", org)
    };
    site.store.add(
        "main",
        [
            one("activity_A", "ada@example.com", "10.0.0.1", "org_1", "claude_chat_1"),
            one("activity_B", "ada@example.com", "10.0.0.12", "org_2", "claude_chat_2"),
            one("activity_C", "bob@example.com", "10.0.0.12", "org_2", "claude_chat_1"),
        ],
    );
    site
}

#[tokio::test]
async fn alerts_are_of_the_thing_itself() {
    let site = site();
    let alerts = async |path: &str| site.get(path).await.attributes(".about-alerts a", "href");
    assert_eq!(alerts("/address/10.0.0.1").await, ["/alerts/alert_near"]);
    assert_eq!(alerts("/address/10.0.0.12").await, ["/alerts/alert_far"]);
    assert!(alerts("/person/ada%40example.com").await.is_empty(), "joe.ada@example.com is somebody else");
    assert_eq!(alerts("/organization/org_1").await, ["/alerts/alert_near"], "where it happened");
    assert_eq!(alerts("/organization/org_2").await, ["/alerts/alert_far"]);
}

#[tokio::test]
async fn neighbours_are_met_at_what_is_shared() {
    let site = site();
    for (path, title, names) in [
        ("/person/bob%40example.com", "Others at the same addresses", vec!["ada@example.com 1"]),
        ("/address/10.0.0.1", "Other addresses of the same actors", vec!["10.0.0.12 1"]),
        ("/organization/org_1", "Other organisations of the same actors", vec!["org_2 1"]),
        ("/resource/claude_chat_1", "What else the same actors touched", vec!["claude_chat_2 1"]),
    ] {
        let page = site.get(&format!("{path}?range=all")).await;
        let place = format!("{path}/neighbours?range=all");
        let things = format!("{path}/things?range=all");
        assert_eq!(page.attributes("[hx-trigger=load]", "hx-get").last(), Some(&place), "{path}");
        assert_eq!(page.attributes(".panels [hx-trigger=load]", "hx-get"), [things.as_str()], "{path}");
        let part = site.get(&place).await;
        assert_eq!(part.texts("#neighbours"), [title], "{path}");
        assert_eq!(part.texts("section[aria-labelledby=neighbours] .chips li"), names, "{path}");
    }
    let nobody = site.get("/address/10.0.0.2/neighbours").await;
    assert_eq!(nobody.status, 200);
    assert!(nobody.texts("#neighbours").is_empty());
}

#[tokio::test]
async fn each_kind_says_where_and_with_what() {
    let site = site();
    for path in ["/person/ada%40example.com", "/address/10.0.0.12", "/organization/org_2", "/resource/claude_chat_1"] {
        let titles = site.get(path).await.texts(".panels h2");
        let agents = ["Devices", "With which client"];
        assert!(titles.iter().any(|title| agents.contains(&title.as_str())), "{path}: {titles:?}");
    }
    // What a page is about is not met with itself.
    let part = site.get("/resource/claude_chat_1/things").await;
    assert!(!part.texts(".panel-top .label").contains(&"claude_chat_1".to_owned()));
    let part = site.get("/person/ada%40example.com/things").await;
    assert_eq!(part.texts(".panel-top h2"), ["What they changed", "What they touched"]);
    assert!(part.texts(".panel-top .label").contains(&"claude_chat_2".to_owned()));
    assert_eq!(site.get("/address/10.0.0.2").await.status, 404);
}
