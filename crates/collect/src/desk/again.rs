//! What is read again, beside what was first seen: differences become drift.

use std::collections::HashSet;

use auditlake_store::{Drift, Span};
use feed::{Order, Query, Window};
use jiff::Timestamp;

use super::{Desk, Errand, Haul};
use crate::{
    Stop,
    compare::{self, just_after},
};

impl Desk {
    /// Compares rows that are read again with what was first seen, and takes note of what differs: rows up to `until`.
    pub(crate) async fn compare(&self, haul: &mut Haul, until: Timestamp) {
        let Some((oldest, newest)) = haul.times.filter(|(oldest, _)| *oldest <= until) else { return };
        let span = Span { from: oldest, to: just_after(newest.min(until)) };
        match self.differences(haul, span).await {
            Ok(drift) => haul.drift.extend(drift),
            Err(error) => tracing::debug!(source = self.info.id, "not compared: {error}"),
        }
    }

    async fn differences(&self, haul: &Haul, span: Span) -> auditlake_store::Result<Vec<Drift>> {
        let stored = compare::stored(self.store.as_ref(), span).await?;
        if stored.is_empty() {
            return Ok(Vec::new());
        }
        compare::changed(self.store.as_ref(), &stored, &haul.seen()).await
    }

    /// The same for a page of a window that is read once more, `span` of which it shows completely: what is stored of it
    /// and not shown is asked for again, and then missing. Answers the page of that second look, if there was one.
    pub(crate) async fn reconcile(
        &self,
        haul: &mut Haul,
        span: Span,
        organizations: &[String],
        errand: Errand,
        stop: &Stop,
    ) -> Option<Haul> {
        let asked_at = haul.entry.at;
        let wide = match haul.times {
            Some((oldest, newest)) => Span { from: span.from.min(oldest), to: span.to.max(just_after(newest)) },
            None => span,
        };
        let stored = match compare::stored(self.store.as_ref(), wide).await {
            Ok(stored) if !stored.is_empty() => stored,
            _ => return None,
        };
        match compare::changed(self.store.as_ref(), &stored, &haul.seen()).await {
            Ok(drift) => haul.drift.extend(drift),
            Err(error) => tracing::debug!(source = self.info.id, "not compared: {error}"),
        }
        // What came as no activity may be any of them.
        if !haul.rejects.is_empty() {
            return None;
        }
        let shown: HashSet<&str> = haul.batch.ids().iter().flatten().collect();
        let inside = |print: &&auditlake_store::Fingerprint| (span.from..span.to).contains(&print.time);
        let missing: Vec<_> = compare::missing(&stored, &shown, &self.info.id, organizations, asked_at)
            .into_iter()
            .filter(inside)
            .collect();
        let (first, last) = (missing.first()?.time, missing.last()?.time);
        let query = Query {
            organization_ids: organizations.to_vec(),
            created_at: Window { gte: Some(first), lt: Some(just_after(last)), ..Window::default() },
            limit: self.most(feed::MAX_LIMIT),
            order: Order::Asc,
            ..Query::default()
        };
        let again = self.ask(&query, errand, stop).await.ok()?;
        let is_whole = !again.page.has_more && again.page.data.len() < query.limit as usize;
        let end = again.times.map_or(first, |(_, newest)| newest);
        let shown: HashSet<&str> = again.batch.ids().iter().flatten().collect();
        let gone = missing.into_iter().filter(|print| !shown.contains(print.id.as_str()));
        haul.drift.extend(gone.filter(|print| is_whole || print.time < end).map(compare::gone));
        Some(again)
    }
}
