//! A feed whose key may change while the service runs: the key is read again when its file changes or the feed refuses it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use collect::Upstream;
use feed::{
    Query,
    client::{Client, Error, ErrorKind, Response},
};
use secrecy::{ExposeSecret, SecretString};

use crate::config::SourceConfig;

/// While the feed refuses, a key's file is looked at so often, as that costs next to nothing.
const FILE_WAIT: Duration = Duration::from_secs(2);
/// The same for a command, which may ask a vault.
const COMMAND_WAIT: Duration = Duration::from_secs(15);

/// A client with a key from the configuration.
pub struct Rotating {
    source: SourceConfig,
    held: Mutex<Held>,
}

struct Held {
    client: Client,
    key: SecretString,
    changed: Option<Mark>,
}

/// What changes when somebody writes to a file.
type Mark = (SystemTime, u64);

impl Rotating {
    /// Reads the key.
    pub async fn new(source: SourceConfig) -> Result<Rotating> {
        let changed = mark(&source);
        let key = source.read_key().await?;
        let client = source.client(key.clone()).with_context(|| format!("source {}", source.name))?;
        Ok(Rotating { source, held: Mutex::new(Held { client, key, changed }) })
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is another key now; it is taken then.
    async fn look(&self) -> bool {
        (self.source.key_file.is_none() || self.has_changed()) && self.reread().await
    }

    fn has_changed(&self) -> bool {
        self.source.key_file.is_some() && self.held().changed != mark(&self.source)
    }

    /// Takes the key as it is configured now; keeps the old one if that fails. Says whether it is another one.
    async fn reread(&self) -> bool {
        let changed = mark(&self.source);
        match self.source.read_key().await {
            Ok(key) => {
                let mut held = self.held();
                held.changed = changed;
                if held.key.expose_secret() == key.expose_secret() {
                    return false;
                }
                match held.client.with_key(&key) {
                    Ok(client) => {
                        (held.client, held.key) = (client, key);
                        tracing::info!(source = self.source.name, "there is a new key");
                        return true;
                    }
                    Err(error) => tracing::warn!(source = self.source.name, %error, "the new key was not taken"),
                }
            }
            // It is refused already, and that has been told.
            Err(error) => tracing::debug!(source = self.source.name, "the key could not be read again: {error:#}"),
        }
        false
    }
}

fn mark(source: &SourceConfig) -> Option<Mark> {
    let data = std::fs::metadata(source.key_file.as_ref()?).ok()?;
    Some((data.modified().ok()?, data.len()))
}

#[async_trait]
impl Upstream for Rotating {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        if self.has_changed() {
            self.reread().await;
        }
        let client = self.held().client.clone();
        let answer = client.page(query).await;
        // The next request goes with what stands in the configuration then.
        if matches!(&answer, Err(Error { kind: ErrorKind::Api(error), .. }) if error.status == 401) {
            self.reread().await;
        }
        answer
    }

    async fn renewed(&self) {
        let wait = match (&self.source.key, &self.source.key_file, &self.source.key_command) {
            (None, Some(_), _) => FILE_WAIT,
            (None, None, Some(_)) => COMMAND_WAIT,
            // A key in the configuration takes a restart.
            _ => return std::future::pending().await,
        };
        loop {
            tokio::time::sleep(wait).await;
            if self.look().await {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_that_is_replaced_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "sk-ant-api01-one\n").unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let source = SourceConfig { name: "a".into(), key_file: Some(path.clone()), ..SourceConfig::default() };
        let rotating = Rotating::new(source).await.unwrap();
        assert!(!rotating.look().await, "the same key is no news");
        std::fs::write(&path, "sk-ant-api01-another\n").unwrap();
        assert!(rotating.look().await);
        assert_eq!(rotating.held().key.expose_secret(), "sk-ant-api01-another");
    }

    #[tokio::test]
    async fn requests_go_through_the_proxy_of_the_source() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let source = SourceConfig {
            name: "a".into(),
            base_url: Some("http://feed.example".into()),
            key: Some("sk-ant-api01-one".to_owned().into()),
            proxy: Some(format!("http://{}", proxy.local_addr().unwrap()).into()),
            ..SourceConfig::default()
        };
        let rotating = Rotating::new(source).await.unwrap();
        let asked = async {
            let (mut connection, _) = proxy.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let count = connection.read(&mut head).await.unwrap();
            connection.write_all(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&head[..count]).into_owned()
        };
        let query = Query::default();
        let (head, answer) = tokio::join!(asked, rotating.page(&query));
        assert!(head.starts_with("GET http://feed.example/v1/compliance/activities"), "{head}");
        assert!(answer.is_err());
    }
}
