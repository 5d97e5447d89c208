//! What can be found out before anything goes wrong: a finding a line, each failure with what to do, in the feed's own terms.
//!
//! One file a topic below `checks/`, one line for it in [`TOPICS`]. A topic looks and asks, and changes nothing but what it
//! takes away again; what it has asked a feed is entered in the ledger, if there is one ([`own`]).

mod configuration;
mod destination;
mod directory;
mod disk;
mod enrichment;
mod feed;
mod key;
mod lag;
mod network;
mod own;
mod source;
mod store;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use ::feed::{
    Query,
    client::{Client, Error, Response},
};
use collect::Asked;
use futures::future::BoxFuture;
use serde::{Serialize, Serializer};

use crate::{
    config::{Config, SourceConfig},
    datadir::DataDir,
};

pub use configuration::configuration;

/// The topics, in the order of the answer.
const TOPICS: &[Topic] = &[
    |scene| Box::pin(directory::check(scene)),
    |scene| Box::pin(disk::check(scene)),
    |scene| Box::pin(store::check(scene)),
    |scene| Box::pin(enrichment::check(scene)),
    |scene| Box::pin(source::check(scene)),
    |scene| Box::pin(destination::check(scene)),
];

type Topic = for<'a> fn(&'a Scene<'a>) -> BoxFuture<'a, Vec<Finding>>;

/// What there is to look at.
pub struct Scene<'a> {
    pub config: &'a Config,
    pub data: &'a DataDir,
    /// Of the sources, only these.
    pub sources: Vec<&'a SourceConfig>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// It works, but somebody should know.
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub result: Verdict,
    /// What was looked at, in a word or two.
    pub check: &'static str,
    /// Of which source, if of one.
    pub source: Option<String>,
    /// What was seen.
    pub saw: String,
    /// What to do; nothing if all is well.
    pub todo: Option<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        })
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Finding {
    pub fn ok(check: &'static str, saw: impl Into<String>) -> Self {
        Finding { result: Verdict::Ok, check, source: None, saw: saw.into(), todo: None }
    }

    pub fn warn(check: &'static str, saw: impl Into<String>, todo: impl Into<String>) -> Self {
        Finding { result: Verdict::Warn, todo: Some(todo.into()), ..Self::ok(check, saw) }
    }

    pub fn fail(check: &'static str, saw: impl Into<String>, todo: impl Into<String>) -> Self {
        Finding { result: Verdict::Fail, todo: Some(todo.into()), ..Self::ok(check, saw) }
    }

    fn of(self, source: &str) -> Self {
        Finding { source: Some(source.to_owned()), ..self }
    }
}

/// Looks at everything, telling each finding as it is there.
pub async fn run(scene: &Scene<'_>, mut tell: impl FnMut(&Finding)) -> Vec<Finding> {
    let mut all = Vec::new();
    for topic in TOPICS {
        for finding in topic(scene).await {
            tell(&finding);
            all.push(finding);
        }
    }
    all
}

/// An error with its causes, each told once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A feed under examination.
struct Patient<'a> {
    source: &'a SourceConfig,
    client: Client,
    /// What it was asked.
    asked: Mutex<Vec<Asked>>,
}

impl Patient<'_> {
    /// Asks once for a page.
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        let answer = self.client.page(query).await;
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(Asked::of(&answer));
        answer
    }
}
