//! A Slack that knows Block Kit's limits and refuses what would mention or link.

use serde_json::Value;

use super::server::{Fault, Request, Server};
use crate::{
    Target,
    testing::{hostile, notice},
};

fn judge(request: &Request) -> (u16, String) {
    if request.path != "/services/T0/B0/XYZ" {
        return (404, "no_service".to_owned());
    }
    if request.header("content-type") != "application/json" {
        return (400, "invalid_payload".to_owned());
    }
    match verdict(&request.json()) {
        Ok(()) => (200, "ok".to_owned()),
        Err(why) => (400, why),
    }
}

fn verdict(message: &Value) -> Result<(), String> {
    let message = message.as_object().ok_or("invalid_payload")?;
    let text = message.get("text").and_then(Value::as_str).ok_or("no_text")?;
    check(!text.is_empty() && text.chars().count() <= 4_000, "msg_too_long")?;
    harmless(text)?;
    let known = ["text", "mrkdwn", "unfurl_links", "unfurl_media", "blocks"];
    check(message.keys().all(|key| known.contains(&key.as_str())), "invalid_payload: unknown member")?;
    let blocks = message.get("blocks").and_then(Value::as_array).ok_or("invalid_blocks")?;
    check((1..=50).contains(&blocks.len()), "invalid_blocks: how many")?;
    blocks.iter().try_for_each(block)
}

fn block(block: &Value) -> Result<(), String> {
    match block["type"].as_str() {
        Some("header") => {
            check(block["text"]["type"] == "plain_text", "invalid_blocks: header")?;
            text(&block["text"], 150)
        }
        Some("section") => {
            let fields = block.get("fields").and_then(Value::as_array);
            check(fields.is_some() || block.get("text").is_some(), "invalid_blocks: an empty section")?;
            if let Some(fields) = fields {
                check((1..=10).contains(&fields.len()), "invalid_blocks: fields")?;
                fields.iter().try_for_each(|field| text(field, 2_000))?;
            }
            block.get("text").map_or(Ok(()), |inner| text(inner, 3_000))
        }
        Some("context") => {
            let elements = block["elements"].as_array().ok_or("invalid_blocks: context")?;
            check((1..=10).contains(&elements.len()), "invalid_blocks: context")?;
            elements.iter().try_for_each(|element| text(element, 2_000))
        }
        _ => Err("invalid_blocks: type".to_owned()),
    }
}

fn text(object: &Value, most: usize) -> Result<(), String> {
    let text = object["text"].as_str().ok_or("invalid_blocks: no text")?;
    check(!text.is_empty() && text.encode_utf16().count() <= most, "invalid_blocks: too long or empty")?;
    match object["type"].as_str() {
        Some("plain_text") => {
            check(object.get("verbatim").is_none() && object["emoji"] == false, "invalid_blocks: plain_text")?;
            harmless(text)
        }
        Some("mrkdwn") => {
            let ours = text.strip_prefix("<https://auditlake.example/alerts/");
            let ours = ours.and_then(|rest| rest.strip_suffix("|Open the alert>"));
            check(ours.is_some_and(|id| !id.contains(['<', '>', '|'])), "markup of strangers")?;
            check(object.get("emoji").is_none() && object["verbatim"] == true, "invalid_blocks: mrkdwn")
        }
        _ => Err("invalid_blocks: text".to_owned()),
    }
}

/// No mention, link or entity can be made of it, whatever Slack takes it for.
fn harmless(text: &str) -> Result<(), String> {
    check(!text.contains(['<', '>', '\0', '\r', '\u{1b}', '\u{202e}']), "unescaped")?;
    for (at, _) in text.match_indices('&') {
        check(["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[at..].starts_with(entity)), "a bare &")?;
    }
    let calls = ["@channel", "@here", "@everyone"];
    check(!calls.iter().any(|call| text.contains(call)), "a mention")?;
    check(!text.contains("http://") && !text.contains("https://"), "a link")
}

fn check(is_right: bool, otherwise: &str) -> Result<(), String> {
    if is_right { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn slack(server: &Server) -> Box<dyn crate::Channel> {
    super::open(&Target::Slack { url: format!("{}/services/T0/B0/XYZ\n", server.url).into() })
}

#[tokio::test]
async fn takes_every_notice() {
    let server = Server::start(judge).await;
    let slack = slack(&server);
    for notice in [notice(), hostile(80), hostile(5_000), hostile(1 << 20), hostile(1 << 20).bounded()] {
        super::send(&*slack, &notice).await.expect("taken");
    }
    assert_eq!(server.taken().len(), 5);
}

#[tokio::test]
async fn is_tried_without_a_message() {
    let server = Server::start(judge).await;
    assert!(slack(&server).check().await.expect("it works").contains("no message"));
    let wrong = super::open(&Target::Slack { url: format!("{}/services/gone", server.url).into() });
    let failure = wrong.check().await.expect_err("no such webhook");
    assert_eq!(failure.to_string(), "it answered 404: no_service");
    server.fail(&[Fault::Status(500)]);
    assert!(slack(&server).check().await.is_err());
    assert!(server.taken().is_empty());
}
