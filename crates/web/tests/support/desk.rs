//! Users, alerts, rules and look-ups in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use auditlake_store::{
    Result,
    alert::{Act, Alert, AlertQuery, Alerts, Change, ChangeKind, Detected, Finding, Severity, State, Step},
    lookup::{Lookup, LookupCount, LookupQuery, Lookups},
};
use axum::{body::Body, http::Request};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use web::{Access, AccessOptions, Role, RuleBook, RuleInfo, Site, Trial, TrialState, User, Users};

use super::{Answer, TestSite, encoded, request};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// Users by name, with a role and a mark; and how many passwords were checked.
#[derive(Default)]
pub struct FakeUsers(pub Mutex<BTreeMap<String, (Role, String)>>, pub AtomicU64);

impl Users for FakeUsers {
    fn check(&self, name: &str, password: &SecretString) -> Option<User> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.find(name).filter(|_| password.expose_secret() == PASSWORD)
    }

    fn find(&self, name: &str) -> Option<User> {
        let users = self.0.lock().unwrap();
        users.get(name).map(|(role, mark)| User { name: name.to_owned(), role: *role, mark: mark.clone() })
    }
}

/// Three users, one of each role, named after it.
pub fn users() -> Arc<FakeUsers> {
    let users = Role::ALL.into_iter().map(|role| (role.as_str().to_owned(), (role, "1".to_owned())));
    Arc::new(FakeUsers(Mutex::new(users.collect()), AtomicU64::new(0)))
}

/// Lets them in for a day, behind no proxy; viewers may save what they see.
pub fn access(users: &Arc<FakeUsers>) -> Access {
    access_with(users, |_| {})
}

pub fn access_with(users: &Arc<FakeUsers>, change: impl FnOnce(&mut AccessOptions)) -> Access {
    let day = Duration::from_secs(86_400);
    let mut options = AccessOptions { idle: day, longest: day, viewers_export: true, ..AccessOptions::default() };
    change(&mut options);
    Access::new(users.clone(), options)
}

/// Alerts in a list.
pub struct FakeAlerts {
    pub list: Mutex<Vec<Alert>>,
    news: watch::Sender<u64>,
}

impl FakeAlerts {
    pub fn new(list: Vec<Alert>) -> Arc<FakeAlerts> {
        Arc::new(FakeAlerts { list: Mutex::new(list), news: watch::channel(1).0 })
    }
}

pub fn alert(id: &str, severity: Severity, title: &str) -> Alert {
    // Activities have no more than microseconds.
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let finding = Finding {
        id: id.to_owned(),
        rule: "sso-disabled".to_owned(),
        rule_title: "Single sign-on switched off".to_owned(),
        severity,
        title: title.to_owned(),
        entity: "ada@example.com".to_owned(),
        count: 1,
        first: now,
        last: now,
        activities: vec!["activity_A".to_owned()],
        summary: "ada@example.com did it.\nIt matters.".to_owned(),
        next_steps: vec![Step { text: "Ask them".to_owned(), search: Some("actor:ada@example.com".to_owned()) }],
        false_positives: vec!["A test.".to_owned()],
        tags: vec!["attack.t1556".to_owned(), "attack.persistence".to_owned()],
        organization: Some("org_1".to_owned()),
        source: Some("main".to_owned()),
        historical: false,
    };
    let raised = Change { at: now, who: "auditlake".to_owned(), what: ChangeKind::Raised, note: None };
    Alert { finding, state: State::Open, raised_at: now, changed_at: now, news: 1, history: vec![raised] }
}

#[async_trait]
impl Alerts for FakeAlerts {
    async fn position(&self, _subscriber: &str) -> Result<u64> {
        Ok(0)
    }

    async fn detected(&self, _detected: Detected) -> Result<Vec<Alert>> {
        Ok(Vec::new())
    }

    async fn alerts(&self, _query: &AlertQuery) -> Result<Vec<Alert>> {
        Ok(self.list.lock().unwrap().clone())
    }

    async fn alert(&self, id: &str) -> Result<Option<Alert>> {
        Ok(self.list.lock().unwrap().iter().find(|alert| alert.finding.id == id).cloned())
    }

