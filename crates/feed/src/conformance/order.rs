//! In which order activities come.

use super::{
    sample::Truth,
    trial::{Row, Trial, Verdict, fail, same, skip},
};
use crate::{MAX_LIMIT, Order, Query, Window};

super::tasks! {
    "order-newest-first" "without order the newest come first" newest_first
    "order-desc" "order=desc is the default" desc
    "order-asc" "order=asc gives the oldest first" asc
    "order-mirror" "asc is desc backwards, ties too" mirror
    "order-ties" "activities of one instant are ordered by id" ties
    "order-unknown" "any other order is a 400" unknown
}

async fn newest_first(trial: &mut Trial, truth: &Truth) -> Verdict {
    truth.rows(2)?;
    let seen = trial.page(&Query { limit: MAX_LIMIT, ..truth.query() }).await?;
    match seen.rows.windows(2).find(|pair| pair[0].created_at < pair[1].created_at) {
        Some(pair) => fail(format!("{} comes before the newer {}", pair[0].id, pair[1].id)),
        None => Ok(format!("{} activities", seen.rows.len())),
    }
}

async fn desc(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(2)?;
    let query = format!("{}&order=desc&limit={MAX_LIMIT}", truth.query().encode());
    trial.expect_of(&query, &rows).await
}

async fn asc(trial: &mut Trial, truth: &Truth) -> Verdict {
    truth.rows(2)?;
    let seen = trial.page(&Query { limit: MAX_LIMIT, order: Order::Asc, ..truth.query() }).await?;
    match seen.rows.windows(2).find(|pair| pair[0].created_at > pair[1].created_at) {
        Some(pair) => fail(format!("{} comes before the older {}", pair[0].id, pair[1].id)),
        None => Ok(format!("{} activities", seen.rows.len())),
    }
}

async fn mirror(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows_asc(2)?;
    let seen = trial.page(&Query { limit: MAX_LIMIT, order: Order::Asc, ..truth.query() }).await?;
    same(&seen.rows, &rows)
}

async fn ties(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(2)?;
    let mut pairs = tied(&rows);
    if pairs.is_empty() {
        // Few instants hold two activities: the longest page finds them sooner than the sample does.
        let created_at = Window { gte: None, ..truth.query().created_at };
        let further = trial.page(&Query { created_at, limit: MAX_LIMIT, ..Query::default() }).await?;
        pairs = tied(&further.rows.iter().collect::<Vec<_>>());
    }
    let falling = pairs.iter().filter(|(newer, older)| newer > older).count();
    match pairs.len() {
        0 => skip("no two activities of one instant were seen"),
        // Which way ids go is not documented, but it must be one way.
        count if falling == count || falling == 0 => Ok(format!("{count} ties")),
        count => fail(format!("{falling} of {count} ties go down, the others up")),
    }
}

/// The ids of neighbours of one instant.
fn tied(rows: &[&Row]) -> Vec<(String, String)> {
    let pairs = rows.windows(2).filter(|pair| pair[0].created_at == pair[1].created_at);
    pairs.map(|pair| (pair[0].id.clone(), pair[1].id.clone())).collect()
}

async fn unknown(trial: &mut Trial, _: &Truth) -> Verdict {
    trial.refused("order=newest", 400).await
}
