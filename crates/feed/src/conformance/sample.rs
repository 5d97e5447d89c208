//! The window that all checks ask about, and the activities in it.

use jiff::{SignedDuration, Timestamp};

use super::{
    Options,
    trial::{Row, Seen, Stop, Trial, Verdict, fail, skip},
};
use crate::{MAX_LIMIT, Query, Window};

super::tasks! {
    "sample" "a window of the past gives its activities, to compare everything else with" taken
}

/// The sample: `rows` are all activities of `window`, newest first, as the feed gave them.
#[derive(Debug, Default)]
pub(super) struct Truth {
    window: Window,
    rows: Vec<Row>,
    /// How many were asked for.
    limit: u32,
    /// Why there are no rows.
    trouble: Option<Stop>,
}

/// Fewer activities than this are not worth a sample of their own.
const FEW: usize = 150;

impl Truth {
    /// Takes the sample; [`taken`] judges what came of it. If the feed has nothing or does not answer, it is empty and every
    /// check that needs it skips.
    pub async fn take(trial: &mut Trial, options: &Options) -> Truth {
        let limit = options.sample.clamp(1, MAX_LIMIT);
        match Truth::try_take(trial, options, limit).await {
            Ok(truth) => Truth { limit, ..truth },
            Err(trouble) => Truth { limit, trouble: Some(trouble), ..Truth::default() },
        }
    }

    async fn try_take(trial: &mut Trial, options: &Options, limit: u32) -> Verdict<Truth> {
        let settle = SignedDuration::try_from(options.settle).unwrap_or(SignedDuration::from_hours(1));
        // Whole seconds: not every feed reads finer digits than its own.
        let settled = Timestamp::from_second(Timestamp::now().as_second()).and_then(|now| now.checked_sub(settle));
        let settled = settled.unwrap_or(Timestamp::MIN);
        let seen = Truth::before(trial, settled, limit).await?;
        if seen.rows.len() >= FEW.min(limit as usize) {
            return Truth::of(seen, settled);
        }
        // A feed that has begun only now, or stands still in another time: all that it has.
        let newest = trial.page(&Query { limit: 1, ..Query::default() }).await?;
        let Some(newest) = newest.rows.first() else { return skip("the feed has no activities") };
        let until = newest.created_at.checked_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX);
        let seen = Truth::before(trial, until, limit).await?;
        if !seen.rows.iter().any(|row| row.id == newest.id) {
            return fail(format!("{} of {} is missing from what lies before {until}", newest.id, newest.created_at));
        }
        Truth::of(seen, until)
    }

    async fn before(trial: &mut Trial, until: Timestamp, limit: u32) -> Verdict<Seen> {
        let created_at = Window { lt: Some(until), ..Window::default() };
        trial.page(&Query { created_at, limit, ..Query::default() }).await
    }

    fn of(seen: Seen, until: Timestamp) -> Verdict<Truth> {
        let mut rows = seen.rows;
        if let Some(oldest) = rows.last().map(|row| row.created_at)
            && seen.page.has_more
        {
            // Others of the same instant may lie behind the page's end.
            rows.retain(|row| row.created_at > oldest);
        }
        let Some(oldest) = rows.iter().map(|row| row.created_at).min() else {
            return skip("the feed has no activities, or all of one instant");
        };
        let window = Window { gte: Some(oldest), lt: Some(until), ..Window::default() };
        Ok(Truth { window, rows, ..Truth::default() })
    }

    /// A query for the window.
    pub fn query(&self) -> Query {
        Query { created_at: self.window, ..Query::default() }
    }

    /// A query for the window in pages, about ten of them.
    pub fn query_in_pages(&self) -> Query {
        Query { limit: (self.rows.len() as u32).div_ceil(10).max(1), ..self.query() }
    }

    /// As many activities as the sample was to have.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// All rows, newest first, if there are as many as a check needs.
    pub fn rows(&self, at_least: usize) -> Verdict<Vec<&Row>> {
        if self.rows.len() >= at_least.max(1) {
            return Ok(self.rows.iter().collect());
        }
        if let Some(Stop::Fail(why) | Stop::Skip(why)) = &self.trouble {
            return skip(format!("no sample: {why}"));
        }
        skip(format!("the sample has {} activities, this needs {at_least}", self.rows.len()))
    }

    /// All rows, oldest first.
    pub fn rows_asc(&self, at_least: usize) -> Verdict<Vec<&Row>> {
        self.rows(at_least).map(|mut rows| {
            rows.reverse();
            rows
        })
    }

    /// The rows that pass, newest first.
    pub fn only(&self, pass: impl Fn(&Row) -> bool) -> Verdict<Vec<&Row>> {
        Ok(self.rows(1)?.into_iter().filter(|row| pass(row)).collect())
    }

    /// The values of a field, most frequent first, if there are as many as a check needs.
    pub fn values(&self, what: &str, at_least: usize, value: impl Fn(&Row) -> Option<&String>) -> Verdict<Vec<String>> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for text in self.rows(1)?.into_iter().filter_map(value) {
            match counts.iter_mut().find(|(known, _)| known == text) {
                Some((_, count)) => *count += 1,
                None => counts.push((text.clone(), 1)),
            }
        }
        if counts.len() < at_least {
            return skip(format!("the sample has {} {what}, this needs {at_least}", counts.len()));
        }
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(counts.into_iter().map(|(value, _)| value).collect())
    }

    /// An instant in the middle at which something happened, and which is neither the first nor the last.
    pub fn middle(&self) -> Verdict<Timestamp> {
        let rows = self.rows(3)?;
        let middle = rows[rows.len() / 2].created_at;
        let (newest, oldest) = (rows[0].created_at, rows[rows.len() - 1].created_at);
        if middle < newest && middle > oldest { Ok(middle) } else { skip("the sample has too few instants") }
    }
}

/// A feed that gives no sample although it must has failed already, whatever else could be said of it.
async fn taken(_: &mut Trial, truth: &Truth) -> Verdict {
    match &truth.trouble {
        None => Ok(format!("{} activities", truth.rows.len())),
        Some(trouble) => Err(trouble.clone()),
    }
}
