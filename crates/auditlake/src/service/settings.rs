//! What the Settings page shows: the configuration in words, the keys without what opens anything.

use std::{net::SocketAddr, sync::Arc};

use web::{Dialect, KeyReport, SettingsReport, SettingsSection, grouped};

use crate::{
    config::Config,
    datadir::DataDir,
    engine, enriching,
    keys::{KeyStore, PREFIX},
    users::UserStore,
};

/// Asks for everything as it is at this moment.
pub fn reader(
    config: &Config,
    data: &DataDir,
    listen: SocketAddr,
    has_login: bool,
) -> Arc<dyn Fn() -> SettingsReport + Send + Sync> {
    let (config, data) = (config.clone(), data.clone());
    Arc::new(move || SettingsReport {
        keys: keys(&data),
        users: has_login.then(|| users(&data)),
        sections: vec![
            service(&config, &data, listen),
            access(&config, has_login),
            limits(&config),
            sources(&config),
            destinations(&config),
            files(&config, &data),
        ],
        dialect: match config.store.dialect() {
            engine::Dialect::Duck => Dialect::DuckDb,
            engine::Dialect::Click => Dialect::ClickHouse,
        },
    })
}

fn keys(data: &DataDir) -> Vec<KeyReport> {
    let keys = KeyStore::new(data).list().unwrap_or_default();
    let one = |key: crate::keys::Key| KeyReport {
        shown: format!("{PREFIX}…{}", key.ending),
        id: key.id,
        name: key.name,
        scopes: key.scopes,
        created: key.created_at,
        revoked: key.revoked_at,
    };
    keys.into_iter().map(one).collect()
}

fn users(data: &DataDir) -> Vec<(String, String)> {
    let users = UserStore::new(data).list().unwrap_or_default();
    users.into_iter().map(|user| (user.name, user.role.as_str().to_owned())).collect()
}

fn row(name: &str, value: impl ToString) -> Vec<String> {
    vec![name.to_owned(), value.to_string()]
}

fn section(title: &str, about: &str, rows: Vec<Vec<String>>) -> SettingsSection {
    SettingsSection { title: title.to_owned(), about: about.to_owned(), columns: Vec::new(), rows }
}

fn service(config: &Config, data: &DataDir, listen: SocketAddr) -> SettingsSection {
    let tls = match &config.server.tls_cert {
        Some(cert) => format!("with {}", cert.display()),
        None if config.server.behind_proxy => "ended by the reverse proxy before it".to_owned(),
        None => "none: pages go over HTTP".to_owned(),
    };
    let rows = vec![
        row("Version", env!("CARGO_PKG_VERSION")),
        row("Data directory", data.path().display()),
        row("Store", store(config)),
        row("Workspace", &config.workspace),
        row("Listens on", listen),
        row("TLS", tls),
        row("Behind a reverse proxy", yes(config.server.behind_proxy)),
    ];
    section("This deployment", "", rows)
}

/// The engine, and where its data is.
fn store(config: &Config) -> String {
    let Some(url) = &config.store.url else {
        return format!("DuckDB in lake.duckdb, schema {}", store_duckdb::schema::VERSION);
    };
    let cluster = config.store.cluster.as_ref().map(|name| format!(", cluster {name}")).unwrap_or_default();
    format!("ClickHouse at {}{cluster}", without_password(url))
}

fn access(config: &Config, has_login: bool) -> SettingsSection {
    let access = &config.access;
    let metrics = match (&access.metrics_token, &access.metrics_token_file) {
        (Some(_), _) => "a program with the token".to_owned(),
        (None, Some(file)) => format!("a program with the token in {}", file.display()),
        (None, None) if config.server.behind_proxy => "analysts".to_owned(),
        (None, None) => "programs of this machine, and analysts".to_owned(),
    };
    let rows = match has_login {
        false => {
            vec![row("Login", "not needed: only this machine reaches it"), row("Metrics are read by", "this machine")]
        }
        true => vec![
            row("Login", "needed"),
            row("Viewers see addresses and titles", yes(!access.mask_for_viewers)),
            row("Viewers may export", yes(access.viewers_may_export)),
            row(
                "Sessions end",
                format!("after {} min unused, after {} h at most", access.idle_minutes, access.session_hours),
            ),
            row("Metrics are read by", metrics),
        ],
    };
    section("Access", "", rows)
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn limits(config: &Config) -> SettingsSection {
    let days = match config.access.lookups_days {
        0 => "for ever".to_owned(),
        days => format!("for {days} days"),
    };
    let mut rows = vec![row("Look-ups are kept", days)];
    if config.store.url.is_none() {
        let (memory, spill) = (config.store.memory_mb, config.store.spill_mb);
        rows.push(row("Engine’s memory", format!("{} MiB, then {} MiB on disk", grouped(memory), grouped(spill))));
    }
    rows.extend([
        row("A query", format!("{} s, {} rows", config.query.timeout_seconds, grouped(config.query.max_rows))),
        row("Own feed", format!("{} requests a minute", grouped(config.feed.requests_per_minute.into()))),
        row("Silence", format!("an alert after {} h", config.detect.silent_hours)),
        row("A stalled source", format!("an alert after {} min", config.detect.stalled_minutes)),
        row(
            "Own rules",
            config.detect.rules.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string()),
        ),
    ]);
    section("Limits and retention", "", rows)
}

