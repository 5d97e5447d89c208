//! What a destination is to whoever sends: something that takes a notice, or says why not.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    failure::{Failure, SettingError},
    notice::Notice,
};

/// A notice and the id under which it is sent, on every attempt.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// The id.
    pub id: &'a str,
    /// When this attempt is made.
    pub at: Timestamp,
    /// What to tell.
    pub notice: &'a Notice,
}

/// A destination that is ready.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Sends a notice. When this returns without failure, the destination has taken it.
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure>;

    /// Tries it without bothering anybody where that can be done, else with a message that says it is a test. Answers what was
    /// tried, in a few words.
    async fn check(&self) -> Result<String, Failure>;

    /// Whether a notice is pointless once a later one of the same alert has arrived, as opening is after closing.
    fn is_stateful(&self) -> bool {
        false
    }
}

/// Makes a destination ready: reads its secrets anew each time, so that a rotated one is taken up without a restart.
#[async_trait]
pub trait Open: Send + Sync + 'static {
    /// The channel, or what its settings or secrets lack.
    async fn open(&self) -> Result<Box<dyn Channel>, SettingError>;
}
