//! Who may do what: of all processes on a database, whichever machines they run on, one writes, one collects a source, one detects.
//!
//! A right has a name, and is given out under numbers. To take it is to insert a row of the next number with that number as its token,
//! of which the server takes one and no second; on a cluster its keeper does the same for all hosts. The server forgets tokens after
//! some ten thousand inserts, so whoever has inserted looks whether it was the first, and whether the number is still the last.
//! Whoever has a right says so again and again, by the server's own clock; if it has not done so for some time
//! ([`crate::Options::lease`]), the next number may be taken. Whoever wants a right says so as well, and whoever has it may let go of it.

use std::time::{Duration, Instant};

use auditlake_store::{Result, StoreError};

use crate::{
    client::Server,
    schema::quoted,
    state::{self, Entry},
};

/// The right to write.
pub(crate) const WRITER: &str = "writer";
/// Who wants something says so again before this is over.
const WANT: Duration = Duration::from_secs(3);

/// A right that this process has.
#[derive(Debug)]
pub(crate) struct Lease {
    name: String,
    number: u64,
    owner: String,
    rank: u8,
    renewed: Instant,
    lasts: Duration,
}

/// What was found when a right was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nobody had it before, or whoever did has let go of it.
    Settled,
    /// Whoever had it before was not heard of any more.
    Vanished,
}

const DOING: &str = "taking a right";

impl Lease {
    /// Takes the right of this name.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it.
    pub(crate) async fn take(
        server: &Server,
        name: &str,
        owner: &str,
        rank: u8,
        lasts: Duration,
    ) -> Result<(Lease, Before)> {
        let renewed = Instant::now();
        let before = last(server, name).await?;
        let lease = |number| Lease { name: name.to_owned(), number, owner: owner.to_owned(), rank, renewed, lasts };
        let (number, found) = match &before {
            None => (1, Before::Settled),
            Some(last) if last.is_released => (last.number + 1, Before::Settled),
            // Whoever waited for it here went away when it had been taken. It may be about to run out.
            Some(last) if last.owner == owner => {
                let mut lease = lease(last.number);
                lease.renew(server).await?;
                return Ok((lease, Before::Vanished));
            }
            Some(last) if u128::from(last.idle_millis) < lasts.as_millis() => return Err(last.held()),
            Some(last) => (last.number + 1, Before::Vanished),
        };
        let rows = state::rows(&[Entry::new("lease", name, format!("taken {rank} {owner}"))], number)?;
        server.insert(DOING, "state", &rows, &format!("lease-{name}-{number}")).await?;
        let lease = lease(number);
        lease.confirm(server).await?;
        Ok((lease, found))
    }

    /// Its number, which nobody else ever has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it may have run out, as far as is known here.
    pub(crate) fn is_overdue(&self) -> bool {
        self.renewed.elapsed() >= self.lasts / 2
    }

    /// Looks whether it is still ours.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it by now.
    pub(crate) async fn confirm(&self, server: &Server) -> Result<()> {
        match last(server, &self.name).await? {
            Some(last) if last.number == self.number && last.owner == self.owner => Ok(()),
            Some(last) => Err(last.held()),
            None => Err(StoreError::Locked(format!("the right {} is not there any more", self.name))),
        }
    }

    /// Says again that it is held, if it is time to.
    ///
    /// # Errors
    /// As [`Lease::confirm`].
    pub(crate) async fn keep(&mut self, server: &Server) -> Result<()> {
        if self.renewed.elapsed() < self.lasts / 4 {
            return Ok(());
        }
        // Whoever was silent for long asks first whether it still may.
        if self.is_overdue() {
            self.confirm(server).await?;
        }
        self.renew(server).await
    }

    async fn renew(&mut self, server: &Server) -> Result<()> {
        let now = Instant::now();
        note(server, &self.name, self.number, &format!("renewed {}", self.owner)).await?;
        // Again, now that it is said: nobody can have taken it in between and not be seen here.
        self.confirm(server).await?;
        self.renewed = now;
        Ok(())
    }

