//! Rules on trial: the tests inside them.

use std::sync::Arc;

use activity::Activity;
use auditlake_store::alert::Finding;
use serde::Serialize;

use crate::{
    engine::{Engine, Input},
    pack::Pack,
    rule::{Rule, Test},
    sample::{Sample, complete},
    seen::Enrichment,
};

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rule's ID.
    pub rule: String,
    /// The test's name, or its number.
    pub test: String,
    /// Whether the rule did what the test says.
    pub passed: bool,
    /// What it did instead.
    pub reason: String,
}

/// Runs the tests of the pack's rules that `chosen` wants.
pub fn run(pack: &Arc<Pack>, chosen: impl Fn(&Rule) -> bool) -> Vec<Verdict> {
    let rules = pack.rules.values().filter(|rule| chosen(rule));
    rules
        .flat_map(|rule| rule.more.tests.iter().enumerate().map(move |(at, test)| (rule, at, test)))
        .map(|(rule, at, test)| {
            let name = if test.name.is_empty() { format!("test {}", at + 1) } else { test.name.clone() };
            let reason = judge(pack, rule, test).err().unwrap_or_default();
            Verdict { rule: rule.id.clone(), test: name, passed: reason.is_empty(), reason }
        })
        .collect()
}

fn judge(pack: &Arc<Pack>, rule: &Rule, test: &Test) -> Result<(), String> {
    if !pack.running().any(|running| running.id == rule.id) {
        return Err("the rule does not run".to_owned());
    }
    let samples = complete(&test.activities)?;
    let mut findings = alerts(pack, &samples)?;
    findings.retain(|finding| finding.rule == rule.id);
    if findings.len() != test.alerts {
        let told: Vec<String> = findings.iter().map(|finding| format!("{:?}", finding.title)).collect();
        return Err(format!("{} alerts instead of {} {}", findings.len(), test.alerts, told.join(", ")));
    }
    for finding in &findings {
        if let Some(severity) = test.severity
            && severity != finding.severity
        {
            return Err(format!("severity {} instead of {severity}", finding.severity));
        }
        if let Some(entity) = &test.entity
            && *entity != finding.entity
        {
            return Err(format!("entity {} instead of {entity}", finding.entity));
        }
    }
    Ok(())
}

fn alerts(pack: &Arc<Pack>, samples: &[Sample]) -> Result<Vec<Finding>, String> {
    let mut engine = Engine::new(pack.clone());
    for sample in samples {
        let activity = Activity::parse(sample.json.as_bytes()).map_err(|error| error.to_string())?;
        let enrichment = Enrichment {
            place: sample.place.as_deref(),
            agent: sample.agent.as_deref(),
            person: sample.person.as_deref(),
        };
        engine.take(&Input { activity: &activity, enrichment, source: "test" });
    }
    Ok(engine.settle().findings)
}