    async fn act(&self, id: &str, act: Act) -> Result<Option<Alert>> {
        let mut list = self.list.lock().unwrap();
        let Some(alert) = list.iter_mut().find(|alert| alert.finding.id == id) else { return Ok(None) };
        alert.state = match act.what {
            ChangeKind::Acknowledged => State::Acknowledged,
            ChangeKind::Closed => State::Closed,
            ChangeKind::Reopened => State::Open,
            _ => alert.state,
        };
        alert.history.push(Change { at: Timestamp::now(), who: act.who, what: act.what, note: act.note });
        self.news.send_modify(|news| *news += 1);
        Ok(Some(alert.clone()))
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

/// Rules in a list.
pub struct FakeRules(pub Mutex<Vec<RuleInfo>>, pub Mutex<Option<Trial>>);

pub fn rule(id: &str, title: &str) -> RuleInfo {
    RuleInfo {
        id: id.to_owned(),
        title: title.to_owned(),
        description: "Finds it.".to_owned(),
        why: "It matters.".to_owned(),
        severity: Severity::High,
        kind: "sigma".to_owned(),
        tags: vec!["attack.t1556.001".to_owned()],
        false_positives: vec!["A test.".to_owned()],
        triage: vec![Step { text: "Ask".to_owned(), search: Some("actor:{actor.email}".to_owned()) }],
        text: format!("title: {title}\nname: {id}"),
        place: "rules/a.yml:1".to_owned(),
        is_builtin: true,
        is_on: true,
        can_be_tried: true,
        switches: Vec::new(),
    }
}

impl RuleBook for FakeRules {
    fn rules(&self) -> Arc<Vec<RuleInfo>> {
        Arc::new(self.0.lock().unwrap().clone())
    }

    fn problems(&self) -> Vec<String> {
        vec!["<b>refused</b>".to_owned()]
    }

    fn switch(&self, id: &str, on: bool, who: &str, reason: &str) -> std::result::Result<(), String> {
        if let Some(rule) = self.0.lock().unwrap().iter_mut().find(|rule| rule.id == id) {
            rule.is_on = on;
            rule.switches.insert(0, format!("by {who}: {reason}"));
        }
        Ok(())
    }

    fn try_out(&self, _id: &str, days: u32) {
        let state = TrialState::Done { alerts: 7, activities: 12, newest: Vec::new() };
        *self.1.lock().unwrap() = Some(Trial { days, at: Timestamp::now(), state });
    }

    fn trial(&self, _id: &str) -> Option<Trial> {
        self.1.lock().unwrap().clone()
    }

    fn is_trying(&self) -> Option<String> {
        None
    }
}

/// Look-ups in a list.
#[derive(Default)]
pub struct FakeLookups(pub Mutex<Vec<Lookup>>);

#[async_trait]
impl Lookups for FakeLookups {
    async fn note(&self, lookups: Vec<Lookup>) -> Result<()> {
        self.0.lock().unwrap().extend(lookups);
        Ok(())
    }

    async fn lookups(&self, query: &LookupQuery) -> Result<Vec<Lookup>> {
        let list = self.0.lock().unwrap();
        let fits = |one: &&Lookup| query.who.as_ref().is_none_or(|who| one.who == *who);
        Ok(list.iter().filter(fits).cloned().collect())
    }

    async fn lookup_counts(&self, query: &LookupQuery) -> Result<Vec<LookupCount>> {
        let one = |lookup: Lookup| LookupCount { who: lookup.who, what: lookup.what, count: 1, last: lookup.at };
        Ok(self.lookups(query).await?.into_iter().map(one).collect())
    }

    async fn forget_lookups(&self, _before: Timestamp) -> Result<u64> {
        Ok(0)
    }
}

/// A browser: keeps cookies, and fills forms in.
pub struct Browser<'a> {
    site: &'a TestSite,
    pub cookies: BTreeMap<String, String>,
    /// What it sends with every request.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl<'a> Browser<'a> {
    pub fn new(site: &'a TestSite) -> Browser<'a> {
        Browser { site, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// One that has logged in.
    pub async fn of(site: &'a TestSite, name: &str) -> Browser<'a> {
        let mut browser = Browser::new(site);
        let answer = browser.log_in(name, PASSWORD).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        browser
    }

    pub async fn log_in(&mut self, name: &str, password: &str) -> Answer {
        let page = self.get("/login").await;
        let csrf = page.attributes("input[name=csrf]", "value").remove(0);
        self.post("/login", &[("name", name), ("password", password), ("csrf", &csrf), ("next", "/alerts")]).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    pub async fn ask(&mut self, method: &str, path: &str) -> Answer {
        let request = self.request(method, path).header("accept", "text/html");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A form, as given.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let request = self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body.join("&"))).unwrap()).await
    }

    /// A form with what its page carries.
    pub async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(page).await;
        let csrf = page.attributes("form input[name=csrf]", "value").remove(0);
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(fields);
        self.post(path, &all).await
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut built = request(method, path);
        for (name, value) in &self.headers {
            match (*name, built.headers_mut()) {
                // The one header that is there already.
                ("host", Some(headers)) => drop(headers.insert("host", value.parse().unwrap())),
                _ => built = built.header(*name, *value),
            }
        }
        if cookies.is_empty() { built } else { built.header("cookie", cookies.join("; ")) }
    }

    async fn send(&mut self, request: Request<Body>) -> Answer {
        let answer = self.site.send(request).await;
        for line in answer.headers.get_all("set-cookie") {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }
}

/// Sets a site up with alerts and rules.
pub fn furnish(site: &mut Site, alerts: &Arc<FakeAlerts>, rules: &Arc<FakeRules>) {
    site.alerts = Some(alerts.clone());
    site.rules = Some(rules.clone());
}
