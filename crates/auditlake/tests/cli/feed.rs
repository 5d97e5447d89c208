//! `auditlake simulate`: a feed with its truth, and the services that collect from it.

use std::path::PathBuf;

use crate::{
    place::Place,
    program::{Outcome, Program, Running},
    truth::Truth,
};

pub struct Feed {
    program: Running,
    pub url: String,
    pub key: String,
    truth: PathBuf,
}

impl Feed {
    /// Serves an organisation, described by more words for `simulate`.
    pub fn start(place: &Place, words: &[&str]) -> Feed {
        let truth = place.path().join("truth.jsonl");
        let all = ["simulate", "--truth", "truth.jsonl", "--rate-limit", "60000"];
        let mut program = place.program(&all).words(words).start();
        let word = |line: String| line.split_once(' ').unwrap().1.to_owned();
        let url = word(program.line(|line| line.starts_with("url ")));
        let key = word(program.line(|line| line.starts_with("key ")));
        Feed { program, url, key, truth }
    }

    /// The program, to be told of this feed by the environment.
    pub fn env(&self, program: Program) -> Program {
        program.env("ANTHROPIC_BASE_URL", &self.url).env("ANTHROPIC_COMPLIANCE_ACCESS_KEY", &self.key)
    }

    /// `auditlake run` over this feed.
    pub fn collector(&self, place: &Place) -> Running {
        self.env(place.program(&["run", "--port", "0"])).start()
    }

    /// What has happened so far.
    pub fn truth(&self) -> Truth {
        Truth::read(&self.truth)
    }

    /// Ends the feed; all that ever happened.
    pub fn end(self) -> (Outcome, Truth) {
        let outcome = self.program.terminate();
        (outcome, Truth::read(&self.truth))
    }
}
