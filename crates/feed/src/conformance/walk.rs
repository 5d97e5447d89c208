//! Going from page to page, in both directions.

use super::{
    sample::Truth,
    trial::{Seen, Trial, Verdict, fail, same},
};
use crate::{Cursor, Order, Page, Query};

super::tasks! {
    "walk-older" "after_id=last_id until has_more is false gives every activity once" older
    "walk-asc" "the same with order=asc" asc
    "walk-single" "the same in pages of one" single
    "walk-back" "before_id=first_id until has_more is false gives every activity once" back
    "walk-back-asc" "the same with order=asc" back_asc
    "walk-adjacent" "before_id of a page gives the page beside it, not the first of all" adjacent
    "walk-there-and-back" "one page on and one page back is the same page" there_and_back
    "walk-past-end" "after the last activity comes an empty page" past_end
    "walk-before-start" "before the first activity comes an empty page" before_start
    "walk-other-limit" "a cursor goes with any limit" other_limit
    "cursor-retry" "asked again with the same cursor, the same page comes" retry
    "cursor-late" "a cursor is still good after the walk is over" late
    "cursor-both" "after_id and before_id together are a 400" both
    "cursor-unknown-after" "an after_id that no page gave is a 400" unknown_after
    "cursor-unknown-before" "a before_id that no page gave is a 400" unknown_before
}

async fn older(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(3)?;
    same(&trial.walk(&truth.query_in_pages(), false).await?, &rows)
}

async fn asc(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows_asc(3)?;
    same(&trial.walk(&Query { order: Order::Asc, ..truth.query_in_pages() }, false).await?, &rows)
}

async fn single(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(3)?;
    let count = rows.len().min(15);
    let mut seen: Vec<_> = Vec::new();
    let mut query = Query { limit: 1, ..truth.query() };
    for _ in 0..count {
        let next = trial.page(&query).await?;
        query.cursor = Some(Cursor::After(last(&next.page)?));
        seen.extend(next.rows);
    }
    same(&seen, &rows[..count])
}

/// Walks back from behind the last row: what must come is everything but that row, and then the row itself is added.
pub(super) async fn walk_back(trial: &mut Trial, query: Query, end: &Seen) -> Verdict<Vec<super::trial::Row>> {
    let cursor = Some(Cursor::Before(last(&end.page)?));
    let mut rows = trial.walk(&Query { cursor, ..query }, true).await?;
    rows.extend(end.rows.last().cloned());
    Ok(rows)
}

async fn back(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(3)?;
    let end = trial.page(&Query { limit: crate::MAX_LIMIT, ..truth.query() }).await?;
    same(&walk_back(trial, truth.query_in_pages(), &end).await?, &rows)
}

async fn back_asc(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows_asc(3)?;
    let asc = |query| Query { order: Order::Asc, ..query };
    let end = trial.page(&asc(Query { limit: crate::MAX_LIMIT, ..truth.query() })).await?;
    same(&walk_back(trial, asc(truth.query_in_pages()), &end).await?, &rows)
}

async fn adjacent(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(12)?;
    let cursor = Some(Cursor::After(last(&trial.page(&Query { limit: 8, ..truth.query() }).await?.page)?));
    let second = trial.page(&Query { cursor, limit: 2, ..truth.query() }).await?;
    let cursor = Some(Cursor::Before(first(&second.page)?));
    let beside = trial.page(&Query { cursor, limit: 3, ..truth.query() }).await?;
    if !beside.page.has_more {
        return fail("has_more is false, but five activities lie further on");
    }
    same(&beside.rows, &rows[5..8])
}

async fn there_and_back(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(11)?;
    let query = Query { limit: 5, ..truth.query() };
    let start = trial.page(&query).await?;
    let next = trial.page(&Query { cursor: Some(Cursor::After(last(&start.page)?)), ..query.clone() }).await?;
    same(&next.rows, &rows[5..10])?;
    let again = trial.page(&Query { cursor: Some(Cursor::Before(first(&next.page)?)), ..query }).await?;
    if again.page.has_more {
        return fail("has_more is true, but nothing lies before the first page");
    }
    same(&again.rows, &rows[..5])
}

async fn past_end(trial: &mut Trial, truth: &Truth) -> Verdict {
    truth.rows(1)?;
    let end = trial.page(&Query { limit: crate::MAX_LIMIT, ..truth.query() }).await?;
    let cursor = Some(Cursor::After(last(&end.page)?));
    is_empty(&trial.page(&Query { cursor, ..truth.query() }).await?.page)
}

async fn before_start(trial: &mut Trial, truth: &Truth) -> Verdict {
    truth.rows(1)?;
    let start = trial.page(&Query { limit: 1, ..truth.query() }).await?;
    let cursor = Some(Cursor::Before(first(&start.page)?));
    is_empty(&trial.page(&Query { cursor, ..truth.query() }).await?.page)
}

async fn other_limit(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(9)?;
    let start = trial.page(&Query { limit: 3, ..truth.query() }).await?;
    let cursor = Some(Cursor::After(last(&start.page)?));
    same(&trial.page(&Query { cursor, limit: 6, ..truth.query() }).await?.rows, &rows[3..9])
}

async fn retry(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(9)?;
    let start = trial.page(&Query { limit: 3, ..truth.query() }).await?;
    let query = Query { cursor: Some(Cursor::After(last(&start.page)?)), limit: 5, ..truth.query() };
    let (once, twice) = (trial.page(&query).await?, trial.page(&query).await?);
    if once.page.data != twice.page.data || once.page.has_more != twice.page.has_more {
        return fail("the two pages differ");
    }
    same(&twice.rows, &rows[3..8])
}

async fn late(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(9)?;
    let query = truth.query_in_pages();
    let start = trial.page(&query).await?;
    trial.walk(&query, false).await?;
    let cursor = Some(Cursor::After(last(&start.page)?));
    let limit = query.limit as usize;
    same(&trial.page(&Query { cursor, ..query }).await?.rows, &rows[limit..(2 * limit).min(rows.len())])
}

async fn both(trial: &mut Trial, truth: &Truth) -> Verdict {
    truth.rows(1)?;
    let page = trial.page(&Query { limit: 2, ..truth.query() }).await?.page;
    let after = Query { cursor: Some(Cursor::After(last(&page)?)), ..Query::default() }.encode();
    let before = Query { cursor: Some(Cursor::Before(first(&page)?)), ..Query::default() }.encode();
    trial.refused(&format!("{after}&{before}"), 400).await
}

async fn unknown_after(trial: &mut Trial, _: &Truth) -> Verdict {
    trial.refused("after_id=no-page-gave-this", 400).await
}

async fn unknown_before(trial: &mut Trial, _: &Truth) -> Verdict {
    trial.refused("before_id=no-page-gave-this", 400).await
}

fn first(page: &Page) -> Verdict {
    page.first_id.clone().map_or_else(|| fail("first_id is null"), Ok)
}

fn last(page: &Page) -> Verdict {
    page.last_id.clone().map_or_else(|| fail("last_id is null"), Ok)
}

fn is_empty(page: &Page) -> Verdict {
    match page {
        Page { data, has_more: false, first_id: None, last_id: None } if data.is_empty() => Ok("an empty page".into()),
        Page { data, has_more, .. } => fail(format!("{} activities, has_more {has_more}", data.len())),
    }
}
