//! Pages over times that are hard to count off: crowds of one instant, gaps of years, rows that came in no order.

use std::collections::BTreeSet;

use activity::{Activity, Record};
use auditlake_store::{BatchBuilder, Commit, SourceInfo, Writer};

use super::*;
use crate::Options;

/// Times in microseconds: a crowd of more than can be read beside a page, some ties, and lone ones years apart.
fn crowded() -> Vec<i64> {
    let start = 1_700_000_000_000_000_i64;
    let mut times = vec![start; 2_500];
    times.extend((0..900).map(|number| start + 1 + number / 4));
    times.extend((0..40).map(|number| start - number * number * 86_400_000_000 * 40));
    times.extend([start + 94_608_000_000_000, start + 94_608_000_000_001, -5]);
    times
}

async fn store(dir: &std::path::Path, times: &[i64]) -> (DuckStore, Vec<Position>) {
    let store = DuckStore::open(Options { threads: Some(1), ..Options::in_dir(dir) }).unwrap();
    let mut all: Vec<Position> = (0..times.len())
        .map(|number| (number * 7_919) % times.len())
        .map(|number| Position {
            time: Timestamp::from_microsecond(times[number]).unwrap(),
            id: format!("activity_{:05}", number * 31 % 99_991),
        })
        .collect();
    for part in all.chunks(all.len() / 3 + 1) {
        let mut rows = BatchBuilder::default();
        for Position { time, id } in part {
            let kind = if id.ends_with('7') { "sso_login_failed" } else { "claude_chat_viewed" };
            let raw =
                format!(r#"{{"id":"{id}","created_at":"{time}","type":"{kind}","actor":{{"type":"system_actor"}}}}"#);
            rows.push(&Record::of(&Activity::parse_str(&raw).unwrap()));
        }
        let mut commit = Commit::new(SourceInfo::new("main"));
        commit.batches.push(rows.finish());
        store.commit(commit).await.unwrap();
        // What a page knows of the store's extent is brought up to date by each commit.
        store.feed_page(&FeedQuery { limit: 1, ..FeedQuery::default() }).await.unwrap();
    }
    all.sort();
    (store, all)
}

/// Everything from a position on, page by page.
async fn walk(store: &DuckStore, query: &FeedQuery, from: Option<(Position, Direction)>) -> Vec<Position> {
    let is_back = matches!(from, Some((_, Direction::Before)));
    let (mut query, mut pages) = (FeedQuery { cursor: from, ..query.clone() }, Vec::new());
    loop {
        let page = store.feed_page(&query).await.unwrap();
        let edge = if is_back { page.rows.first() } else { page.rows.last() };
        let direction = if is_back { Direction::Before } else { Direction::After };
        query.cursor = edge.map(|row| (row.position.clone(), direction));
        pages.push(page.rows.into_iter().map(|row| row.position).collect::<Vec<_>>());
        if !page.has_more {
            break;
        }
    }
    if is_back {
        pages.reverse();
    }
    pages.concat()
}

#[tokio::test]
async fn crowds_and_gaps_are_walked_over() {
    let dir = tempfile::tempdir().unwrap();
    let (store, all) = store(dir.path(), &crowded()).await;
    for types in [vec![], vec!["sso_login_failed".to_owned()]] {
        let mut truth = all.clone();
        truth.retain(|position| types.is_empty() || position.id.ends_with('7'));
        for ascending in [true, false] {
            for limit in [333, 5_000] {
                let query = FeedQuery { types: types.clone(), limit, ascending, ..FeedQuery::default() };
                assert_eq!(walk(&store, &query, None).await, truth, "limit {limit}, ascending {ascending}");
                let end = truth.last().unwrap().clone();
                let back = walk(&store, &query, Some((end, Direction::Before))).await;
                assert_eq!(back, truth[..truth.len() - 1], "back, limit {limit}, ascending {ascending}");
            }
            truth.reverse();
        }
    }
}

#[tokio::test]
async fn scattered_rows_are_the_same_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    // Enough rows that those of a tenth lie in more packs than are opened for one page, with ties.
    let times: Vec<i64> = (0..60_000).map(|number| 1_700_000_000_000_000 + number / 3 * 1_000_000).collect();
    let (store, mut all) = store(dir.path(), &times).await;
    all.retain(|position| position.id.ends_with('7'));
    let types = vec!["sso_login_failed".to_owned()];
    let query = FeedQuery { types: types.clone(), limit: 2_000, ascending: true, ..FeedQuery::default() };
    for turn in ["from the store", "from memory"] {
        assert_eq!(walk(&store, &query, None).await, all, "{turn}");
    }
    // Some of the rows are known by now, and some are not.
    let commit = |time: i64| {
        let mut rows = BatchBuilder::default();
        let time = Timestamp::from_microsecond(time).unwrap();
        let id = format!("activity_{}7", time.as_microsecond());
        let raw = format!(
            r#"{{"id":"{id}","created_at":"{time}","type":"sso_login_failed","actor":{{"type":"system_actor"}}}}"#
        );
        rows.push(&Record::of(&Activity::parse_str(&raw).unwrap()));
        let mut commit = Commit::new(SourceInfo::new("main"));
        commit.batches.push(rows.finish());
        (commit, Position { time, id })
    };
    for time in [times[30_000] + 7, times[0] - 9, times[59_999] + 1] {
        let (commit, position) = commit(time);
        store.commit(commit).await.unwrap();
        all.push(position);
    }
    all.sort();
    assert_eq!(walk(&store, &query, None).await, all);
    all.reverse();
    let query = FeedQuery { ascending: false, limit: 5_000, ..query };
    assert_eq!(walk(&store, &query, None).await, all);
}

