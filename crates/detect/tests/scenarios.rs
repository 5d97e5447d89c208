//! Each scenario of the simulator raises its alerts at the right severity while it happens, and an organisation without any raises few.
//! The same with 1,000 people: bench/detect.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

use std::sync::Arc;

use auditlake_store::alert::Severity;
use detect::{Engine, Pack, builtin, load};
use simulate::{Config, Simulation, scenarios};

#[path = "shared/expected.rs"]
mod expected;
#[path = "shared/places.rs"]
mod places;

use expected::{judge, take};
use places::Places;

fn simulated(scenario: Option<&str>) -> Vec<(String, Option<&'static str>)> {
    let simulation = Simulation::new(Config {
        seed: 1,
        people: 60,
        days: 30,
        now: "2026-03-02T12:00:00Z".parse().unwrap(),
        scenarios: scenario.map(str::to_owned).into_iter().collect(),
        ..Config::default()
    })
    .unwrap();
    let all = simulation.activities(simulation.start(), simulation.now());
    all.map(|activity| (String::from_utf8(activity.json.to_vec()).unwrap(), activity.scenario)).collect()
}

fn pack() -> Arc<Pack> {
    Arc::new(Pack::new(builtin(), load::Loaded::default()))
}

#[test]
fn every_scenario_raises_its_alerts_while_it_happens() {
    let (pack, places) = (pack(), Places::new());
    for info in scenarios() {
        let outcome = judge(&pack, info.name, &simulated(Some(info.name)), &places);
        let found: Vec<&str> = outcome.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert!(outcome.wrong.is_empty(), "{}: {:?}; found {found:?}", info.name, outcome.wrong);
    }
}

#[test]
fn a_month_without_attacks_is_quiet() {
    let (pack, places) = (pack(), Places::new());
    let mut engine = Engine::new(pack);
    for (json, _) in simulated(None) {
        take(&mut engine, &json, &places);
    }
    let mut loud = engine.settle().findings;
    loud.retain(|finding| finding.severity >= Severity::Medium);
    let told: Vec<&str> = loud.iter().map(|finding| finding.title.as_str()).collect();
    assert!(told.len() <= 10, "{told:?}");
}
