//! `auditlake rules`: what is looked for, whether it can be found, and what would have been.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Result;
use auditlake_store::alert::Finding;
use detect::{Own, Pack, Rule, builtin, lint, load, trial};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::time;
use crate::{
    FOUND, backtest,
    cli::{ListFormat, QueryFormat, Rules},
    config::Config,
    hinted,
    lake::Lake,
    misused, output,
};

pub async fn run(config: &Config, words: &Rules) -> Result<ExitCode> {
    let own = &config.own_rules(&config.data_dir()?);
    match words {
        Rules::List { format } => list(&Pack::load(own), *format),
        Rules::Show { id, format } => show(&Pack::load(own), id, *format),
        Rules::Lint { dir, format } => linted(dir.as_deref(), own, *format),
        Rules::Test { dir, format } => tested(dir.as_deref(), own, *format),
        Rules::Backtest { id, since, format } => backtest(config, id.as_deref(), since, *format).await,
    }
}

/// The rules of a directory, with the compiled-in ones beside them that they may name; else all that run here.
fn chosen(dir: Option<&Path>, own: &Own) -> Result<Pack> {
    match dir {
        None => Ok(Pack::load(own)),
        Some(dir) if !dir.exists() => {
            Err(misused(format!("{} is not there", dir.display()), "name a file or a directory of rules"))
        }
        Some(dir) => Ok(Pack::new(builtin(), load::directory(dir))),
    }
}

fn list(pack: &Pack, format: Option<ListFormat>) -> Result<ExitCode> {
    let running: BTreeSet<&str> = pack.running().map(|rule| rule.id.as_str()).collect();
    let rules: Vec<Value> = pack
        .rules
        .values()
        .map(|rule| {
            json!({
                "id": rule.id,
                "severity": rule.severity,
                "kind": rule.kind.name(),
                "enabled": rule.enabled,
                "running": running.contains(rule.id.as_str()) || (rule.enabled && rule.kind.name() == "silence"),
                "title": rule.title,
                "tags": rule.tags,
                "from": rule.place.to_string(),
            })
        })
        .collect();
    tell(pack);
    output::write_list(&rules, &["id", "severity", "kind", "enabled", "title", "from"], format)?;
    Ok(ExitCode::SUCCESS)
}

/// What was refused, on stderr.
fn tell(pack: &Pack) {
    for problem in &pack.problems {
        eprintln!("refused: {problem}");
    }
}

