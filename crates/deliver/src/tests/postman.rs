//! Alerts that change, and what is queued for whom.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use auditlake_store::{
    Result,
    alert::{Act, Alert, AlertQuery, Alerts, Change, ChangeKind, Detected, Severity, State},
    outbox::{DeliveryLog, DeliveryQuery, Outbox, memory::MemoryOutbox},
};
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::{Notice, Postman, Route, Subscription, testing};

/// Alerts in a list, with the number of their last change.
#[derive(Default)]
struct List {
    alerts: Mutex<Vec<Alert>>,
    news: watch::Sender<u64>,
}

impl List {
    /// Changes alerts in one transaction; those that are not there yet are raised first.
    fn change(&self, ids: &[&str], change: impl Fn(&mut Alert)) {
        let mut alerts = self.alerts.lock().unwrap();
        let news = *self.news.borrow() + 1;
        for id in ids {
            let at = alerts.iter().position(|alert| alert.finding.id == *id).unwrap_or_else(|| {
                let mut alert = testing::alert();
                alert.finding.id = (*id).to_owned();
                alerts.push(alert);
                alerts.len() - 1
            });
            change(&mut alerts[at]);
            alerts[at].news = news;
        }
        self.news.send_replace(news);
    }
}

impl List {
    /// Takes an alert back, as detection does when later activities explain it.
    fn withdraw(&self, id: &str) {
        self.alerts.lock().unwrap().retain(|alert| alert.finding.id != id);
        self.news.send_modify(|news| *news += 1);
    }
}