/// What can be filtered by.
#[derive(Clone)]
struct Told {
    position: Position,
    kind: String,
    organization: Option<String>,
    actor: Option<String>,
}

/// The activity with this number, at a time in microseconds: a fifth of types as common as common ones are, others rare.
fn told(number: usize, time: i64) -> Told {
    let mixed = number.wrapping_mul(2_654_435_761) >> 7;
    let kind = if mixed.is_multiple_of(5) { 1 + (mixed / 5) % 97 } else { 0 };
    Told {
        position: Position {
            time: Timestamp::from_microsecond(time).unwrap(),
            id: format!("activity_{mixed:011}_{number}"),
        },
        kind: format!("type_{kind}"),
        organization: (!mixed.is_multiple_of(31)).then(|| format!("org_{}", usize::from(mixed.is_multiple_of(17)))),
        actor: (!mixed.is_multiple_of(3)).then(|| format!("user_{}", mixed % 211)),
    }
}

fn commit_of(all: &[Told]) -> Commit {
    let mut rows = BatchBuilder::default();
    for Told { position: Position { time, id }, kind, organization, actor } in all {
        let quoted = |text: &Option<String>| text.as_ref().map_or("null".to_owned(), |text| format!("{text:?}"));
        let (organization, actor) = (quoted(organization), quoted(actor));
        let raw = format!(
            r#"{{"id":"{id}","created_at":"{time}","type":"{kind}","organization_id":{organization},"organization_uuid":null,"actor":{{"type":"user_actor","user_id":{actor}}}}}"#
        );
        rows.push(&Record::of(&Activity::parse_str(&raw).unwrap()));
    }
    let mut commit = Commit::new(SourceInfo::new("main"));
    commit.batches.push(rows.finish());
    commit
}

fn passes(query: &FeedQuery, told: &Told) -> bool {
    let among =
        |list: &[String], value: Option<&String>| list.is_empty() || value.is_some_and(|value| list.contains(value));
    among(&query.types, Some(&told.kind))
        && !query.exclude_types.contains(&told.kind)
        && among(&query.actor_ids, told.actor.as_ref())
        && (told.organization.is_none() || among(&query.organizations, told.organization.as_ref()))
        && query.gte.is_none_or(|bound| told.position.time >= bound)
        && query.lt.is_none_or(|bound| told.position.time < bound)
}

