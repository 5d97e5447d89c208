//! What the log says of settings, found by CSS selectors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use jiff::{SignedDuration, Timestamp};
use support::{Answer, TestSite, activity};

const UPDATED: &str = "claude_organization_settings_updated";

fn ago(minutes: i64) -> String {
    (Timestamp::now() - SignedDuration::from_mins(minutes)).to_string()
}

/// A change of one of the settings that share a type.
fn update(at: i64, name: &str, value: &str) -> String {
    let more = format!(r#","updates":[{{"type":"{name}","current_value":"{value}"}}]"#);
    activity(&format!("activity_{name}_{at}"), UPDATED, &ago(at), &more)
}

/// The setting's value, with what was before.
fn value(page: &Answer, title: &str) -> Option<String> {
    let at = page.texts(".settings .what").iter().position(|one| one == title)?;
    Some(page.texts(".settings .value").remove(at))
}

#[tokio::test]
async fn an_old_setting_is_not_lost_behind_newer_ones() {
    let site = TestSite::new();
    site.store.add("main", [update(9_000, "first", "kept")]);
    site.store.add("main", (0..500).map(|at| update(at, "busy", &format!("v{at}"))));
    let page = site.get("/posture").await;
    assert_eq!(page.status, 200);
    assert_eq!(value(&page, "First").as_deref(), Some("kept"));
    // What a record does not say, the one before it does.
    assert_eq!(value(&page, "Busy").as_deref(), Some("before: v1 →, now: v0"));
    assert_eq!(page.texts(".settings summary"), ["499 earlier"]);
    assert!(page.texts(".settings details li").last().unwrap().ends_with("before that"));
    assert!(page.texts("[role=note]").is_empty(), "all of it was looked at");
    let page = site.get("/posture?at=400m").await;
    assert_eq!(value(&page, "Busy").as_deref(), Some("before: v401 →, now: v400"));
}

#[tokio::test]
async fn what_is_not_looked_at_is_said() {
    let site = TestSite::new();
    site.store.add("main", [update(90_000, "first", "kept")]);
    site.store.add("main", (0..20_100).map(|at| update(at, "busy", "v")));
    let page = site.get("/posture").await;
    assert_eq!(value(&page, "First"), None);
    let note = page.texts("[role=note]").join("");
    assert!(note.contains(UPDATED) && note.contains("too many to be looked at"), "{note}");
    let page = site.get("/posture?at=30000m").await;
    assert_eq!(value(&page, "First").as_deref(), Some("kept"), "there it is the newest");
}

#[tokio::test]
async fn organizations_stand_apart() {
    let site = TestSite::new();
    let other = |raw: String| raw.replace("org_1", "org_2").replace("activity_", "activity_other_");
    site.store.add("main", [update(9, "name", "One"), other(update(8, "name", "Two"))]);
    let page = site.get("/posture").await;
    assert_eq!(page.texts(".part-title"), ["Organisation org_1", "Organisation org_2"]);
    assert_eq!(page.texts(".settings strong"), ["One", "Two"]);
    assert_eq!(page.attributes(".part-title a", "href"), ["/organization/org_1", "/organization/org_2"]);
    let page = site.get("/posture?org=org_2").await;
    assert_eq!(page.texts(".settings strong"), ["Two"]);
    // With one there is nothing to tell apart.
    let site = TestSite::new();
    site.store.add("main", [update(9, "name", "One")]);
    assert!(site.get("/posture").await.texts(".part-title").is_empty());
}

#[tokio::test]
async fn a_switch_of_two_types_is_one_setting() {
    let site = TestSite::new();
    let switch = |at: i64, kind: &str| activity(&format!("activity_{at}"), kind, &ago(at), "");
    site.store.add(
        "main",
        [
            switch(30, "org_ip_restriction_created"),
            switch(20, "org_ip_restriction_deleted"),
            switch(10, "org_ip_restriction_created"),
        ],
    );
    let page = site.get("/posture").await;
    assert_eq!(page.texts(".settings .value"), ["before: removed →, now: there"]);
    assert_eq!(page.texts(".settings summary"), ["2 earlier"]);
}
