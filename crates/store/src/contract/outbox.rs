//! Deliveries: each once, in order, until they have arrived or are given up.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::outbox::{Delivery, DeliveryLog, DeliveryQuery, DeliveryState, NewDelivery, Outbox, Outcome, Told, Which};

/// Puts an outbox through the contract. `open` gives an empty one each time.
///
/// # Panics
/// Where it does not keep it.
pub async fn run<E: Outbox + DeliveryLog>(open: impl AsyncFn() -> E) {
    takes_each_once(&open().await).await;
    keeps_the_order_of_an_alert(&open().await).await;
    tries_again_and_gives_up(&open().await).await;
    sends_again(&open().await).await;
    knows_what_was_told(&open().await).await;
    lists_and_forgets(&open().await).await;
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap_or_default()
}

fn new(id: &str, destination: &str, alert: &str, seconds: i64) -> NewDelivery {
    NewDelivery {
        id: id.into(),
        destination: destination.into(),
        alert: alert.into(),
        event: "opened".into(),
        severity: "high".into(),
        alert_state: "open".into(),
        count: 1,
        notice: json!({"title": "it's \"quoted\" \\ \u{202e} '; drop table delivery; --", "id": id, "n": [1, null, 2.5]}),
        at: at(seconds),
    }
}

async fn due(outbox: &impl Outbox, destination: &str, seconds: i64) -> Vec<String> {
    ids(&outbox.due(destination, at(seconds), 100).await.expect("due").deliveries)
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.id.clone()).collect()
}

async fn one(outbox: &impl DeliveryLog, id: &str) -> Delivery {
    let all = outbox.deliveries(&DeliveryQuery::default()).await.expect("deliveries");
    all.into_iter().find(|delivery| delivery.id == id).expect("it is there")
}

async fn takes_each_once<E: Outbox + DeliveryLog>(outbox: &E) {
    assert_eq!(outbox.handled().await.expect("handled"), None);
    let mut queued = outbox.queued();
    queued.borrow_and_update();
    let batch = vec![new("d1", "chat", "a1", 0), new("d2", "mail", "a1", 0), new("d1", "chat", "a1", 5)];
    assert_eq!(outbox.enqueue(7, batch.clone()).await.expect("enqueue"), 2, "an id is there once, in a batch too");
    assert!(queued.has_changed().expect("open"), "who waits is told");
    assert_eq!(outbox.enqueue(8, batch).await.expect("enqueue"), 0);
    assert_eq!(outbox.handled().await.expect("handled"), Some(8));
    assert_eq!(outbox.enqueue(9, Vec::new()).await.expect("enqueue"), 0);
    assert_eq!(outbox.handled().await.expect("handled"), Some(9));
    assert_eq!(due(outbox, "chat", 0).await, ["d1"]);
    assert_eq!(due(outbox, "mail", 0).await, ["d2"]);
    assert_eq!(due(outbox, "other'", 0).await, [""; 0]);
    let kept = one(outbox, "d1").await;
    let put = new("d1", "chat", "a1", 0);
    assert_eq!((kept.notice, kept.queued_at, kept.next_at), (put.notice, put.at, put.at));
    assert_eq!((kept.state, kept.attempts, kept.settled_at, kept.error), (DeliveryState::Waiting, 0, None, None));
    assert_eq!((kept.event.as_str(), kept.severity.as_str(), kept.count), ("opened", "high", 1));
}

async fn keeps_the_order_of_an_alert<E: Outbox + DeliveryLog>(outbox: &E) {
    let batch = vec![new("d1", "chat", "a1", 0), new("d2", "chat", "a2", 1), new("d3", "chat", "a1", 2)];
    outbox.enqueue(1, batch).await.expect("enqueue");
    assert_eq!(due(outbox, "chat", 2).await, ["d1", "d2"], "the second of an alert waits for the first");
    let first = outbox.due("chat", at(2), 1).await.expect("due");
    assert_eq!(ids(&first.deliveries), ["d1"]);
    outbox.settle("d1", Outcome::Later { at: at(60), error: "busy".into() }).await.expect("settle");
    let later = outbox.due("chat", at(2), 100).await.expect("due");
    assert_eq!((ids(&later.deliveries), later.next_at), (vec!["d2".to_owned()], Some(at(60))));
    outbox.settle("d1", Outcome::Delivered { at: at(60) }).await.expect("settle");
    assert_eq!(due(outbox, "chat", 2).await, ["d2", "d3"]);
    outbox.settle("d2", Outcome::Dead { at: at(61), error: "gone".into() }).await.expect("settle");
    outbox.settle("d3", Outcome::Delivered { at: at(61) }).await.expect("settle");
    let none = outbox.due("chat", at(90), 100).await.expect("due");
    assert_eq!((ids(&none.deliveries), none.next_at), (vec![], None));
}

