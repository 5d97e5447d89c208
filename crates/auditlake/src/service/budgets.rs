//! One request budget for each upstream organisation: sources with keys under it share it.

use std::sync::Arc;

use collect::Budget;

use crate::config::SourceConfig;

/// The budget of each source, in their order.
///
/// Sources share one if they name the same `budget_group`; without such a name, if they ask the same address for
/// organisations that may be the same. The smallest limit and the largest share for others count for all of them.
pub fn of(sources: &[SourceConfig]) -> Vec<Arc<Budget>> {
    let mut groups: Vec<usize> = (0..sources.len()).collect();
    for (at, source) in sources.iter().enumerate() {
        for before in 0..at {
            if share(source, &sources[before]) {
                let (old, new) = (groups[at], groups[before]);
                groups.iter_mut().filter(|group| **group == old).for_each(|group| *group = new);
            }
        }
    }
    let mut budgets: Vec<Option<Arc<Budget>>> = vec![None; sources.len()];
    for group in &groups {
        let members = || sources.iter().zip(&groups).filter(|(_, other)| *other == group).map(|(source, _)| source);
        budgets[*group].get_or_insert_with(|| {
            let limit = members().map(|source| source.requests_per_minute).min().unwrap_or(1);
            let left = members().map(|source| source.leave_percent).max().unwrap_or(0);
            Arc::new(Budget::new(limit.into(), f64::from(left) / 100.0))
        });
    }
    groups.iter().filter_map(|group| budgets[*group].clone()).collect()
}

fn share(one: &SourceConfig, other: &SourceConfig) -> bool {
    if one.budget_group.is_some() || other.budget_group.is_some() {
        return one.budget_group == other.budget_group;
    }
    let address = |source: &SourceConfig| {
        let url = source.base_url.as_deref().unwrap_or(feed::client::DEFAULT_BASE_URL);
        url.trim_end_matches('/').to_ascii_lowercase()
    };
    let (mine, theirs) = (&one.organization_ids, &other.organization_ids);
    // A source without a list reads whatever its key may read.
    let overlaps = mine.is_empty() || theirs.is_empty() || mine.iter().any(|id| theirs.contains(id));
    address(one) == address(other) && overlaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, url: Option<&str>, organizations: &[&str], group: Option<&str>) -> SourceConfig {
        SourceConfig {
            name: name.to_owned(),
            base_url: url.map(str::to_owned),
            organization_ids: organizations.iter().map(|id| (*id).to_owned()).collect(),
            budget_group: group.map(str::to_owned),
            ..SourceConfig::default()
        }
    }

    fn shared(sources: &[SourceConfig]) -> Vec<usize> {
        let budgets = of(sources);
        budgets.iter().map(|one| budgets.iter().position(|other| Arc::ptr_eq(one, other)).unwrap()).collect()
    }

    #[test]
    fn organisations_share() {
        let other = Some("https://feed.example.com");
        assert_eq!(
            shared(&[source("a", None, &[], None), source("b", None, &["x"], None), source("c", other, &[], None)]),
            [0, 0, 2]
        );
        assert_eq!(shared(&[source("a", None, &["x"], None), source("b", None, &["y"], None)]), [0, 1]);
        let chain =
            [source("a", None, &["x"], None), source("b", None, &["y"], None), source("c", None, &["x", "y"], None)];
        assert_eq!(shared(&chain), [0, 0, 0]);
        let told = [
            source("a", None, &[], Some("one")),
            source("b", None, &[], Some("two")),
            source("c", other, &[], Some("one")),
        ];
        assert_eq!(shared(&told), [0, 1, 0]);
    }
}
