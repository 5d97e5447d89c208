//! A webhook of anybody's: the notice as JSON, signed as the Standard Webhooks specification says.
//!
//! `webhook-id` is the same on every attempt, so a receiver that remembers ids sees each notice once. `webhook-signature` is `v1,` and
//! the HMAC-SHA256 of `id.timestamp.body` in Base64: whoever knows the secret can tell that the body is ours, whole, and when
//! it was sent.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, Url};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{
    channel::{Channel, Letter},
    failure::{Failure, SettingError},
    http::{self, Network, Plain},
    notice::Notice,
};

pub(crate) struct Webhook {
    client: Client,
    url: Url,
    key: Option<hmac::Key>,
    token: Option<SecretString>,
}

impl Webhook {
    pub(crate) fn new(
        url: &SecretString,
        secret: Option<&SecretString>,
        token: Option<&SecretString>,
        network: &Network,
    ) -> Result<Webhook, SettingError> {
        let plain = if token.is_some() { Plain::ToLoopback } else { Plain::Anywhere };
        let token = token.map(|token| SecretString::from(token.expose_secret().trim()));
        if token.as_ref().is_some_and(|token| !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(SettingError::new(
                "the token holds what no header can",
                "it must be of letters, digits and signs",
            ));
        }
        let key = secret.map(key).transpose()?;
        Ok(Webhook { client: network.client()?, url: http::address(url, plain)?, key, token })
    }

    async fn post(&self, letter: Letter<'_>) -> Result<(), Failure> {
        let body = body(letter.notice).to_string();
        let seconds = letter.at.as_second().to_string();
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", letter.id)
            .header("webhook-timestamp", &seconds);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, letter.id, &seconds, &body));
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        http::send(request.body(body)).await.map(drop).map_err(|failure| self.hidden(failure))
    }

    fn hidden(&self, mut failure: Failure) -> Failure {
        if let Some(token) = self.token.as_ref().filter(|token| !token.expose_secret().is_empty()) {
            failure.message = failure.message.replace(token.expose_secret(), "[redacted]");
        }
        failure
    }
}

#[async_trait]
impl Channel for Webhook {
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure> {
        self.post(letter).await
    }

    async fn check(&self) -> Result<String, Failure> {
        let at = jiff::Timestamp::now();
        let id = format!("test_{}", at.as_nanosecond());
        self.post(Letter { id: &id, at, notice: &Notice::test(at) }).await?;
        Ok("an event of type alert.test was accepted".to_owned())
    }
}

/// What a program gets: also a line of the file and of standard output, which add the id.
pub(crate) fn body(notice: &Notice) -> Value {
    json!({
        "type": format!("alert.{}", notice.event.as_str()),
        "timestamp": notice.at,
        "data": {"by": notice.by, "note": notice.note, "alert": notice.alert},
    })
}

/// The key: what stands behind `whsec_` is Base64, anything else is the text itself.
fn key(secret: &SecretString) -> Result<hmac::Key, SettingError> {
    let text = secret.expose_secret().trim();
    let bytes = match text.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| {
            SettingError::new(
                "the secret begins with whsec_ and goes on with no Base64",
                "copy it whole, with its `=` signs",
            )
        })?,
        None => text.as_bytes().to_vec(),
    };
    if bytes.len() < 16 {
        return Err(SettingError::new(
            "the secret is shorter than 16 bytes",
            "make one: printf 'whsec_%s' \"$(head -c 32 /dev/urandom | base64)\"",
        ));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn signature(key: &hmac::Key, id: &str, seconds: &str, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::notice;

    #[test]
    fn signs_as_the_specification_does() {
        // The example of the specification's own documentation.
        let key = key(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn refuses_secrets_that_are_none() {
        for secret in ["", "tiny", "whsec_", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!"] {
            let error = key(&secret.into()).unwrap_err();
            assert!(secret.is_empty() || secret == "whsec_" || !error.to_string().contains(secret));
        }
        assert!(key(&"sixteen-bytes-ok".into()).is_ok());
    }

    #[test]
    fn is_the_notice() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&body(&notice())).unwrap());
    }
}
