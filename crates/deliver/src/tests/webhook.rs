//! A receiver that verifies what the documentation tells it to verify.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use ring::hmac;

use super::server::{Request, Server};
use crate::{
    Channel, Event, Letter, Target,
    testing::{hostile, notice},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// As docs/alerts.md says: id, time and body, signed; not older than five minutes.
fn judge(request: &Request) -> (u16, String) {
    match verdict(request) {
        Some(()) => (204, String::new()),
        None => (401, "bad signature".to_owned()),
    }
}

fn verdict(request: &Request) -> Option<()> {
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_")?).ok()?;
    let (id, seconds) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    let age = Timestamp::now().as_second() - seconds.parse::<i64>().ok()?;
    let mut signed = format!("{id}.{seconds}.").into_bytes();
    signed.extend_from_slice(&request.body);
    let tag = STANDARD.decode(request.header("webhook-signature").strip_prefix("v1,")?).ok()?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed, &tag).ok()?;
    let body = request.json();
    let has_form = body["type"].as_str()?.starts_with("alert.") && body["data"]["alert"]["id"].is_string();
    let is_right =
        age.abs() <= 300 && !id.is_empty() && has_form && request.header("content-type") == "application/json";
    is_right.then_some(())
}

fn webhook(server: &Server, secret: Option<&str>) -> Box<dyn Channel> {
    let token = Some(super::secret("token-SECRET\n"));
    super::open(&Target::Webhook { url: server.url.as_str().into(), secret: secret.map(super::secret), token })
}

#[tokio::test]
async fn is_signed_and_the_same_on_every_attempt() {
    let server = Server::start(judge).await;
    let webhook = webhook(&server, Some(SECRET));
    for notice in [notice(), hostile(80), hostile(1 << 20).bounded()] {
        for _ in 0..2 {
            super::send(&*webhook, &notice).await.expect("taken");
        }
    }
    let taken = server.taken();
    assert!(taken.iter().all(|request| request.header("webhook-id") == "dlv_1"));
    assert!(taken.iter().all(|request| request.header("authorization") == "Bearer token-SECRET"));
    assert_eq!(taken[0].body, taken[1].body);
    assert_eq!(taken[2].json()["data"]["alert"]["title"], hostile(80).alert.title, "programs get the text as it is");
    assert!(taken[4].body.len() < 256 << 10);
    webhook.check().await.expect("taken");
    assert_eq!(server.taken()[6].json()["type"], "alert.test");
}

#[tokio::test]
async fn another_secret_is_refused() {
    let server = Server::start(judge).await;
    for secret in [None, Some("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), Some("a text of at least 16 bytes")] {
        let failure = super::send(&*webhook(&server, secret), &notice()).await.expect_err("refused");
        assert_eq!(failure.to_string(), "it answered 401: bad signature");
        assert!(!format!("{failure:?}").contains("SECRET"));
    }
}

#[tokio::test]
async fn an_old_letter_is_signed_with_the_time_of_the_attempt() {
    let server = Server::start(judge).await;
    let mut notice = notice();
    (notice.at, notice.event) = (Timestamp::UNIX_EPOCH, Event::Closed);
    let letter = Letter { id: "dlv_2", at: Timestamp::now(), notice: &notice };
    webhook(&server, Some(SECRET)).send(letter).await.expect("taken");
    assert_eq!(server.taken()[0].json()["type"], "alert.closed");
}
