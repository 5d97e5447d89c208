//! Alerts: what was found is stored with the position, people's part stays, a closed alert is opened by news.

use arrow::array::AsArray;
use jiff::Timestamp;

use super::{commit, sample};
use crate::{
    Engine, Seqs, SqlQuery,
    alert::{
        Act, Alert, AlertLine, AlertQuery, Alerts, ChangeKind, Detected, Finding, Observe, Observed, Severity, State,
    },
};

/// What a rule could have found.
pub fn finding(id: &str, count: u64) -> Finding {
    let time = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap_or_default();
    Finding {
        id: id.to_owned(),
        rule: "sso-disabled".to_owned(),
        rule_title: "Single sign-on switched off".to_owned(),
        severity: Severity::High,
        title: "it's <b>off</b>; drop table alert; --".to_owned(),
        entity: "org_1".to_owned(),
        count,
        first: time(0),
        last: time(count as i64),
        activities: (0..count).map(|number| format!("activity_{number:06}")).collect(),
        summary: String::new(),
        next_steps: Vec::new(),
        false_positives: Vec::new(),
        tags: vec!["attack.t1556".to_owned()],
        organization: None,
        source: Some("main".to_owned()),
        historical: false,
    }
}

async fn detect(store: &impl Alerts, seq: u64, findings: Vec<Finding>, withdrawn: &[&str]) -> Vec<Alert> {
    let withdrawn = withdrawn.iter().map(|id| (*id).to_owned()).collect();
    let detected = Detected { subscriber: "detect".to_owned(), seq, findings, withdrawn };
    store.detected(detected).await.expect("detected")
}

fn act(what: ChangeKind, note: &str) -> Act {
    Act { who: "O'Brien".to_owned(), what, note: Some(note.to_owned()) }
}

/// Puts an empty store through what is promised of alerts.
///
/// # Panics
/// Where the engine does not keep it.
pub async fn run<E: Engine + Alerts + Observed>(store: &E) {
    let mut news = store.news();
    assert_eq!((store.position("detect").await.expect("position"), *news.borrow_and_update()), (0, 0));
    let changed = detect(store, 3, vec![finding("alert_1", 2), finding("alert_2", 1)], &["alert_9"]).await;
    assert_eq!(changed.len(), 2);
    assert_eq!((store.position("detect").await.expect("position"), *news.borrow_and_update()), (3, 1));
    assert_eq!(store.position("another").await.expect("position"), 0, "each subscriber has its own");
    let one = store.alert("alert_1").await.expect("alert").expect("it is there");
    assert_eq!((one.finding.clone(), one.state), (finding("alert_1", 2), State::Open), "byte for byte");
    assert_eq!(one.history.len(), 1);

    assert_eq!(detect(store, 4, vec![finding("alert_1", 2)], &[]).await, [], "nothing new");
    assert_eq!((store.position("detect").await.expect("position"), *news.borrow_and_update()), (4, 1));

    let closed = store.act("alert_1", act(ChangeKind::Closed, "it was me; \"really\"")).await.expect("act");
    assert_eq!(closed.map(|alert| alert.state), Some(State::Closed));
    assert_eq!(store.act("alert_9", act(ChangeKind::Closed, "")).await.expect("act"), None);
    let changed = detect(store, 5, vec![finding("alert_1", 5)], &[]).await;
    assert_eq!((changed[0].state, changed[0].finding.count), (State::Open, 5), "opened by news");
    let kinds: Vec<ChangeKind> = changed[0].history.iter().map(|change| change.what).collect();
    assert_eq!(kinds, [ChangeKind::Raised, ChangeKind::Closed, ChangeKind::Reopened]);

    let changed = detect(store, 6, Vec::new(), &["alert_1", "alert_2"]).await;
    assert_eq!(changed.len(), 2);
    let all = store.alerts(&AlertQuery::default()).await.expect("alerts");
    assert_eq!(all.len(), 1, "what nobody touched goes, what somebody did stays");
    let lines = store.lines().await.expect("lines");
    assert_eq!(lines, [AlertLine::from(all[0].clone())], "a list says what the alert says");
    assert_eq!((all[0].finding.id.as_str(), all[0].state), ("alert_1", State::Closed));

    let now = *news.borrow_and_update();
    detect(store, 7, vec![finding("alert_3", 1)], &[]).await;
    let later = store.alerts(&AlertQuery { after_news: Some(now), ..AlertQuery::default() }).await.expect("alerts");
    assert_eq!(later.iter().map(|alert| alert.finding.id.as_str()).collect::<Vec<_>>(), ["alert_3"]);
    let none = AlertQuery { severity: Some(Severity::Critical), ..AlertQuery::default() };
    assert_eq!(store.alerts(&none).await.expect("alerts").len(), 0);

    store.commit(commit(&sample(20))).await.expect("commit");
    store.commit(commit(&sample(50))).await.expect("commit");
    let observe = Observe { seqs: Seqs { after: Some(1), until: Some(2) }, ..Observe::default() };
    let rows = store.observe(&observe).await.expect("observe").collect().await.expect("rows");
    assert_eq!(rows.iter().map(|rows| rows.num_rows()).sum::<usize>(), 30);
    let some = Observe { types: vec!["sso_login_failed".to_owned()], ..Observe::default() };
    let rows = store.observe(&some).await.expect("observe").collect().await.expect("rows");
    assert!(rows.iter().all(|rows| {
        let raw = rows.column_by_name("rawLog").expect("column").as_string::<i32>();
        raw.iter().flatten().all(|raw| raw.contains("sso_login_failed"))
    }));
    let text = "select count(*) from alerts join alert_activities on alertID = id".to_owned();
    let query = SqlQuery { text, params: Default::default(), timeout: None, max_rows: None };
    let rows = store.sql(query).await.expect("sql").collect().await.expect("rows");
    let count = super::number(&rows);
    assert_eq!(count, 6, "five of the closed one, one of the other");
}
