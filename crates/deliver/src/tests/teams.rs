//! A Teams that knows the schema of cards, its size limit, and which texts it would take for markup.

use super::server::{Request, Server};
use crate::{
    Kind, Target, TeamsForm,
    testing::{hostile, notice},
};

fn workflow(request: &Request) -> (u16, String) {
    match card(request) {
        Ok(()) => (202, String::new()),
        Err(why) => (400, why),
    }
}

fn card(request: &Request) -> Result<(), String> {
    check(request.body.len() <= 28 << 10, "too large")?;
    check(request.header("content-type") == "application/json", "content type")?;
    let message = request.json();
    check(message["type"] == "message", "no message")?;
    let attachments = message["attachments"].as_array().ok_or("no attachments")?;
    check(attachments.len() == 1, "one card")?;
    check(attachments[0]["contentType"] == "application/vnd.microsoft.card.adaptive", "content type of the card")?;
    let card = &attachments[0]["content"];
    check(card["type"] == "AdaptiveCard" && card["version"] == "1.4", "no card")?;
    check(card["msteams"].get("entities").is_none(), "a mention")?;
    let body = card["body"].as_array().ok_or("no body")?;
    check(!body.is_empty(), "an empty body")?;
    for element in body {
        check(element["type"] == "RichTextBlock", "text that is Markdown")?;
        let runs = element["inlines"].as_array().ok_or("no inlines")?;
        for run in runs {
            check(run["type"] == "TextRun" && run.get("selectAction").is_none(), "no plain run")?;
            let text = run["text"].as_str().ok_or("no text")?;
            check(!text.chars().any(|sign| sign.is_control() || sign == '\u{202e}'), "hidden characters")?;
            check(!text.contains("https://") && !text.contains("@everyone"), "a link or a mention")?;
        }
    }
    for action in card["actions"].as_array().ok_or("no actions")? {
        check(action["type"] == "Action.OpenUrl", "an action")?;
        check(action["url"].as_str().is_some_and(|url| url.starts_with("https://auditlake.example/")), "not our link")?;
    }
    Ok(())
}

fn connector(request: &Request) -> (u16, String) {
    let message = request.json();
    let texts = message["sections"].as_array().map(|sections| format!("{sections:?}")).unwrap_or_default();
    let is_right = request.body.len() <= 28 << 10
        && message["@type"] == "MessageCard"
        && message["@context"] == "https://schema.org/extensions"
        && message["summary"].as_str().is_some_and(|summary| !summary.is_empty())
        && !texts.contains('<')
        && !texts.contains("](");
    match is_right {
        true if message["title"].as_str().is_some_and(|title| title.contains("throttle")) => {
            (200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429".into())
        }
        true => (200, "1".to_owned()),
        false => (400, "Bad payload received by generic incoming webhook.".to_owned()),
    }
}

fn check(is_right: bool, otherwise: &str) -> Result<(), String> {
    if is_right { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn teams(server: &Server, form: TeamsForm) -> Box<dyn crate::Channel> {
    super::open(&Target::Teams { url: format!("{}/workflows/1?sig=x", server.url).into(), form })
}

#[tokio::test]
async fn takes_every_notice() {
    for (form, judge) in [(TeamsForm::Workflow, workflow as super::server::Judge), (TeamsForm::Connector, connector)] {
        let server = Server::start(judge).await;
        let teams = teams(&server, form);
        for notice in [notice(), hostile(80), hostile(5_000), hostile(1 << 20).bounded()] {
            super::send(&*teams, &notice).await.expect("taken");
        }
        assert!(teams.check().await.expect("it works").contains("test message"));
        assert_eq!(server.taken().len(), 5);
    }
}

#[tokio::test]
async fn a_connector_that_only_pretends_is_seen_through() {
    let server = Server::start(connector).await;
    let mut notice = notice();
    notice.alert.title = "throttle".into();
    let failure = super::send(&*teams(&server, TeamsForm::Connector), &notice).await.expect_err("not passed on");
    assert_eq!(failure.kind, Kind::Busy(None), "{failure}");
}
