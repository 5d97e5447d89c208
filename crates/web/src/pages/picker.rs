//! The time picker and the choice of an organization, which stand on every page that counts.

use auditlake_store::{CountBy, Result, Window, filter::Filter};

use crate::{
    ask::Ask,
    scope::{Params, RANGES, Scope},
};

/// So many organizations can be chosen from.
const ORGANIZATIONS: u64 = 50;

/// The picker of a page.
pub struct Picker {
    /// Where the page is.
    pub path: String,
    pub params: Params,
    pub title: String,
    pub ranges: Vec<Choice>,
    pub since: String,
    pub until: String,
    pub org: Option<String>,
    pub orgs: Vec<String>,
}

/// A range to choose.
pub struct Choice {
    pub title: &'static str,
    pub url: String,
    pub is_chosen: bool,
}

impl Picker {
    pub async fn new(ask: Ask<'_>, path: &str, params: &Params, scope: &Scope) -> Result<Picker> {
        let orgs = organizations(ask).await?;
        let bare = params.with("since", None).with("until", None).with("open", None);
        let choice = |(name, title, _): (&str, &'static str, u64)| Choice {
            title,
            url: bare.with("range", Some(name)).url(path),
            is_chosen: scope.range == Some(name),
        };
        Ok(Picker {
            path: path.to_owned(),
            params: params.clone(),
            title: scope.title(),
            ranges: RANGES.into_iter().map(choice).collect(),
            since: scope.since_field(),
            until: scope.until_field(),
            org: scope.org.clone(),
            orgs,
        })
    }

    /// What a form with fields of its own sends along unchanged.
    pub fn hidden(&self, own: &[&str]) -> Vec<(&str, &str)> {
        self.params.pairs().filter(|(name, _)| !own.contains(name) && *name != "open").collect()
    }

    /// Whether the organization that is asked for is none of the known ones.
    pub fn is_other(&self) -> bool {
        self.org.as_ref().is_some_and(|org| !self.orgs.contains(org))
    }
}

/// Those that the log names, the busiest first.
pub async fn organizations(ask: Ask<'_>) -> Result<Vec<String>> {
    let column = "organizationID".to_owned();
    let count = CountBy { column, filter: Filter::All, window: Window::default(), limit: ORGANIZATIONS };
    let counts = ask.lasting().count_by(&count).await?;
    Ok(counts.iter().map(|(value, _)| value.clone()).filter(|value| !value.is_empty()).collect())
}