#[tokio::test]
async fn any_filter_finds_what_lies_among_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = DuckStore::open(Options { threads: Some(2), ..Options::in_dir(dir.path()) }).unwrap();
    let start = 1_700_000_000_000_000_i64;
    let mut all: Vec<Told> = (0..150_000).map(|number| told(number, start + number as i64 / 2 * 1_000)).collect();
    // As a backfill brings it, the newest first, and then some as they come.
    for part in all[..149_000].chunks(49_000).rev() {
        store.commit(commit_of(part)).await.unwrap();
    }
    store.commit(commit_of(&all[149_000..])).await.unwrap();
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let at = |row: i64| Timestamp::from_microsecond(start + row / 2 * 1_000).ok();
    let open = FeedQuery { limit: 5_000, ..FeedQuery::default() };
    let filters = [
        FeedQuery { types: texts(&["type_0"]), ..open.clone() },
        FeedQuery { types: texts(&["type_1", "type_50"]), ..open.clone() },
        FeedQuery { types: texts(&["type_7", "no such"]), organizations: texts(&["org_0"]), ..open.clone() },
        FeedQuery { exclude_types: texts(&["type_0", "type_3"]), ..open.clone() },
        FeedQuery { organizations: texts(&["org_1"]), ..open.clone() },
        FeedQuery { organizations: texts(&["org_1", "org_0"]), gte: at(40_000), lt: at(90_000), ..open.clone() },
        FeedQuery { actor_ids: texts(&["user_5"]), ..open.clone() },
        FeedQuery { actor_ids: texts(&["user_5", "user_100", ""]), types: texts(&["type_0"]), ..open.clone() },
        FeedQuery { actor_ids: texts(&[""]), ..open.clone() },
        open,
    ];
    for turn in 0..3 {
        for query in &filters {
            let query =
                FeedQuery { ascending: turn == 1, limit: if turn == 2 { 1_234 } else { 5_000 }, ..query.clone() };
            let mut truth: Vec<Position> =
                all.iter().filter(|told| passes(&query, told)).map(|told| told.position.clone()).collect();
            truth.sort();
            if !query.ascending {
                truth.reverse();
            }
            assert!(walk(&store, &query, None).await == truth, "{turn}: {query:?}");
        }
        // More of everything: late ones all over the past, and new ones.
        let more = (0..700).map(|number| told(1_000_000 * (turn + 1) + number, start + number as i64 * 120_001));
        let more: Vec<Told> = more.collect();
        store.commit(commit_of(&more)).await.unwrap();
        all.extend(more);
    }
}

#[tokio::test]
async fn a_walk_is_whole_while_others_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let store = DuckStore::open(Options { threads: Some(2), ..Options::in_dir(dir.path()) }).unwrap();
    let start = 1_700_000_000_000_000_i64;
    let all: Vec<Told> = (0..60_000).map(|number| told(number, start + number as i64 * 1_000)).collect();
    store.commit(commit_of(&all)).await.unwrap();
    for types in [vec![], vec!["type_0".to_owned()], vec!["type_9".to_owned(), "type_10".to_owned()]] {
        let mut query = FeedQuery { types, limit: 900, ..FeedQuery::default() };
        let first: BTreeSet<Position> =
            all.iter().filter(|told| passes(&query, told)).map(|told| told.position.clone()).collect();
        let mut found = Vec::new();
        for page_number in 0.. {
            let page = store.feed_page(&query).await.unwrap();
            found.extend(page.rows.iter().map(|row| row.position.clone()));
            query.cursor = page.rows.last().map(|row| (row.position.clone(), Direction::After));
            if !page.has_more {
                break;
            }
            let late = (0..40).map(|number| {
                let number = query.types.len() * 1_000_000 + page_number * 1_000 + number + 70_000;
                told(number, start + (number as i64 * 7_919_777) % 60_000_000)
            });
            store.commit(commit_of(&late.collect::<Vec<_>>())).await.unwrap();
        }
        assert!(found.is_sorted_by(|one, other| one > other), "out of order or twice");
        assert_eq!(found.iter().filter(|position| first.contains(position)).count(), first.len());
    }
}

#[tokio::test]
async fn windows_beyond_everything_are_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (store, all) = store(dir.path(), &[5, 6, 7]).await;
    let all_of = FeedQuery { limit: 9, ..FeedQuery::default() };
    let (low, high) = (Some(all[0].time), Some(all[2].time));
    for query in [
        FeedQuery { gt: high, ..all_of.clone() },
        FeedQuery { lt: low, ..all_of.clone() },
        FeedQuery { gte: high, lt: high, ..all_of.clone() },
        FeedQuery { gte: Some(Timestamp::MAX), ..all_of.clone() },
        FeedQuery { lte: Some(Timestamp::MIN), ..all_of.clone() },
        FeedQuery { cursor: Some((all[0].clone(), Direction::After)), ..all_of.clone() },
        FeedQuery { cursor: Some((all[2].clone(), Direction::Before)), ..all_of.clone() },
    ] {
        assert_eq!(store.feed_page(&query).await.unwrap(), FeedPage::default(), "{query:?}");
    }
    let bounds = FeedQuery { gte: Some(Timestamp::MIN), lte: Some(Timestamp::MAX), ..all_of };
    assert_eq!(store.feed_page(&bounds).await.unwrap().rows.len(), 3);
}
