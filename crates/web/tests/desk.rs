//! Alerts and rules as people see them and deal with them, found by CSS selectors; with what strangers may write in them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use auditlake_store::alert::{Severity, State};
use support::{
    TestSite, activity,
    desk::{Browser, FakeAlerts, FakeRules, alert, furnish, rule},
};

const HOSTILE: &str = "<script>alert(1)</script>\u{202e}<img src=x onerror=alert(1)>";

fn site() -> (TestSite, Arc<FakeAlerts>, Arc<FakeRules>) {
    let alerts = FakeAlerts::new(vec![
        alert("alert_1", Severity::High, HOSTILE),
        alert("alert_2", Severity::Low, "ada@example.com signed in from far away"),
    ]);
    let mut other = rule("other", HOSTILE);
    other.severity = Severity::Low;
    let rules =
        Arc::new(FakeRules(Mutex::new(vec![rule("sso-disabled", "Single sign-on off"), other]), Mutex::default()));
    let site = TestSite::with(|site| furnish(site, &alerts, &rules));
    let time = alerts.list.lock().unwrap()[1].finding.first.to_string();
    site.store.add("main", [activity("activity_A", "claude_chat_created", &time, "")]);
    (site, alerts, rules)
}

#[tokio::test]
async fn the_inbox_lists_filters_and_counts() {
    let (site, ..) = site();
    let page = site.get("/alerts").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.texts(".tabs [aria-label=State] a"), ["Open 2", "Acknowledged 0", "Closed 0", "All 2"]);
    assert_eq!(page.texts(".tabs [aria-current]"), ["Open 2"]);
    assert_eq!(page.texts("nav[aria-label=Severity] a"), ["high 1", "low 1"]);
    assert_eq!(page.texts(".inbox .what > a").len(), 2);
    assert_eq!(page.attributes(".inbox .what > a", "href")[0], "/alerts/alert_1");
    assert_eq!(page.texts("[aria-current=page]"), ["Alerts"]);
    let low = site.get("/alerts?severity=low").await;
    assert_eq!(low.texts(".inbox .what > a"), ["ada@example.com signed in from far away"]);
    assert_eq!(site.get("/alerts?q=FAR").await.texts(".inbox .what > a").len(), 1);
    assert_eq!(site.get("/alerts?rule=none").await.texts(".nothing strong"), ["No alert is like that."]);
    assert_eq!(site.get("/alerts?range=1h").await.texts(".inbox > li").len(), 2);
    let live = site.get("/alerts/live?severity=low").await;
    assert_eq!(live.texts("#inbox .inbox > li").len(), 1, "the page's regions alone");
    assert_eq!(live.texts("header").len(), 0);
}

#[tokio::test]
async fn an_alert_is_dealt_with() {
    let (site, alerts, _) = site();
    let page = site.get("/alerts/alert_2").await;
    assert_eq!(page.texts("h1"), ["ada@example.com signed in from far away"]);
    assert_eq!(page.texts(".prose"), ["ada@example.com did it.", "It matters."]);
    assert_eq!(page.attributes(".facts a", "href")[..2], ["/person/ada%40example.com", "/organization/org_1"]);
    assert!(page.attributes(".steps a", "href")[0].starts_with("/explore?q=actor%3Aada%40example.com&since="));
    assert_eq!(page.texts(".tags .badge"), ["T1556", "persistence"]);
    assert_eq!(page.attributes("td.type a", "href"), ["/activity/activity_A"]);
    let mut browser = Browser::new(&site);
    let act = async |browser: &mut Browser<'_>, what: &str, note: &str| {
        browser.submit("/alerts/alert_2", "/alerts/alert_2", &[("what", what), ("note", note)]).await
    };
    assert_eq!(act(&mut browser, "acknowledged", "").await.status, 303);
    assert_eq!(alerts.list.lock().unwrap()[1].state, State::Acknowledged);
    let wrong = act(&mut browser, "closed", " ").await;
    assert_eq!((wrong.status.as_u16(), wrong.texts("[role=alert]").len()), (422, 1), "why is it closed?");
    assert_eq!(act(&mut browser, "closed", HOSTILE).await.status, 303);
    let page = browser.get("/alerts/alert_2").await;
    assert_eq!(page.texts("#history"), ["Closed"]);
    assert_eq!(page.texts(".changes li").len(), 3);
    assert!(page.texts(".changes strong").contains(&"this machine".to_owned()));
    assert_eq!(page.texts("main script, main img").len(), 0);
    assert!(page.texts(".note-text")[0].contains("<script>alert(1)</script>U+202E<img"));
    assert_eq!(act(&mut browser, "reopened", "").await.status, 303);
    for detection in ["raised", "withdrawn"] {
        assert_eq!(act(&mut browser, detection, "x").await.status, 422);
    }
    assert_eq!(browser.get("/alerts/none").await.status, 404);
    // A form of somebody else's page carries nothing, and does nothing.
    let foreign = browser.post("/alerts/alert_2", &[("what", "closed"), ("note", "x")]).await;
    assert_eq!((foreign.status.as_u16(), alerts.list.lock().unwrap()[1].state), (403, State::Open));
}

