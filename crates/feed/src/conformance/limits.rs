//! How many activities a page holds.

use super::{
    sample::Truth,
    trial::{Trial, Verdict, fail, same},
};
use crate::{DEFAULT_LIMIT, MAX_LIMIT, Query};

super::tasks! {
    "limit-one" "limit=1 gives one activity" one
    "limit-some" "a page holds exactly limit activities while there are more" some
    "limit-default" "without limit a page holds 100" default
    "limit-most" "limit=5000 is accepted" most
    "limit-all" "a page that holds the last activity says has_more false" all
    "limit-all-but-one" "a page that lacks the last activity says has_more true" all_but_one
    "limit-zero" "limit=0 is a 400 that names the bounds and the value" zero
    "limit-too-large" "limit=5001 is a 400 that names the bounds and the value" too_large
    "limit-negative" "limit=-1 is a 400" negative
    "limit-word" "limit=abc is a 400" word
}

async fn expect_first(trial: &mut Trial, truth: &Truth, count: usize, limit: u32) -> Verdict {
    let rows = truth.rows(count + 1)?;
    let seen = trial.page(&Query { limit, ..truth.query() }).await?;
    if !seen.page.has_more {
        return fail(format!("has_more is false after {} of {} activities", seen.rows.len(), rows.len()));
    }
    same(&seen.rows, &rows[..count])
}

async fn one(trial: &mut Trial, truth: &Truth) -> Verdict {
    expect_first(trial, truth, 1, 1).await
}

async fn some(trial: &mut Trial, truth: &Truth) -> Verdict {
    expect_first(trial, truth, 7, 7).await
}

async fn default(trial: &mut Trial, truth: &Truth) -> Verdict {
    // Query::encode leaves the default out, which is what is asked here.
    expect_first(trial, truth, DEFAULT_LIMIT as usize, DEFAULT_LIMIT).await
}

async fn most(trial: &mut Trial, truth: &Truth) -> Verdict {
    let query = Query { limit: MAX_LIMIT, ..truth.query() };
    // Whether it is accepted shows without a sample, too.
    trial.page(&query).await?;
    trial.expect(&query, &truth.rows(1)?).await
}

async fn all(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(1)?;
    let seen = trial.page(&Query { limit: rows.len() as u32, ..truth.query() }).await?;
    if seen.page.has_more {
        return fail("has_more is true, but nothing is left");
    }
    same(&seen.rows, &rows)
}

async fn all_but_one(trial: &mut Trial, truth: &Truth) -> Verdict {
    let count = truth.rows(2)?.len() - 1;
    expect_first(trial, truth, count, count as u32).await
}

async fn out_of_bounds(trial: &mut Trial, value: &str) -> Verdict {
    let message = trial.refused(&format!("limit={value}"), 400).await?;
    let most = MAX_LIMIT.to_string();
    let plain = message.replace([',', '_'], "");
    if plain.contains(value) && plain.contains(&most) {
        Ok(message)
    } else {
        fail(format!("the message is {message:?}"))
    }
}

async fn zero(trial: &mut Trial, _: &Truth) -> Verdict {
    out_of_bounds(trial, "0").await
}

async fn too_large(trial: &mut Trial, _: &Truth) -> Verdict {
    out_of_bounds(trial, "5001").await
}

async fn negative(trial: &mut Trial, _: &Truth) -> Verdict {
    trial.refused("limit=-1", 400).await
}

async fn word(trial: &mut Trial, _: &Truth) -> Verdict {
    trial.refused("limit=abc", 400).await
}
