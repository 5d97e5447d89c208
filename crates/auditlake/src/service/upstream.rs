//! A feed whose key may change while the service runs: the key is read again when its file changes or the feed refuses it.

use std::{
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use collect::Upstream;
use feed::{
    Query,
    client::{Client, Error, ErrorKind, Response},
};

use crate::config::SourceConfig;

/// A client with a key from the configuration.
pub struct Rotating {
    source: SourceConfig,
    held: Mutex<Held>,
}

struct Held {
    client: Client,
    changed: Option<SystemTime>,
}

impl Rotating {
    /// Reads the key.
    pub async fn new(source: SourceConfig) -> Result<Rotating> {
        let key = source.read_key().await?;
        let client = source.client(key).with_context(|| format!("source {}", source.name))?;
        let changed = changed(&source);
        Ok(Rotating { source, held: Mutex::new(Held { client, changed }) })
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the key as it is configured now; keeps the old one if that fails.
    async fn reread(&self) {
        let changed = changed(&self.source);
        match self.source.read_key().await {
            Ok(key) => {
                let mut held = self.held();
                held.changed = changed;
                match held.client.with_key(&key) {
                    Ok(client) => held.client = client,
                    Err(error) => tracing::warn!(source = self.source.name, %error, "the new key was not taken"),
                }
            }
            Err(error) => tracing::warn!(source = self.source.name, "the key could not be read again: {error:#}"),
        }
    }
}

fn changed(source: &SourceConfig) -> Option<SystemTime> {
    std::fs::metadata(source.key_file.as_ref()?).and_then(|data| data.modified()).ok()
}

#[async_trait]
impl Upstream for Rotating {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        if self.source.key_file.is_some() && self.held().changed != changed(&self.source) {
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
}
