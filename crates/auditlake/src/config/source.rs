//! A source's configuration, and where its key comes from.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, anyhow};
use auditlake_store::{SourceInfo, filter::parse_time};
use collect::Round;
use feed::{
    KeyKind,
    client::{BuildError, Client, Proxy},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use toml::{Table, Value};

use super::SETTINGS;
use crate::{hinted, served::OWN_SOURCE};

/// How to get a key that works.
pub const NEW_KEY: &str = "make a Compliance Access Key (sk-ant-api01-…) with the scope read:compliance_activities, in the organization's settings under Data and privacy";

/// Why no source may be named as our own is.
pub const RESERVED: &str = "what is kept under this name is who read the served feed, and the feed leaves it out";

/// A command that prints a key takes no longer: a vault that hangs must not stop everything else.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// A feed to collect.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceConfig {
    pub name: String,
    pub base_url: Option<String>,
    #[serde(deserialize_with = "secret")]
    pub key: Option<SecretString>,
    pub key_file: Option<PathBuf>,
    pub key_command: Option<String>,
    #[serde(deserialize_with = "secret")]
    pub proxy: Option<SecretString>,
    pub ca_file: Option<PathBuf>,
    pub organization_ids: Vec<String>,
    pub backfill_from: String,
    pub interval_seconds: f64,
    pub overlap_seconds: u64,
    pub retention_days: u32,
    pub requests_per_minute: u32,
    pub leave_percent: u32,
    pub budget_group: Option<String>,
    pub reconcile: Vec<String>,
    pub stalled_minutes: u64,
}

pub(super) fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Some(String::deserialize(deserializer)?.into()))
}

impl Default for SourceConfig {
    fn default() -> Self {
        SourceConfig {
            name: String::new(),
            base_url: None,
            key: None,
            key_file: None,
            key_command: None,
            proxy: None,
            ca_file: None,
            organization_ids: Vec::new(),
            backfill_from: "90d".to_owned(),
            interval_seconds: 60.0,
            overlap_seconds: 300,
            retention_days: SourceInfo::DEFAULT_TTL_DAYS,
            requests_per_minute: 600,
            leave_percent: 20,
            budget_group: None,
            reconcile: vec!["1h:24h".to_owned(), "24h:7d".to_owned()],
            stalled_minutes: 30,
        }
    }
}

/// Adds what the environment says of sources: to each table of the file what it leaves out, and a source of its own where the
/// file names none and the environment holds a key.
pub fn overlay(table: &mut Table, variable: impl Fn(&str) -> Option<String> + Copy) -> Result<()> {
    let key = ["ANTHROPIC_COMPLIANCE_ACCESS_KEY", "ANTHROPIC_ADMIN_KEY"].into_iter().find_map(variable);
    let has_key = key.is_some()
        || ["KEY", "KEY_FILE", "KEY_COMMAND"]
            .iter()
            .any(|name| variable(&format!("AUDITLAKE_SOURCE_{name}")).is_some());
    if !table.contains_key("source") && has_key {
        let mut source = Table::new();
        source.insert("name".to_owned(), Value::String("anthropic".to_owned()));
        source.extend(variable("ANTHROPIC_BASE_URL").map(|url| ("base_url".to_owned(), Value::String(url))));
        table.insert("source".to_owned(), Value::Array(vec![Value::Table(source)]));
    }
    let Some(Value::Array(sources)) = table.get_mut("source") else { return Ok(()) };
    for source in sources.iter_mut().filter_map(Value::as_table_mut) {
        for setting in SETTINGS.iter().filter(|setting| setting.section == "source") {
            let is_key = setting.name.starts_with("key");
            let has_one = is_key && source.keys().any(|name| name.starts_with("key"));
            if has_one || (source.contains_key(setting.name) && setting.name != "name") {
                continue;
            }
            if setting.name != "name" || source.get("name").is_none_or(|name| name.as_str() == Some("anthropic")) {
                source.extend(setting.read(variable)?.map(|value| (setting.name.to_owned(), value)));
            }
        }
        if let (Some(key), false) = (&key, source.keys().any(|name| name.starts_with("key"))) {
            source.insert("key".to_owned(), Value::String(key.trim().to_owned()));
        }
    }
    Ok(())
}

impl SourceConfig {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<()> {
        let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(is_plain) {
            return Err(anyhow!("`name` must be 1 to 64 letters, digits, `-`, `_` or `.`"));
        }
        if self.name == OWN_SOURCE {
            return Err(anyhow!("`name`: {RESERVED}; give it another name"));
        }
        if !(5.0..=86_400.0).contains(&self.interval_seconds) {
            return Err(anyhow!("`interval_seconds` must be at least 5, and at most a day"));
        }
        if self.leave_percent > 95 {
            return Err(anyhow!("`leave_percent` must be at most 95"));
        }
        self.backfill_start()?;
        self.rounds()?;
        Ok(())
    }

