//! Everything goes wrong at once, and the collector is killed at random moments: at the end the lake is the truth.
//!
//! Time passes fast, so that late activities come to light while we look. In full by one command: bench/chaos/README.md.

use std::{thread, time::Duration};

use crate::{feed::Feed, place::Place, random::Random};

/// 5 % server errors, bursts of 429, 1 % cut bodies, 1 % late by up to half an hour, duplicates, early ends, unknown types.
const FAULTS: [&str; 9] = [
    "error500=2%",
    "error503=2%",
    "error529=1%",
    "ratelimit=1%",
    "cut=1%",
    "late=1%:30m",
    "duplicate=1%",
    "early-end=1%",
    "unknown=1%",
];
/// So many times as fast: half an hour is 7.5 s.
const SPEED: &str = "240";

/// A number of the environment, or that of a run in CI.
fn size(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// How much happens.
pub struct Size {
    pub people: u64,
    pub days: u64,
    pub kills: u64,
    /// From a start to a kill at most.
    pub seconds: u64,
}

#[test]
fn truth_and_lake_agree_after_everything() {
    everything_goes_wrong(&Place::new(), &Size { people: 100, days: 10, kills: 8, seconds: 3 });
}

/// Collects into this place; `usual` is the size of a run in CI.
pub fn everything_goes_wrong(place: &Place, usual: &Size) {
    let (people, days) = (size("AUDITLAKE_CHAOS_PEOPLE", usual.people), size("AUDITLAKE_CHAOS_DAYS", usual.days));
    let kills = size("AUDITLAKE_CHAOS_KILLS", usual.kills);
    let longest = Duration::from_secs(size("AUDITLAKE_CHAOS_SECONDS", usual.seconds));
    let words = ["--people", &people.to_string(), "--days", &days.to_string(), "--speed", SPEED];
    let faults = FAULTS.map(|fault| ["--fault", fault]).concat();
    let feed = Feed::start(place, &[&words[..], &faults].concat());
    // Each look reaches back over everything that can still be late: half an hour, and what passes between two looks.
    let source = format!(
        "[[source]]\nname = \"acme\"\nbase_url = \"{}\"\nkey = \"{}\"\ninterval_seconds = 5\noverlap_seconds = 9000\nleave_percent = 0\nbackfill_from = \"{}d\"\n",
        feed.url,
        feed.key,
        days + 1
    );
    place.file("auditlake.toml", source);
    let start = || place.program(&["run", "--port", "0"]).within(Duration::from_secs(1_800)).start();
    let mut random = Random::new(4);
    for _ in 0..kills {
        let run = start();
        thread::sleep(random.moment(longest));
        run.kill9();
    }
    let mut run = start();
    run.says("the past is here");
    // What has happened by now has to be there when something that is later by more than half an hour is.
    let sure = feed.truth().newest();
    let late = later(&sure, 45 * 60);
    let mut tail = place.program(&["tail", "--lines", "0", "--format", "jsonl"]).start();
    tail.line(|line| crate::tail::is_later(line, &late));
    drop(tail);
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let (outcome, all) = feed.end();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let happened = all.until(&sure);
    eprintln!("{} activities, {kills} kills", happened.len());
    happened.holds_up_to(&all, place);
}

/// A time of the simulation, so many seconds later, in the same form.
pub fn later(time: &str, seconds: i64) -> String {
    let later = time.parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds);
    format!("{later:.6}")
}
