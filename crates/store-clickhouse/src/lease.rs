//! Who may write: one process at a time, whichever machine it runs on.
//!
//! The right has a number. To take it is to make a table of that number's name, which the server lets one process do and
//! no second; on a cluster its keeper does the same for all hosts. Whoever has it says so again and again, by the server's own clock;
//! if it has not done so for some time ([`crate::Options::lease`]), the next number may be taken. What a predecessor may have had under way when it was last
//! heard of is given up first, so that it can not come to count later.

use std::time::{Duration, Instant};

use auditlake_store::{Result, StoreError};

use crate::{client::Server, schema::quoted};

/// The right to write.
#[derive(Debug)]
pub(crate) struct Lease {
    number: u64,
    owner: String,
    renewed: Instant,
    lasts: Duration,
}

/// What was found when the right was taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nobody wrote before, or whoever did has let go of it.
    Settled,
    /// Whoever wrote before was not heard of any more.
    Vanished,
}

const DOING: &str = "taking the right to write";

impl Lease {
    /// Takes the right.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it.
    pub(crate) async fn take(server: &Server, cluster: Option<&str>, lasts: Duration) -> Result<(Lease, Before)> {
        let owner = format!("{} on {}", uuid::Uuid::new_v4(), host());
        let last = last(server).await?;
        let before = match &last {
            None => Before::Settled,
            Some(last) if last.is_released => Before::Settled,
            Some(last) if u128::from(last.idle_millis) < lasts.as_millis() => return Err(held(last)),
            Some(_) => Before::Vanished,
        };
        let number = last.as_ref().map_or(1, |last| last.number + 1);
        let engine = match cluster {
            Some(_) => {
                format!("ReplicatedMergeTree('/clickhouse/tables/auditlake/{{database}}/lease_{number}', 'one')")
            }
            None => "MergeTree".to_owned(),
        };
        let text = format!("CREATE TABLE lease_{number} (taken UInt8) ENGINE = {engine} ORDER BY taken");
        let renewed = Instant::now();
        if let Err(error) = server.execute(DOING, &text).await {
            let is_taken = matches!(&error, StoreError::Engine { message, .. } if message.contains("ALREADY_EXISTS"));
            return Err(match (is_taken, last) {
                // Somebody else was quicker, or was broken off right behind this step: the next try is for the next number.
                (true, _) => {
                    note(server, number, "somebody", "taken").await?;
                    StoreError::Locked("another process has just taken the right to write".to_owned())
                }
                (false, _) => error,
            });
        }
        note(server, number, &owner, "taken").await?;
        if let Some(last) = last {
            // What is left of it only takes up a name.
            let _ = server.execute(DOING, &format!("DROP TABLE IF EXISTS lease_{}", last.number)).await;
        }
        Ok((Lease { number, owner, renewed, lasts }, before))
    }

    /// Says again that it is held, if it is time to.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it by now.
    pub(crate) async fn keep(&mut self, server: &Server) -> Result<()> {
        if self.renewed.elapsed() < self.lasts / 4 {
            return Ok(());
        }
        // Whoever was silent for long asks first whether it still may.
        if self.renewed.elapsed() >= self.lasts / 2
            && let Some(last) = last(server).await?
            && last.number != self.number
        {
            return Err(held(&last));
        }
        let now = Instant::now();
        note(server, self.number, &self.owner, "renewed").await?;
        // Again, now that it is said: nobody can have taken it in between and not be seen here.
        match last(server).await? {
            Some(last) if last.number != self.number => Err(held(&last)),
            _ => {
                self.renewed = now;
                Ok(())
            }
        }
    }

    /// Lets go of it.
    pub(crate) async fn release(self, server: &Server) -> Result<()> {
        note(server, self.number, &self.owner, "released").await
    }
}

/// The last number, as the server knows it.
struct Last {
    number: u64,
    owner: String,
    is_released: bool,
    idle_millis: u64,
}

async fn last(server: &Server) -> Result<Option<Last>> {
    let text = "SELECT version, argMax(value, at), toUInt64(greatest(0, dateDiff('millisecond', max(at), now64(6)))) FROM state \
                WHERE area = 'lease' GROUP BY version ORDER BY version DESC LIMIT 1";
    let table = server.rows(DOING, text).await?;
    Ok(table.first().and_then(|row| {
        let value = row.string(1);
        let (word, owner) = value.split_once(' ')?;
        Some(Last {
            number: row.number(0)?,
            owner: owner.to_owned(),
            is_released: word == "released",
            idle_millis: row.number(2)?,
        })
    }))
}

/// Writes down what is so, at the server's time.
async fn note(server: &Server, number: u64, owner: &str, word: &str) -> Result<()> {
    let value = quoted(&format!("{word} {owner}"));
    let text = format!(
        "INSERT INTO state (area, key, version, seq, deleted, value) VALUES ('lease', 'writer', {number}, 0, false, {value})"
    );
    server.execute(DOING, &text).await
}

fn held(last: &Last) -> StoreError {
    StoreError::Locked(format!(
        "another process writes to this database ({}; last heard of {} s ago)",
        last.owner,
        last.idle_millis / 1_000
    ))
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "an unknown host".to_owned(),
        name => name.to_owned(),
    }
}
