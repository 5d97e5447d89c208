//! `auditlake alerts`: what was found, and what people made of it.

use std::process::ExitCode;

use anyhow::Result;
use auditlake_store::{
    Window,
    alert::{Act, Alert, AlertQuery, ChangeKind},
};

use super::time;
use crate::{
    cli::{Alerts, ListAlerts, ListFormat},
    config::Config,
    hinted,
    lake::Lake,
    output,
};

const COLUMNS: [&str; 9] = ["id", "severity", "state", "rule", "title", "entity", "count", "first", "last"];

pub async fn run(config: &Config, words: &Alerts) -> Result<ExitCode> {
    let lake = Lake::find(config, "alerts").await?;
    lake.detect(config).await?;
    match words {
        Alerts::List(words) => list(&lake, words).await?,
        Alerts::Show { id, format } => show(&lake.alert(id).await?.ok_or_else(|| unknown(id))?, *format)?,
        Alerts::Ack { id, note } => {
            act(&lake, id, ChangeKind::Acknowledged, note.clone()).await?;
        }
        Alerts::Close { id, note } => {
            act(&lake, id, ChangeKind::Closed, Some(note.clone())).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(lake: &Lake, words: &ListAlerts) -> Result<()> {
    let query = AlertQuery {
        rule: words.rule.clone(),
        severity: words.severity,
        state: words.state,
        window: Window { since: time("since", words.since.as_deref())?, until: None },
        limit: words.limit,
        ..AlertQuery::default()
    };
    output::write_list(&lake.alerts(&query).await?, &COLUMNS, words.format)
}

async fn act(lake: &Lake, id: &str, what: ChangeKind, note: Option<String>) -> Result<()> {
    let who = std::env::var("USER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".to_owned());
    let alert = lake.act(id, Act { who, what, note }).await?.ok_or_else(|| unknown(id))?;
    eprintln!("{id} is {}: {}", alert.state, printable(&alert.finding.title));
    Ok(())
}

fn unknown(id: &str) -> anyhow::Error {
    hinted(format!("there is no alert {}", printable(id)), "`auditlake alerts list` shows the ids")
}

/// Strangers' text without control characters.
fn printable(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }).collect()
}

fn show(alert: &Alert, format: Option<ListFormat>) -> Result<()> {
    if !matches!(output::choose(format.map(Into::into), None), crate::cli::QueryFormat::Table) {
        return output::write_list(std::slice::from_ref(alert), &COLUMNS, format);
    }
    let finding = &alert.finding;
    let mut text = format!("{}\n\n", finding.title);
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:12} {value}\n"));
    line("id", &finding.id);
    line("rule", &format!("{} ({})", finding.rule, finding.rule_title));
    line("severity", finding.severity.as_str());
    line("state", alert.state.as_str());
    line("entity", &finding.entity);
    line("activities", &finding.count.to_string());
    line("first", &finding.first.to_string());
    line("last", &finding.last.to_string());
    line("ATT&CK", &finding.techniques().join(", "));
    text.push_str(&format!("\n{}\n\nWhat to do:\n", finding.summary));
    for (at, step) in finding.next_steps.iter().enumerate() {
        text.push_str(&format!("{:3}. {}\n", at + 1, step.text));
        if let Some(search) = &step.search {
            text.push_str(&format!("     auditlake search '{}'\n", search.replace('\'', "'\\''")));
        }
    }
    text.push_str("\nWho did what:\n");
    for change in &alert.history {
        let note = change.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        text.push_str(&format!("  {}  {}  {}{note}\n", change.at, change.who, change.what));
    }
    text.push_str("\nActivities:\n");
    for id in finding.activities.iter().take(20) {
        text.push_str(&format!("  {id}\n"));
    }
    if finding.count > 20 {
        text.push_str(&format!("  … {} in all; --format json lists more\n", finding.count));
    }
    let lines: Vec<String> = text.lines().map(printable).collect();
    println!("{}", lines.join("\n"));
    Ok(())
}
