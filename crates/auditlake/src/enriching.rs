//! The files that enrichment asks, as the configuration names them, and the database of the simulator's networks.

use std::{path::PathBuf, sync::Arc, time::Duration};

use enrich::{Block, Builder, Enricher, Options};
use tokio::task::JoinHandle;

use crate::{config::Config, datadir::DataDir};

/// The word for the built-in database among the names of files.
pub const DOCUMENTATION_RANGES: &str = "documentation-ranges";

/// What `auditlake enrich update` fetches unless told otherwise: free under CC BY 4.0, without an account.
pub const FREE_DATABASES: [&str; 2] = [
    "https://download.db-ip.com/free/dbip-city-lite-{month}.mmdb.gz",
    "https://download.db-ip.com/free/dbip-asn-lite-{month}.mmdb.gz",
];

/// The people of a demo, in its directory.
pub const DEMO_PEOPLE: &str = "demo-people.csv";

/// What to ask in this deployment. A demo knows its own networks and people.
pub fn options(config: &Config, data: &DataDir) -> Options {
    let is_demo = data.path().join("demo.json").exists();
    let (built_in, databases): (Vec<PathBuf>, Vec<PathBuf>) =
        config.enrich.databases.iter().cloned().partition(|path| path.as_os_str() == DOCUMENTATION_RANGES);
    let people = data.path().join(DEMO_PEOPLE);
    Options {
        databases,
        fetched: config.enrich.update_urls.iter().filter_map(|url| fetched(data, url)).collect(),
        built_in: (is_demo || !built_in.is_empty()).then(documentation_ranges),
        directory: config.enrich.directory.clone().or_else(|| (is_demo && people.exists()).then_some(people)),
        user_agents: config.enrich.user_agents,
    }
}

/// Opens the files. What cannot be read is left out, and the log says so.
pub fn open(config: &Config, data: &DataDir) -> Arc<Enricher> {
    Arc::new(Enricher::new(options(config, data)))
}

/// Where what is fetched from here is kept; `None` if the address names no file.
pub fn fetched(data: &DataDir, url: &str) -> Option<PathBuf> {
    let name = url.split(['?', '#']).next()?.rsplit('/').next()?;
    let name = name.strip_suffix(".gz").unwrap_or(name).replace("-{month}", "").replace("{month}", "");
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
    let is_name = name.ends_with(".mmdb") && name.chars().all(is_plain) && !name.starts_with('.');
    is_name.then(|| data.path().join("enrich").join(name))
}

/// Takes changed files up for as long as it is not aborted.
pub fn watch(enricher: Arc<Enricher>, every: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(every.max(Duration::from_secs(1))).await;
            let enricher = enricher.clone();
            // Reading a file takes a moment; a panic there is told by the runtime, and the next look is a new one.
            let _ = tokio::task::spawn_blocking(move || enricher.refresh()).await;
        }
    })
}

/// A location database of the networks that the simulator uses: the ranges that are reserved for documentation.
pub fn documentation_ranges() -> Vec<u8> {
    let mut builder = Builder::default();
    for network in simulate::networks() {
        let block = Block {
            country_code: network.country_code,
            country: network.country,
            city: network.city,
            latitude: network.latitude,
            longitude: network.longitude,
            asn: network.asn,
            as_organization: network.as_organization,
            connection_type: network.connection_type,
            user_type: network.user_type,
        };
        builder.add(&network.cidr, &block);
    }
    builder.finish("Documentation-Ranges", "Networks of simulated organisations, in ranges that nobody has", MADE)
}

/// 2026-11-20: when the table of networks was written.
const MADE: u64 = 1_795_132_800;

#[cfg(test)]
mod tests {
    use activity::PlacePart;

    use super::*;

    #[test]
    fn knows_every_simulated_network() {
        let enricher = Enricher::new(Options { built_in: Some(documentation_ranges()), ..Options::default() });
        for network in simulate::networks() {
            let (address, _) = network.cidr.split_once('/').unwrap();
            let place = enricher.place(address).unwrap();
            assert_eq!(PlacePart::City.of(&place), Some(network.city));
            assert_eq!(PlacePart::Country.of(&place), Some(network.country_code));
            assert_eq!(PlacePart::Asn.of(&place), Some(network.asn.to_string().as_str()));
            assert_eq!(PlacePart::Database.of(&place), Some("Documentation-Ranges 2026-11-20"));
        }
        assert_eq!(enricher.place("192.0.3.1"), None);
    }

    #[test]
    fn names_files_after_addresses() {
        let data = DataDir::new("/d".into());
        let name = |url: &str| fetched(&data, url).map(|path| path.display().to_string());
        assert_eq!(name(FREE_DATABASES[0]).as_deref(), Some("/d/enrich/dbip-city-lite.mmdb"));
        assert_eq!(name("http://h/a/b.mmdb?token=x").as_deref(), Some("/d/enrich/b.mmdb"));
        for url in ["http://h/", "http://h/a.zip", "http://h/..%2f.mmdb", "http://h/.mmdb"] {
            assert_eq!(name(url), None, "{url}");
        }
    }
}