#[async_trait]
impl Alerts for List {
    async fn position(&self, _: &str) -> Result<u64> {
        Ok(0)
    }
    async fn detected(&self, _: Detected) -> Result<Vec<Alert>> {
        Ok(Vec::new())
    }
    async fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>> {
        let mut found: Vec<Alert> = self.alerts.lock().unwrap().clone();
        found.retain(|alert| query.after_news.is_none_or(|after| alert.news > after));
        found.sort_by_key(|alert| alert.news);
        found.truncate(query.limit.map_or(usize::MAX, |limit| limit as usize));
        Ok(found)
    }
    async fn alert(&self, id: &str) -> Result<Option<Alert>> {
        Ok(self.alerts.lock().unwrap().iter().find(|alert| alert.finding.id == id).cloned())
    }
    async fn act(&self, _: &str, _: Act) -> Result<Option<Alert>> {
        Ok(None)
    }
    fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

fn postman(list: &Arc<List>, outbox: &Arc<MemoryOutbox>) -> Postman {
    let subscription =
        |name: &str, severity| Subscription { destination: name.into(), route: Route { severity, ..Route::default() } };
    let now = testing::alert().finding.last + SignedDuration::from_secs(10);
    Postman {
        alerts: list.clone(),
        outbox: outbox.clone(),
        subscriptions: vec![subscription("chat", Severity::Medium), subscription("pager", Severity::Critical)],
        link: Some("https://auditlake.example".into()),
        clock: Arc::new(move || now),
    }
}

/// What is queued: destination, alert, event, oldest first.
async fn queued(outbox: &MemoryOutbox) -> Vec<String> {
    let mut all = outbox.deliveries(&DeliveryQuery::default()).await.unwrap();
    all.reverse();
    all.iter().map(|delivery| format!("{} {} {}", delivery.destination, delivery.alert, delivery.event)).collect()
}

#[tokio::test]
async fn tells_of_openings_growth_and_ends_but_not_of_every_activity() {
    let (list, outbox) = (Arc::new(List::default()), Arc::new(MemoryOutbox::default()));
    let postman = postman(&list, &outbox);
    list.change(&["a"], |alert| alert.finding.count = 1);
    assert!(!postman.handle().await.unwrap());
    for count in 2..=1_000 {
        list.change(&["a"], |alert| alert.finding.count = count);
        postman.handle().await.unwrap();
    }
    let all = queued(&outbox).await;
    assert_eq!(all.len(), 10, "at 1, 2, 4, … 512: {all:?}");
    assert_eq!(all[..2], ["chat a opened", "chat a updated"]);
    list.change(&["a"], |alert| alert.finding.severity = Severity::Critical);
    postman.handle().await.unwrap();
    list.change(&["a"], |alert| {
        alert.state = State::Closed;
        let note = Some("a test".to_owned());
        alert.history.push(Change { at: alert.changed_at, who: "bob".into(), what: ChangeKind::Closed, note });
    });
    postman.handle().await.unwrap();
    let all = queued(&outbox).await;
    assert_eq!(all[10..], ["chat a updated", "pager a opened", "chat a closed", "pager a closed"]);
    let last = &outbox.deliveries(&DeliveryQuery::default()).await.unwrap()[0];
    let notice: Notice = serde_json::from_value(last.notice.clone()).unwrap();
    assert_eq!((notice.by.as_deref(), notice.note.as_deref()), (Some("bob"), Some("a test")));
    assert_eq!(notice.alert.link.as_deref(), Some("https://auditlake.example/alerts/a"));
}

#[tokio::test]
async fn killed_anywhere_it_queues_each_once_under_the_same_id() {
    let ids = async |kills: bool| {
        let (list, outbox) = (Arc::new(List::default()), Arc::new(MemoryOutbox::default()));
        for round in 0..10u64 {
            let postman = postman(&list, &outbox);
            let names: Vec<String> = (0..20).map(|n| format!("a{n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            list.change(&names, |alert| alert.finding.count = 1 << round);
            postman.handle().await.unwrap();
            if kills {
                // As if it had been killed after queueing and before remembering: the same once more.
                let all = outbox.deliveries(&DeliveryQuery::default()).await.unwrap().len();
                outbox.enqueue(round, Vec::new()).await.unwrap();
                postman.handle().await.unwrap();
                assert_eq!(outbox.deliveries(&DeliveryQuery::default()).await.unwrap().len(), all);
            }
        }
        let all = outbox.deliveries(&DeliveryQuery::default()).await.unwrap();
        all.into_iter().map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    let calm = ids(false).await;
    assert_eq!(calm.len(), 200);
    assert_eq!(ids(true).await, calm);
}

#[tokio::test]
async fn a_crowd_of_one_transaction_is_not_cut() {
    let (list, outbox) = (Arc::new(List::default()), Arc::new(MemoryOutbox::default()));
    let names: Vec<String> = (0..1_700).map(|n| format!("a{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    list.change(&names[..1], |_| ());
    list.change(&names[1..1_500], |_| ());
    list.change(&names[1_500..], |_| ());
    let postman = postman(&list, &outbox);
    while postman.handle().await.unwrap() {}
    assert_eq!(queued(&outbox).await.len(), 1_700);
    assert_eq!(outbox.handled().await.unwrap(), Some(3));
}

#[tokio::test]
async fn wakes_up_by_itself_and_ends_when_asked() {
    let (list, outbox) = (Arc::new(List::default()), Arc::new(MemoryOutbox::default()));
    let (stop, stopped) = watch::channel(false);
    let mut wake = outbox.queued();
    let work = tokio::spawn(postman(&list, &outbox).run(stopped));
    list.change(&["a"], |_| ());
    wake.changed().await.unwrap();
    list.change(&["b"], |_| ());
    wake.changed().await.unwrap();
    assert_eq!(queued(&outbox).await, ["chat a opened", "chat b opened"]);
    stop.send_replace(true);
    work.await.unwrap();
}

#[tokio::test]
async fn who_was_told_of_an_alert_hears_that_it_was_taken_back() {
    let (list, outbox) = (Arc::new(List::default()), Arc::new(MemoryOutbox::default()));
    let postman = postman(&list, &outbox);
    list.change(&["a", "b"], |_| ());
    postman.handle().await.unwrap();
    list.withdraw("a");
    postman.handle().await.unwrap();
    postman.handle().await.unwrap();
    assert_eq!(queued(&outbox).await, ["chat a opened", "chat b opened", "chat a ended"]);
    list.change(&["c"], |_| ());
    list.withdraw("c");
    postman.handle().await.unwrap();
    assert_eq!(queued(&outbox).await.len(), 3, "nobody had heard of it");
    assert_eq!(outbox.handled().await.unwrap(), Some(4));
}
