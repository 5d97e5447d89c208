//! What a page of the feed costs the engine alone: processor and wall time of pages at many depths, without HTTP.
//!
//! `feed_pages LAKE_DIRECTORY [TURNS]` opens a lake, such as `bench/feed/measure.py --lake` leaves behind, and asks it for
//! pages of 5,000 with filters of every rarity, each time somewhere else. `feed_pages LAKE_DIRECTORY TURNS NAME` asks only what has
//! the name in its own.

use std::{error::Error, path::Path, time::Instant};

use auditlake_store::{Direction, FeedQuery, FeedReader, Position};
use jiff::SignedDuration;
use store_duckdb::{DuckStore, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let turns: usize = words.get(1).map_or(30, |turns| turns.parse().unwrap_or(30));
    let only = words.get(2).cloned().unwrap_or_default();
    let store = DuckStore::open(Options::in_dir(Path::new(&words[0])))?;
    let all = FeedQuery { limit: 5_000, exclude_sources: vec!["auditlake".into()], ..FeedQuery::default() };
    let edge = |page: auditlake_store::FeedPage| page.rows[0].position.time;
    let newest = edge(store.feed_page(&all).await?);
    let oldest = edge(store.feed_page(&FeedQuery { ascending: true, ..all.clone() }).await?);
    let sample = store.feed_page(&all).await?;
    let people: Vec<String> = {
        let mut people: Vec<String> = sample.rows.iter().filter_map(|row| member(&row.raw, "user_id")).collect();
        people.dedup();
        people
    };
    let mut organizations: Vec<String> =
        sample.rows.iter().filter_map(|row| member(&row.raw, "organization_id")).collect();
    organizations.sort();
    let common = organizations[organizations.len() / 2].clone();
    organizations.retain(|id| *id != common);
    let types = |names: &[&str]| FeedQuery { types: names.iter().map(|&name| name.into()).collect(), ..all.clone() };
    let of = |ids: &[String]| FeedQuery { actor_ids: ids.to_vec(), ..all.clone() };
    let kinds = [
        ("anything", all.clone()),
        ("1 in 6", types(&["claude_chat_created"])),
        ("1 in 50", types(&["claude_artifact_viewed"])),
        ("1 in 2,000", types(&["sso_login_failed"])),
        ("two types", types(&["claude_artifact_viewed", "claude_file_viewed"])),
        ("small org", FeedQuery { organizations: organizations[..1].to_vec(), ..all.clone() }),
        ("large org", FeedQuery { organizations: vec![common], ..all.clone() }),
        ("person", of(&people[..1])),
        ("ten people", of(&people[..10])),
    ];
    println!("| kind | first | median | most | processor | rows |");
    for (name, query) in kinds.into_iter().filter(|(name, _)| name.contains(&only)) {
        let (mut times, mut first, mut rows, mut spent) = (Vec::new(), 0.0, 0, 0.0);
        for turn in 0..=turns {
            let share = (0.9 + turn as f64 * 0.618_033_988_75).fract();
            let at =
                newest - SignedDuration::from_secs_f64(newest.duration_since(oldest).as_secs_f64() * (1.0 - share));
            let cursor = Some((Position { time: at, id: "activity_01".into() }, Direction::After));
            let query = FeedQuery { cursor, ..query.clone() };
            let (started, before) = (Instant::now(), processor());
            rows += store.feed_page(&query).await?.rows.len();
            let took = started.elapsed().as_secs_f64() * 1_000.0;
            match turn {
                0 => first = took,
                _ => {
                    times.push(took);
                    spent += processor() - before;
                }
            }
        }
        times.sort_by(f64::total_cmp);
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        let turns = turns as f64;
        println!(
            "| {name} | {first:.0} | {median:.1} | {most:.0} | {:.1} | {:.0} |",
            spent / turns,
            rows as f64 / turns
        );
    }
    Ok(())
}

fn member(raw: &str, name: &str) -> Option<String> {
    let from = raw.find(&format!("\"{name}\":\""))? + name.len() + 4;
    Some(raw[from..].split('"').next()?.to_owned())
}

/// Milliseconds of processor time so far, of all threads.
fn processor() -> f64 {
    let mut all = 0.0;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        all += text.split(' ').next().and_then(|part| part.parse::<f64>().ok()).unwrap_or(0.0) / 1e6;
    }
    all
}
