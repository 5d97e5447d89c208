//! A PagerDuty that checks events against the schema of the Events API v2, and keeps incidents by their key.

use serde_json::{Value, json};

use super::server::{Request, Server};
use crate::{
    Event, Kind, Target,
    testing::{hostile, notice},
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn judge(request: &Request) -> (u16, String) {
    let event = request.json();
    match verdict(request, &event) {
        Ok(()) => (
            202,
            json!({"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}).to_string(),
        ),
        Err(why) => {
            let errors = [why, format!("routing_key was {}", event["routing_key"])];
            (
                400,
                json!({"status": "invalid event", "message": "Event object is invalid", "errors": errors}).to_string(),
            )
        }
    }
}

fn verdict(request: &Request, event: &Value) -> Result<(), String> {
    check(request.path == "/v2/enqueue" && request.header("content-type") == "application/json", "no event")?;
    check(request.body.len() <= 512 << 10, "too large")?;
    check(event["routing_key"] == KEY, "routing key")?;
    let known = ["routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"];
    let members = event.as_object().ok_or("no object")?;
    check(members.keys().all(|member| known.contains(&member.as_str())), "unknown member")?;
    let key = event["dedup_key"].as_str().ok_or("no key")?;
    check((1..=255).contains(&key.len()), "key")?;
    match event["event_action"].as_str() {
        Some("acknowledge" | "resolve") => return check(event.get("payload").is_none(), "payload"),
        Some("trigger") => {}
        _ => return Err("action".to_owned()),
    }
    let payload = &event["payload"];
    let text = |name: &str, most| {
        let text = payload[name].as_str().unwrap_or_default();
        check((1..=most).contains(&text.chars().count()), name)?;
        check(!text.chars().any(|sign| sign.is_control() || sign == '\u{202e}'), name)
    };
    text("summary", 1_024)?;
    text("source", 255)?;
    check(["critical", "error", "warning", "info"].iter().any(|name| payload["severity"] == *name), "severity")?;
    let time = payload["timestamp"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    check(time.is_some(), "timestamp")?;
    check(payload["custom_details"].is_object(), "custom_details")?;
    let url = event["client_url"].as_str().unwrap_or_default();
    check(url.starts_with("https://auditlake.example/alerts/"), "client_url")
}

fn check(is_right: bool, otherwise: &str) -> Result<(), String> {
    if is_right { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn pagerduty(server: &Server, key: &str) -> Box<dyn crate::Channel> {
    super::open(&Target::PagerDuty {
        url: Some(format!("{}/v2/enqueue", server.url).into()),
        routing_key: super::secret(key),
    })
}

#[tokio::test]
async fn an_alert_is_one_incident() {
    let server = Server::start(judge).await;
    let pagerduty = pagerduty(&server, KEY);
    for event in [Event::Opened, Event::Updated, Event::Acknowledged, Event::Closed, Event::Reopened, Event::Ended] {
        let mut notice = notice();
        notice.event = event;
        super::send(&*pagerduty, &notice).await.expect("taken");
    }
    let taken: Vec<Value> = server.taken().iter().map(Request::json).collect();
    let actions: Vec<&str> = taken.iter().filter_map(|event| event["event_action"].as_str()).collect();
    assert_eq!(actions, ["trigger", "trigger", "acknowledge", "resolve", "trigger", "resolve"]);
    assert!(taken.iter().all(|event| event["dedup_key"] == "alert_01J9"));
}

#[tokio::test]
async fn hostile_text_is_taken() {
    let server = Server::start(judge).await;
    for notice in [hostile(80), hostile(1 << 20), hostile(1 << 20).bounded()] {
        super::send(&*pagerduty(&server, KEY), &notice).await.expect("taken");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_never_shown() {
    let server = Server::start(judge).await;
    let wrong = "ffffffffffffffffffffffffffffffff";
    let failure = super::send(&*pagerduty(&server, wrong), &notice()).await.expect_err("refused");
    assert_eq!(failure.kind, Kind::Refused);
    assert!(!format!("{failure:?}").contains(wrong), "{failure:?}");
    assert!(pagerduty(&server, wrong).check().await.is_err());
    assert!(pagerduty(&server, KEY).check().await.expect("accepted").contains("no incident"));
}
