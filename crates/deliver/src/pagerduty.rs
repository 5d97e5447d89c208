//! PagerDuty: Events API v2. An alert is one incident from its opening to its end, as its id is the deduplication key.

use async_trait::async_trait;
use auditlake_store::alert::Severity;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    channel::{Channel, Letter},
    failure::{Failure, Kind, SettingError},
    http::{self, Network, Plain},
    notice::{Event, Notice},
    text,
};

/// Where events go unless told otherwise. The European service is `https://events.eu.pagerduty.com/v2/enqueue`.
pub const DEFAULT_URL: &str = "https://events.pagerduty.com/v2/enqueue";

const SUMMARY: usize = 1_024;
const KEY: usize = 255;

pub(crate) struct PagerDuty {
    client: Client,
    url: Url,
    routing_key: SecretString,
}

impl PagerDuty {
    pub(crate) fn new(url: Option<&SecretString>, key: &SecretString, network: &Network) -> Result<Self, SettingError> {
        let key = key.expose_secret().trim();
        if key.len() != 32 || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(SettingError::new(
                "the routing key is not one of PagerDuty's, which have 32 letters and digits",
                "take the integration key of an Events API v2 integration",
            ));
        }
        let default = SecretString::from(DEFAULT_URL);
        let url = http::address(url.unwrap_or(&default), Plain::ToLoopback)?;
        Ok(PagerDuty { client: network.client()?, url, routing_key: key.into() })
    }

    async fn post(&self, mut event: Value) -> Result<(), Failure> {
        event["routing_key"] = self.routing_key.expose_secret().into();
        let answer = http::send(self.client.post(self.url.clone()).json(&event)).await;
        let answer = answer.map_err(|failure| self.hidden(failure))?;
        match serde_json::from_str::<Value>(&answer.body).ok().and_then(|body| Some(body.get("status")? == "success")) {
            Some(true) => Ok(()),
            _ => Err(self.hidden(
                Failure::new(Kind::Failed, format!("it answered {}, but no success", answer.status.as_u16()))
                    .saying(&answer.body),
            )),
        }
    }

    /// PagerDuty repeats what was wrong with an event.
    fn hidden(&self, mut failure: Failure) -> Failure {
        failure.message = failure.message.replace(self.routing_key.expose_secret(), "[redacted]");
        failure
    }
}

#[async_trait]
impl Channel for PagerDuty {
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure> {
        self.post(event(letter.notice)).await
    }

    /// Resolves an incident that never was: PagerDuty checks key and form, and nobody is called.
    async fn check(&self) -> Result<String, Failure> {
        self.post(json!({"event_action": "resolve", "dedup_key": "auditlake-check"})).await?;
        Ok("the routing key is accepted; no incident was opened".to_owned())
    }

    fn is_stateful(&self) -> bool {
        true
    }
}

/// The event, without the routing key.
pub(crate) fn event(notice: &Notice) -> Value {
    let alert = &notice.alert;
    let action = match notice.event {
        Event::Opened | Event::Updated | Event::Reopened => "trigger",
        Event::Acknowledged => "acknowledge",
        Event::Closed | Event::Ended | Event::Test => "resolve",
    };
    let mut event = json!({"event_action": action, "dedup_key": dedup_key(&alert.id)});
    if action != "trigger" {
        return event;
    }
    let source = alert.organization.as_deref().or(alert.source.as_deref()).unwrap_or("auditlake");
    let severity = match alert.severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Informational => "info",
    };
    let mut details = Map::new();
    details.insert("Summary".to_owned(), text::block(&alert.summary, 4_000).into());
    details.extend(notice.facts().iter().map(|(name, value)| ((*name).to_owned(), text::line(value, 500).into())));
    let steps = alert.next_steps.iter().map(|step| Value::from(text::line(&step.text, 500)));
    details.insert("What to do next".to_owned(), steps.collect());
    let activities = alert.activities.iter().take(20).map(|id| Value::from(text::line(id, 100)));
    details.insert("First activities".to_owned(), activities.collect());
    event["payload"] = json!({
        "summary": text::line(&alert.title, SUMMARY),
        "source": text::line(source, 255),
        "severity": severity,
        "timestamp": alert.last.to_string(),
        "component": text::line(&alert.entity, 255),
        "class": text::line(&alert.rule, 255),
        "custom_details": details,
    });
    event["client"] = "Auditlake".into();
    if let Some(link) = alert.link.as_deref().and_then(text::link) {
        event["client_url"] = link.into();
    }
    event
}

/// The alert's id, or its hash should it be longer than PagerDuty takes.
fn dedup_key(id: &str) -> String {
    let is_plain = id.len() <= KEY && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { id.to_owned() } else { crate::id::hexadecimal(&Sha256::digest(id)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hostile, notice};

    #[test]
    fn is_an_event() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&event(&notice())).unwrap());
    }

    #[test]
    fn stays_within_the_limits() {
        let event = event(&hostile(1 << 20).bounded());
        assert!(event["payload"]["summary"].as_str().unwrap().chars().count() <= SUMMARY);
        assert!(event["dedup_key"].as_str().unwrap().len() <= KEY);
        assert!(event.to_string().len() < 512 << 10);
    }

    #[test]
    fn a_wrong_key_is_seen_at_once() {
        for key in ["", "short", "0123456789abcdef0123456789abcde!", "0123456789abcdef0123456789abcdef0"] {
            let error = PagerDuty::new(None, &key.into(), &Network::default()).err().expect("refused");
            assert!(key.is_empty() || !error.to_string().contains(key));
        }
    }
}
