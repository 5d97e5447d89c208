//! The key: whether it can be had, who else can have it, and what kind it is.

use std::os::unix::fs::PermissionsExt;

use ::feed::KeyKind;
use secrecy::{ExposeSecret, SecretString};

use super::Finding;
use crate::{
    config::{NEW_KEY, SourceConfig},
    stop,
};

const CHECK: &str = "key";
const KIND: &str = "key kind";

/// The key, if it is worth trying.
pub async fn check(source: &SourceConfig, findings: &mut Vec<Finding>) -> Option<SecretString> {
    let origin = source.key_origin().unwrap_or_default();
    let key = match source.find_key().await {
        Ok(key) => key,
        Err(error) => {
            let hint = stop::hint_of(&error).unwrap_or(match &source.key_command {
                Some(_) if source.key_file.is_none() => "run the command yourself, as the user of the service",
                _ => "write the key there, readable by the user of the service: chmod 600",
            });
            findings.push(Finding::fail(CHECK, stop::told(&error), hint));
            return None;
        }
    };
    let mode = source.key_file.as_ref().filter(|_| source.key.is_none()).and_then(|path| std::fs::metadata(path).ok());
    findings.push(match mode.map(|data| data.permissions().mode()) {
        Some(mode) if mode & 0o077 != 0 => {
            Finding::warn(CHECK, format!("read from {origin}, which other users may read too"), "chmod 600 that file")
        }
        _ => Finding::ok(CHECK, format!("read from {origin}")),
    });
    let (kind, is_possible) = kind(KeyKind::of(key.expose_secret()));
    findings.push(kind);
    is_possible.then_some(key)
}

fn kind(kind: KeyKind) -> (Finding, bool) {
    match kind {
        KeyKind::ComplianceAccess => (Finding::ok(KIND, "Compliance Access Key (sk-ant-api01-…)"), true),
        KeyKind::Admin => (
            Finding::ok(
                KIND,
                "Admin API key (sk-ant-admin01-…), which can read the feed only if the Compliance API was enabled when it was made",
            ),
            true,
        ),
        KeyKind::ClaudeApi => (
            Finding::fail(
                KIND,
                "this is a Claude API key (sk-ant-api03-…), the wrong kind: it never reads the Activity Feed",
                NEW_KEY,
            ),
            false,
        ),
        KeyKind::Unknown => (
            Finding::warn(
                KIND,
                "it begins like no kind of key that is known (sk-ant-api01-… or sk-ant-admin01-…)",
                "see whether all of the key was pasted, and nothing else",
            ),
            true,
        ),
    }
}
