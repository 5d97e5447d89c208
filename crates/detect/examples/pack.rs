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
use simulate::{Config, Simulation, scenarios};

#[path = "../tests/shared/expected.rs"]
mod expected;
#[path = "../tests/shared/places.rs"]
mod places;

use expected::{judge, take};
use places::Places;

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
    activities.iter().for_each(|(json, _)| _ = take(&mut engine, json, places));
    engine.settle().findings
}

fn told(pack: &Arc<Pack>, words: &Words) -> bool {
    let places = Places::new();
    let mut wrong = 0;
    for info in scenarios().iter().filter(|info| words.only.as_deref().is_none_or(|only| only == info.name)) {
        let activities = simulated(words, Some(info.name));
        let labelled = activities.iter().filter(|(_, label)| label.is_some()).count();
        let outcome = judge(pack, info.name, &activities, &places);
        println!("\n## {}: {} activities, {labelled} of them the scenario's", info.name, activities.len());
        for finding in outcome.findings {
            println!("  {:13} {:30} {}", finding.severity.as_str(), finding.rule, finding.title);
        }
        outcome.wrong.iter().for_each(|reason| println!("  WRONG: {reason}"));
        wrong += usize::from(!outcome.wrong.is_empty());
    }
    println!("\n{wrong} scenarios not found as they should be");
    wrong > 0
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
    let mut words = Words { dir: words.dir.clone(), numbers: words.numbers.clone(), only: None };
    // A little more than a million activities of working days and nights.
    words.numbers.entry("people".to_owned()).or_insert(1_400);
    let mut activities = simulated(&words, None);
    activities.truncate(words.number("rows", 1_000_000) as usize);
    let places = Places::new();
    let ready: Vec<(&str, Option<&str>)> = activities
        .iter()
        .map(|(json, _)| {
            let activity = Activity::parse(json.as_bytes()).unwrap();
            (json.as_str(), activity.actor.text("ip_address").and_then(|address| places.of(address)))
        })
        .collect();
    let running: BTreeSet<String> = pack.running().map(|rule| rule.id.clone()).collect();
    for share in [0, 10, 30, 60, running.len()] {
        let some: BTreeSet<&String> = running.iter().take(share).collect();
        let mut given = words.dir.as_deref().map_or_else(builtin, load::directory);
        given.rules.iter_mut().for_each(|rule| rule.enabled &= some.contains(&rule.id));
        given.overrides.clear();
        let pack = Arc::new(Pack::new(given, load::Loaded::default()));
        timed(&pack, &ready);
    }
    false
}

fn timed(pack: &Arc<Pack>, ready: &[(&str, Option<&str>)]) {
    let (began, busy) = (Instant::now(), on_cpu());
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
    let busy = on_cpu().zip(busy).map_or(seconds, |(after, before)| after - before);
    println!(
        "{:3} rules, {} activities: {busy:.2} s of a core ({seconds:.2} s by the clock), {:.0} a second, {alerts} findings",
        pack.running().count(),
        ready.len(),
        ready.len() as f64 / busy
    );
}

/// How long this thread has run, where the system tells: beside other work, the clock tells of that too.
fn on_cpu() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}
