//! The configuration: which file it comes from, and whether it can be read.

use std::os::unix::fs::PermissionsExt;

use super::Finding;
use crate::{cli::Cli, config::Config, stop};

const CHECK: &str = "configuration";

/// The configuration, if it is one, and what was found.
pub fn configuration(cli: &Cli) -> (Option<Config>, Finding) {
    let file = Config::file(cli);
    let config = match Config::load(cli) {
        Ok(config) => config,
        Err(error) => {
            let hint = stop::hint_of(&error).unwrap_or("correct it; docs/configuration.md lists every setting");
            return (None, Finding::fail(CHECK, stop::told(&error), hint));
        }
    };
    let has_key = config.sources.iter().any(|source| source.key.is_some());
    let finding = match &file {
        None => Finding::ok(CHECK, "no file; the environment and the defaults count"),
        Some(path) => {
            let shown = path.display();
            let mode = std::fs::metadata(path).map_or(0, |data| data.permissions().mode());
            match has_key && mode & 0o044 != 0 && has_key_inside(path) {
                true => Finding::warn(
                    CHECK,
                    format!("{shown} holds a key, and others may read it"),
                    format!("chmod 600 {shown}, or put the key into a file of its own (key_file)"),
                ),
                false => Finding::ok(CHECK, format!("{shown}, {}", sources(config.sources.len()))),
            }
        }
    };
    (Some(config), finding)
}

fn sources(count: usize) -> String {
    match count {
        1 => "1 source".to_owned(),
        count => format!("{count} sources"),
    }
}

fn has_key_inside(path: &std::path::Path) -> bool {
    let table = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let sources = table.as_ref().and_then(|table| table.get("source")).and_then(toml::Value::as_array);
    sources.is_some_and(|sources| sources.iter().any(|source| source.get("key").is_some()))
}
