//! Pages of the feed: every walk equals the sorted truth.

use activity::Activity;

use super::{commit, sample};
use crate::{Direction, Engine, FeedQuery, Position};

fn sorted(all: &[String], is_ascending: bool, keep: impl Fn(&Activity) -> bool) -> Vec<String> {
    let mut rows: Vec<(Position, String)> = Vec::new();
    for raw in all {
        let activity = Activity::parse_str(raw).expect("an activity");
        if keep(&activity) {
            rows.push((Position { time: activity.created_at, id: activity.id.to_string() }, raw.clone()));
        }
    }
    rows.sort();
    if !is_ascending {
        rows.reverse();
    }
    rows.into_iter().map(|(_, raw)| raw).collect()
}

/// All pages from the start, or from the end backwards, as one list in result order.
async fn walk(store: &impl Engine, query: &FeedQuery, from: Option<(Position, Direction)>) -> Vec<String> {
    let is_back = matches!(from, Some((_, Direction::Before)));
    let mut query = FeedQuery { cursor: from, ..query.clone() };
    let mut pages: Vec<Vec<String>> = Vec::new();
    loop {
        let page = store.feed_page(&query).await.expect("page");
        assert!(page.rows.len() <= query.limit as usize);
        let edge = if is_back { page.rows.first() } else { page.rows.last() };
        let Some(edge) = edge.cloned() else { break };
        pages.push(page.rows.into_iter().map(|row| row.raw).collect());
        query.cursor = Some((edge.position, if is_back { Direction::Before } else { Direction::After }));
        if !page.has_more {
            assert!(store.feed_page(&query).await.expect("page").rows.is_empty(), "no more means no more");
            break;
        }
    }
    if is_back {
        pages.reverse();
    }
    pages.concat()
}

pub(super) async fn walks(store: &impl Engine) {
    let all = sample(137);
    store.commit(commit(&all[50..])).await.expect("commit");
    store.commit(commit(&all[..50])).await.expect("commit");
    for ascending in [false, true] {
        let truth = sorted(&all, ascending, |_| true);
        for limit in [1, 7, 137, 5_000] {
            let query = FeedQuery { limit, ascending, ..FeedQuery::default() };
            assert_eq!(walk(store, &query, None).await, truth, "limit {limit}, ascending {ascending}");
            let last = Activity::parse_str(&truth[136]).expect("an activity");
            let end = Position { time: last.created_at, id: last.id.to_string() };
            let back = walk(store, &query, Some((end, Direction::Before))).await;
            assert_eq!(back, truth[..136], "backwards, limit {limit}, ascending {ascending}");
        }
    }
    let id = "activity_007919";
    let position = store.locate(id).await.expect("locate").expect("is there");
    assert_eq!(position.id, id);
    assert_eq!(store.locate("activity_none").await.expect("locate"), None);
}

pub(super) async fn filters(store: &impl Engine) {
    let all = sample(200);
    store.commit(commit(&all)).await.expect("commit");
    let start = Activity::parse_str(&all[60]).expect("an activity").created_at;
    let end = Activity::parse_str(&all[120]).expect("an activity").created_at;
    let base = FeedQuery { limit: 9, ..FeedQuery::default() };
    let types = vec!["claude_chat_viewed".to_owned(), "something_new_happened".to_owned()];
    type Keep<'a> = Box<dyn Fn(&Activity) -> bool + 'a>;
    let cases: Vec<(FeedQuery, Keep)> = vec![
        (FeedQuery { types: types.clone(), ..base.clone() }, Box::new(|a| types.iter().any(|t| *t == a.kind))),
        (FeedQuery { exclude_types: types.clone(), ..base.clone() }, Box::new(|a| types.iter().all(|t| *t != a.kind))),
        (
            FeedQuery { actor_ids: vec!["user_3".into()], ..base.clone() },
            Box::new(|a| a.actor.text("user_id") == Some("user_3")),
        ),
        (
            FeedQuery { organizations: vec!["org_1".into()], ..base.clone() },
            Box::new(|a| a.organization_id.as_deref().is_none_or(|id| id == "org_1")),
        ),
        (
            FeedQuery { organizations: vec!["00000000-aaaa".into()], ..base.clone() },
            Box::new(|a| a.organization_uuid.as_deref().is_none_or(|id| id == "00000000-aaaa")),
        ),
        (
            FeedQuery { gte: Some(start), lt: Some(end), ..base.clone() },
            Box::new(|a| a.created_at >= start && a.created_at < end),
        ),
        (
            FeedQuery { gt: Some(start), lte: Some(end), ..base.clone() },
            Box::new(|a| a.created_at > start && a.created_at <= end),
        ),
        (FeedQuery { exclude_sources: vec!["main".into()], ..base.clone() }, Box::new(|_| false)),
    ];
    for (query, keep) in cases {
        for ascending in [false, true] {
            let query = FeedQuery { ascending, ..query.clone() };
            assert_eq!(walk(store, &query, None).await, sorted(&all, ascending, &keep), "{query:?}");
        }
    }
}
