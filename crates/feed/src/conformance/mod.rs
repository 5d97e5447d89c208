//! Does a feed keep the contract? Some eighty named checks that only read.
//!
//! First a [`sample`] is taken: a window in the past, so that what arrives meanwhile does not matter, and all its
//! activities. Then every check asks something of that window and compares the answer with what the sample says must
//! come. A check that the feed's data cannot decide (no ties, one user only) is skipped and says so. So is what needs a
//! sample that could not be taken; check `sample` fails then, if the feed is to blame. Any server will do: nothing here
//! knows what is behind it.

mod filters;
mod http;
mod limits;
mod order;
mod sample;
mod shape;
mod trial;
mod walk;
mod window;

use std::{fmt, time::Duration};

use futures::future::BoxFuture;

use crate::client::Client;
use sample::Truth;
use trial::Trial;

/// How to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many activities to compare with, at most [`crate::MAX_LIMIT`].
    pub sample: u32,
    /// How old an activity must be to be compared with: younger ones may still be joined by late arrivals.
    pub settle: Duration,
    /// How often a request that met a transient failure (429, 5xx, no connection) is sent again.
    pub retries: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { sample: 400, settle: Duration::from_secs(5 * 60), retries: 5 }
    }
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The feed does what the contract says.
    Pass,
    /// It does not.
    Fail,
    /// The feed's data cannot decide it, or the contract leaves it open.
    Skip,
}

/// One check, done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, stable from version to version.
    pub name: &'static str,
    /// What the contract says.
    pub about: &'static str,
    /// The requests and how each was answered, a line each.
    pub asked: Vec<String>,
    /// What was seen, or why it was skipped.
    pub saw: String,
    /// The outcome.
    pub outcome: Outcome,
}

/// All checks, done, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
}

/// A check to be made.
struct Task {
    name: &'static str,
    about: &'static str,
    run: Run,
}

type Run = for<'a> fn(&'a mut Trial, &'a Truth) -> BoxFuture<'a, trial::Verdict>;

/// Lists checks as `"name" "what the contract says" function`.
macro_rules! tasks {
    ($($name:literal $about:literal $function:ident)*) => {
        pub(super) const TASKS: &[super::Task] = &[$(super::Task {
            name: $name,
            about: $about,
            run: |trial, truth| Box::pin($function(trial, truth)),
        }),*];
    };
}
use tasks;

const GROUPS: [&[Task]; 8] =
    [sample::TASKS, http::TASKS, shape::TASKS, order::TASKS, limits::TASKS, walk::TASKS, window::TASKS, filters::TASKS];

/// Makes all checks of the feed that `client` asks; `heard` gets each as soon as it is done.
pub async fn run(client: &Client, options: &Options, mut heard: impl FnMut(&Check)) -> Report {
    let mut trial = Trial::new(client.clone(), options.retries);
    let mut report = Report::default();
    let truth = Truth::take(&mut trial, options).await;
    for task in GROUPS.into_iter().flatten() {
        let verdict = (task.run)(&mut trial, &truth).await;
        let check = verdict_of(task, verdict, trial.take_asked());
        heard(&check);
        report.checks.push(check);
    }
    report
}

fn verdict_of(task: &Task, verdict: trial::Verdict, asked: Vec<String>) -> Check {
    let (outcome, saw) = match verdict {
        Ok(saw) => (Outcome::Pass, saw),
        Err(trial::Stop::Fail(saw)) => (Outcome::Fail, saw),
        Err(trial::Stop::Skip(why)) => (Outcome::Skip, why),
    };
    Check { name: task.name, about: task.about, asked, saw, outcome }
}

impl Report {
    /// How many checks ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// The names of the checks that ended so.
    pub fn names(&self, outcome: Outcome) -> Vec<&'static str> {
        self.checks.iter().filter(|check| check.outcome == outcome).map(|check| check.name).collect()
    }

    /// Whether no check failed.
    pub fn is_green(&self) -> bool {
        self.count(Outcome::Fail) == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::Skip => "skip",
        })
    }
}

impl fmt::Display for Check {
    /// A line, and below it what was asked: the first request, or all of them for a failure and for `{:#}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<28} {}: {}", self.outcome, self.name, self.about, self.saw)?;
        let all = self.outcome == Outcome::Fail || f.alternate();
        let shown = if all { self.asked.len() } else { self.asked.len().min(1) };
        for line in &self.asked[..shown] {
            write!(f, "\n       asked {line}")?;
        }
        match self.asked.len() - shown {
            0 => {}
            more => write!(f, ", and {more} more")?,
        }
        Ok(())
    }
}
