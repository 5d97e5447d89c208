//! The words of the commands around the feed itself: its types, a simulated one, any one, and the keys of ours.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use feed::server::SCOPE;

use super::{ListFormat, Organisation};

#[derive(Debug, Args)]
pub struct Catalog {
    /// The type
    pub name: Option<String>,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct Simulate {
    #[command(flatten)]
    pub organisation: Organisation,
    /// The port; 0 takes any free one
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub port: u16,
    /// Time stands still
    #[arg(long, conflicts_with = "speed")]
    pub frozen: bool,
    /// Time passes so many times as fast
    #[arg(long, value_name = "X")]
    pub speed: Option<f64>,
    /// What goes wrong, such as error500=5% or slow=100%:300ms
    #[arg(long, value_name = "NAME=RATE[:ARGUMENT]")]
    pub fault: Vec<String>,
    /// An attack that happens, by name: once in the past, and again some minutes after the start
    #[arg(long, value_name = "NAME")]
    pub scenario: Vec<String>,
    /// Write every activity with its label to this file, a line each
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Requests a minute
    #[arg(long, value_name = "N", default_value_t = 600)]
    pub rate_limit: u32,
}

#[derive(Debug, Args)]
pub struct Conformance {
    /// The feed's base address
    #[arg(long, required_unless_present = "source")]
    pub url: Option<String>,
    /// A configured source's feed, with its key, proxy and certificates
    #[arg(long, value_name = "NAME", conflicts_with_all = ["url", "key", "key_file", "proxy", "ca_file"])]
    pub source: Option<String>,
    /// The key [default: that of ANTHROPIC_COMPLIANCE_ACCESS_KEY, else of ANTHROPIC_ADMIN_KEY]
    #[arg(long, conflicts_with = "key_file")]
    pub key: Option<String>,
    /// A file that holds the key, which no list of processes shows then
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The proxy that requests go through [default: the environment's]
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// Certificates (PEM) to trust besides the platform's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key; it is written to stdout now and can never be read again
    Create(CreateKey),
    /// All keys, none of them readable
    List {
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// Revoke a key for good, at once
    Revoke {
        /// Its id, `apikey_01…`
        id: String,
    },
}

#[derive(Debug, Args)]
pub struct CreateKey {
    /// What to call it, such as the tool that uses it
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// What it may do; may stand several times
    #[arg(long, value_name = "SCOPE", default_value = SCOPE, value_parser = scope)]
    pub scope: Vec<String>,
    /// Its own budget, within that of all keys together
    #[arg(long, value_name = "N")]
    pub requests_per_minute: Option<u32>,
    /// Write everything that is known of it, not the key alone
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

/// A scope in upstream's form, `verb:what`.
fn scope(text: &str) -> Result<String, String> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match text.split_once(':') {
        Some((verb, what)) if is_word(verb) && is_word(what) => Ok(text.to_owned()),
        _ => Err(format!("write it as verb:what, such as {SCOPE}")),
    }
}
