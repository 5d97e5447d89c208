//! Any page of the feed, whatever is asked and wherever it begins, while activities arrive: it is what a sorted list gives.
//!
//! In CI once, from one seed. `AUDITLAKE_PAGES_ROUNDS` is the number of stores that are filled and asked, each from its own.

mod world;

use std::collections::BTreeSet;

use self::world::{Random, World};
use crate::{Direction, Engine, FeedPage, FeedQuery};

/// How much is put into a store, and how often it is asked in between.
struct Size {
    /// The activities of each commit.
    commits: &'static [usize],
    instants: u64,
    limits: &'static [u32],
    /// After each commit.
    pages: usize,
    walks: usize,
    /// Of these walks: smaller pages would make them long.
    walk_limits: &'static [u32],
}

/// Commits of some few, as a feed that is followed brings them.
const FEW: Size = Size {
    commits: &[90, 7, 150, 1, 60],
    instants: 40,
    limits: &[1, 2, 7, 30, 5_000],
    pages: 14,
    walks: 2,
    walk_limits: &[5, 19, 64],
};
/// Commits of more than an engine packs together, as a backfill brings them.
const MANY: Size = Size {
    commits: &[21_000, 11_000, 40],
    instants: 4_000,
    limits: &[1, 100, 1_000, 5_000],
    pages: 10,
    walks: 1,
    walk_limits: &[1_999, 5_000],
};

pub(super) async fn are_right<E: Engine>(open: &impl AsyncFn() -> E) {
    let rounds = std::env::var("AUDITLAKE_PAGES_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in 0..rounds {
        for size in [&FEW, &MANY] {
            fill_and_ask(&open().await, size, seed).await;
        }
    }
}

async fn fill_and_ask(store: &impl Engine, size: &Size, seed: u64) {
    let (mut random, mut world) = (Random(seed), World::new(size.instants));
    // An engine may remember what it was asked: some is asked again when more is there.
    let mut asked: Vec<FeedQuery> = Vec::new();
    for &count in size.commits {
        world.arrive(store, &mut random, count).await;
        for _ in 0..size.pages {
            let again = random.one_in(3).then(|| asked.get(random.below(asked.len())).cloned()).flatten();
            let mut query = again.unwrap_or_else(|| world.query(&mut random, size.limits));
            query.cursor = if random.one_in(3) { None } else { world.cursor(&mut random) };
            if random.one_in(3) {
                // Just as many as there are, or one too few: whether more follow is decided here.
                let rest = world.page(&FeedQuery { limit: u32::MAX, ..query.clone() }).rows.len() as u32;
                query.limit = (rest - rest.min(1) * u32::from(random.one_in(2))).clamp(1, 5_000);
            }
            page(store, &world, &query, seed).await;
            asked.push(query);
        }
        for _ in 0..size.walks {
            let query = world.query(&mut random, size.walk_limits);
            walk(store, &mut world, &mut random, query, seed).await;
        }
    }
}

/// Asks for a page, which has to be the right one.
#[expect(clippy::expect_used, reason = "a page that is no page fails the test")]
async fn page(store: &impl Engine, world: &World, query: &FeedQuery, seed: u64) -> FeedPage {
    let (found, truth) = (store.feed_page(query).await.expect("page"), world.page(query));
    let at = found.rows.iter().zip(&truth.rows).position(|(one, other)| one != other);
    let at = at.unwrap_or(found.rows.len().min(truth.rows.len()));
    assert!(
        found == truth,
        "seed {seed}, {query:?}: {} rows, has_more {}; expected {} rows, has_more {}; the first that differs is {at}: {:?}, expected {:?}",
        found.rows.len(),
        found.has_more,
        truth.rows.len(),
        truth.has_more,
        found.rows.get(at),
        truth.rows.get(at),
    );
    found
}

/// From one end of the answer to the other, while activities arrive: whatever was there before is met once.
async fn walk(store: &impl Engine, world: &mut World, random: &mut Random, mut query: FeedQuery, seed: u64) {
    let direction = if random.one_in(2) { Direction::After } else { Direction::Before };
    query.cursor = (direction == Direction::Before).then(|| (world.end(query.ascending), direction));
    let there = world.passing(&query);
    let mut met = BTreeSet::new();
    loop {
        let page = page(store, world, &query, seed).await;
        let edge = if direction == Direction::Before { page.rows.first() } else { page.rows.last() };
        query.cursor = edge.map(|row| (row.position.clone(), direction));
        for row in page.rows {
            assert!(met.insert(row.position.clone()), "seed {seed}, {query:?}: twice: {:?}", row.position);
        }
        if !page.has_more {
            break;
        }
        if random.one_in(3) {
            world.arrive(store, random, 3).await;
        }
    }
    let lost = there.iter().find(|position| !met.contains(position));
    assert!(lost.is_none(), "seed {seed}, {query:?}: never met: {lost:?}");
}