#[tokio::test]
async fn rules_are_listed_read_tried_and_switched() {
    let (site, _, rules) = site();
    let page = site.get("/rules").await;
    assert_eq!(page.texts(".rule-list .what > a").len(), 2);
    assert_eq!(page.texts(".rule-list .found")[0], "2 alerts");
    assert!(page.texts("[role=alert]")[0].contains("<b>refused</b>"), "shown as text");
    assert_eq!(site.get("/rules?severity=low").await.texts(".rule-list > li").len(), 1);
    assert_eq!(site.get("/rules?show=fired").await.texts(".rule-list > li").len(), 1);
    assert_eq!(site.get("/rules?q=t1556").await.texts(".rule-list > li").len(), 2);
    assert_eq!(site.get("/rules/none").await.status, 404);
    let mut browser = Browser::new(&site);
    let page = browser.get("/rules/sso-disabled").await;
    assert_eq!(page.texts("h1"), ["Single sign-on off"]);
    assert_eq!(page.texts("pre.yaml bdi"), ["title: Single sign-on off", "name: sso-disabled"]);
    assert_eq!(page.attributes(".tags a", "href"), ["https://attack.mitre.org/techniques/T1556/001/"]);
    assert_eq!(page.texts(".short a").len(), 2);
    let tried = browser.submit("/rules/sso-disabled", "/rules/sso-disabled/trial", &[("days", "30")]).await;
    assert_eq!(tried.status, 303);
    let page = browser.get("/rules/sso-disabled").await;
    assert!(page.texts("#trial [role=status]")[0].starts_with("7 alerts from 12 activities in 30 days"));
    let fields = [("on", "false"), ("reason", HOSTILE)];
    assert_eq!(browser.submit("/rules/sso-disabled", "/rules/sso-disabled/switch", &fields).await.status, 303);
    assert!(!rules.0.lock().unwrap()[0].is_on);
    let page = browser.get("/rules/sso-disabled").await;
    assert_eq!((page.texts("#switch"), page.texts("main script, main img").len()), (vec!["It is off".to_owned()], 0));
    assert_eq!(site.get("/rules?show=off").await.texts(".rule-list > li").len(), 1);
}

#[tokio::test]
async fn what_strangers_wrote_is_text() {
    let (site, ..) = site();
    for path in
        ["/alerts", "/alerts/alert_1", "/rules", "/rules/other", "/alerts?q=%3Cscript%3E", "/alerts/%3Cscript%3E"]
    {
        let page = site.get(path).await;
        assert_eq!(page.texts("main script, main img, main b, main [onerror]").len(), 0, "{path}");
        assert!(!page.text().contains('\u{202e}'), "{path}: what cannot be seen is shown by its number");
    }
    assert!(site.get("/alerts/alert_1").await.texts("h1")[0].contains("<script>alert(1)</script>"));
}
