//! The commands, a room each.

mod alerts;
mod attest;
mod catalog;
mod check;
mod collect;
mod conformance;
mod deliveries;
mod demo;
mod docs;
mod drift;
mod enrich;
mod export;
pub mod import;
mod keys;
mod ledger;
mod query;
mod rules;
mod run;
mod search;
mod simulate;
mod store;
mod tail;
mod users;

use std::process::ExitCode;

pub use self::enrich::NOTHING as NOTHING_TO_ASK;

use ::collect::Job;
use anyhow::Result;
use auditlake_store::filter::{self, Filter, parse_time};
use jiff::Timestamp;

use crate::{
    cli::{Cli, Command},
    config::Config,
    misused,
};

/// Runs the command of this command line.
pub async fn run(cli: Cli) -> Result<ExitCode> {
    let config = || Config::load(&cli);
    match &cli.command {
        Command::Demo(words) => demo::run(&config()?, words).await,
        Command::Run(words) => run::run(&config()?, words).await,
        Command::Attest(words) => attest::run(&config()?, words).await,
        Command::Check(words) => check::run(&cli, words).await,
        Command::Import(words) => import::run(&config()?, words).await,
        Command::Query(words) => query::run(&config()?, words).await,
        Command::Search(words) => search::run(&config()?, words).await,
        Command::Tail(words) => tail::run(&config()?, words).await,
        Command::Export(words) => export::run(&config()?, words).await,
        Command::Ledger(words) => ledger::run(&config()?, words).await,
        Command::Backfill(words) => collect::run(&config()?, words, Job::Backfill).await,
        Command::Reconcile(words) => collect::run(&config()?, words, Job::Reconcile).await,
        Command::Drift(words) => drift::run(&config()?, words).await,
        Command::Rules(words) => rules::run(&config()?, words).await,
        Command::Alerts(words) => alerts::run(&config()?, words).await,
        Command::Deliveries(words) => deliveries::run(&config()?, words).await,
        Command::Catalog(words) => catalog::run(words),
        Command::Simulate(words) => simulate::run(words).await,
        Command::Enrich(words) => enrich::run(&config()?, words).await,
        Command::Store(words) => store::run(&config()?, words).await,
        Command::Keys(words) => keys::run(&config()?, words),
        Command::Users(words) => users::run(&config()?, words),
        Command::Conformance(words) => conformance::run(&cli, words).await,
        Command::Docs { page } => docs::run(*page),
    }
}

/// A time of the command line.
fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    text.map(|text| {
        parse_time(text, Timestamp::now()).ok_or_else(|| {
            misused(
                format!("--{name}: {text:?} is not a time"),
                "write RFC 3339 such as 2026-01-31T12:00:00Z, a date, or an age such as 15m, 24h, 7d, 6y",
            )
        })
    })
    .transpose()
}

/// The filter of the command line: its words, as if they stood in one text.
fn filter(words: &[String]) -> Result<Filter> {
    let text = words.join(" ");
    filter::parse(&text).map_err(|error| {
        let pointer = error.pointer(&text);
        misused(format!("{}\n{pointer}", error.message), error.hint.clone())
    })
}