    /// The moment from which the first run reads.
    pub fn backfill_start(&self) -> Result<Timestamp> {
        parse_time(&self.backfill_from, Timestamp::now()).ok_or_else(|| {
            anyhow!("`backfill_from`: {:?} is no date, time or age such as 90d or 6y", self.backfill_from)
        })
    }

    /// When older windows are read again: how often, and how far back.
    pub fn rounds(&self) -> Result<Vec<Round>> {
        let now = Timestamp::now();
        let age = |text: &str| {
            let is_age = text.ends_with(|sign: char| sign.is_ascii_alphabetic() && sign != 'Z');
            let span = now.duration_since(parse_time(text, now).filter(|_| is_age)?);
            Some(span).filter(|span| span.is_positive())
        };
        let round = |text: &String| {
            let (every, span) = text.split_once(':')?;
            Some(Round { every: Duration::try_from(age(every.trim())?).ok()?, span: age(span.trim())? })
        };
        let wrong = |text: &String| {
            anyhow!("`reconcile`: {text:?} is not two ages such as 1h:24h (every hour, the last 24 hours)")
        };
        let rounds = self.reconcile.iter().filter(|text| !text.is_empty());
        rounds.map(|text| round(text).ok_or_else(|| wrong(text))).collect()
    }

    pub fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.interval_seconds).unwrap_or(Duration::from_secs(60))
    }

    /// Where the key is configured, in words; `None` if nowhere.
    pub fn key_origin(&self) -> Option<String> {
        match (&self.key, &self.key_file, &self.key_command) {
            (Some(_), ..) => Some("the configuration or the environment".to_owned()),
            (None, Some(path), _) => Some(format!("key_file {}", path.display())),
            (None, None, Some(_)) => Some("key_command".to_owned()),
            (None, None, None) => None,
        }
    }

    /// A client for this source, with this key.
    pub fn client(&self, key: SecretString) -> Result<Client, BuildError> {
        let mut builder = Client::builder().key(key);
        if let Some(url) = &self.base_url {
            builder = builder.base_url(url.clone());
        }
        if let Some(url) = &self.proxy {
            builder = builder.proxy(Proxy::Url(url.clone()));
        }
        if let Some(path) = &self.ca_file {
            builder = builder.ca_file(path);
        }
        builder.build()
    }

    /// The key, from wherever it is configured.
    ///
    /// # Errors
    /// Says where it was looked for, or that it is a kind that never works here; never what it is.
    pub async fn read_key(&self) -> Result<SecretString> {
        let key = self.find_key().await?;
        match KeyKind::of(key.expose_secret()) {
            KeyKind::ClaudeApi => Err(hinted(
                format!(
                    "source {}: this is a Claude API key (sk-ant-api03-…), which cannot read the Activity Feed",
                    self.name
                ),
                NEW_KEY,
            )),
            _ => Ok(key),
        }
    }

    /// The key as it stands there, whatever its kind.
    ///
    /// # Errors
    /// As [`SourceConfig::read_key`].
    pub async fn find_key(&self) -> Result<SecretString> {
        let key = if let Some(key) = &self.key {
            key.expose_secret().trim().to_owned()
        } else if let Some(path) = &self.key_file {
            let text = tokio::fs::read_to_string(path).await;
            text.with_context(|| format!("source {}: cannot read the key from {}", self.name, path.display()))?
                .trim()
                .to_owned()
        } else if let Some(command) = &self.key_command {
            self.ask(command).await?
        } else {
            return Err(hinted(
                format!("source {} has no key", self.name),
                "set key_file, key_command or key, or ANTHROPIC_COMPLIANCE_ACCESS_KEY in the environment",
            ));
        };
        match key.is_empty() {
            true => {
                Err(hinted(format!("source {}: the key is empty", self.name), "put the key there, and nothing else"))
            }
            false => Ok(key.into()),
        }
    }

    async fn ask(&self, command: &str) -> Result<String> {
        let mut shell = tokio::process::Command::new("sh");
        shell.arg("-c").arg(command).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND_PATIENCE, shell.output()).await.map_err(|_| {
            let seconds = COMMAND_PATIENCE.as_secs();
            anyhow!("source {}: key_command has not ended after {seconds} s", self.name)
        })?;
        let output = output.with_context(|| format!("source {}: cannot run key_command", self.name))?;
        if !output.status.success() {
            return Err(anyhow!("source {}: key_command ended with {}", self.name, output.status));
        }
        let text = String::from_utf8(output.stdout)
            .map_err(|_| anyhow!("source {}: key_command printed no text", self.name))?;
        Ok(text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_name_is_reserved() {
        let named = |name: &str| SourceConfig { name: name.to_owned(), ..SourceConfig::default() }.check();
        assert!(named("auditlake-eu").is_ok() && named("anthropic").is_ok());
        let error = named(OWN_SOURCE).unwrap_err().to_string();
        assert!(error.contains(RESERVED) && error.ends_with("give it another name"), "{error}");
    }
}
