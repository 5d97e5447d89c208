//! Whose turn it is to write: the right is taken when there is something to write, kept, and passed on when another process asks for it.
//!
//! It changes hands between commits only, with nothing open. Whoever takes it reads anew what there is, and gives up what a process that
//! vanished may have had under way when it was last heard of, so that it can not come to count later.

use std::time::{Duration, Instant};

use auditlake_store::{Result, StoreError};

use crate::{
    Inner,
    lease::{self, Before, Lease, WRITER},
    state::{self, Entry, Seen},
    tidy,
};

/// How often it is looked whether it is our turn.
const LOOK: Duration = Duration::from_millis(100);
/// How often another process is asked for its right.
const ASK: Duration = Duration::from_secs(1);
/// How often it is looked whether another process asks for ours, while there is something to write.
const ASKED: Duration = Duration::from_millis(200);
/// Whoever let go for another leaves it so long to take the right.
const WAY: Duration = Duration::from_secs(1);

/// What the one that writes remembers.
#[derive(Default)]
pub(crate) struct WriterState {
    pub(crate) lease: Option<Lease>,
    /// What was found when the right was taken, until that is dealt with: nothing may be written before.
    before: Option<Before>,
    /// So many versions were written under this lease.
    versions: u64,
    /// A number whose commit failed at a place that is not known.
    pub(crate) open: Option<u64>,
    /// Others do not get the right.
    pub(crate) is_kept: bool,
    looked: Option<Instant>,
    /// The number that another process asked us to let go of, and when.
    gave_way: Option<(u64, Instant)>,
    /// When it was last looked whether it is time to tidy up.
    pub(crate) tidied: Option<Instant>,
}

impl WriterState {
    /// Has the right to write, and nothing left open.
    pub(crate) async fn ready(&mut self, inner: &Inner) -> Result<()> {
        self.hold(inner).await?;
        if let Some(before) = self.before {
            self.take_over(inner, before).await?;
            self.before = None;
        }
        self.settle(inner).await
    }

    /// Has the right to write to a store that is on its way here: whoever moved before had numbers under way that are not given up, as they
    /// come again.
    pub(crate) async fn ready_to_move(&mut self, inner: &Inner) -> Result<()> {
        self.hold(inner).await?;
        if self.before.take().is_some() {
            inner.set_seen(Seen::read(&inner.server).await?);
        }
        Ok(())
    }

    /// Says again that the right is ours, or takes it.
    async fn hold(&mut self, inner: &Inner) -> Result<()> {
        if self.lease.is_some() {
            match self.keep(inner).await {
                // Another process has had its turn. That is told only to whoever wanted to be the only one.
                Err(StoreError::Locked(_)) if !self.is_kept => {}
                done => return done,
            }
        }
        let (lease, before) = self.taken(inner).await?;
        (self.lease, self.before, self.versions) = (Some(lease), Some(before), 0);
        Ok(())
    }

    /// Says again that the right is ours, if it is.
    pub(crate) async fn keep(&mut self, inner: &Inner) -> Result<()> {
        let Some(lease) = &mut self.lease else { return Ok(()) };
        let kept = lease.keep(&inner.server).await;
        if matches!(kept, Err(StoreError::Locked(_))) {
            self.lease = None;
        }
        kept
    }

