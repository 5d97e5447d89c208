//! Microsoft Teams: an Adaptive Card to a Workflows webhook, or a message card to an old connector.
//!
//! In a card, only runs of a `RichTextBlock` know no Markdown, so everything stands in those. A message card's texts are Markdown and
//! HTML at once; what is special in either is escaped there. Teams refuses a message of more than 28 KB, so the card is made with
//! shorter texts until it fits.

use async_trait::async_trait;
use reqwest::{Client, Url};
use secrecy::SecretString;
use serde_json::{Value, json};

use auditlake_store::alert::Severity;

use crate::{
    channel::{Channel, Letter},
    failure::{Failure, Kind, SettingError},
    http::{self, Network, Plain},
    notice::Notice,
    text,
};

/// Teams' limit is 28 KB; what it counts besides our text is not known.
const MAX_BYTES: usize = 24 << 10;
/// Longest texts, tried in this order.
const LENGTHS: [usize; 5] = [4_000, 1_500, 500, 150, 50];

/// What the address takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TeamsForm {
    /// A workflow that begins with "When a Teams webhook request is received".
    Workflow,
    /// An Office 365 connector, which Microsoft is ending.
    Connector,
}

pub(crate) struct Teams {
    client: Client,
    url: Url,
    form: TeamsForm,
}

impl Teams {
    pub(crate) fn new(url: &SecretString, form: TeamsForm, network: &Network) -> Result<Teams, SettingError> {
        Ok(Teams { client: network.client()?, url: http::address(url, Plain::ToLoopback)?, form })
    }

    async fn post(&self, notice: &Notice) -> Result<(), Failure> {
        let answer = http::send(self.client.post(self.url.clone()).json(&fitting(notice, self.form))).await?;
        // A connector answers 200 even when Teams behind it did not take the message, and says so in the body only.
        if self.form == TeamsForm::Connector && answer.body.trim() != "1" {
            let kind = if answer.body.contains("429") { Kind::Busy(None) } else { Kind::Failed };
            return Err(Failure::new(kind, "the connector did not pass it on").saying(&answer.body));
        }
        Ok(())
    }
}

#[async_trait]
impl Channel for Teams {
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure> {
        self.post(letter.notice).await
    }

    async fn check(&self) -> Result<String, Failure> {
        self.post(&Notice::test(jiff::Timestamp::now())).await?;
        Ok("a test message was posted".to_owned())
    }
}

/// The message with the longest texts with which it fits.
fn fitting(notice: &Notice, form: TeamsForm) -> Value {
    let make = |most| match form {
        TeamsForm::Workflow => card(notice, most),
        TeamsForm::Connector => message_card(notice, most),
    };
    let fits = |message: &Value| message.to_string().len() <= MAX_BYTES;
    LENGTHS.into_iter().map(make).find(fits).unwrap_or_else(|| make(20))
}

fn headline(notice: &Notice) -> String {
    format!("[{}] {}: {}", notice.alert.severity.as_str().to_uppercase(), notice.what(), notice.alert.title)
}

fn run(text: &str, most: usize, style: Value) -> Value {
    let mut run = json!({"type": "TextRun", "text": text::line(text, most)});
    if let (Value::Object(run), Value::Object(style)) = (&mut run, style) {
        run.extend(style);
    }
    run
}

fn paragraph(runs: Vec<Value>) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}

/// An Adaptive Card, as the one attachment of a message.
pub(crate) fn card(notice: &Notice, most: usize) -> Value {
    let alert = &notice.alert;
    let color = match alert.severity {
        Severity::Critical | Severity::High => "attention",
        Severity::Medium => "warning",
        _ => "default",
    };
    let title = json!({"weight": "bolder", "size": "medium", "color": color});
    let mut body = vec![paragraph(vec![run(&headline(notice), most.min(300), title)])];
    let texts = [notice.deed().unwrap_or_default(), alert.summary.clone()];
    body.extend(
        texts.iter().filter(|text| !text.trim().is_empty()).map(|text| paragraph(vec![run(text, most, json!({}))])),
    );
    for (name, value) in notice.facts() {
        body.push(paragraph(vec![
            run(&format!("{name}: "), 50, json!({"weight": "bolder"})),
            run(&value, most.min(500), json!({})),
        ]));
    }
    if !alert.next_steps.is_empty() {
        body.push(paragraph(vec![run("What to do next", 50, json!({"weight": "bolder"}))]));
        for (at, step) in alert.next_steps.iter().enumerate() {
            body.push(paragraph(vec![run(&format!("{}. {}", at + 1, step.text), most.min(500), json!({}))]));
        }
    }
    body.push(paragraph(vec![run(
        &format!("Auditlake alert {}", alert.id),
        100,
        json!({"isSubtle": true, "size": "small"}),
    )]));
    let link = alert.link.as_deref().and_then(text::link);
    let actions: Vec<Value> =
        link.into_iter().map(|url| json!({"type": "Action.OpenUrl", "title": "Open the alert", "url": url})).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": body,
                "actions": actions,
            },
        }],
    })
}

/// A message card of the old connectors.
pub(crate) fn message_card(notice: &Notice, most: usize) -> Value {
    let alert = &notice.alert;
    let color = match alert.severity {
        Severity::Critical | Severity::High => "C4314B",
        Severity::Medium => "F2C744",
        _ => "8A8886",
    };
    let facts: Vec<Value> = notice
        .facts()
        .iter()
        .map(|(name, value)| json!({"name": name, "value": markdown(value, most.min(500))}))
        .collect();
    let steps: Vec<Value> = alert
        .next_steps
        .iter()
        .enumerate()
        .map(|(at, step)| json!({"name": (at + 1).to_string(), "value": markdown(&step.text, most.min(500))}))
        .collect();
    let mut sections = vec![json!({
        "activityTitle": markdown(&notice.deed().unwrap_or_default(), most.min(500)),
        "text": markdown(&alert.summary, most),
        "facts": facts,
        "markdown": true,
    })];
    if !steps.is_empty() {
        sections.push(json!({"title": "What to do next", "facts": steps, "markdown": true}));
    }
    let link = alert.link.as_deref().and_then(text::link);
    let actions: Vec<Value> = link
        .into_iter()
        .map(|url| json!({"@type": "OpenUri", "name": "Open the alert", "targets": [{"os": "default", "uri": url}]}))
        .collect();
    json!({
        "@type": "MessageCard",
        "@context": "https://schema.org/extensions",
        "themeColor": color,
        "summary": text::line(&headline(notice), most.min(150)),
        "title": markdown(&headline(notice), most.min(300)),
        "sections": sections,
        "potentialAction": actions,
    })
}

/// Text that neither Markdown nor HTML take for anything else.
fn markdown(text: &str, most: usize) -> String {
    let shown = text::line(text, most);
    let mut out = String::with_capacity(shown.len() * 2);
    for sign in shown.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '-' | '.' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(sign);
            }
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hostile, notice};

    #[test]
    fn is_a_card() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&card(&notice(), 4_000)).unwrap());
    }

    #[test]
    fn is_a_message_card() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&message_card(&hostile(80), 4_000)).unwrap());
    }

    #[test]
    fn always_fits() {
        for form in [TeamsForm::Workflow, TeamsForm::Connector] {
            let message = fitting(&hostile(1 << 20).bounded(), form).to_string();
            assert!(message.len() <= MAX_BYTES, "{}", message.len());
        }
    }
}
