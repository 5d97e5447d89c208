//! Pages over times that are hard to count off: crowds of one instant, gaps of years, rows that came in no order.

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