fn sources(config: &Config) -> SettingsSection {
    let rows = config.sources.iter().map(|source| {
        let key = match (&source.key, &source.key_file, &source.key_command) {
            (_, Some(file), _) => format!("from {}", file.display()),
            (_, _, Some(_)) => "from a command".to_owned(),
            (Some(_), ..) => "set".to_owned(),
            _ => "none".to_owned(),
        };
        vec![
            source.name.clone(),
            // An address may hold a password.
            source.base_url.as_deref().map_or_else(|| "Anthropic".to_owned(), without_password),
            key,
            format!("every {} s", source.interval_seconds),
            source.backfill_from.clone(),
            format!("{} days", source.retention_days),
            format!("{} a minute, {} % left to others", source.requests_per_minute, source.leave_percent),
        ]
    });
    SettingsSection {
        columns: vec!["Name", "Feed", "Key", "Asked", "Past", "Kept upstream", "Budget"],
        ..section("Sources", "what is collected; how it goes stands on the page Sources", rows.collect())
    }
}

fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{}", path.split(['?', '#']).next().unwrap_or_default())
        }
        None => String::new(),
    }
}

fn destinations(config: &Config) -> SettingsSection {
    let rows = config.destinations.iter().map(|destination| {
        let kind = destination.kind.map(|kind| format!("{kind:?}").to_lowercase()).unwrap_or_default();
        let severity =
            destination.severity.map_or_else(|| "as its kind has it".to_owned(), |one| format!("{one} and up"));
        let rules = if destination.rules.is_empty() { "all".to_owned() } else { destination.rules.join(", ") };
        vec![destination.name.clone(), kind, severity, rules]
    });
    SettingsSection {
        columns: vec!["Name", "Kind", "Severity", "Rules"],
        ..section("Destinations", "who is told of alerts", rows.collect())
    }
}

fn files(config: &Config, data: &DataDir) -> SettingsSection {
    let options = enriching::options(config, data);
    let state = |path: &std::path::Path| match std::fs::metadata(path) {
        Ok(data) if data.len() < 1_000_000 => format!("{:.1} kB", data.len() as f64 / 1e3),
        Ok(data) => format!("{:.1} MB", data.len() as f64 / 1e6),
        Err(_) => "not there".to_owned(),
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (kind, paths) in [("Location database", &options.databases), ("Fetched", &options.fetched)] {
        rows.extend(paths.iter().map(|path| vec![kind.to_owned(), path.display().to_string(), state(path)]));
    }
    if options.built_in.is_some() {
        rows.push(vec![
            "Location database".to_owned(),
            "networks of documentation and demos".to_owned(),
            "built in".to_owned(),
        ]);
    }
    rows.extend(
        options
            .directory
            .iter()
            .map(|path| vec!["Directory of people".to_owned(), path.display().to_string(), state(path)]),
    );
    SettingsSection {
        columns: vec!["What", "File", "State"],
        ..section("Enrichment files", "what is looked up of each activity", rows)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn says_how_it_is_set_and_no_secret() {
        let mut config = Config::default();
        config.store.url = Some("clickhouse://reader:secret@db.example.com:8123/logs?secret".to_owned());
        config.store.password = Some("secret".to_owned().into());
        config.access.metrics_token = Some("secret".to_owned().into());
        config.server.tls_cert = Some(PathBuf::from("/etc/cert.pem"));
        config.access.viewers_may_export = true;
        let data = DataDir::new(PathBuf::from("/nowhere"));
        let report = reader(&config, &data, config.server.listen, true)();
        let said = format!("{:?}", report.sections);
        for part in
            ["ClickHouse at clickhouse://db.example.com:8123/logs", "with /etc/cert.pem", "a program with the token"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("secret") && !said.contains("MiB"), "{said}");
        assert_eq!(report.dialect, Dialect::ClickHouse);
        let rows = &report.sections[1].rows;
        assert!(rows.contains(&row("Viewers may export", "yes")), "{rows:?}");
        config.store.url = None;
        let report = reader(&config, &data, config.server.listen, false)();
        assert!(report.sections[0].rows.iter().any(|row| row[1].starts_with("DuckDB in lake.duckdb")));
        assert_eq!((report.dialect, report.users), (Dialect::DuckDb, None));
    }
}
