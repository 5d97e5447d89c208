//! How fast activities and pages come, on one core: `cargo run -p simulate --example emit [PEOPLE [DAYS]]`.

use std::time::Instant;

use feed::{Cursor, Query};
use simulate::{Config, Pace, Simulation};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse());
    let people = arguments.next().transpose()?.unwrap_or(400);
    let days = arguments.next().transpose()?.unwrap_or(90);
    let simulation = Simulation::new(Config { people, days, pace: Pace::Frozen, ..Config::default() })?;

    let begun = Instant::now();
    let (mut count, mut bytes) = (0u64, 0);
    for activity in simulation.activities(simulation.start(), simulation.now()).take(2_000_000) {
        count += 1;
        bytes += activity.json.len() as u64;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "generate: {count} activities in {seconds:.2} s, {:.0} a second, {} bytes each",
        count as f64 / seconds,
        bytes / count
    );

    let begun = Instant::now();
    let mut query = Query { limit: 5_000, ..Query::default() };
    let (mut pages, mut rows) = (0u32, 0);
    for _ in 0..200 {
        let page = simulation.find(&query)?;
        (pages, rows) = (pages + 1, rows + page.data.len());
        query.cursor = page.last_id.map(Cursor::After);
        if !page.has_more {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "walk: {pages} pages, {:.0} activities a second, {:.1} ms a page",
        rows as f64 / seconds,
        1e3 * seconds / f64::from(pages)
    );

    for (name, query) in [
        ("newest 100", Query::default()),
        ("100 of a rare type", Query { activity_types: vec!["tunnel_created".into()], ..Query::default() }),
        ("100 of a person", Query { actor_ids: vec![simulation.organization().person(3).user_id], ..Query::default() }),
        ("100 of nobody", Query { actor_ids: vec!["user_01nobody".into()], ..Query::default() }),
    ] {
        let begun = Instant::now();
        let found = simulation.find(&query)?.data.len();
        println!("{name}: {found} in {:?}", begun.elapsed());
    }
    Ok(())
}
