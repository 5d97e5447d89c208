//! Slack: an incoming webhook and a message of Block Kit.
//!
//! Everything that strangers may have written stands in `plain_text`, in which Slack knows no markup, and is escaped all the same;
//! the one `mrkdwn` is our own link. Slack refuses a whole message when one part is too long, so each is cut to its limit.

use async_trait::async_trait;
use reqwest::{Client, Url};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    channel::{Channel, Letter},
    failure::{Failure, Kind, SettingError},
    http::{self, Network, Plain},
    notice::Notice,
    text,
};

const HEADER: usize = 150;
const SECTION: usize = 3_000;
const FIELD: usize = 2_000;
const FIELDS: usize = 10;
const FALLBACK: usize = 3_000;

pub(crate) struct Slack {
    client: Client,
    url: Url,
}

impl Slack {
    pub(crate) fn new(url: &SecretString, network: &Network) -> Result<Slack, SettingError> {
        Ok(Slack { client: network.client()?, url: http::address(url, Plain::ToLoopback)? })
    }
}

#[async_trait]
impl Channel for Slack {
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure> {
        http::send(self.client.post(self.url.clone()).json(&message(letter.notice))).await.map(drop)
    }

    /// An empty message: a working address answers that it lacks a text, and nobody sees it.
    async fn check(&self) -> Result<String, Failure> {
        match http::send(self.client.post(self.url.clone()).json(&json!({}))).await {
            Err(failure) if is_empty_refused(&failure) => Ok("the webhook answers; no message was posted".to_owned()),
            Err(failure) => Err(failure),
            Ok(answer) => Err(Failure::new(
                Kind::Refused,
                format!("it answered {} to an empty message: is this a Slack webhook?", answer.status.as_u16()),
            )),
        }
    }
}

fn is_empty_refused(failure: &Failure) -> bool {
    failure.message.starts_with("it answered 400")
        && ["no_text", "missing_text", "invalid_payload"].iter().any(|word| failure.message.contains(word))
}

/// The message.
pub(crate) fn message(notice: &Notice) -> Value {
    let alert = &notice.alert;
    let headline = format!("[{}] {}: {}", alert.severity.as_str().to_uppercase(), notice.what(), alert.title);
    let mut blocks = vec![json!({"type": "header", "text": plain(&headline, HEADER)})];
    let mut section = |text: &str| {
        if !text.trim().is_empty() {
            blocks.push(json!({"type": "section", "text": plain(text, SECTION)}));
        }
    };
    section(&text::line(&notice.deed().unwrap_or_default(), SECTION));
    section(&alert.summary);
    let fields: Vec<Value> = notice
        .facts()
        .iter()
        .take(FIELDS)
        .map(|(name, value)| plain(&format!("{name}\n{}", text::line(value, FIELD)), FIELD))
        .collect();
    blocks.push(json!({"type": "section", "fields": fields}));
    let steps: Vec<String> = alert
        .next_steps
        .iter()
        .enumerate()
        .map(|(at, step)| format!("{}. {}", at + 1, text::line(&step.text, SECTION)))
        .collect();
    if !steps.is_empty() {
        let text = format!("What to do next\n{}", steps.join("\n"));
        blocks.push(json!({"type": "section", "text": plain(&text, SECTION)}));
    }
    if let Some(link) = alert.link.as_deref().and_then(text::link) {
        let text = format!("<{}|Open the alert>", escaped(&link));
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}}));
    }
    blocks.push(json!({"type": "context", "elements": [plain(&format!("Auditlake alert {}", alert.id), 300)]}));
    json!({
        "text": escaped(&text::line_of(&headline, FALLBACK, cost)),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    })
}

fn plain(text: &str, most: usize) -> Value {
    json!({"type": "plain_text", "text": escaped(&text::block_of(text, most, cost)), "emoji": false})
}

/// What a character costs of Slack's limits: counted after escaping, and in UTF-16 in case Slack does.
fn cost(sign: char) -> usize {
    match sign {
        '&' => 5,
        '<' | '>' => 4,
        sign => sign.len_utf16(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hostile, notice};

    #[test]
    fn is_a_message_of_blocks() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&message(&notice())).unwrap());
    }

    #[test]
    fn hostile_text_stays_text() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&message(&hostile(80))).unwrap());
    }
}
