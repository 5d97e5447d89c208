//! The configuration: defaults, then the file, then the environment, then the command line; the last one counts.
//!
//! [`SETTINGS`] is the one list of all settings: the environment's names and the reference page are made of it.

mod destination;
mod reference;
mod source;
mod store;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use auditlake_store::SourceInfo;
use etcetera::{BaseStrategy, choose_base_strategy};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use store_duckdb::Options;
use toml::{Table, Value};

use crate::{cli::Cli, datadir::DataDir, hinted};

pub use destination::DestinationConfig;
pub use reference::{SETTINGS, markdown};
pub use source::{NEW_KEY, RESERVED, SourceConfig};
pub use store::{Store, is_open, server_at};

/// Everything that a deployment can set.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub data: Option<PathBuf>,
    pub workspace: String,
    pub server: Server,
    pub store: Store,
    pub query: Query,
    pub feed: Feed,
    pub detect: Detect,
    pub enrich: Enrich,
    pub alerts: Alerts,
    pub access: Access,
    #[serde(rename = "source")]
    pub sources: Vec<SourceConfig>,
    #[serde(rename = "destination")]
    pub destinations: Vec<DestinationConfig>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    pub link: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub hosts: Vec<String>,
    pub behind_proxy: bool,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    pub require_login: bool,
    pub mask_for_viewers: bool,
    pub viewers_may_export: bool,
    pub idle_minutes: u64,
    pub session_hours: u64,
    pub lookups_days: u32,
    #[serde(deserialize_with = "source::secret")]
    pub metrics_token: Option<SecretString>,
    pub metrics_token_file: Option<PathBuf>,
}

