//! `auditlake store`: a deployment from one store to another, and whether two hold the same.

use std::{
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::Result;
use auditlake_store::moving::Movable;

use crate::{
    FOUND,
    cli::{Sides, Store, StoreCopy},
    config::Config,
    datadir::DataDir,
    hinted, log, misused,
    moving::{
        Files, Side, Step, copy,
        proof::{EXPIRED, Line, compare},
    },
    output,
};

/// How often a line tells how far it has come.
const EVERY: Duration = Duration::from_secs(5);
const COLUMNS: [&str; 6] = ["what", "from", "to", "from_hash", "to_hash", "same"];

pub async fn run(config: &Config, words: &Store) -> Result<ExitCode> {
    match words {
        Store::Copy(words) => copied(config, words).await,
        Store::Compare { sides, format } => {
            let (from, to) = open(config, sides, "store compare", false).await?;
            let lines = compare(&from.store, &to.store).await?;
            output::write_list(&lines, &COLUMNS, *format)?;
            tell_of_expired(&lines);
            from.close().await?;
            to.close().await?;
            Ok(if lines.iter().all(|line| line.same) { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
        }
    }
}

async fn open(config: &Config, sides: &Sides, command: &str, makes: bool) -> Result<(Side, Side)> {
    if sides.from == sides.to {
        return Err(misused("--from and --to are the same", "name two stores"));
    }
    let mut from = match makes {
        true => Side::source(config, &sides.source(), command).await?,
        false => Side::either(config, &sides.source(), command).await?,
    };
    let mut to = match makes {
        true => Side::target(config, &sides.target(), command).await?,
        false => Side::either(config, &sides.target(), command).await?,
    };
    if from.is(&to).await? {
        return Err(misused("--from and --to are the same", "name two stores"));
    }
    from.keep().await?;
    to.keep().await?;
    Ok((from, to))
}

async fn copied(config: &Config, words: &StoreCopy) -> Result<ExitCode> {
    let (from, to) = open(config, &words.sides, "store copy", true).await?;
    let files = files(config, &from, &to)?;
    let told = Mutex::new(Instant::now());
    let tell = |step: Step| match step {
        Step::GoesOn(seq) => log::say(format!("a copy was broken off here: going on behind commit {seq}")),
        Step::Record { seq, rows } => {
            tracing::debug!(seq, rows, "copied");
            let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if told.elapsed() >= EVERY {
                *told = Instant::now();
                log::say(format!("copied {rows} activities, commits up to {seq}"));
            }
        }
        Step::State => log::say("everything is copied: now both sides are read from end to end and compared"),
    };
    copy(&from.store, &to.store, words.rows.max(1), tell).await?;
    let lines = compare(&from.store, &to.store).await?;
    output::write_list(&lines, &COLUMNS, words.format)?;
    tell_of_expired(&lines);
    let wrong: Vec<&str> = lines.iter().filter(|line| !line.same).map(|line: &Line| line.what).collect();
    if !wrong.is_empty() {
        return Err(hinted(
            format!("{} is not what {} holds: {} differ", to.place, from.place, wrong.join(", ")),
            "the target stays closed to everything else: empty it and copy again. That is how it is, too, where what was copied already \
             was changed in the source before the copy went on, such as by `auditlake enrich`",
        ));
    }
    let count = files.as_ref().map(Files::copy).transpose()?;
    to.store.set_progress(None).await?;
    match (count, &from.data) {
        (Some(0), _) => {}
        (Some(count), _) => log::say(format!(
            "{count} files went along: keys, users, switched rules, rejected lines, location databases"
        )),
        (None, Some(data)) => log::say(format!(
            "keys, users, switched rules and rejected lines stay in {dir}: go on with --data {dir} --store {}",
            to.place,
            dir = data.path().display()
        )),
        (None, None) => {}
    }
    from.close().await?;
    to.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// What a server deletes by itself is no difference.
fn tell_of_expired(lines: &[Line]) {
    if let Some(line) = lines.iter().find(|line| line.what == EXPIRED)
        && line.from.max(line.to) > 0
    {
        log::say(format!(
            "activities at the end of their retention ({} here, {} there) were not compared: the server deletes them",
            line.from, line.to
        ));
    }
}

/// The files beside the stores: those of a server are in the directory that `--data` names, if it does.
fn files(config: &Config, from: &Side, to: &Side) -> Result<Option<Files>> {
    let named = || config.data.clone().map(DataDir::new);
    let (from, to) = match (&from.data, &to.data) {
        (None, None) => return Ok(None),
        (from, to) => (from.clone().or_else(named), to.clone().or_else(named)),
    };
    match (from, to) {
        (Some(from), Some(to)) if from.path() != to.path() => Files::find(&from, &to).map(Some),
        _ => Ok(None),
    }
}
