//! `kill -9` while the past is read from a feed with faults: the next run goes on, and gets exactly the past.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{feed::Feed, place::Place, random::Random, truth::Truth};

const KILLS: u32 = 12;
const KILLS_A_ROUND: u32 = 4;
/// From a start to a kill at most; less if a whole backfill takes less.
const LONGEST: Duration = Duration::from_millis(2_500);

#[test]
fn a_backfill_loses_nothing_and_doubles_nothing() {
    let place = Place::new();
    let faults = ["error503=3%", "cut=1%", "duplicate=1%", "slow=100%:300ms"].map(|fault| ["--fault", fault]).concat();
    let feed = Feed::start(&place, &[&["--frozen", "--people", "150", "--days", "20"][..], &faults].concat());
    let truth = feed.truth();
    assert!(truth.len() > 50_000, "{}", truth.len());
    let whole = Instant::now();
    complete(&feed, &place, &truth);
    let longest = whole.elapsed().min(LONGEST);
    let mut random = Random::new(2);
    let (mut kills, mut partial) = (0, 0);
    while kills < KILLS {
        place.clear();
        for _ in 0..KILLS_A_ROUND.min(KILLS - kills) {
            let run = feed.collector(&place);
            thread::sleep(random.moment(longest));
            run.kill9();
            kills += 1;
            // What was left behind can be read by itself, and says nothing of a service that is no more.
            let count = if place.data().join("lake.duckdb").exists() { place.count() } else { 0 };
            partial += u32::from(count > 0 && count < truth.len() as u64);
            if count == truth.len() as u64 {
                break;
            }
        }
        complete(&feed, &place, &truth);
    }
    assert!(partial > 0, "none of {kills} kills struck in the middle of the past");
}

/// Reads the past to its end, and looks at it while the service runs and when it has ended.
fn complete(feed: &Feed, place: &Place, truth: &Truth) {
    let mut run = feed.collector(place);
    run.says("the past is here");
    truth.holds(place);
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    truth.holds(place);
}
