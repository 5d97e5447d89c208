//! What pages count by: the column to ask the store for, the filter that finds what was counted, and the page that tells
//! more about one value.

use std::{collections::HashMap, sync::LazyLock};

use activity::catalog;
use auditlake_store::filter::{Field, Filter, Known, Test};

use super::{line::category_title, text};
use crate::scope::encode;

/// Countries by the two letters of ISO 3166.
static COUNTRIES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    include_str!("../../data/countries.txt").lines().filter_map(|line| line.split_once(' ')).collect()
});

/// A country as pages call it.
pub fn country(code: &str) -> &str {
    COUNTRIES.get(code).copied().unwrap_or(code)
}

/// A thing to count by.
#[derive(Debug, PartialEq, Eq)]
pub struct Dimension {
    /// The name in addresses and definitions.
    pub name: &'static str,
    /// The name on the page.
    pub title: &'static str,
    /// The store's name of the column.
    pub column: &'static str,
    /// The filter's name of the field.
    pub field: &'static str,
    /// The page about one value.
    pub page: Option<&'static str>,
    /// Whether values are technical names.
    pub is_code: bool,
}

const fn plain(name: &'static str, title: &'static str, column: &'static str, field: &'static str) -> Dimension {
    Dimension { name, title, column, field, page: None, is_code: false }
}

const fn code(name: &'static str, title: &'static str, column: &'static str, field: &'static str) -> Dimension {
    Dimension { is_code: true, ..plain(name, title, column, field) }
}

const fn page(page: &'static str, dimension: Dimension) -> Dimension {
    Dimension { page: Some(page), ..dimension }
}

/// Every one, in the order in which the Explorer shows them.
pub const DIMENSIONS: [Dimension; 22] = [
    plain("category", "Category", "category", "category"),
    plain("outcome", "Outcome", "outcome", "outcome"),
    code("type", "Type", "eventName", "type"),
    page("person", plain("actor", "Actor", "actorLabel", "actor")),
    page("address", code("ip", "Address", "srcIP", "ip")),
    plain("country", "Country", "srcASCountryCode", "country"),
    plain("product", "Product", "serviceName", "product"),
    plain("client", "Client", "client", "client"),
    code("actor_type", "Kind of actor", "actorType", "actor_type"),
    page("organization", code("org", "Organisation", "organizationID", "organization_id")),
    plain("source", "Source", "sourceID", "source"),
    page("person", plain("email", "Person", "actorEmail", "email")),
    page("key", code("key", "Key", "actorKeyID", "key")),
    page("key", code("api_key", "API key", "actorAPIKeyID", "api_key")),
    page("key", code("admin_api_key", "Admin API key", "actorAdminAPIKeyID", "admin_api_key")),
    code("user_agent", "User agent", "actorUserAgent", "user_agent"),
    plain("city", "City", "srcCity", "city"),
    plain("network", "Network", "srcASOrganization", "as_org"),
    page("resource", code("target", "Target", "target", "target")),
    page("resource", code("resource", "Resource", "resource", "resource")),
    plain("os", "Operating system", "os", "os"),
    plain("department", "Department", "department", "department"),
];

/// Longer values, in bytes, have no place in an address.
pub const LONGEST: usize = 1000;

/// The Explorer's facets are the first ones.
pub const FACETS: usize = 11;

impl Dimension {
    /// The one of this name.
    pub fn of(name: &str) -> Option<&'static Dimension> {
        DIMENSIONS.iter().find(|dimension| dimension.name == name)
    }

    /// The filter that finds what was counted under `value`.
    pub fn filter(&self, value: &str) -> Filter {
        let equals = |known| Filter::test(known, Test::Equals(value.to_owned()));
        // An actor that nothing names is counted under its kind.
        if self.name == "actor" && value.ends_with("_actor") {
            let nameless = Filter::negated(Filter::test(Known::Actor, Test::Exists));
            return Filter::and([equals(Known::ActorType), nameless]);
        }
        match Known::by_name(self.field) {
            Some(known) => equals(known),
            None => {
                let path = self.field.split('.').map(str::to_owned).collect();
                Filter::Test { field: Field::Raw(path), test: Test::Equals(value.to_owned()) }
            }
        }
    }

    /// The value as pages call it.
    pub fn label<'a>(&self, value: &'a str) -> &'a str {
        match self.name {
            "category" => category_title(value),
            "country" => country(value),
            _ => value,
        }
    }

    /// What a value means, for somebody who has never seen it.
    pub fn hint(&self, value: &str) -> String {
        let known = match self.name {
            "category" => catalog::category(value).map(|info| info.description.as_str()),
            "type" => catalog::get(value).map(|info| info.summary.as_str()),
            _ => None,
        };
        known.map_or_else(|| text::plain(value, 300), str::to_owned)
    }

    /// The page about a value.
    pub fn link(&self, value: &str) -> Option<String> {
        if value.len() > LONGEST {
            return None;
        }
        let page = match self.page? {
            "person" if value.ends_with("_actor") => return None,
            "person" if value.starts_with("apikey_") || value.contains("_api_key") => "key",
            page => page,
        };
        Some(format!("/{page}/{}", encode(value)))
    }
}
