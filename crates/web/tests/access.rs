//! Who gets in, what each may do, what viewers see, and what is written down.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use auditlake_store::alert::Severity;
use axum::body::Body;
use support::{
    TestSite, activity,
    desk::{Browser, FakeAlerts, FakeLookups, FakeRules, FakeUsers, PASSWORD, access, alert, furnish, rule, users},
    request,
};
use tokio::sync::watch;
use web::{Role, Scribe};

const TITLE: &str =
    r#","claude_project_id":"claude_project_1","name":"Secret merger","note":"ask eve@example.com at 203.0.113.9""#;

fn site_with(change: impl FnOnce(&mut web::Site)) -> (TestSite, Arc<FakeUsers>) {
    let users = users();
    let mut one = alert("alert_1", Severity::High, "zed@corp.test made “Secret merger” from 198.51.100.7");
    let finding = &mut one.finding;
    for text in [&mut finding.entity, &mut finding.summary, finding.next_steps[0].search.as_mut().unwrap()] {
        *text = text.replace("ada@example.com", "zed@corp.test");
    }
    let alerts = FakeAlerts::new(vec![one]);
    let rules = Arc::new(FakeRules(Mutex::new(vec![rule("sso-disabled", "Single sign-on off")]), Mutex::default()));
    let site = TestSite::with(|site| {
        site.access = Some(access(&users, false));
        furnish(site, &alerts, &rules);
        change(site);
    });
    let time = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(5)).to_string();
    site.store.add(
        "main",
        [activity("activity_A", "claude_project_created", &time, TITLE).replace("ada@example.com", "zed@corp.test")],
    );
    (site, users)
}

fn site() -> (TestSite, Arc<FakeUsers>) {
    site_with(|_| {})
}

#[tokio::test]
async fn nobody_gets_in_without_a_login() {
    let (site, _) = site();
    let mut browser = Browser::new(&site);
    for path in ["/", "/explore?q=type:a&range=7d", "/settings", "/nowhere", "/alerts/alert_1"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/login?next=%2F"), "{path}");
    }
    for path in ["/live", "/live/alerts", "/api/v1/status", "/metrics", "/overview/live", "/activity/activity_A/raw"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.text().contains("example.com"), "{path}");
    }
    let own_page = request("GET", "/api/v1/status").header("sec-fetch-site", "same-origin");
    assert_eq!(site.send(own_page.body(Body::empty()).unwrap()).await.status, 401, "a page is no login");
    for path in ["/login", "/healthz", "/readyz", "/favicon.ico"] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
    assert_eq!(site.api("/api/v1/status", "application/json").await.status, 200, "the token is enough");
    let wrong = request("GET", "/api/v1/status").header("authorization", "Bearer wrong");
    assert_eq!(site.send(wrong.body(Body::empty()).unwrap()).await.status, 401);
}