async fn tries_again_and_gives_up<E: Outbox + DeliveryLog>(outbox: &E) {
    outbox.enqueue(1, vec![new("d1", "chat", "a1", 0)]).await.expect("enqueue");
    outbox.settle("d1", Outcome::Later { at: at(1), error: "it's 'broken'".into() }).await.expect("settle");
    outbox.settle("d1", Outcome::Later { at: at(3), error: "still".into() }).await.expect("settle");
    let waiting = one(outbox, "d1").await;
    assert_eq!((waiting.attempts, waiting.next_at, waiting.error.as_deref()), (2, at(3), Some("still")));
    assert_eq!(due(outbox, "chat", 2).await, [""; 0]);
    assert_eq!(due(outbox, "chat", 3).await, ["d1"]);
    outbox.settle("d1", Outcome::Dead { at: at(9), error: "enough".into() }).await.expect("settle");
    let dead = one(outbox, "d1").await;
    assert_eq!((dead.state, dead.attempts, dead.settled_at), (DeliveryState::Dead, 3, Some(at(9))));
    outbox.settle("d1", Outcome::Delivered { at: at(10) }).await.expect("settle");
    outbox.settle("nobody", Outcome::Delivered { at: at(10) }).await.expect("settle");
    assert_eq!(one(outbox, "d1").await, dead, "what is settled stays so");
}

async fn sends_again<E: Outbox + DeliveryLog>(outbox: &E) {
    let batch = vec![
        new("d1", "chat", "a1", 0),
        new("d2", "chat", "a1", 1),
        new("d3", "mail", "a1", 1),
        new("d4", "mail", "a2", 1),
    ];
    outbox.enqueue(1, batch).await.expect("enqueue");
    for id in ["d1", "d3"] {
        outbox.settle(id, Outcome::Dead { at: at(2), error: "refused".into() }).await.expect("settle");
    }
    outbox.settle("d2", Outcome::Delivered { at: at(3) }).await.expect("settle");
    outbox.settle("d4", Outcome::Later { at: at(900), error: "busy".into() }).await.expect("settle");
    let mut queued = outbox.queued();
    queued.borrow_and_update();
    let which = Which::Ids(vec!["d1".into(), "d2".into(), "unknown".into()]);
    assert_eq!(outbox.send_again(&which, at(50)).await.expect("again"), 1, "what has arrived is not sent again");
    assert!(queued.has_changed().expect("open"));
    let again = one(outbox, "d1").await;
    assert_eq!((again.state, again.attempts, again.since, again.queued_at), (DeliveryState::Waiting, 0, at(50), at(0)));
    assert!(again.is_overtaken, "d2 of the same alert has arrived since");
    assert_eq!(due(outbox, "chat", 50).await, ["d1"]);
    outbox.settle("d1", Outcome::Overtaken { at: at(51) }).await.expect("settle");
    assert_eq!(one(outbox, "d1").await.state, DeliveryState::Overtaken);
    assert_eq!(outbox.send_again(&Which::Destination("mail".into()), at(60)).await.expect("again"), 2);
    assert_eq!(due(outbox, "mail", 60).await, ["d3", "d4"]);
    assert_eq!(outbox.send_again(&Which::All, at(61)).await.expect("again"), 2);
}

