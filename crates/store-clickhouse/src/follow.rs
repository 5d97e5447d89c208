//! What a process does beside its work for as long as it has the store open: it follows what others commit, and while it has the right to
//! write, keeps it, passes it on, and tidies up.

use std::time::Duration;

use auditlake_store::Result;

use crate::{ClickStore, Inner, alerts, state::Seen};

/// So often it is looked at what others have done.
const EVERY: Duration = Duration::from_secs(1);

/// What tells that there is something new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pulse {
    version: u64,
    aborted: u64,
    delivery: u64,
}

impl ClickStore {
    /// Follows other processes, and gives them their turns, for as long as it is polled.
    pub async fn attend(self) {
        let mut has_failed = false;
        loop {
            tokio::time::sleep(self.inner.attends_every()).await;
            let looked = self.look().await;
            match &looked {
                Err(error) if !has_failed => tracing::warn!(%error, "what other processes do could not be seen"),
                _ => {}
            }
            has_failed = looked.is_err();
        }
    }

    async fn look(&self) -> Result<()> {
        self.inner.follow().await?;
        // Whoever writes just now keeps the right, and passes it on when it is done.
        match self.inner.writer.try_lock() {
            Ok(mut writer) => writer.rest(&self.inner).await,
            Err(_) => Ok(()),
        }
    }

    /// Looks for commits of another process. Answers the number of the last one.
    ///
    /// # Errors
    /// As the server says.
    pub async fn refresh(&self) -> Result<u64> {
        self.inner.follow().await?;
        Ok(self.inner.seen().seq)
    }
}

impl Inner {
    /// So often a process looks at what others do, and says again what it has.
    pub(crate) fn attends_every(&self) -> Duration {
        EVERY.min(self.options.lease / 4)
    }

    /// Reads what other processes have changed, if they have.
    pub(crate) async fn follow(&self) -> Result<()> {
        let text = "SELECT maxIf(version, area != 'aborted'), countIf(area = 'aborted'), maxIf(version, area = 'delivery') \
                    FROM state WHERE area IN ('commit', 'aborted', 'subscriber', 'delivery')";
        let table = self.server.rows("looking for commits", text).await?;
        let number = |at| table.first().and_then(|row| row.number(at)).unwrap_or_default();
        let pulse = Pulse { version: number(0), aborted: number(1), delivery: number(2) };
        let before = *self.pulse.lock().await;
        if pulse == before {
            return Ok(());
        }
        let seen = Seen::read(&self.server).await?;
        let news = alerts::last_news(&self.server, &seen).await?;
        self.set_seen(seen);
        self.news.send_if_modified(|last| std::mem::replace(last, news.max(*last)) < news);
        if pulse.delivery != before.delivery {
            self.queued.send_modify(|number| *number += 1);
        }
        *self.pulse.lock().await = pulse;
        Ok(())
    }
}
