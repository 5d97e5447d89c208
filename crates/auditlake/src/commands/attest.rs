//! `auditlake attest`: what of a span was collected, for an auditor.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result};

use super::time;
use crate::{
    FOUND,
    attest::{
        Wanted, gather,
        statement::{Statement, VERSION},
        text,
    },
    cli::{Attest, AttestFormat},
    config::Config,
    hinted,
    lake::Lake,
    misused, output,
};

pub async fn run(config: &Config, words: &Attest) -> Result<ExitCode> {
    let lake = Lake::find(config, "attest").await?;
    if let Some(path) = &words.verify {
        return verify(config, &lake, path).await;
    }
    let (Some(from), Some(to)) = (time("from", words.from.as_deref())?, time("to", words.to.as_deref())?) else {
        return Err(misused("--from and --to are needed", "name the span, such as --from 2026-01-01 --to 2026-02-01"));
    };
    if from >= to {
        return Err(misused("--from is not before --to", "the span begins with --from and ends before --to"));
    }
    let dialect = config.store.dialect();
    let wanted = Wanted { from, to, source: words.source.clone(), seq: None, dialect };
    let statement = gather(&lake, &wanted).await?;
    if let (Some(name), true) = (&words.source, statement.sources.is_empty()) {
        return Err(hinted(format!("nothing was ever collected from {name:?}"), "auditlake ledger shows what was"));
    }
    let is_json = match words.format {
        Some(format) => format == AttestFormat::Json,
        None => words.output.as_ref().is_some_and(|path| path.extension().is_some_and(|ending| ending == "json")),
    };
    let text = match is_json {
        true => serde_json::to_string_pretty(&statement)? + "\n",
        // Ids and types come from outside: no terminal obeys them.
        false => text::render(&statement).lines().map(|line| output::plain(line) + "\n").collect(),
    };
    match &words.output {
        Some(path) => write(path, &text).with_context(|| format!("cannot write {}", path.display()))?,
        None => io::stdout().write_all(text.as_bytes())?,
    }
    Ok(if statement.complete { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// Computes a statement again and compares.
async fn verify(config: &Config, lake: &Lake, path: &Path) -> Result<ExitCode> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let no_statement = |error: serde_json::Error| {
        hinted(
            format!("{} is no statement: {error}", path.display()),
            "give a file that attest wrote with --format json",
        )
    };
    let told: serde_json::Value = serde_json::from_slice(&bytes).map_err(no_statement)?;
    if let Some(version) = told["version"].as_u64().filter(|version| *version != u64::from(VERSION)) {
        return Err(hinted(
            format!("{} is a statement of form {version}; this program checks form {VERSION}", path.display()),
            "check it with the program that made it, or make a new one",
        ));
    }
    let stated: Statement = serde_json::from_value(told).map_err(no_statement)?;
    let only = match stated.sources.as_slice() {
        [one] => Some(one.source.clone()),
        _ => None,
    };
    let dialect = config.store.dialect();
    let wanted = Wanted { from: stated.from, to: stated.to, source: only, seq: Some(stated.seq), dialect };
    let differences = stated.differences(&gather(lake, &wanted).await?);
    for difference in &differences {
        println!("{}", output::plain(difference));
    }
    if !differences.is_empty() {
        return Ok(ExitCode::from(FOUND));
    }
    let count: u64 = stated.sources.iter().map(|source| source.totals.activities).sum();
    println!(
        "the store holds what is stated: {count} activities, {} to {}, of commits up to {}",
        stated.from, stated.to, stated.seq
    );
    Ok(ExitCode::SUCCESS)
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
    let done = File::create(&fresh).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    done.and_then(|()| std::fs::rename(&fresh, path)).inspect_err(|_| {
        let _ = std::fs::remove_file(&fresh);
    })
}
