//! Table `state` only grows: every change of a checkpoint, an alert, a delivery or a right is a row. Once a day whoever may write removes
//! what newer rows have replaced.
//!
//! What is younger than an hour stays, so that nothing is removed that somebody is reading. Commits, numbers that were given up and our
//! own requests stay for ever, and of each right the rows that say who has it.

use std::time::{Duration, Instant};

use auditlake_store::Result;

use crate::{Inner, state::Entry, turn::WriterState};

/// So old is what may be removed.
const AGE: Duration = Duration::from_secs(3_600);
/// It is done after so long.
const EVERY: Duration = Duration::from_secs(86_400);
/// It is looked whether it is due after so long.
const LOOK: Duration = Duration::from_secs(3_600);
const DOING: &str = "tidying up";
const LASTING: &str = "'commit', 'aborted', 'own_read'";

/// Tidies up if it was not done for a day.
pub(crate) async fn when_due(writer: &mut WriterState, inner: &Inner) -> Result<()> {
    if writer.tidied.is_some_and(|at| at.elapsed() < LOOK) {
        return Ok(());
    }
    writer.tidied = Some(Instant::now());
    let server = &inner.server;
    let text = format!("SELECT count() FROM state WHERE area = 'tidied' AND at > {}", ago(EVERY));
    let is_done = server.rows(DOING, &text).await?.first().and_then(|row| row.number(0)).unwrap_or_default() > 0;
    if is_done {
        return Ok(());
    }
    writer.ready(inner).await?;
    tidy(inner, AGE).await?;
    writer.write(server, DOING, &[Entry::new("tidied", "state", "")]).await
}

fn ago(age: Duration) -> String {
    format!("now64(6) - toIntervalSecond({})", age.as_secs())
}

/// Removes what was replaced, and is older than `age`.
pub(crate) async fn tidy(inner: &Inner, age: Duration) -> Result<()> {
    let table = inner.local("state");
    let cut = inner.server.rows(DOING, &format!("SELECT toUnixTimestamp64Micro({})", ago(age))).await?;
    let Some(cut) = cut.first().and_then(|row| row.time(0)) else { return Ok(()) };
    let is_old = format!("at < {}", crate::schema::moment(cut));
    let aborted = format!("seq NOT IN (SELECT version FROM {table} WHERE area = 'aborted')");
    let replaced = format!(
        "area NOT IN ({LASTING}, 'lease') AND (area, key, version) NOT IN (SELECT area, key, max(version) FROM {table} \
         WHERE area NOT IN ({LASTING}, 'lease') AND {aborted} GROUP BY area, key)"
    );
    let said_again = format!(
        "area = 'lease' AND (startsWith(value, 'renewed ') OR startsWith(key, 'wanted ') \
         OR (key, version) NOT IN (SELECT key, max(version) FROM {table} WHERE area = 'lease' GROUP BY key))"
    );
    // Only what has no older version any more: where a version is removed after its replacement, it would be there again for a moment.
    let gone = format!(
        "area NOT IN ({LASTING}, 'lease') AND deleted AND (area, key) IN (SELECT area, key FROM {table} GROUP BY area, key \
         HAVING count() = 1)"
    );
    for what in [format!("(({replaced}) OR ({said_again}))"), format!("({gone})")] {
        let condition = format!("{is_old} AND {what}");
        let found = inner.server.rows(DOING, &format!("SELECT count() FROM state WHERE {condition}")).await?;
        let count = found.first().and_then(|row| row.number(0)).unwrap_or_default();
        if count > 0 {
            inner.server.execute(DOING, &format!("{} DELETE WHERE {condition}", inner.alter("state"))).await?;
            tracing::info!(count, "what newer changes have replaced was removed");
        }
    }
    Ok(())
}
