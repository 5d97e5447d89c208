//! Who gets in, for how long, and what each may do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use axum::body::Body;
use support::{
    TestSite,
    desk::{Browser, FakeUsers, PASSWORD, access_with, users},
    lake::furnished,
    request,
};
use web::{KeptSessions, Role, SessionKeeper};

fn site() -> (TestSite, Arc<FakeUsers>) {
    furnished(|_| {})
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
async fn behind_tls_cookies_are_for_tls_and_this_host_alone() {
    let users = users();
    for is_proxied in [true, false] {
        let access = access_with(&users, |options| (options.is_proxied, options.is_secure) = (is_proxied, !is_proxied));
        let site = TestSite::with(|site| site.access = Some(access));
        let mut browser = Browser::new(&site);
        let answer = browser.log_in("viewer", PASSWORD).await;
        let lines: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        // Browsers take such a name only with these, and from nobody but this host.
        assert_eq!(lines.len(), 2);
        let is_fine = |line: &&&str| {
            line.starts_with("__Host-auditlake_") && line.contains("; Path=/") && line.contains("; Secure")
        };
        assert!(lines.iter().all(|line| is_fine(&line)), "{lines:?}");
        assert_eq!(browser.get("/").await.status, 200);
        // Another service under the same domain could plant one with the bare name.
        let id = browser.cookies.remove("__Host-auditlake_session").unwrap();
        browser.cookies.insert("auditlake_session".to_owned(), id);
        assert_eq!(browser.get("/").await.status, 303);
    }
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
async fn guesses_at_the_same_time_are_no_more_than_one_after_the_other() {
    let (site, users) = site();
    let mut browser = Browser::new(&site);
    let page = browser.get("/login").await;
    let csrf = page.attributes("input[name=csrf]", "value").remove(0);
    let guess = async |_| {
        let mut browser = Browser::new(&site);
        browser.cookies = browser_cookies(&page);
        browser.post("/login", &[("name", "admin"), ("password", "guess"), ("csrf", &csrf)]).await.status.as_u16()
    };
    let statuses = futures::future::join_all((0..40).map(guess)).await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(users.1.load(Ordering::SeqCst), 5, "passwords that were looked at");
}

/// The cookies that an answer sets.
fn browser_cookies(answer: &support::Answer) -> BTreeMap<String, String> {
    let lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let pairs = lines.map(|line| line.split(';').next().unwrap().split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
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

#[tokio::test]
async fn whoever_comes_through_a_proxy_is_nobody_of_this_machine() {
    let site = TestSite::new();
    let sent = async |method: &'static str, path: &'static str, name: &'static str, token: &'static str| {
        let request = request(method, path).header(name, "203.0.113.9").header("accept", "text/html");
        let request = if token.is_empty() { request } else { request.header("authorization", token) };
        site.send(request.body(Body::empty()).unwrap()).await
    };
    for name in ["x-forwarded-for", "forwarded", "via", "X-Real-IP"] {
        for path in ["/", "/explore", "/settings", "/api/v1/status", "/live", "/metrics"] {
            let answer = sent("GET", path, name, "").await;
            assert_eq!(answer.status, 403, "{name} {path}");
            assert!(answer.text().contains("behind_proxy"), "{}", answer.text());
        }
        assert_eq!(sent("POST", "/rules/a/switch", name, "").await.status, 403, "{name}");
        assert_eq!(sent("GET", "/healthz", name, "").await.status, 200, "{name}");
        assert_eq!(sent("GET", "/api/v1/status", name, "Bearer secret-token").await.status, 200, "{name}");
        assert_eq!(sent("GET", "/api/v1/status", name, "Bearer wrong").await.status, 403, "{name}");
    }
    assert_eq!(site.get("/").await.status, 200);
}

#[tokio::test]
async fn metrics_have_a_token_of_their_own() {
    let users = users();
    let token = "metrics-token-0123456789";
    let site = TestSite::with(|site| {
        site.access = Some(access_with(&users, |options| options.metrics_token = Some(token.to_owned().into())));
    });
    let asked = async |path: &'static str, token: &'static str| {
        let request = request("GET", path).header("authorization", format!("Bearer {token}"));
        site.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    // This site keeps none, and says so to whoever may ask.
    assert_eq!(asked("/metrics", token).await, 404);
    for (path, token) in
        [("/metrics", "wrong"), ("/metrics", ""), ("/api/v1/status", token), ("/", token), ("/lookups", token)]
    {
        assert!(matches!(asked(path, token).await, 303 | 401), "{path} {token}");
    }
}

#[tokio::test]
async fn viewers_save_nothing_unless_they_may() {
    let (site, _) =
        furnished(|site| site.access = Some(access_with(&users(), |options| options.viewers_export = false)));
    let exports = ["/explore/export.csv", "/explore/export.jsonl", "/api/v1/select", "/api/v1/select?columns=raw"];
    let mut viewer = Browser::of(&site, "viewer").await;
    for path in exports {
        assert_eq!(viewer.get(path).await.status, 403, "{path}");
        assert_eq!(viewer.ask("HEAD", path).await.status, 403, "{path}");
    }
    assert_eq!(viewer.get("/explore").await.attributes("a[href*=export]", "href"), [""; 0], "and no link leads there");
    // What one page shows of one activity is the same, byte for byte.
    assert_eq!(viewer.get("/activity/activity_A/raw").await.status, 200);
    let mut analyst = Browser::of(&site, "analyst").await;
    for path in exports {
        assert_eq!(analyst.get(path).await.status, 200, "{path}");
    }
    assert_eq!(analyst.get("/explore").await.attributes("a[href*=export]", "href").len(), 2);
}

/// Remembers what it was given last.
#[derive(Default)]
struct Memory(Mutex<Option<KeptSessions>>);

impl SessionKeeper for Memory {
    fn load(&self) -> Option<KeptSessions> {
        None
    }

    fn keep(&self, sessions: &KeptSessions) -> Result<(), String> {
        *self.0.lock().unwrap() = Some(sessions.clone());
        Ok(())
    }

    fn forget(&self) -> Result<(), String> {
        *self.0.lock().unwrap() = None;
        Ok(())
    }
}

#[tokio::test]
async fn an_open_page_uses_no_session() {
    let memory = Arc::new(Memory::default());
    let (keeper, users) = (memory.clone(), users());
    let access = access_with(&users, |options| options.keeper = Some(keeper));
    let (site, _) = furnished(|site| site.access = Some(access.clone()));
    let mut browser = Browser::of(&site, "viewer").await;
    let kept = async || {
        access.finish(Duration::from_secs(60)).await;
        memory.0.lock().unwrap().clone().unwrap().sessions.remove(0)
    };
    let begun = kept().await;
    assert_eq!(begun.used, begun.begun);
    for path in ["/overview/live", "/explore/live", "/alerts/live", "/alerts/alert_1/live", "/rules/sso-disabled/trial"]
    {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
        assert_eq!(kept().await.used, begun.begun, "{path}");
    }
    browser.get("/explore").await;
    assert!(kept().await.used > begun.begun, "somebody is there");
}
