//! `auditlake keys`: who may read the feed that this deployment serves.

use std::process::ExitCode;

use anyhow::Result;
use feed::server::SCOPE;
use serde_json::{Value, json};

use crate::{
    cli::{CreateKey, Keys},
    config::Config,
    hinted,
    keys::{Key, KeyStore, NewKey, shown},
    log, output,
};

pub fn run(config: &Config, words: &Keys) -> Result<ExitCode> {
    let data = config.data_dir()?;
    let store = KeyStore::new(&data);
    match words {
        Keys::Create(words) => create(&store, words)?,
        Keys::List { format } => {
            let list: Vec<Value> = store.list()?.iter().map(told).collect();
            output::write_list(&list, &COLUMNS, *format)?;
        }
        Keys::Revoke { id } => {
            let key = store.revoke(id)?;
            log::say(format!("{} is revoked: from the next request on it is answered 401", key.id));
        }
    }
    Ok(ExitCode::SUCCESS)
}

const COLUMNS: [&str; 8] =
    ["id", "name", "state", "scopes", "requests_per_minute", "ending", "created_at", "revoked_at"];

/// What may be told of a key.
fn told(key: &Key) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "state": if key.revoked_at.is_some() { "revoked" } else { "active" },
        "scopes": key.scopes,
        "requests_per_minute": key.requests_per_minute,
        "ending": key.ending,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    })
}

/// The key alone on stdout, for a variable or a secret store to take; everything else on stderr.
fn create(store: &KeyStore, words: &CreateKey) -> Result<()> {
    if words.requests_per_minute == Some(0) {
        return Err(hinted("--requests-per-minute: a key without any request is none", "give at least 1"));
    }
    let (key, text) = store.create(NewKey {
        name: words.name.clone(),
        scopes: words.scope.clone(),
        requests_per_minute: words.requests_per_minute,
    })?;
    if !words.scope.iter().any(|scope| scope == SCOPE) {
        log::say(format!("this key opens nothing yet: the feed asks for {SCOPE}"));
    }
    match words.format {
        None => println!("{}", shown(&text)),
        Some(format) => {
            let mut told = told(&key);
            told["key"] = shown(&text).into();
            output::write_list(&[told], &["id", "name", "scopes", "requests_per_minute", "key"], Some(format))?;
        }
    }
    log::say(format!("key {}: shown now and never again, as only its hash is kept", key.id));
    Ok(())
}