#[tokio::test]
async fn a_login_is_a_session_until_it_ends() {
    let (site, users) = site();
    let mut browser = Browser::new(&site);
    assert_eq!(browser.log_in("analyst", "wrong").await.status, 401);
    let answer = browser.log_in("analyst", PASSWORD).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/alerts"));
    let cookie = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect::<Vec<_>>();
    assert!(
        cookie[0].starts_with("auditlake_session=") && cookie[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{cookie:?}"
    );
    assert_eq!(cookie[0].len(), "auditlake_session=; Path=/; HttpOnly; SameSite=Lax".len() + 64);
    let page = browser.get("/alerts").await;
    assert_eq!((page.status.as_u16(), page.texts(".account span")), (200, vec!["analyst".to_owned()]));
    // Another password ends it.
    users.0.lock().unwrap().insert("analyst".to_owned(), (Role::Analyst, "2".to_owned()));
    assert_eq!(browser.get("/alerts").await.status, 303);
    let mut browser = Browser::of(&site, "analyst").await;
    // So does whoever removes them, and another role counts at once.
    users.0.lock().unwrap().insert("analyst".to_owned(), (Role::Viewer, "2".to_owned()));
    assert_eq!(browser.get("/sql").await.status, 403);
    users.0.lock().unwrap().remove("analyst");
    assert_eq!(browser.get("/alerts").await.status, 303);
    // And the log-out, which only the page's own form can ask for.
    let mut browser = Browser::of(&site, "viewer").await;
    let kept = browser.cookies.clone();
    assert_eq!(browser.post("/logout", &[("csrf", "x")]).await.status, 403);
    assert_eq!(browser.submit("/alerts", "/logout", &[]).await.status, 303);
    browser.cookies = kept;
    assert_eq!(browser.get("/alerts").await.status, 303, "the id is worth nothing any more");
}

#[tokio::test]
async fn behind_a_proxy_cookies_are_for_tls_alone() {
    let users = users();
    let site = TestSite::with(|site| site.access = Some(access(&users, true)));
    let answer = Browser::new(&site).log_in("viewer", PASSWORD).await;
    let lines: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(lines.iter().all(|line| line.contains("; Secure")), "{lines:?}");
}

#[tokio::test]
async fn a_login_form_belongs_to_one_browser() {
    let (site, _) = site();
    let mut browser = Browser::new(&site);
    let fields = [("name", "admin"), ("password", PASSWORD), ("csrf", "0".repeat(64).leak() as &str)];
    assert_eq!(browser.post("/login", &fields).await.status, 403, "without its cookie");
    browser.get("/login").await;
    assert_eq!(browser.post("/login", &fields).await.status, 403, "with another form's");
    let evil = request("POST", "/login").header("origin", "https://evil.example").body(Body::empty()).unwrap();
    assert_eq!(site.send(evil).await.status, 403);
    let page = browser.get("/login?next=https%3A%2F%2Fevil.example").await;
    assert_eq!(page.attributes("input[name=next]", "value"), ["/"]);
    let page = browser.get("/login?next=%2Fexplore%3Fq%3D%22%3E%3Cscript%3E").await;
    assert_eq!(page.texts("main script").len(), 0);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let (site, _) = site();
    let mut browser = Browser::new(&site);
    for _ in 0..6 {
        browser.log_in("admin", "guess").await;
    }
    let answer = browser.log_in("admin", PASSWORD).await;
    assert_eq!(answer.status, 429, "even with the right one");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(browser.log_in("analyst", PASSWORD).await.status, 303, "others get in");
    for number in 0..20 {
        browser.log_in(&format!("nobody-{number}"), "guess").await;
    }
    assert_eq!(browser.log_in("viewer", PASSWORD).await.status, 429, "not from an address that guesses");
}

#[tokio::test]
async fn each_role_may_what_it_may() {
    let (site, _) = site();
    let get = [
        ("/", [200, 200, 200]),
        ("/explore", [200, 200, 200]),
        ("/alerts", [200, 200, 200]),
        ("/rules/sso-disabled", [200, 200, 200]),
        ("/activity/activity_A", [200, 200, 200]),
        ("/api/v1/status", [200, 200, 200]),
        ("/sql", [403, 200, 200]),
        ("/sql.csv?q=x", [403, 200, 200]),
        ("/settings", [403, 403, 200]),
        ("/lookups", [403, 403, 404]),
    ];
    type Form = &'static [(&'static str, &'static str)];
    let post: [(&str, Form, [u16; 3]); 4] = [
        ("/alerts/alert_1", &[("what", "noted"), ("note", "x")], [403, 303, 303]),
        ("/rules/sso-disabled/trial", &[("days", "7")], [403, 303, 303]),
        ("/rules/sso-disabled/switch", &[("on", "false")], [403, 403, 303]),
        ("/api/v1/unheard-of", &[], [403, 403, 403]),
    ];
    for (at, role) in Role::ALL.into_iter().enumerate() {
        let mut browser = Browser::of(&site, role.as_str()).await;
        for (path, statuses) in get {
            assert_eq!(browser.get(path).await.status.as_u16(), statuses[at], "{} {path}", role.as_str());
        }
        for (path, fields, statuses) in post {
            assert_eq!(browser.post(path, fields).await.status, 403, "{} {path} without a form", role.as_str());
            let status = browser.submit("/alerts", path, fields).await.status.as_u16();
            assert_eq!(status, statuses[at], "{} {path}", role.as_str());
        }
        let menu = browser.get("/").await.texts("nav.pages a");
        assert_eq!(menu.contains(&"SQL".to_owned()), role.may_act(), "{menu:?}");
        assert_eq!(menu.contains(&"Settings".to_owned()), role.may_rule(), "{menu:?}");
    }
    let mut viewer = Browser::of(&site, "viewer").await;
    assert_eq!(viewer.get("/alerts/alert_1").await.texts("form.deal").len(), 0, "no form that would be refused");
}

#[tokio::test]
async fn forms_of_one_session_are_none_of_another() {
    let (site, _) = site();
    let mut one = Browser::of(&site, "analyst").await;
    let mut other = Browser::of(&site, "analyst").await;
    let page = one.get("/alerts/alert_1").await;
    let csrf = page.attributes("form.deal input[name=csrf]", "value").remove(0);
    let fields = [("csrf", csrf.as_str()), ("what", "noted"), ("note", "x")];
    assert_eq!(other.post("/alerts/alert_1", &fields).await.status, 403);
    assert_eq!(one.post("/alerts/alert_1", &fields).await.status, 303);
}

/// What no page may show to a viewer.
const SECRETS: [&str; 6] =
    ["zed@corp.test", "zed%40corp.test", "eve@example.com", "198.51.100.7", "203.0.113.9", "Secret merger"];

#[tokio::test]
async fn viewers_see_everything_behind_the_mask() {
    let (site, _) = site_with(|site| site.masks_viewers = true);
    let mut viewer = Browser::of(&site, "viewer").await;
    // Every link that leads from the first page, and from there on.
    let mut paths = vec![
        "/".to_owned(),
        "/alerts".to_owned(),
        "/alerts/alert_1".to_owned(),
        "/alerts/live".to_owned(),
        "/overview/live".to_owned(),
        "/explore/live".to_owned(),
        "/explore/facets".to_owned(),
        "/explore/export.csv".to_owned(),
        "/explore/export.jsonl".to_owned(),
        "/activity/activity_A".to_owned(),
        "/activity/activity_A/panel".to_owned(),
        "/posture".to_owned(),
        "/api/v1/select?columns=raw".to_owned(),
        "/api/v1/select?columns=unified".to_owned(),
        "/api/v1/ledger".to_owned(),
    ];
    let (mut at, mut shown) = (0, 0);
    while at < paths.len() && at < 400 {
        let path = paths[at].clone();
        at += 1;
        let answer = viewer.get(&path).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!answer.status.is_server_error(), "{path}: {text}");
        shown += u32::from(answer.status == 200);
        for secret in SECRETS {
            assert!(!text.contains(secret), "{path} shows {secret}: {text}");
        }
        if answer.header("content-type").starts_with("text/html") {
            for link in answer.attributes("a[href^='/']", "href") {
                let link = link.split('#').next().unwrap().to_owned();
                // Two of a kind show the same.
                let is_page = !link.starts_with("/assets/") && !link.starts_with("/login");
                if is_page && !paths.contains(&link) {
                    paths.push(link);
                }
            }
        }
    }
    assert!(shown > 40, "{shown} pages");
    // The name in the place of a person leads to that person.
    let page = viewer.get("/explore").await;
    let name = page.texts("td.actor")[0].clone();
    assert!(name.starts_with("person-"), "{name}");
    let found = viewer.get(&format!("/explore?q=actor%3A{name}")).await;
    assert_eq!(found.texts("td.actor"), [name]);
    for refused in ["/activity/activity_A/raw", "/sql?q=select%201", "/api/v1/alerts", "/api/v1/deliveries"] {
        assert_eq!(viewer.get(refused).await.status, 403, "{refused}");
    }
    let guess = viewer.get("/explore?q=name%3ASecret*").await;
    assert_ne!(guess.status, 200, "a title cannot be guessed sign by sign");
    // Others see what is there.
    let mut analyst = Browser::of(&site, "analyst").await;
    assert!(analyst.get("/activity/activity_A").await.text().contains("Secret merger"));
    assert!(analyst.get("/explore").await.text().contains("zed@corp.test"));
}

