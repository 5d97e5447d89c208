//! `kill -9` in the middle of an import: whatever was committed stays, once, and the next run gets the rest.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{feed::Feed, place::Place, random::Random};

const KILLS: u32 = 12;
/// After so many kills the import may end, and a new one begins.
const KILLS_A_ROUND: u32 = 6;

#[test]
fn an_import_loses_nothing_and_doubles_nothing() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "200", "--days", "30"]);
    let (_, truth) = feed.end();
    assert!(truth.len() >= 150_000, "{}", truth.len());
    let file = place.file("past.jsonl", truth.lines());
    let whole = Instant::now();
    place.run(&["import", &file]).ok();
    let longest = whole.elapsed();
    let mut random = Random::new(1);
    let (mut kills, mut partial) = (0, 0);
    while kills < KILLS {
        place.clear();
        for _ in 0..KILLS_A_ROUND.min(KILLS - kills) {
            let mut import = place.program(&["import", &file]).start();
            thread::sleep(random.moment(longest));
            if import.has_ended() {
                break;
            }
            import.kill9();
            kills += 1;
            partial += u32::from(place.data().join("lake.duckdb").exists() && place.count() < truth.len() as u64);
        }
        let outcome = place.run(&["import", &file]);
        assert!(outcome.stderr.is_empty(), "{outcome:?}");
        outcome.ok();
        truth.holds(&place);
        assert!(place.rejects("import").is_empty());
    }
    assert!(partial > 0, "none of {kills} kills struck before the end");
    assert!(longest < Duration::from_secs(100));
}
