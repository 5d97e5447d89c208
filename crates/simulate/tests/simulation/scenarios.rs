//! Every scenario happens when it is asked for, is labelled in the truth, and leaves the rest as it was.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use simulate::{Activity, Config, Pace, Simulation, scenarios, validate::validate};

fn simulation(people: u32, days: u32, names: &[&str]) -> Simulation {
    let now = "2026-11-20T15:00:00Z".parse().unwrap();
    let scenarios: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let scenarios_soon = scenarios.clone();
    let config = Config { people, days, now, pace: Pace::Frozen, scenarios, scenarios_soon, ..Config::default() };
    Simulation::new(config).unwrap()
}

#[test]
fn there_are_twelve() {
    let names: Vec<&str> = scenarios().iter().map(|info| info.name).collect();
    assert_eq!(
        names,
        [
            "password-spray",
            "account-takeover",
            "session-theft",
            "admin-persistence",
            "sso-weakened",
            "logging-tampered",
            "insider-exfiltration",
            "mcp-supply-chain",
            "mass-deletion",
            "spend-abuse",
            "compliance-key-theft",
            "inference-hook-open"
        ]
    );
    assert!(scenarios().iter().all(|info| !info.description.is_empty() && info.length.as_secs() < 12 * 3_600));
    let config = Config { scenarios: vec!["flood".into()], ..Config::default() };
    let error = Simulation::new(config).err().unwrap().to_string();
    assert!(error.starts_with("no scenario is named \"flood\"; there are password-spray, "), "{error}");
}

#[test]
fn all_at_once_are_labelled_in_the_past_and_soon() {
    let names: Vec<&str> = scenarios().iter().map(|info| info.name).collect();
    for (people, days) in [(5, 2), (200, 30)] {
        let simulation = simulation(people, days, &names);
        let until = simulation.now() + jiff::SignedDuration::from_hours(12);
        let mut found: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for activity in simulation.activities(simulation.start(), until) {
            let Some(name) = activity.scenario else { continue };
            let json: Value = serde_json::from_slice(&activity.json).unwrap();
            validate(&json).unwrap_or_else(|error| panic!("{error}\n{json:#}"));
            assert!(!json.to_string().contains(name), "the feed names no scenario");
            let (past, soon) = found.entry(name).or_default();
            *if activity.created_at < simulation.now() { past } else { soon } += 1;
        }
        assert_eq!(found.len(), names.len(), "{found:?}");
        assert!(found.values().all(|(past, soon)| *past >= 4 && *soon >= 4), "{found:?}");
    }
}

#[test]
fn a_scenario_adds_its_own_and_takes_nothing_away() {
    let benign: Vec<Activity> = past(&simulation(50, 12, &[])).collect();
    let mut rest: Vec<Activity> = past(&simulation(50, 12, &["mass-deletion"])).collect();
    let before = rest.len();
    rest.retain(|activity| activity.scenario.is_none());
    assert!(before > rest.len() + 100);
    assert_eq!(benign, rest);
}

#[test]
fn nothing_is_logged_while_the_log_is_off() {
    let simulation = simulation(500, 20, &["logging-tampered"]);
    let switched: Vec<Timestamp> = past(&simulation)
        .filter(|activity| activity.scenario.is_some() && activity.kind == "org_compliance_api_settings_updated")
        .map(|activity| activity.created_at)
        .collect();
    let [off, on] = switched[..] else { panic!("{switched:?}") };
    let between = simulation.activities(off, on).filter(|activity| activity.created_at > off).count();
    assert_eq!(between, 0);
}

fn past(simulation: &Simulation) -> impl Iterator<Item = Activity> {
    simulation.activities(simulation.start(), simulation.now())
}
