//! Windows on `created_at`.

use jiff::{
    SignedDuration, Timestamp,
    tz::{Offset, TimeZone},
};

use super::{
    sample::Truth,
    trial::{Row, Trial, Verdict, fail},
};
use crate::{MAX_LIMIT, Query, Window};

super::tasks! {
    "window-whole" "a window gives all of its activities and no other" whole
    "window-gte" "created_at.gte includes its instant" gte
    "window-gt" "created_at.gt excludes its instant" gt
    "window-lte" "created_at.lte includes its instant" lte
    "window-lt" "created_at.lt excludes its instant" lt
    "window-instant" "gte and lte of one instant give its activities" instant
    "window-halves" "two windows that meet give everything once" halves
    "window-all-bounds" "all four bounds together hold together" all_bounds
    "window-offset" "an instant in another time zone is the same instant" offset
    "window-asc" "a window goes with order=asc" asc
    "window-bad-timestamp" "a bad timestamp is a 400 that names the parameter and echoes the value" bad_timestamp
    "window-no-zone" "a timestamp without a zone is a 400" no_zone
}

fn within(truth: &Truth, narrow: impl Fn(&mut Window)) -> Query {
    let mut query = truth.query();
    narrow(&mut query.created_at);
    query
}

async fn expect(trial: &mut Trial, truth: &Truth, query: Query) -> Verdict {
    let window = query.created_at;
    trial.expect(&query, &truth.only(|row| window.contains(row.created_at))?).await
}

async fn whole(trial: &mut Trial, truth: &Truth) -> Verdict {
    expect(trial, truth, truth.query()).await
}

async fn gte(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = truth.middle()?;
    expect(trial, truth, within(truth, |window| window.gte = Some(middle))).await
}

async fn gt(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = truth.middle()?;
    expect(trial, truth, within(truth, |window| (window.gte, window.gt) = (None, Some(middle)))).await
}

async fn lte(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = truth.middle()?;
    expect(trial, truth, within(truth, |window| (window.lt, window.lte) = (None, Some(middle)))).await
}

async fn lt(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = truth.middle()?;
    expect(trial, truth, within(truth, |window| window.lt = Some(middle))).await
}

async fn instant(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = Some(truth.middle()?);
    expect(
        trial,
        truth,
        Query { created_at: Window { gte: middle, lte: middle, ..Window::default() }, ..Query::default() },
    )
    .await
}

async fn halves(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = Some(truth.middle()?);
    let older = trial.page(&Query { limit: MAX_LIMIT, ..within(truth, |window| window.lt = middle) }).await?;
    let newer = trial.page(&Query { limit: MAX_LIMIT, ..within(truth, |window| window.gte = middle) }).await?;
    let both: Vec<Row> = newer.rows.into_iter().chain(older.rows).collect();
    super::trial::same(&both, &truth.rows(1)?)
}

async fn all_bounds(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = truth.middle()?;
    let rows = truth.rows(1)?;
    let (oldest, newest) = (rows[rows.len() - 1].created_at, rows[0].created_at);
    let window = Window { gte: Some(oldest), gt: Some(oldest), lte: Some(middle), lt: Some(newest) };
    expect(trial, truth, Query { created_at: window, ..Query::default() }).await
}

async fn offset(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = truth.middle()?;
    let zone = TimeZone::fixed(Offset::constant(2));
    let local = middle.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string();
    let query = within(truth, |window| window.gte = None).encode();
    let query = format!("{query}&created_at.gte={}&limit={MAX_LIMIT}", local.replace('+', "%2B"));
    trial.expect_of(&query, &truth.only(|row| row.created_at >= middle)?).await
}

async fn asc(trial: &mut Trial, truth: &Truth) -> Verdict {
    let middle = truth.middle()?;
    let mut rows = truth.only(|row| row.created_at >= middle)?;
    rows.reverse();
    let query = within(truth, |window| window.gte = Some(middle));
    trial.expect(&Query { order: crate::Order::Asc, ..query }, &rows).await
}

async fn bad_timestamp(trial: &mut Trial, _: &Truth) -> Verdict {
    let mut messages = String::new();
    for name in ["created_at.gte", "created_at.gt", "created_at.lte", "created_at.lt"] {
        let message = trial.refused(&format!("{name}=last-tuesday"), 400).await?;
        if !message.contains(name) || !message.contains("last-tuesday") {
            return fail(format!("the message for {name} is {message:?}"));
        }
        messages = message;
    }
    Ok(messages)
}

async fn no_zone(trial: &mut Trial, _: &Truth) -> Verdict {
    let yesterday = Timestamp::now() - SignedDuration::from_hours(24);
    let text = yesterday.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let message = trial.refused(&format!("created_at.gte={text}"), 400).await?;
    if message.contains("created_at.gte") { Ok(message) } else { fail(format!("the message is {message:?}")) }
}
