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

use crate::{config::SourceConfig, stop};

/// While the feed refuses, a key's file is looked at so often, as that costs next to nothing.
const FILE_WAIT: Duration = Duration::from_secs(2);
/// The same for a command, which may ask a vault.
const COMMAND_WAIT: Duration = Duration::from_secs(15);
/// What to do about a key that cannot be had, where nothing better is known.
const STILL_OLD: &str = "put a key there that works: the one that was read before is used until then";

/// A client with a key from the configuration.
pub struct Rotating {
    source: SourceConfig,
    held: Mutex<Held>,
}

struct Held {
    client: Client,
    key: SecretString,
    changed: Option<Mark>,
    /// Why the key that is configured now is not taken, as it was said.
    told: Option<String>,
}

/// What changes when somebody writes to a file.
type Mark = (SystemTime, u64);

impl Rotating {
    /// Reads the key.
    pub async fn new(source: SourceConfig) -> Result<Rotating> {
        let changed = mark(&source);
        let key = source.read_key().await?;
        let client = source.client(key.clone()).with_context(|| format!("source {}", source.name))?;
        Ok(Rotating { source, held: Mutex::new(Held { client, key, changed, told: None }) })
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

    /// Takes the key as it is configured now; keeps the old one if that fails, and says why, once. Says whether it is another one.
    async fn reread(&self) -> bool {
        let changed = mark(&self.source);
        let read = self.source.read_key().await;
        let mut held = self.held();
        let taken = read.and_then(|key| match held.key.expose_secret() == key.expose_secret() {
            true => Ok(None),
            false => Ok(Some((held.client.with_key(&key)?, key))),
        });
        match taken {
            Ok(new) => {
                (held.changed, held.told) = (changed, None);
                let Some(new) = new else { return false };
                (held.client, held.key) = new;
                tracing::info!(source = self.source.name, "there is a new key");
                true
            }
            Err(error) => {
                let (why, hint) = (stop::told(&error), stop::hint_of(&error).unwrap_or(STILL_OLD));
                if held.told.as_ref() != Some(&why) {
                    tracing::warn!(
                        source = self.source.name,
                        hint,
                        "the key that is configured now is not taken: {why}"
                    );
                }
                held.told = Some(why);
                false
            }
        }
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
    async fn a_key_that_cannot_be_taken_is_said_once_and_the_old_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "sk-ant-api01-one").unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let source = SourceConfig { name: "a".into(), key_file: Some(path.clone()), ..SourceConfig::default() };
        let rotating = Rotating::new(source).await.unwrap();
        let told = |rotating: &Rotating| rotating.held().told.clone().unwrap_or_default();
        for (text, why) in [
            (Some("sk-ant-api03-of-the-wrong-kind"), "a Claude API key (sk-ant-api03-…)"),
            (Some(" \n"), "the key is empty"),
            (None, "cannot read the key from"),
        ] {
            match text {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let log = Lines::default();
            let _listening = tracing::subscriber::set_default(log.subscriber());
            assert!(!rotating.look().await && !rotating.look().await);
            assert!(told(&rotating).contains(why), "{}", told(&rotating));
            assert_eq!(log.text().matches("is not taken").count(), 1, "{}", log.text());
            assert!(!log.text().contains("of-the-wrong-kind"));
            assert_eq!(rotating.held().key.expose_secret(), "sk-ant-api01-one");
        }
        std::fs::write(&path, "sk-ant-api01-two").unwrap();
        assert!(rotating.look().await);
        assert_eq!(told(&rotating), "");
    }

    /// What was logged.
    #[derive(Clone, Default)]
    struct Lines(std::sync::Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
            let lines = self.clone();
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish()
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
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
