//! Alerts as lists show them, asked for once and remembered until one of them changes.

use std::sync::{Arc, Mutex, PoisonError};

use auditlake_store::{
    Result,
    alert::{AlertLine, Alerts},
};

/// The lines as of a change.
#[derive(Default)]
pub struct Inbox(Mutex<Option<(u64, Arc<Vec<AlertLine>>)>>);

impl Inbox {
    /// Every alert, the newest first, and the number of the last change to any.
    pub async fn lines(&self, alerts: &dyn Alerts) -> Result<(u64, Arc<Vec<AlertLine>>)> {
        // The number before the question: what is remembered is never older than its number says.
        let news = *alerts.news().borrow();
        if let Some((known, lines)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && *known == news
        {
            return Ok((news, lines.clone()));
        }
        let lines = Arc::new(alerts.lines().await?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((news, lines.clone()));
        Ok((news, lines))
    }
}
