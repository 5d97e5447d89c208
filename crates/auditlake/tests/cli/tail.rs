//! `kill -9` while the present is followed: every activity that happened before the last look is there, once.
//!
//! Time passes fast in the simulated organisation, and each look at its feed is an activity of its own.

use std::{thread, time::Duration};

use crate::{feed::Feed, place::Place, random::Random};

const KILLS: u32 = 12;
/// From a start to a kill at most: most looks fall into the first second.
const LONGEST: Duration = Duration::from_millis(1_500);

#[test]
fn following_loses_nothing_and_doubles_nothing() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--speed", "1200", "--people", "200", "--days", "1"]);
    // The shortest interval that there is.
    let (url, key) = (&feed.url, &feed.key);
    let source = format!("[[source]]\nname = \"acme\"\nbase_url = \"{url}\"\nkey = \"{key}\"\ninterval_seconds = 5\n");
    place.file("auditlake.toml", source);
    let start = || place.program(&["run", "--port", "0"]).start();
    let before = feed.truth().len();
    let mut random = Random::new(3);
    let mut first = start();
    first.says("the past is here");
    first.kill9();
    for _ in 1..KILLS {
        let run = start();
        thread::sleep(random.moment(LONGEST));
        run.kill9();
        place.count();
    }
    let run = start();
    // What has happened by now has to be there when something later is.
    let sure = feed.truth().newest();
    let mut tail = place.program(&["tail", "--lines", "0", "--format", "jsonl"]).start();
    tail.line(|line| is_later(line, &sure));
    drop(tail);
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let (outcome, all) = feed.end();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let happened = all.until(&sure);
    assert!(happened.len() > before, "nothing happened");
    happened.holds_up_to(&all, &place);
}

pub fn is_later(line: &str, time: &str) -> bool {
    let row: serde_json::Value = serde_json::from_str(line).unwrap();
    let raw: serde_json::Value = serde_json::from_str(row["rawLog"].as_str().unwrap()).unwrap();
    raw["created_at"].as_str().unwrap() > time
}