async fn knows_what_was_told<E: Outbox + DeliveryLog>(outbox: &E) {
    let mut second = new("d2", "chat", "a1", 1);
    (second.alert_state, second.severity, second.count) = ("closed".into(), "critical".into(), 40);
    let batch = vec![new("d1", "chat", "a1", 0), second, new("d3", "mail", "a1", 0), new("d4", "chat", "a'2", 0)];
    outbox.enqueue(1, batch).await.expect("enqueue");
    let told = async |alerts: &[&str]| {
        let alerts: Vec<String> = alerts.iter().map(|alert| (*alert).to_owned()).collect();
        let mut told = outbox.told(&alerts).await.expect("told");
        told.sort_by(|a, b| (&a.alert, &a.destination).cmp(&(&b.alert, &b.destination)));
        told
    };
    let of = |destination: &str, alert: &str, alert_state: &str, severity: &str, count| Told {
        destination: destination.into(),
        alert: alert.into(),
        severity: severity.into(),
        alert_state: alert_state.into(),
        count,
    };
    let (chat, mail) = (of("chat", "a1", "closed", "critical", 40), of("mail", "a1", "open", "high", 1));
    assert_eq!(told(&["a1", "a3"]).await, [chat, mail.clone()]);
    assert_eq!(told(&["a'2"]).await, [of("chat", "a'2", "open", "high", 1)]);
    assert_eq!(told(&[]).await, []);
    let open = async || {
        let mut open = ids(&outbox.told_open().await.expect("told_open"));
        open.sort();
        open
    };
    assert_eq!(open().await, ["d3", "d4"], "a1 was told to be closed in the chat");
    outbox.settle("d1", Outcome::Delivered { at: at(2) }).await.expect("settle");
    outbox.settle("d2", Outcome::Dead { at: at(2), error: "refused".into() }).await.expect("settle");
    assert_eq!(told(&["a1"]).await, [of("chat", "a1", "open", "high", 1), mail], "a dead letter has told nobody");
    assert_eq!(open().await, ["d1", "d3", "d4"]);
}

async fn lists_and_forgets<E: Outbox + DeliveryLog>(outbox: &E) {
    let batch = vec![new("d1", "chat", "a1", 0), new("d2", "mail", "a1", 1), new("d3", "chat", "a2", 2)];
    outbox.enqueue(1, batch).await.expect("enqueue");
    outbox.settle("d1", Outcome::Delivered { at: at(10) }).await.expect("settle");
    outbox.settle("d2", Outcome::Dead { at: at(20), error: "refused".into() }).await.expect("settle");
    let list = async |query: DeliveryQuery| ids(&outbox.deliveries(&query).await.expect("deliveries"));
    assert_eq!(list(DeliveryQuery::default()).await, ["d3", "d2", "d1"], "the newest first");
    assert_eq!(list(DeliveryQuery { limit: Some(1), ..DeliveryQuery::default() }).await, ["d3"]);
    assert_eq!(
        list(DeliveryQuery { destination: Some("chat".into()), ..DeliveryQuery::default() }).await,
        ["d3", "d1"]
    );
    assert_eq!(list(DeliveryQuery { alert: Some("a1".into()), ..DeliveryQuery::default() }).await, ["d2", "d1"]);
    let dead = DeliveryQuery { state: Some(DeliveryState::Dead), ..DeliveryQuery::default() };
    assert_eq!(list(dead).await, ["d2"]);
    let counts = outbox.delivery_counts().await.expect("counts");
    let counts: Vec<_> = counts.iter().map(|c| (c.destination.as_str(), c.state, c.count, c.oldest)).collect();
    assert_eq!(
        counts,
        [
            ("chat", DeliveryState::Waiting, 1, at(2)),
            ("chat", DeliveryState::Delivered, 1, at(0)),
            ("mail", DeliveryState::Dead, 1, at(1)),
        ]
    );
    assert_eq!(outbox.forget_deliveries(at(15)).await.expect("forget"), 1);
    assert_eq!(list(DeliveryQuery::default()).await, ["d3", "d2"]);
    let long_after = at(0) + SignedDuration::from_hours(9_999);
    assert_eq!(outbox.forget_deliveries(long_after).await.expect("forget"), 1, "what waits is never forgotten");
    assert_eq!(list(DeliveryQuery::default()).await, ["d3"]);
}
