//! The binary: command line, configuration, wiring.
//!
//! [`main`] reads as four steps: parse the words, set the log up, run the command, say how it ended. Every command is a room
//! in `commands`; where data comes from (a running service or the data directory itself) is decided in `lake`.

mod attest;
mod backtest;
mod checks;
mod cli;
mod commands;
mod config;
mod datadir;
mod engine;
mod enriching;
mod keys;
mod lake;
mod log;
mod moving;
mod output;
mod remote;
mod served;
mod service;
mod simulated;
mod stop;
mod users;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Cli, stop::Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            log::misuse(&error, std::env::args_os());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    keep_to_ourselves();
    log::init(&cli);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return stop::report(&anyhow::Error::new(error).context("cannot start")),
    };
    let done = runtime.block_on(commands::run(cli));
    // A query that is being interrupted may take a moment; nobody waits for it.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    match done {
        Ok(code) => code,
        Err(error) if stop::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => stop::report(&error),
    }
}

/// Exit code of a check that found something wrong.
pub(crate) const FOUND: u8 = 3;

/// An error with something to do about it.
pub(crate) fn hinted(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure { message: message.into(), hint: Some(hint.into()), is_usage: false })
}

/// An error in the words of the command line.
pub(crate) fn misused(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure { message: message.into(), hint: Some(hint.into()), is_usage: true })
}

/// What this program writes is for its own user: the log of a company, its rejects, its keys. Files that a command is told
/// to write (`-o`) are too.
#[allow(unsafe_code, reason = "the system call has no safe wrapper here")]
fn keep_to_ourselves() {
    // SAFETY: takes a number, touches no memory, cannot fail.
    unsafe { libc::umask(0o077) };
}
