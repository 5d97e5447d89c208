//! What each of the simulator's scenarios has to raise, and whether it did: at this severity, while it happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use activity::Activity;
use auditlake_store::alert::{Finding, Severity};
use detect::{Engine, Enrichment, Input, Pack};

use super::places::Places;

/// Scenario, rule, severity.
const EXPECTED: [(&str, &[&str], Severity); 14] = [
    ("password-spray", &["password-spray", "sign-in-spray"], Severity::High),
    ("password-spray", &["sign-in-after-spray"], Severity::Critical),
    ("account-takeover", &["impossible-travel", "session-in-two-countries", "sign-in-from-hosting"], Severity::High),
    ("session-theft", &["impossible-travel", "session-in-two-countries", "scripted-person"], Severity::High),
    ("admin-persistence", &["admin-role-granted", "admin-invited", "compliance-key-created"], Severity::High),
    ("sso-weakened", &["sso-disabled", "magic-link-second-factor-off", "ip-restriction-removed"], Severity::High),
    ("logging-tampered", &["logging-disabled", "logging-gap-used"], Severity::Critical),
    ("insider-exfiltration", &["bulk-exports", "data-export"], Severity::High),
    ("insider-exfiltration", &["bulk-reads", "bulk-snapshots", "project-public", "artifact-public"], Severity::Medium),
    ("mcp-supply-chain", &["domain-guard-off", "mcp-tool-always-allowed"], Severity::High),
    ("mass-deletion", &["bulk-deletion"], Severity::High),
    ("spend-abuse", &["spend-limit-removed", "agent-session-burst"], Severity::High),
    ("compliance-key-theft", &["compliance-key-moved", "compliance-api-refused"], Severity::High),
    ("inference-hook-open", &["inference-hook-failing-open", "inference-hook-weakened"], Severity::High),
];

/// Every activity of a simulation in the order of time, its JSON and its label.
pub type Activities = [(String, Option<&'static str>)];

/// What came of a scenario.
pub struct Outcome {
    /// What holds activities of the scenario, as it stood when the scenario ended.
    pub findings: Vec<Finding>,
    /// What is not as expected.
    pub wrong: Vec<String>,
}

/// Runs a simulation up to the last activity of its scenario.
pub fn judge(pack: &Arc<Pack>, scenario: &str, activities: &Activities, places: &Places) -> Outcome {
    let is_labelled = |at: &usize| activities[*at].1 == Some(scenario);
    let first = (0..activities.len()).find(is_labelled).unwrap_or(0);
    let last = (0..activities.len()).rev().find(is_labelled).unwrap_or(0);
    let mut engine = Engine::new(pack.clone());
    let mut known = BTreeMap::new();
    let mut labelled = BTreeSet::new();
    let mut before = BTreeSet::new();
    for (at, (json, label)) in activities[..=last].iter().enumerate() {
        if at == first {
            before.extend(apply(&mut engine, &mut known));
        }
        let id = take(&mut engine, json, places);
        if label.is_some() {
            labelled.insert(id);
        }
    }
    apply(&mut engine, &mut known);
    let is_hit = |finding: &Finding| finding.activities.iter().any(|id| labelled.contains(id));
    let findings: Vec<Finding> = known.into_values().filter(is_hit).collect();
    let mut wrong = Vec::new();
    for (_, rules, severity) in EXPECTED.iter().filter(|(name, ..)| *name == scenario) {
        for rule in *rules {
            let mine: Vec<&Finding> = findings.iter().filter(|finding| finding.rule == *rule).collect();
            match mine.as_slice() {
                [] => wrong.push(format!("{rule} raised nothing before the scenario was over")),
                mine if mine.iter().any(|finding| finding.severity != *severity) => {
                    wrong.push(format!("{rule} is not {severity}"));
                }
                mine if mine.iter().all(|finding| before.contains(&finding.id)) => {
                    wrong.push(format!("{rule} had raised its alert before the scenario began"));
                }
                _ => {}
            }
        }
    }
    if !EXPECTED.iter().any(|(name, ..)| *name == scenario) {
        wrong.push("nobody said what it has to raise".to_owned());
    }
    Outcome { findings, wrong }
}

/// Gives an activity to an engine, with what the simulator's networks say of its address; answers its id.
pub fn take(engine: &mut Engine, json: &str, places: &Places) -> String {
    let activity = Activity::parse(json.as_bytes()).unwrap();
    let place = activity.actor.text("ip_address").and_then(|address| places.of(address));
    let enrichment = Enrichment { place, ..Enrichment::default() };
    engine.take(&Input { activity: &activity, enrichment, source: "simulated" });
    activity.id.into_owned()
}

/// The ids of what is known then.
fn apply(engine: &mut Engine, known: &mut BTreeMap<String, Finding>) -> Vec<String> {
    let update = engine.settle();
    for id in update.withdrawn {
        known.remove(&id);
    }
    known.extend(update.findings.into_iter().map(|finding| (finding.id.clone(), finding)));
    known.keys().cloned().collect()
}