fn show(pack: &Pack, id: &str, format: Option<ListFormat>) -> Result<ExitCode> {
    let rule = pack
        .rules
        .get(id)
        .ok_or_else(|| hinted(format!("there is no rule {id:?}"), "`auditlake rules list` shows the names"))?;
    if output::choose(format.map(Into::into), None) == QueryFormat::Table {
        println!("# {}\n{}", rule.place, rule.text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let steps: Vec<Value> = rule
        .more
        .triage
        .iter()
        .map(|step| match step {
            detect::Triage::Text(text) => json!({ "text": text }),
            detect::Triage::Link { text, search } => json!({ "text": text, "search": search }),
        })
        .collect();
    let told = json!({
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity,
        "kind": rule.kind.name(),
        "enabled": rule.enabled,
        "description": rule.description,
        "why": rule.more.why,
        "tags": rule.tags,
        "false_positives": rule.false_positives,
        "triage": steps,
        "tests": rule.more.tests.len(),
        "from": rule.place.to_string(),
        "text": rule.text,
    });
    output::write_list(&[told], &["id", "severity", "kind", "enabled", "title", "why"], format)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Wrong {
    file: String,
    line: usize,
    rule: Option<String>,
    reason: String,
}

fn linted(dir: Option<&Path>, own: &Own, format: Option<ListFormat>) -> Result<ExitCode> {
    let pack = chosen(dir, own)?;
    let wanted = |rule: &Rule| dir.is_none() || !rule.is_builtin;
    let problems: Vec<Wrong> = lint::run(&pack, wanted)
        .into_iter()
        .map(|problem| Wrong {
            file: problem.place.file,
            line: problem.place.line,
            rule: problem.rule,
            reason: problem.reason,
        })
        .collect();
    output::write_list(&problems, &["file", "line", "rule", "reason"], format)?;
    for rule in lint::untested(&pack).into_iter().filter(|rule| wanted(rule)) {
        eprintln!("{}: rule {}: fewer than two tests that match, or two that nearly do", rule.place, rule.id);
    }
    let count = pack.rules.values().filter(|rule| wanted(rule)).count();
    eprintln!("{count} rules, {} problems", problems.len());
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn tested(dir: Option<&Path>, own: &Own, format: Option<ListFormat>) -> Result<ExitCode> {
    let pack = Arc::new(chosen(dir, own)?);
    tell(&pack);
    let verdicts = trial::run(&pack, |rule| dir.is_none() || !rule.is_builtin);
    output::write_list(&verdicts, &["rule", "test", "passed", "reason"], format)?;
    let failed = verdicts.iter().filter(|verdict| !verdict.passed).count();
    eprintln!("{} tests, {failed} failed", verdicts.len());
    Ok(if failed == 0 && pack.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// What a rule would have found.
#[derive(Serialize)]
struct Tried {
    rule: String,
    severity: auditlake_store::alert::Severity,
    alerts: usize,
    /// The ids of the activities that are evidence.
    matches: Vec<String>,
    /// Whom the alerts are about, the most frequent first, at most ten.
    entities: Vec<Value>,
    /// Some of the alerts, the newest first.
    sample: Vec<Value>,
}

async fn backtest(config: &Config, id: Option<&str>, since: &str, format: Option<ListFormat>) -> Result<ExitCode> {
    let own = &config.own_rules(&config.data_dir()?);
    let since = time("since", Some(since))?.unwrap_or(Timestamp::UNIX_EPOCH);
    let pack = match id {
        Some(id) => Pack::trying(own, id),
        None => Pack::load(own),
    };
    if let Some(id) = id
        && !pack.running().any(|rule| rule.id == id)
    {
        tell(&pack);
        return Err(hinted(format!("there is no rule {id:?} to try"), "`auditlake rules list` shows the names"));
    }
    let lake = Lake::find(config, "rules backtest").await?;
    let pack = Arc::new(pack);
    let findings = backtest::walk(&lake, &pack, since, &|_, _| {}).await?;
    let mut tried: Vec<Tried> = Vec::new();
    for rule in pack.running() {
        let found: Vec<&Finding> = findings.iter().filter(|finding| finding.rule == rule.id).collect();
        tried.push(summed(rule, &found));
    }
    tried.sort_by(|one, other| (other.severity, other.alerts, &one.rule).cmp(&(one.severity, one.alerts, &other.rule)));
    output::write_list(&tried, &["rule", "severity", "alerts", "entities"], format)?;
    Ok(ExitCode::SUCCESS)
}

fn summed(rule: &Rule, found: &[&Finding]) -> Tried {
    let matches: BTreeSet<&String> = found.iter().flat_map(|finding| &finding.activities).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in found {
        *counts.entry(&finding.entity).or_default() += 1;
    }
    let mut entities: Vec<(&str, usize)> = counts.into_iter().collect();
    entities.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    Tried {
        rule: rule.id.clone(),
        severity: rule.severity,
        alerts: found.len(),
        matches: matches.into_iter().cloned().collect(),
        entities: entities.iter().take(10).map(|(name, count)| json!({ "entity": name, "alerts": count })).collect(),
        sample: found
            .iter()
            .rev()
            .take(5)
            .map(|finding| json!({ "id": finding.id, "title": finding.title, "count": finding.count, "last": finding.last }))
            .collect(),
    }
}
