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

#[test]
fn conformance_finds_its_key_wherever_it_is() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--people", "20", "--days", "3"]);
    let is_green = |outcome: Outcome| outcome.ok().contains(" passed, 0 failed");
    let file = place.file("key", &feed.key);
    assert!(is_green(place.run(&["conformance", "--url", &feed.url, "--key-file", &file])));
    let by_environment = place.program(&["conformance", "--url", &feed.url]).env("ANTHROPIC_ADMIN_KEY", &feed.key);
    assert!(is_green(by_environment.run()));
    let url = &feed.url;
    place.file("auditlake.toml", format!("[[source]]\nname = 'main'\nbase_url = '{url}'\nkey_file = '{file}'\n"));
    assert!(is_green(place.run(&["conformance", "--source", "main"])));
    let failed = place.run(&["conformance", "--source", "other"]).failed();
    assert!(failed.contains("no source is named \"other\"") && failed.contains("configured are: main"), "{failed}");
    let failed = place.run(&["conformance", "--url", url]).failed();
    assert!(failed.contains("no key is given") && failed.contains("ANTHROPIC_ADMIN_KEY"), "{failed}");
}

#[test]
fn a_feed_that_gives_nothing_to_compare_with_fails() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--people", "5", "--days", "2", "--fault", "error500-final=100%"]);
    let outcome = place.run(&["conformance", "--url", &feed.url, "--key", &feed.key]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let report = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(report.lines().next().unwrap().starts_with("FAIL  sample "), "{report}");
}

#[test]
fn the_name_of_who_read_the_feed_is_nobody_elses() {
    let place = Place::new();
    let file = place.file("one.jsonl", crate::place::activities(1));
    let outcome = place.run(&["import", &file, "--source", "auditlake"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("who read the served feed") && outcome.stderr.contains("hint: "), "{outcome:?}");
    assert!(!place.data().exists());
    place.file("auditlake.toml", "[[source]]\nname = 'auditlake'\nkey = 'x'\n");
    let failed = place.run(&["run", "--port", "0"]).failed();
    assert!(failed.contains("who read the served feed") && failed.contains("give it another name"), "{failed}");
}
