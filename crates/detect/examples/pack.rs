//! The pack without a store: `cargo run -p detect --example pack -- lint|test|scenarios|benign|speed [DIR]`.
//!
//! `lint` and `test` do what `auditlake rules` does. `scenarios` runs each of the simulator's for a 1,000-person organisation
//! over 30 days and says which rules found it; `benign` says what 30 days without any raise; `speed` how fast the rules
//! are. bench/detect says how to read the figures. DIR is a directory of rules that are used instead of the compiled-in
//! ones; `--people N`, `--days N`, `--seed N`, `--rows N` change what is simulated.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a tool for who works on the rules")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use activity::Activity;
use auditlake_store::alert::{Finding, Severity};
use detect::{Engine, Enrichment, Input, Pack, builtin, lint, load, trial};
use simulate::{Config, Network, Simulation, networks, scenarios};

struct Words {
    dir: Option<PathBuf>,
    numbers: BTreeMap<String, u64>,
    only: Option<String>,
}

impl Words {
    fn number(&self, name: &str, otherwise: u64) -> u64 {
        self.numbers.get(name).copied().unwrap_or(otherwise)
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let mut words = Words { dir: None, numbers: BTreeMap::new(), only: None };
    while let Some(word) = arguments.next() {
        match word.strip_prefix("--") {
            Some("scenario") => words.only = arguments.next(),
            Some(name) => {
                words.numbers.insert(name.to_owned(), arguments.next().unwrap().parse().unwrap());
            }
            None => words.dir = Some(word.into()),
        }
    }
    let given = words.dir.as_deref().map_or_else(builtin, load::directory);
    let pack = Arc::new(Pack::new(given, load::Loaded::default()));
    let wrong = match command.as_str() {
        "lint" => linted(&pack),
        "test" => tested(&pack),
        "scenarios" => told(&pack, &words),
        "benign" => benign(&pack, &words),
        "speed" => speed(&pack, &words),
        _ => panic!("lint, test, scenarios, benign or speed"),
    };
    std::process::exit(i32::from(wrong) * 3);
}

fn linted(pack: &Pack) -> bool {
    let problems = lint::run(pack, |_| true);
    problems.iter().for_each(|problem| println!("{problem}"));
    lint::untested(pack).iter().for_each(|rule| println!("{}: rule {}: too few tests", rule.place, rule.id));
    println!("{} rules, {} run, {} problems", pack.rules.len(), pack.running().count(), problems.len());
    !problems.is_empty()
}

fn tested(pack: &Arc<Pack>) -> bool {
    let verdicts = trial::run(pack, |_| true);
    let failed: Vec<_> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
    failed.iter().for_each(|verdict| println!("{}: {}: {}", verdict.rule, verdict.test, verdict.reason));
    println!("{} tests, {} failed", verdicts.len(), failed.len());
    !failed.is_empty()
}

/// What enrichment would say, by the simulator's own table of networks.
struct Places(Vec<(std::ops::RangeInclusive<u128>, String)>);

impl Places {
    fn new() -> Places {
        Places(networks().iter().map(|network| (range(&network.cidr), place(network))).collect())
    }

