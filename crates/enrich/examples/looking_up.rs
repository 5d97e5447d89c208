//! How many activities a second one core enriches: `cargo run -p enrich --example looking_up [FILE.jsonl] [DATABASE.mmdb …]`.
//!
//! Without a file, a month of the simulated organisation; without a database, that of its networks. Cold is a new enricher
//! that has said nothing yet, and whose every answer is made; warm is the same one again. "All new" gives each activity an
//! address and a user agent of its own: a version that no other has. "Nothing alike" gives each a program of its own as well,
//! which only somebody does who wants to keep us busy: then the parser of user agents is run for each. Seconds are those of
//! one processor.

use std::{hint::black_box, path::PathBuf, time::Instant};

use activity::{Activity, Record};
use enrich::{Block, Builder, Enricher, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (databases, files): (Vec<PathBuf>, Vec<PathBuf>) = std::env::args_os()
        .skip(1)
        .map(PathBuf::from)
        .partition(|path| path.extension().is_some_and(|end| end == "mmdb"));
    let raws: Vec<String> = match files.first() {
        Some(path) => std::fs::read_to_string(path)?.lines().map(str::to_owned).collect(),
        None => simulated()?,
    };
    let dir = tempfile::tempdir()?;
    let people = dir.path().join("people.csv");
    std::fs::write(&people, directory(&raws)?)?;
    let options = Options {
        built_in: databases.is_empty().then(sample),
        databases,
        fetched: Vec::new(),
        directory: Some(people),
        user_agents: true,
    };
    let activities: Vec<Activity> = raws.iter().map(|raw| Activity::parse_str(raw)).collect::<Result<_, _>>()?;
    let records: Vec<Record> = activities.iter().map(Record::of).collect();
    let distinct = |name: &str| {
        let mut all: Vec<&str> = activities.iter().filter_map(|activity| activity.actor.text(name)).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    };
    println!(
        "{} activities, {} addresses, {} user agents",
        records.len(),
        distinct("ip_address"),
        distinct("user_agent")
    );
    let enricher = Enricher::new(options.clone());
    run("cold", &enricher, &records);
    run("warm", &enricher, &records);
    run("warm", &enricher, &records);
    for (name, agent) in [("all new", ""), ("nothing alike", "Program")] {
        let new: Vec<String> = raws.iter().enumerate().map(|(at, raw)| all_new(raw, at, agent)).collect();
        let activities: Vec<Activity> = new.iter().map(|raw| Activity::parse_str(raw)).collect::<Result<_, _>>()?;
        let records: Vec<Record> = activities.iter().map(Record::of).collect();
        run(name, &Enricher::new(options.clone()), &records);
    }
    Ok(())
}

fn run(name: &str, enricher: &Enricher, records: &[Record]) {
    let (started, busy) = (Instant::now(), busy_seconds());
    let mut found = [0_usize; 3];
    for record in records {
        let enrichment = black_box(enricher.of(record));
        for (count, text) in found.iter_mut().zip([&enrichment.place, &enrichment.agent, &enrichment.person]) {
            *count += usize::from(text.is_some());
        }
    }
    // On a machine that does other things, too, the time of the processor tells more than that of the clock.
    let seconds = match (busy, busy_seconds()) {
        (Some(before), Some(after)) => after - before,
        _ => started.elapsed().as_secs_f64(),
    };
    let [places, agents, people] = found;
    println!(
        "{name:>13}: {:>10.0} activities a second ({places} places, {agents} agents, {people} people)",
        records.len() as f64 / seconds
    );
}

/// For how long this thread has had a processor, where the system says so.
fn busy_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// The same activity from an address and with a user agent that no other has.
fn all_new(raw: &str, at: usize, program: &str) -> String {
    let mut value = raw.to_owned();
    let address = format!("2001:db8:{:x}:{:x}::1", 0x100 + at % 16, at / 16);
    let mut agent = format!(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{at}.0.0.0 Safari/537.36"
    );
    if !program.is_empty() {
        agent = format!("{agent} {program}{at}x/1.0");
    }
    for (name, text) in [("\"ip_address\":\"", address), ("\"user_agent\":\"", agent)] {
        let Some(start) = value.find(name).map(|at| at + name.len()) else { continue };
        let Some(end) = value[start..].find('"').map(|end| start + end) else { continue };
        value.replace_range(start..end, &text);
    }
    value
}

fn simulated() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let config = simulate::Config {
        people: 400,
        days: 30,
        now: "2026-11-20T15:00:00Z".parse()?,
        pace: simulate::Pace::Frozen,
        ..simulate::Config::default()
    };
    let simulation = simulate::Simulation::new(config)?;
    let all = simulation.activities(simulation.start(), simulation.now());
    Ok(all.map(|activity| String::from_utf8_lossy(&activity.json).into_owned()).collect())
}

/// Everybody who acts is in the directory.
fn directory(raws: &[String]) -> Result<String, Box<dyn std::error::Error>> {
    let mut lines = std::collections::BTreeSet::new();
    for raw in raws {
        let activity = Activity::parse_str(raw)?;
        if let (Some(email), Some(id)) = (activity.actor.text("email_address"), activity.actor.text("user_id")) {
            lines.insert(format!("{email},{id},Somebody,Engineering,boss@example.com,no"));
        }
    }
    let lines: Vec<String> = lines.into_iter().collect();
    Ok(format!("email,user_id,name,department,manager,service_account\n{}\n", lines.join("\n")))
}

fn sample() -> Vec<u8> {
    let mut builder = Builder::default();
    for network in simulate::networks() {
        builder.add(
            &network.cidr,
            &Block {
                country_code: network.country_code,
                country: network.country,
                city: network.city,
                latitude: network.latitude,
                longitude: network.longitude,
                asn: network.asn,
                as_organization: network.as_organization,
                connection_type: network.connection_type,
                user_type: network.user_type,
            },
        );
    }
    builder.finish("Documentation-Ranges", "", 0)
}
