//! `auditlake enrich update`: free location databases, fetched because somebody asked for them.
//!
//! What is fetched is unpacked beside its place, read through to its last record, and only then put there. A service that
//! runs takes it up by itself.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use enrich::{EnrichError, places::Database};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use reqwest::StatusCode;

use crate::{config::Config, enriching, hinted};

/// More is no location database.
const MOST_BYTES: u64 = 4 << 30;
/// A server that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);

pub async fn run(config: &Config) -> Result<ExitCode> {
    let data = config.data_dir()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(SILENCE)
        .user_agent(concat!("auditlake/", env!("CARGO_PKG_VERSION")))
        .build()?;
    let mut has_failed = false;
    for url in &config.enrich.update_urls {
        let Some(path) = enriching::fetched(&data, url) else {
            return Err(hinted(
                format!("enrich.update_urls: {url:?} names no file that ends with .mmdb or .mmdb.gz"),
                "docs/configuration.md has an example",
            ));
        };
        match update(&http, url, &path).await {
            Ok(label) => println!("{}: {label}, from {}", path.display(), source(url)),
            Err(error) => {
                has_failed = true;
                eprintln!("error: {error:#}");
                eprintln!(
                    "hint: this command needs the network; without it, fetch the file elsewhere, unpack it and put it at {}",
                    path.display()
                );
            }
        }
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where it comes from, and under which licence.
fn source(url: &str) -> String {
    match url.starts_with("https://download.db-ip.com/free/") {
        true => "db-ip.com under CC BY 4.0: name \"IP Geolocation by DB-IP\" (https://db-ip.com) where you show it"
            .to_owned(),
        false => url.to_owned(),
    }
}

async fn update(http: &reqwest::Client, url: &str, path: &Path) -> Result<String> {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let last = now.checked_sub(1.month())?;
    let months = [now, last].map(|time| time.strftime("%Y-%m").to_string());
    // A new month's file comes some days into the month.
    let tries = if url.contains("{month}") { months.len() } else { 1 };
    for month in &months[..tries] {
        let address = url.replace("{month}", month);
        let cannot = || format!("cannot fetch {address}");
        let response = http.get(&address).send().await.map_err(reqwest::Error::without_url).with_context(cannot)?;
        match response.status() {
            status if status.is_success() => return take(response, path).await.with_context(cannot),
            StatusCode::NOT_FOUND => {}
            status => return Err(anyhow!("the server answered {status}")).with_context(cannot),
        }
    }
    Err(anyhow!(
        "cannot fetch {url}: there is no such file{}",
        if tries > 1 { ", for this month or the last" } else { "" }
    ))
}

/// Reads the answer into a file beside its place, and moves it there if it is good.
async fn take(mut response: reqwest::Response, path: &Path) -> Result<String> {
    let dir = path.parent().context("no directory")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let packed = Fresh(beside(path, "part"));
    let mut file = fs::File::create(&packed.0).with_context(|| format!("cannot write {}", packed.0.display()))?;
    let mut size = 0;
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        size += chunk.len() as u64;
        if size > MOST_BYTES {
            return Err(anyhow!("it is larger than {MOST_BYTES} bytes"));
        }
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || put(&packed.0, &path)).await?
}

fn put(packed: &Path, path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(packed)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut whole = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(MOST_BYTES).read_to_end(&mut whole)?;
        bytes = whole;
    }
    let fresh = Fresh(beside(path, "new"));
    let mut file = fs::File::create(&fresh.0).with_context(|| format!("cannot write {}", fresh.0.display()))?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    let database = Database::new(path, bytes)?;
    database.verify().map_err(|message| EnrichError::Database { path: path.to_owned(), message })?;
    fs::rename(&fresh.0, path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(database.label().to_owned())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{ending}", std::process::id()));
    PathBuf::from(name)
}

/// A file that goes with this value.
struct Fresh(PathBuf);

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
