//! Where a panel leads: the Explorer with what it counts, and with one value of it.

use auditlake_store::filter::{self, Field, Filter, Known, Test};

use super::{
    super::dimension::{Dimension, LONGEST},
    Definition,
};
use crate::scope::{Params, Scope};

/// What a panel counts, as far as the Explorer can say it again.
pub struct Asked {
    /// What the page is about.
    pub base: Filter,
    pub own: Filter,
    /// `own` as its author wrote it.
    pub written: &'static str,
    pub scope: Scope,
}

impl Asked {
    /// The same activities in the Explorer, or those of them that pass one filter more.
    pub fn explore(&self, more: Filter) -> String {
        explore(&self.scope, &self.text(more))
    }

    /// The filter as text: in its author's words as far as they mean the same.
    fn text(&self, more: Filter) -> String {
        let plain = [self.base.to_string(), self.written.to_owned(), more.to_string()];
        let plain = plain.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let whole = Filter::and([self.base.clone(), self.own.clone(), more]);
        // A list that says "or" and stands beside others needs parentheses, which the canonical text has.
        if filter::parse(&plain).is_ok_and(|read| read == whole) { plain } else { whole.to_string() }
    }
}

impl Definition {
    /// The filter that finds what is counted under a value. Of one that fits no address, all that the panel counts.
    pub fn narrowed(&self, value: &str) -> Filter {
        let by = self.by.as_deref().unwrap_or_default();
        if value.len() > LONGEST || by.is_empty() {
            return Filter::All;
        }
        let Some(dimension) = Dimension::of(by) else {
            let path = by.trim_start_matches("raw.").split('.').map(str::to_owned).collect();
            let test = if value.is_empty() { Test::Exists } else { Test::Equals(value.to_owned()) };
            let filter = Filter::Test { field: Field::Raw(path), test };
            return if value.is_empty() { Filter::negated(filter) } else { filter };
        };
        match Known::by_name(dimension.field).filter(|_| value.is_empty()) {
            Some(known) => Filter::negated(Filter::test(known, Test::Exists)),
            None => dimension.filter(value),
        }
    }
}

/// The Explorer with the same stretch of time, the same organization and this filter.
pub fn explore(scope: &Scope, filter: &str) -> String {
    let (since, until) = (scope.window.since, scope.window.until);
    let mut params = Params::default().with("q", Some(filter).filter(|text| !text.is_empty()));
    params = match scope.range {
        Some(range) => params.with("range", Some(range)),
        None => {
            let text = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
            params.with("since", text(since).as_deref()).with("until", text(until).as_deref())
        }
    };
    params.with("org", scope.org.as_deref()).url("/explore")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use auditlake_store::Status;

    use super::*;

    #[test]
    fn filters_keep_their_meaning_side_by_side() {
        let scope = Scope::of(&Params::default(), Some("all"), &Status::default(), jiff::Timestamp::now()).unwrap();
        let check = |base: &str, written: &'static str, more: &str, text: &str| {
            let parse = |text: &str| filter::parse(text).unwrap();
            let asked = Asked { base: parse(base), own: parse(written), written, scope: scope.clone() };
            assert_eq!(asked.text(parse(more)), text);
            assert_eq!(parse(text), Filter::and([parse(base), parse(written), parse(more)]));
        };
        check("", "type:(a OR b) outcome:failure", "actor:x", "type:(a OR b) outcome:failure actor:x");
        check("resource:r OR target:r", "", "", "resource:r OR target:r");
        check("resource:r OR target:r", "read_only:false", "", "(resource:r OR target:r) read_only:false");
        check("", "type:a OR type:b", "actor:x", "(type:a OR type:b) actor:x");
    }
}
