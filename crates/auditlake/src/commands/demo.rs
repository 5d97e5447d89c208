//! `auditlake demo`: everything with no key, over a simulated organisation.

use std::{io::IsTerminal, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use auditlake_store::{Reader, SourceInfo};
use collect::{Budget, SourceOptions};
use feed::client::Client;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use simulate::Simulation;
use web::SimulatedBanner;

use crate::{
    cli::Demo,
    config::{Config, PORT},
    datadir::DataDir,
    engine::Store,
    enriching, hinted, log,
    service::{Prepared, Running},
    simulated::SimulatedFeed,
};

/// What a demo's directory remembers, so that the same people go on working when it is started again.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    seed: u64,
    people: u32,
    days: u32,
    start: Timestamp,
    /// When it was first started.
    #[serde(default)]
    begun: Option<Timestamp>,
}

/// While this one happens nothing is logged, for most of an hour: once, in the past, is enough.
const SILENT_SCENARIO: &str = "logging-tampered";

pub async fn run(config: &Config, words: &Demo) -> Result<ExitCode> {
    let temporary = match config.data {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("auditlake-demo-")
                .tempdir()
                .context("cannot make a directory for the demo")?,
        ),
    };
    let data = match &temporary {
        Some(dir) => DataDir::new(dir.path().to_owned()),
        None => config.data_dir()?,
    };
    let owner = data.own_alone("demo")?;
    let held = match &config.store.url {
        Some(url) => (Store::open(config, &data).await?.status().await?.seq > 0).then(|| url.clone()),
        None => data.has_store().then(|| data.path().display().to_string()),
    };
    let simulation = Arc::new(simulation(&data, held, words)?);
    write_people(&data, &simulation)?;
    let banner = SimulatedBanner {
        people: words.organisation.people,
        days: words.organisation.days,
        seed: words.organisation.seed,
    };
    let mut listen = config.server.listen;
    // Without a word about the port, a second demo is not a mistake.
    let is_free = || std::net::TcpListener::bind(("127.0.0.1", PORT)).is_ok();
    listen.set_port(words.port.unwrap_or_else(|| if is_free() { listen.port() } else { 0 }));
    let mut running = Running::start(config, &data, owner, listen, Some(banner)).await?;
    let feed = SimulatedFeed::bind(&simulation, 0, 600).await?;
    let (url, page) = (feed.url.clone(), running.page.clone());
    tokio::spawn(feed.serve(std::future::pending()));
    println!("{page}");
    tell(&words.organisation, config, &data, &url, &page);
    running.collect(source(&data, &simulation, &url)?);
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !words.no_open && std::io::stderr().is_terminal() && (has_display || cfg!(target_os = "macos")) {
        let _ = open::that_detached(&page);
    }
    running.until_asked().await?;
    Ok(ExitCode::SUCCESS)
}

fn tell(organisation: &crate::cli::Organisation, config: &Config, data: &DataDir, feed: &str, page: &str) {
    let crate::cli::Organisation { people, days, .. } = organisation;
    log::say(format!(
        "The people of this demo are simulated: an organisation of {people} with {days} days of past, served as a feed on {feed}.\n\
         Attacks among them have happened, and more happen in the first half hour: each raises alerts.\n\
         \n  The page:  {page}\n  Alerts:    auditlake --data {dir} alerts list\n  Ask it:    auditlake --data {dir} query \"select eventName, count(*) from anthropic_logs group by 1 order by 2 desc\"\n\
         \x20            auditlake --data {dir} search type:sso_login_failed\n\
         \x20            auditlake --data {dir} tail\n  End it:    Ctrl-C\n",
        dir = data.path().display(),
    ));
    if config.store.url.is_some() {
        log::say("The data stays in the database when the demo ends.");
    }
}

/// The organisation of this directory; a new one in an empty directory.
fn simulation(data: &DataDir, place: Option<String>, words: &Demo) -> Result<Simulation> {
    let path = data.path().join("demo.json");
    let memory: Option<Memory> = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
    if memory.is_none()
        && let Some(place) = place
    {
        return Err(hinted(
            format!("{place} holds data that no demo made"),
            "name an empty directory with --data, or leave it out for a temporary one; with --store, an empty database",
        ));
    }
    let asked = &words.organisation;
    let (seed, people, days) = (asked.seed, asked.people, asked.days);
    if let Some(memory) = &memory
        && (memory.seed, memory.people, memory.days) != (seed, people, days)
    {
        return Err(hinted(
            format!(
                "the demo in {} has --people {} --days {} --seed {}",
                data.path().display(),
                memory.people,
                memory.days,
                memory.seed
            ),
            "give the same, or another --data",
        ));
    }
    // A directory of before there were attacks in demos goes on without them.
    let is_quiet = memory.as_ref().is_some_and(|memory| memory.begun.is_none());
    let names = || simulate::scenarios().iter().map(|info| info.name.to_owned()).filter(|_| !is_quiet);
    let config = simulate::Config {
        seed,
        people,
        days,
        start: memory.as_ref().map(|memory| memory.start),
        scenarios: names().collect(),
        scenarios_soon: names().filter(|name| name != SILENT_SCENARIO).collect(),
        scenarios_at: memory.as_ref().and_then(|memory| memory.begun),
        ..simulate::Config::default()
    };
    let begun = match &memory {
        Some(memory) => memory.begun,
        None => Some(config.now),
    };
    let simulation = Simulation::new(config)?;
    let memory = Memory { seed, people, days, start: simulation.start(), begun };
    std::fs::write(&path, serde_json::to_string(&memory)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(simulation)
}

/// The directory of the simulated company, for the names and departments of its people.
fn write_people(data: &DataDir, simulation: &Simulation) -> Result<()> {
    let mut text = String::from("email,user_id,name,department,manager,service_account\n");
    let organization = simulation.organization();
    for number in 0..organization.people() {
        let person = organization.person(number);
        text.push_str(&format!("{},{},\"{}\",{},,no\n", person.email, person.user_id, person.name, person.department));
    }
    let path = data.path().join(enriching::DEMO_PEOPLE);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn source(data: &DataDir, simulation: &Simulation, url: &str) -> Result<Prepared> {
    let client = Client::builder()
        .base_url(url)
        .key(simulation.key().to_owned().into())
        .proxy(feed::client::Proxy::Direct)
        .build()?;
    let mut options = SourceOptions::new(SourceInfo::new("demo"), data.path());
    options.interval = Duration::from_secs(10);
    options.backfill_from = Some(simulation.start());
    Ok(Prepared { options, upstream: Arc::new(client), budget: Arc::new(Budget::new(600, 0.0)) })
}
