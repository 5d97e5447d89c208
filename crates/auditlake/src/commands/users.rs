//! `auditlake users`: who may log in to the pages, and as what.

use std::{
    io::{BufRead, IsTerminal, Write},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{cli::Users, config::Config, hinted, log, output, users::UserStore};

pub fn run(config: &Config, words: &Users) -> Result<ExitCode> {
    let store = UserStore::new(&config.data_dir()?);
    match words {
        Users::Add { name, role } => {
            store.add(name, *role, &password(&format!("password for {name}"))?)?;
            log::say(format!("{name} can log in, as {}", role.as_str()));
        }
        Users::List { format } => {
            let told = |user: &crate::users::Account| -> Value {
                json!({
                    "name": user.name,
                    "role": user.role,
                    "created_at": user.created_at,
                    "password_changed_at": user.password_changed_at,
                })
            };
            let list: Vec<Value> = store.list()?.iter().map(told).collect();
            output::write_list(&list, &["name", "role", "created_at", "password_changed_at"], *format)?;
        }
        Users::Remove { name } => {
            store.remove(name)?;
            log::say(format!("{name} is gone: their sessions end with the next request"));
        }
        Users::Passwd { name } => {
            // Nobody types a password for a name that nobody has.
            if !store.has(name)? {
                return Err(hinted(format!("there is no user {name}"), "`auditlake users list` shows all"));
            }
            store.set_password(name, &password(&format!("new password for {name}"))?)?;
            log::say(format!("{name} has a new password: their sessions end with the next request"));
        }
        Users::Role { name, role } => {
            store.set_role(name, *role)?;
            log::say(format!("{name} is {} from the next request on", role.as_str()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The first line of standard input; on a terminal asked for twice, without showing it.
fn password(what: &str) -> Result<SecretString> {
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let _hidden = Hidden::begin();
    let ask = |text: &str| -> Result<SecretString> {
        eprint!("{text}: ");
        std::io::stderr().flush()?;
        let typed = line();
        eprintln!();
        typed
    };
    let (first, again) = (ask(what)?, ask("once more")?);
    match first.expose_secret() == again.expose_secret() {
        true => Ok(first),
        false => Err(hinted("the two are not the same", "type it again")),
    }
}

fn line() -> Result<SecretString> {
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).context("cannot read the password from standard input")?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned().into())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden;

impl Hidden {
    fn begin() -> Option<Hidden> {
        stty("-echo").then_some(Hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        stty("echo");
    }
}

fn stty(word: &str) -> bool {
    let done = Command::new("stty").arg(word).stdin(Stdio::inherit()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}
