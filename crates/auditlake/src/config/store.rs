//! `[store]`: the embedded engine's share of the machine, or the ClickHouse server that holds the data instead.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use serde::Deserialize;

use crate::{engine::Dialect, hinted};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    pub memory_mb: u64,
    pub spill_mb: u64,
    pub threads: Option<usize>,
    pub url: Option<String>,
    #[serde(deserialize_with = "super::source::secret")]
    pub password: Option<SecretString>,
    pub password_file: Option<PathBuf>,
    pub cluster: Option<String>,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            memory_mb: 1_024,
            spill_mb: 20_480,
            threads: None,
            url: None,
            password: None,
            password_file: None,
            cluster: None,
        }
    }
}

/// A right to write may last so long. Shorter, and a process that is held up for a moment loses it.
const LEASES: std::ops::RangeInclusive<u64> = 1..=600;

const FORM: &str = "write clickhouse://user@host:8123/database, or clickhouse+https://user@host:8443/database";

impl Store {
    /// Whose SQL the store takes.
    pub fn dialect(&self) -> Dialect {
        match self.url {
            Some(_) => Dialect::Click,
            None => Dialect::Duck,
        }
    }

    /// What is wrong with the settings, if anything. Reads no file.
    pub fn check(&self) -> Result<()> {
        match &self.url {
            Some(url) => parse(url, self.cluster.clone(), None).map(drop),
            None => Ok(()),
        }
    }

    /// The server that holds the data, if it is one.
    ///
    /// # Errors
    /// Says what is wrong with the URL, or why the password cannot be read.
    pub async fn server(&self) -> Result<Option<store_clickhouse::Options>> {
        let Some(url) = &self.url else { return Ok(None) };
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(path)) => {
                let text = tokio::fs::read_to_string(path).await;
                let text = text.with_context(|| format!("cannot read store.password_file {}", path.display()))?;
                Some(text.trim().to_owned().into())
            }
            (None, None) => None,
        };
        parse(url, self.cluster.clone(), password).map(Some)
    }
}

/// The server at this address, with the rest as configured.
///
/// # Errors
/// As [`Store::server`].
pub async fn server_at(url: &str, cluster: Option<String>, settings: &Store) -> Result<store_clickhouse::Options> {
    let settings = Store { url: Some(url.to_owned()), cluster, ..settings.clone() };
    settings.server().await?.context("no server is named")
}

fn parse(text: &str, cluster: Option<String>, password: Option<SecretString>) -> Result<store_clickhouse::Options> {
    let wrong = |what: &str| hinted(format!("store.url: {what}"), FORM);
    let url = reqwest::Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    let (scheme, port) = match url.scheme() {
        "clickhouse" => ("http", 8_123),
        "clickhouse+https" => ("https", 8_443),
        _ => return Err(wrong("it begins with neither clickhouse:// nor clickhouse+https://")),
    };
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else { return Err(wrong("it names no host")) };
    if url.password().is_some() {
        return Err(hinted(
            "store.url: a password stands in it, where others can read it",
            "set AUDITLAKE_STORE_PASSWORD or store.password_file instead",
        ));
    }
    if url.fragment().is_some() {
        return Err(wrong("what follows `#` is not understood"));
    }
    let (mut is_compressed, mut lease) = (true, store_clickhouse::Options::LEASE);
    for (name, value) in url.query_pairs() {
        match (name.as_ref(), value.as_ref()) {
            ("compression", "lz4") => is_compressed = true,
            ("compression", "none") => is_compressed = false,
            ("lease", text) => {
                let seconds = text.strip_suffix('s').and_then(|text| text.parse().ok());
                let seconds = seconds.filter(|seconds| LEASES.contains(seconds));
                let seconds = seconds.ok_or_else(|| wrong("lease is not from 1s to 600s"))?;
                lease = Duration::from_secs(seconds);
            }
            _ => {
                return Err(wrong(
                    "behind the database only ?compression=lz4 or none, and lease=30s or the like, may stand",
                ));
            }
        }
    }
    let database = url.path().trim_matches('/');
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-');
    if !database.chars().all(is_plain) {
        return Err(wrong("the database's name has other signs than letters, digits, `_` and `-`"));
    }
    let user = percent_decode_str(url.username()).decode_utf8().map_err(|_| wrong("the user's name is not UTF-8"))?;
    Ok(store_clickhouse::Options {
        url: format!("{scheme}://{host}:{}", url.port().unwrap_or(port)),
        database: if database.is_empty() { "auditlake".to_owned() } else { database.to_owned() },
        user: if user.is_empty() { "default".to_owned() } else { user.into_owned() },
        password,
        cluster,
        is_compressed,
        lease,
    })
}

/// Whether a password would go over a network where others can read it.
pub fn is_open(options: &store_clickhouse::Options) -> bool {
    let is_near = |url: &reqwest::Url| match url.host_str().unwrap_or_default() {
        "localhost" => true,
        host => host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
    };
    let url = reqwest::Url::parse(&options.url).ok();
    options.password.is_some() && url.is_some_and(|url| url.scheme() == "http" && !is_near(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_of_servers() {
        let options = parse("clickhouse://reader@db.example.com/logs", None, None).unwrap();
        assert_eq!(
            (options.url.as_str(), options.user.as_str(), options.database.as_str()),
            ("http://db.example.com:8123", "reader", "logs")
        );
        assert!(options.is_compressed);
        assert!(!parse("clickhouse://h/d?compression=none", None, None).unwrap().is_compressed);
        let options = parse("clickhouse+https://[2001:db8::1]", None, None).unwrap();
        assert_eq!(
            (options.url.as_str(), options.user.as_str(), options.database.as_str()),
            ("https://[2001:db8::1]:8443", "default", "auditlake")
        );
        let options = parse("clickhouse://ann%40example.com@h/my-logs?lease=2s&compression=none", None, None).unwrap();
        assert_eq!((options.user.as_str(), options.database.as_str()), ("ann@example.com", "my-logs"));
        assert_eq!((options.lease, options.is_compressed), (Duration::from_secs(2), false));
        assert_eq!(parse("clickhouse://%E2%9C%93@h/d", None, None).unwrap().user, "✓");
        assert_eq!(parse("clickhouse://a%+fb@h/d", None, None).unwrap().user, "a%+fb");
        for wrong in [
            "clickhouse",
            "postgres://h/d",
            "clickhouse://u:secret@h/d",
            "clickhouse://%FF@h/d",
            "clickhouse://h/d?lease=0s",
            "clickhouse://h/d?lease=601s",
            "clickhouse://h/d?lease=2",
            "clickhouse://h/d#x",
            "clickhouse://h/d?x=1",
            "clickhouse://h/a/b",
            "clickhouse:///d",
        ] {
            let error = parse(wrong, None, None).map(drop).unwrap_err();
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
    }

    #[test]
    fn knows_whose_password_others_could_read() {
        for (url, is_seen) in [
            ("clickhouse://h/d", true),
            ("clickhouse://192.0.2.1/d", true),
            ("clickhouse+https://h/d", false),
            ("clickhouse://localhost/d", false),
            ("clickhouse://127.0.0.2/d", false),
            ("clickhouse://[::1]/d", false),
        ] {
            assert_eq!(is_open(&parse(url, None, Some("secret".to_owned().into())).unwrap()), is_seen, "{url}");
            assert!(!is_open(&parse(url, None, None).unwrap()), "{url}");
        }
    }
}