    fn of(&self, address: &str) -> Option<&str> {
        let number = match address.parse().ok()? {
            std::net::IpAddr::V4(ip) => u128::from(u32::from(ip)),
            std::net::IpAddr::V6(ip) => u128::from(ip),
        };
        self.0.iter().find(|(range, _)| range.contains(&number)).map(|(_, place)| place.as_str())
    }
}

fn range(cidr: &str) -> std::ops::RangeInclusive<u128> {
    let (address, bits) = cidr.split_once('/').unwrap();
    let (first, width) = match address.parse().unwrap() {
        std::net::IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        std::net::IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    first..=first + ((1 << (width - bits.parse::<u32>().unwrap())) - 1)
}

fn place(network: &Network) -> String {
    [
        network.country_code.to_owned(),
        network.asn.to_string(),
        network.as_organization.to_owned(),
        network.city.to_owned(),
        network.connection_type.to_owned(),
        network.as_organization.to_owned(),
        network.latitude.to_string(),
        network.longitude.to_string(),
        network.user_type.to_owned(),
    ]
    .join("\u{1f}")
}

/// Every activity of a simulation: its JSON and its label.
fn simulated(words: &Words, scenario: Option<&str>) -> Vec<(String, Option<&'static str>)> {
    let simulation = Simulation::new(Config {
        seed: words.number("seed", 1),
        people: words.number("people", 1_000) as u32,
        days: words.number("days", 30) as u32,
        now: "2026-03-02T12:00:00Z".parse().unwrap(),
        scenarios: scenario.map(str::to_owned).into_iter().collect(),
        ..Config::default()
    })
    .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    simulation
        .activities(simulation.start(), simulation.now())
        .map(|activity| (text(&activity.json), activity.scenario))
        .collect()
}

fn run(pack: &Arc<Pack>, activities: &[(String, Option<&'static str>)], places: &Places) -> Vec<Finding> {
    let mut engine = Engine::new(pack.clone());
    for (json, _) in activities {
        let activity = Activity::parse(json.as_bytes()).unwrap();
        let place = activity.actor.text("ip_address").and_then(|address| places.of(address));
        let enrichment = Enrichment { place, ..Enrichment::default() };
        engine.take(&Input { activity: &activity, enrichment, source: "simulated" });
    }
    engine.settle().findings
}

fn told(pack: &Arc<Pack>, words: &Words) -> bool {
    let places = Places::new();
    let mut missed = 0;
    for info in scenarios().iter().filter(|info| words.only.as_deref().is_none_or(|only| only == info.name)) {
        let activities = simulated(words, Some(info.name));
        let labelled: BTreeSet<String> = activities
            .iter()
            .filter(|(_, label)| label.is_some())
            .map(|(json, _)| Activity::parse(json.as_bytes()).unwrap().id.into_owned())
            .collect();
        let findings = run(pack, &activities, &places);
        println!("\n## {}: {} activities, {} of them the scenario's", info.name, activities.len(), labelled.len());
        let mut is_found = false;
        for finding in findings {
            let hit = finding.activities.iter().filter(|id| labelled.contains(*id)).count();
            if hit > 0 {
                is_found |= finding.severity >= Severity::Medium;
                println!("  {:13} {:30} {}", finding.severity.as_str(), finding.rule, finding.title);
            }
        }
        if !is_found {
            missed += 1;
            println!("  MISSED: no alert of medium or higher");
        }
    }
    println!("\n{missed} scenarios missed");
    missed > 0
}

fn benign(pack: &Arc<Pack>, words: &Words) -> bool {
    let activities = simulated(words, None);
    let findings = run(pack, &activities, &Places::new());
    let mut by_rule: BTreeMap<(Severity, &str), usize> = BTreeMap::new();
    for finding in &findings {
        *by_rule.entry((finding.severity, &finding.rule)).or_default() += 1;
    }
    for ((severity, rule), count) in by_rule.iter().rev() {
        println!("{:13} {rule:30} {count}", severity.as_str());
    }
    for finding in findings.iter().filter(|finding| finding.severity >= Severity::Medium).take(40) {
        println!("  {:13} {:30} {} {}", finding.severity.as_str(), finding.rule, finding.first, finding.title);
    }
    let loud = findings.iter().filter(|finding| finding.severity >= Severity::Medium).count();
    println!("{} activities: {} alerts, {loud} of medium or higher (at most 10)", activities.len(), findings.len());
    loud > 10
}

fn speed(pack: &Arc<Pack>, words: &Words) -> bool {
    let mut activities = simulated(words, None);
    activities.truncate(words.number("rows", 1_000_000) as usize);
    let places = Places::new();
    let ready: Vec<(&str, Option<&str>)> = activities
        .iter()
        .map(|(json, _)| {
            let activity = Activity::parse(json.as_bytes()).unwrap();
            (json.as_str(), activity.actor.text("ip_address").and_then(|address| places.of(address)))
        })
        .collect();
    let began = Instant::now();
    let mut engine = Engine::new(pack.clone());
    let mut alerts = 0;
    for (at, (json, place)) in ready.iter().enumerate() {
        let activity = Activity::parse(json.as_bytes()).unwrap();
        let enrichment = Enrichment { place: *place, ..Enrichment::default() };
        engine.take(&Input { activity: &activity, enrichment, source: "simulated" });
        if at % 50_000 == 49_999 {
            alerts += engine.settle().findings.len();
        }
    }
    alerts += engine.settle().findings.len();
    let seconds = began.elapsed().as_secs_f64();
    let rate = ready.len() as f64 / seconds;
    println!(
        "{} rules, {} activities: {seconds:.2} s, {rate:.0} a second, {alerts} findings",
        pack.running().count(),
        ready.len()
    );
    false
}