#[tokio::test]
async fn what_is_looked_up_is_written_down() {
    let lookups = Arc::new(FakeLookups::default());
    let (closing, closed) = watch::channel(false);
    let (notebook, scribe) = Scribe::start(lookups.clone(), 0, closed);
    let (site, _) = site_with(|site| {
        site.notebook = Some(notebook);
        site.lookups = Some(lookups.clone());
    });
    let mut analyst = Browser::of(&site, "analyst").await;
    for path in [
        "/explore?q=actor%3Aeve%40example.com",
        "/explore?q=actor%3Aeve%40example.com",
        "/explore/live?q=actor%3Aeve%40example.com",
        "/person/eve%40example.com",
        "/sql?q=select%20%27%3Cscript%3E%27",
        "/",
        "/alerts/alert_1",
    ] {
        analyst.get(path).await;
    }
    site.sql(r#"{"sql":"select 2"}"#, "").await;
    closing.send_replace(true);
    scribe.work.await.unwrap();
    let told: Vec<(String, String, String)> =
        lookups.0.lock().unwrap().iter().map(|one| (one.who.clone(), one.what.clone(), one.detail.clone())).collect();
    let is = |who: &str, what: &str, detail: &str| (who.to_owned(), what.to_owned(), detail.to_owned());
    assert_eq!(
        told,
        [
            is("analyst", "explorer", "actor:eve@example.com"),
            is("analyst", "person", "eve@example.com"),
            is("analyst", "sql", "select '<script>'"),
            is("analyst", "alert", "alert_1"),
            is("command line", "sql", "select 2"),
        ]
    );
    let mut admin = Browser::of(&site, "admin").await;
    let page = admin.get("/lookups").await;
    assert_eq!(page.texts(".inbox > li").len(), 5);
    assert_eq!(page.texts("#by-who, section[aria-labelledby=by-who] .label"), ["Who", "analyst", "command line"]);
    assert_eq!(page.texts("main script").len(), 0);
    assert_eq!(admin.get("/lookups?who=analyst").await.texts(".inbox > li").len(), 4);
}