    /// Whether another process has asked for it since it was taken, and has not given up: to write, any; otherwise one of a higher rank.
    pub(crate) async fn is_wanted(&self, server: &Server) -> Result<bool> {
        let least = if self.name == WRITER { Some(0) } else { self.rank.checked_add(1) };
        let Some(least) = least else { return Ok(false) };
        let text = format!(
            "SELECT count() FROM state WHERE area = 'lease' AND key = {} AND version >= {least} AND value != {} \
             AND at > now64(6) - toIntervalMillisecond({}) \
             AND at > (SELECT min(at) FROM state WHERE area = 'lease' AND key = {} AND version = {})",
            quoted(&wanted(&self.name)),
            quoted(&self.owner),
            WANT.as_millis(),
            quoted(&self.name),
            self.number
        );
        let table = server.rows("looking who wants a right", &text).await?;
        Ok(table.first().and_then(|row| row.number(0)).is_some_and(|count| count > 0))
    }

    /// Lets go of it.
    pub(crate) async fn release(self, server: &Server) -> Result<()> {
        note(server, &self.name, self.number, &format!("released {}", self.owner)).await
    }
}

/// Asks whoever has the right to let go of it. To be said again every second for as long as it is wanted.
pub(crate) async fn want(server: &Server, name: &str, owner: &str, rank: u8) -> Result<()> {
    note(server, &wanted(name), rank.into(), owner).await
}

fn wanted(name: &str) -> String {
    format!("wanted {name}")
}

/// Who has a right, as the server knows it.
#[derive(Debug)]
pub(crate) struct Last {
    pub name: String,
    pub number: u64,
    pub owner: String,
    pub rank: u8,
    pub is_released: bool,
    pub idle_millis: u64,
}

impl Last {
    /// Why it can not be had.
    pub(crate) fn held(&self) -> StoreError {
        let does = match self.name.split_once(':') {
            Some(("source", source)) => format!("collects source {source}"),
            _ if self.name == WRITER => "writes to this database".to_owned(),
            _ => format!("does the {}", self.name),
        };
        let (owner, seconds) = (&self.owner, self.idle_millis / 1_000);
        StoreError::Locked(format!("another process {does} ({owner}; last heard of {seconds} s ago)"))
    }
}

/// Who has this right, or had it last.
pub(crate) async fn last(server: &Server, name: &str) -> Result<Option<Last>> {
    Ok(all(server, &format!("key = {}", quoted(name))).await?.into_iter().next())
}

/// Who has the rights for whose names this holds, or had them last.
pub(crate) async fn all(server: &Server, condition: &str) -> Result<Vec<Last>> {
    // Of a number's rows the first that took it counts, should a token have been forgotten.
    let text = format!(
        "SELECT key, version, argMinIf(value, (at, value), startsWith(value, 'taken ')), \
         countIf(startsWith(value, 'released ')), toUInt64(greatest(0, dateDiff('millisecond', max(at), now64(6)))) \
         FROM state WHERE area = 'lease' AND NOT startsWith(key, 'wanted ') AND {condition} \
         GROUP BY key, version ORDER BY key, version DESC LIMIT 1 BY key"
    );
    let table = server.rows(DOING, &text).await?;
    let one = |row: crate::client::Row| {
        let taken = row.string(2);
        let owner = taken.strip_prefix("taken ").unwrap_or_default();
        // An older version wrote no rank.
        let ranked = owner.split_once(' ').and_then(|(rank, owner)| Some((rank.parse().ok()?, owner)));
        let (rank, owner) = ranked.unwrap_or((0, owner));
        Some(Last {
            name: row.string(0),
            number: row.number(1)?,
            owner: owner.to_owned(),
            rank,
            is_released: row.number(3)? > 0,
            idle_millis: row.number(4)?,
        })
    };
    Ok(table.rows().filter_map(one).collect())
}

/// Writes down what is so, at the server's time.
async fn note(server: &Server, key: &str, version: u64, value: &str) -> Result<()> {
    let (key, value) = (quoted(key), quoted(value));
    let text = format!(
        "INSERT INTO state (area, key, version, seq, deleted, value) VALUES ('lease', {key}, {version}, 0, false, {value})"
    );
    server.execute(DOING, &text).await
}

/// A name for this process that no other has.
pub(crate) fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "an unknown host",
        name => name,
    };
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("process {} on {host}, {}", std::process::id(), &id[..12])
}