    /// Takes the right when it is our turn: another process is asked for it, and one that was killed has it until it runs out.
    async fn taken(&mut self, inner: &Inner) -> Result<(Lease, Before)> {
        let (server, owner, lasts) = (&inner.server, inner.owner.as_str(), inner.options.lease);
        let (started, mut asked) = (Instant::now(), None::<Instant>);
        loop {
            if let Some((number, at)) = self.gave_way {
                let is_free = lease::last(server, WRITER).await?.is_some_and(|last| last.number == number);
                if is_free && at.elapsed() < WAY {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                self.gave_way = None;
            }
            match Lease::take(server, WRITER, owner, 0, lasts).await {
                Err(StoreError::Locked(why)) if started.elapsed() < lasts * 2 => {
                    if asked.is_none() {
                        tracing::debug!(%why, "waiting for the right to write");
                    }
                    if asked.is_none_or(|at| at.elapsed() >= ASK) {
                        lease::want(server, WRITER, owner, 0).await?;
                        asked = Some(Instant::now());
                    }
                    tokio::time::sleep(LOOK).await;
                }
                done => return done,
            }
        }
    }

    /// Lets go of the right if another process asks for it. What fails here is tried again the next time.
    pub(crate) async fn pass_on(&mut self, inner: &Inner) -> Result<()> {
        let is_soon = self.looked.is_some_and(|at| at.elapsed() < ASKED);
        let Some(lease) = self.lease.as_ref().filter(|_| !self.is_kept && self.open.is_none() && !is_soon) else {
            return Ok(());
        };
        self.looked = Some(Instant::now());
        if lease.is_wanted(&inner.server).await? {
            self.gave_way = Some((lease.number(), Instant::now()));
            self.release(inner).await?;
        }
        Ok(())
    }

    /// What there is to do between commits.
    pub(crate) async fn rest(&mut self, inner: &Inner) -> Result<()> {
        self.keep(inner).await?;
        if self.lease.is_some() && !self.is_kept {
            tidy::when_due(self, inner).await?;
        }
        self.pass_on(inner).await
    }

    /// Finds what another process left, and gives up what it may have had under way.
    async fn take_over(&mut self, inner: &Inner, before: Before) -> Result<()> {
        let server = &inner.server;
        let seen = Seen::read(server).await?;
        let next = next_number(&seen);
        inner.set_seen(seen);
        inner.duties.look(server, &inner.owner).await?;
        let text = format!("SELECT max(seq) FROM activity WHERE seq >= {next}");
        let last = server.rows("taking over", &text).await?.first().and_then(|row| row.number(0)).unwrap_or_default();
        let up_to = match before {
            Before::Vanished => last.max(next),
            Before::Settled => last,
        };
        for number in next..=up_to {
            self.give_up(inner, number).await?;
        }
        Ok(())
    }

    /// Finds out what became of a commit whose end nobody heard of.
    async fn settle(&mut self, inner: &Inner) -> Result<()> {
        let Some(number) = self.open else { return Ok(()) };
        let text = format!("SELECT count() FROM state WHERE area = 'commit' AND seq = {number}");
        let found = inner.server.rows("looking for a commit", &text).await?.first().and_then(|row| row.number(0));
        match found {
            Some(0) | None => self.give_up(inner, number).await?,
            Some(_) => inner.set_seen(Seen::read(&inner.server).await?),
        }
        self.open = None;
        Ok(())
    }

    /// Nothing that carries this number counts, whenever it comes. What is there already is deleted.
    async fn give_up(&mut self, inner: &Inner, number: u64) -> Result<()> {
        let doing = "giving up an unfinished commit";
        tracing::warn!(seq = number, "a commit was not finished: its number is given up and its rows are removed");
        let entry = Entry { area: "aborted", key: number.to_string(), seq: 0, value: Some(String::new()) };
        let rows = state::rows(&[entry], number)?;
        inner.server.insert(doing, "state", &rows, &format!("aborted-{number}")).await?;
        inner.set_seen(Seen::read(&inner.server).await?);
        for table in ["activity", "ledger_entry"] {
            inner.server.execute(doing, &format!("{} DELETE WHERE seq = {number}", inner.alter(table))).await?;
        }
        Ok(())
    }

    /// Lets go of the right, unless something is open: that has to be found by whoever comes next.
    pub(crate) async fn release(&mut self, inner: &Inner) -> Result<()> {
        match self.lease.take() {
            Some(lease) if self.open.is_none() && self.before.is_none() => lease.release(&inner.server).await,
            _ => Ok(()),
        }
    }

    /// The next version, which is higher than any that was written before, whoever wrote it: the upper half is the number of the right.
    pub(crate) fn next_version(&mut self) -> u64 {
        self.versions += 1;
        (self.number() << 32) + self.versions
    }

    /// The number of the right that is held.
    pub(crate) fn number(&self) -> u64 {
        self.lease.as_ref().map_or(0, Lease::number)
    }
}

/// The next number that nobody had.
pub(crate) fn next_number(seen: &Seen) -> u64 {
    seen.aborted.last().copied().unwrap_or_default().max(seen.seq) + 1
}