impl Access {
    /// What lets a program of another machine read the metrics.
    ///
    /// # Errors
    /// If its file cannot be read, or it could be guessed.
    pub fn metrics_token(&self) -> Result<Option<SecretString>> {
        let text = match (&self.metrics_token, &self.metrics_token_file) {
            (Some(token), _) => token.expose_secret().to_owned(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read access.metrics_token_file {}", path.display()))?,
            (None, None) => return Ok(None),
        };
        let token = text.trim();
        match token.len() {
            16.. => Ok(Some(token.to_owned().into())),
            length => Err(hinted(
                format!("access.metrics_token has {length} characters, and 16 are the least"),
                "`openssl rand -hex 32` makes one that nobody guesses",
            )),
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Access {
            require_login: false,
            mask_for_viewers: false,
            viewers_may_export: false,
            idle_minutes: 120,
            session_hours: 24,
            lookups_days: 400,
            metrics_token: None,
            metrics_token_file: None,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    pub timeout_seconds: f64,
    pub max_rows: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    pub requests_per_minute: u32,
    pub serve_own_reads: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detect {
    pub rules: Option<PathBuf>,
    pub silent_hours: u64,
    pub stalled_minutes: u64,
}

impl Default for Detect {
    fn default() -> Self {
        Detect { rules: None, silent_hours: 24, stalled_minutes: 60 }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Enrich {
    pub databases: Vec<PathBuf>,
    pub directory: Option<PathBuf>,
    pub user_agents: bool,
    pub check_seconds: u64,
    pub update_urls: Vec<String>,
}

/// The file in the data directory that holds what was switched on the Rules page.
pub const SWITCHES: &str = "rules-switched.yml";

/// The port of the page and the API, if none is named.
pub const PORT: u16 = 8420;

impl Default for Config {
    fn default() -> Self {
        Config {
            data: None,
            workspace: "default".to_owned(),
            server: Server::default(),
            store: Store::default(),
            query: Query::default(),
            feed: Feed::default(),
            detect: Detect::default(),
            enrich: Enrich::default(),
            alerts: Alerts::default(),
            access: Access::default(),
            sources: Vec::new(),
            destinations: Vec::new(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], PORT)),
            hosts: Vec::new(),
            behind_proxy: false,
            tls_cert: None,
            tls_key: None,
        }
    }
}

impl Default for Query {
    fn default() -> Self {
        Query { timeout_seconds: 300.0, max_rows: 10_000_000 }
    }
}

impl Default for Feed {
    fn default() -> Self {
        // Ten times upstream's: what was fetched once is here for many readers, fifty that ask every second among them.
        Feed { requests_per_minute: 10 * feed::server::REQUESTS_PER_MINUTE, serve_own_reads: false }
    }
}

impl Default for Enrich {
    fn default() -> Self {
        Enrich {
            databases: Vec::new(),
            directory: None,
            user_agents: true,
            check_seconds: 60,
            update_urls: crate::enriching::FREE_DATABASES.iter().map(|&url| url.to_owned()).collect(),
        }
    }
}

impl Config {
    /// Reads the configuration that the command line names.
    ///
    /// # Errors
    /// Says which setting of which file or variable is wrong, and what would be right.
    pub fn load(cli: &Cli) -> Result<Config> {
        let (mut table, origin) = match Self::file(cli) {
            Some(path) => (read(&path)?, path.display().to_string()),
            None => (Table::new(), "the environment".to_owned()),
        };
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        overlay(&mut table, variable)?;
        source::overlay(&mut table, variable)?;
        destination::overlay(&mut table, variable)?;
        let mut config: Config = Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| hinted(format!("{origin}: {}", error.message()), HINT))?;
        if let Some(data) = &cli.data {
            config.data = Some(data.clone());
        }
        if let Some(url) = &cli.store {
            config.store.url = Some(url.clone());
        }
        config.check(&origin)?;
        Ok(config)
    }

    /// The file that the configuration is read from, if there is one.
    pub fn file(cli: &Cli) -> Option<PathBuf> {
        file(cli.config.as_deref())
    }

    fn check(&self, origin: &str) -> Result<()> {
        for (at, source) in self.sources.iter().enumerate() {
            source.check().map_err(|error| hinted(format!("{origin}: source {:?}: {error}", source.name), HINT))?;
            if self.sources[..at].iter().any(|other| other.name == source.name) {
                return Err(hinted(
                    format!("{origin}: two sources are named {:?}", source.name),
                    "give each its own name",
                ));
            }
        }
        for (at, destination) in self.destinations.iter().enumerate() {
            destination.check().map_err(|error| {
                hinted(format!("{origin}: destination {:?}: {error}", destination.name), DESTINATION)
            })?;
            if self.destinations[..at].iter().any(|other| other.name == destination.name) {
                return Err(hinted(
                    format!("{origin}: two destinations are named {:?}", destination.name),
                    "give each its own name",
                ));
            }
        }
        self.store.check()?;
        Ok(())
    }

    /// Whether there may be data: a store was made in the directory, or a server holds it.
    pub fn has_store(&self, data: &DataDir) -> bool {
        self.store.url.is_some() || data.has_store()
    }

    /// The data directory: as configured, or the platform's.
    pub fn data_dir(&self) -> Result<DataDir> {
        if let Some(path) = &self.data {
            return Ok(DataDir::new(path.clone()));
        }
        let dirs = choose_base_strategy()
            .map_err(|_| hinted("this user has no home directory to keep data in", "name a directory with --data"))?;
        Ok(DataDir::new(dirs.data_dir().join("auditlake")))
    }

    /// How the embedded engine is to be opened.
    pub fn store_options(&self, data: &DataDir) -> Options {
        Options {
            memory_bytes: self.store.memory_mb << 20,
            spill_bytes: self.store.spill_mb << 20,
            threads: self.store.threads,
            ..Options::in_dir(data.path())
        }
    }

    /// The rules beside the compiled-in ones: the operator's, and what people switched on a page.
    pub fn own_rules(&self, data: &DataDir) -> detect::Own {
        detect::Own { rules: self.detect.rules.clone(), switches: Some(data.path().join(SWITCHES)) }
    }

    /// The source of an import.
    pub fn import_source(&self, name: &str) -> SourceInfo {
        let ttl_days = self.sources.iter().find(|source| source.name == name).map(|source| source.retention_days);
        SourceInfo {
            id: name.to_owned(),
            workspace: self.workspace.clone(),
            ttl_days: ttl_days.unwrap_or(SourceInfo::DEFAULT_TTL_DAYS),
        }
    }

    pub fn query_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.query.timeout_seconds).unwrap_or(Duration::MAX)
    }
}

const DESTINATION: &str = "docs/alerts.md shows one of each kind";
const HINT: &str = "docs/configuration.md lists every setting";

/// The file to read: the one that is named, else `auditlake.toml` here or in the platform's configuration directory.
fn file(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    let here = PathBuf::from("auditlake.toml");
    if here.is_file() {
        return Some(here);
    }
    let platform = choose_base_strategy().ok().map(|dirs| dirs.config_dir().join("auditlake").join("auditlake.toml"));
    platform.filter(|path| path.is_file())
}

fn read(path: &Path) -> Result<Table> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
    text.parse::<Table>().map_err(|error| hinted(format!("{}: {}", path.display(), error.to_string().trim()), HINT))
}

/// Lays the environment's settings over the file's.
fn overlay(table: &mut Table, variable: impl Fn(&str) -> Option<String> + Copy) -> Result<()> {
    for setting in SETTINGS.iter().filter(|setting| !matches!(setting.section, "source" | "destination")) {
        let Some(value) = setting.read(variable)? else { continue };
        let place = match setting.section {
            "" => &mut *table,
            section => match table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
                Value::Table(inner) => inner,
                _ => return Err(hinted(format!("`{section}` is not a section"), HINT)),
            },
        };
        place.insert(setting.name.to_owned(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_counts_more() {
        let mut table: Table = "workspace = 'a'\n[store]\nmemory_mb = 100\n".parse().unwrap();
        overlay(&mut table, |name| match name {
            "AUDITLAKE_STORE_MEMORY_MB" => Some("512".into()),
            "AUDITLAKE_SERVER_LISTEN" => Some("127.0.0.1:9000".into()),
            _ => None,
        })
        .unwrap();
        let config: Config = Value::Table(table).try_into().unwrap();
        assert_eq!((config.workspace.as_str(), config.store.memory_mb, config.server.listen.port()), ("a", 512, 9_000));
        let mut table = Table::new();
        let error = overlay(&mut table, |name| (name == "AUDITLAKE_STORE_THREADS").then(|| "many".into())).unwrap_err();
        assert_eq!(error.to_string(), "AUDITLAKE_STORE_THREADS: \"many\" is not a whole number");
    }

    #[test]
    fn the_environment_fills_sources_in() {
        let variable = |name: &str| match name {
            "ANTHROPIC_COMPLIANCE_ACCESS_KEY" => Some("sk-ant-api01-x".to_owned()),
            "ANTHROPIC_BASE_URL" => Some("http://127.0.0.1:1".to_owned()),
            "AUDITLAKE_SOURCE_BACKFILL_FROM" => Some("2y".to_owned()),
            _ => None,
        };
        let mut table = Table::new();
        source::overlay(&mut table, variable).unwrap();
        let config: Config = Value::Table(table).try_into().unwrap();
        let only = &config.sources[0];
        assert_eq!(
            (only.name.as_str(), only.base_url.as_deref(), only.backfill_from.as_str()),
            ("anthropic", Some("http://127.0.0.1:1"), "2y")
        );
        assert!(only.key.is_some());
        let mut table: Table =
            "[[source]]\nname = 'a'\nbackfill_from = '1d'\nkey_file = '/k'\n[[source]]\nname = 'b'\n".parse().unwrap();
        source::overlay(&mut table, variable).unwrap();
        let config: Config = Value::Table(table).try_into().unwrap();
        assert_eq!((config.sources[0].backfill_from.as_str(), config.sources[0].key.is_some()), ("1d", false));
        assert_eq!((config.sources[1].backfill_from.as_str(), config.sources[1].key.is_some()), ("2y", true));
        let mut none = Table::new();
        source::overlay(&mut none, |_| None).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn fifty_readers_may_ask_the_feed_every_second() {
        assert!(Config::default().feed.requests_per_minute >= 50 * 60);
    }

    #[test]
    fn unknown_settings_are_errors() {
        let table: Table = "[store]\nmemroy = 1\n".parse().unwrap();
        let error = Value::Table(table).try_into::<Config>().unwrap_err();
        assert!(error.message().contains("unknown field `memroy`"), "{error}");
    }

    #[test]
    fn every_setting_is_listed() {
        let listed =
            |section: &str| -> Vec<&str> { SETTINGS.iter().filter(|s| s.section == section).map(|s| s.name).collect() };
        let mut table = Table::new();
        for setting in SETTINGS {
            let place = match setting.section {
                "" => &mut table,
                "source" | "destination" => continue,
                section => table.entry(section).or_insert_with(|| Value::Table(Table::new())).as_table_mut().unwrap(),
            };
            place.insert(setting.name.to_owned(), setting.kind.parse(setting.example).unwrap());
        }
        Value::Table(table).try_into::<Config>().unwrap();
        assert!(listed("source").contains(&"key_file"));
        assert!(markdown().contains("AUDITLAKE_QUERY_MAX_ROWS"));
    }
}
