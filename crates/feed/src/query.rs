//! A request for a page: filters, window, cursor, limit, order.
//!
//! The types stand here, their form on the wire in [`wire`]. What a filter means for a row is the [`crate::Source`]'s to
//! know; only the window, which every source shares, is answered here.

pub(crate) mod timestamp;
mod wire;

use jiff::Timestamp;

/// The direction of the result, by `created_at`, ties by activity id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first, the feed's default.
    #[default]
    Desc,
    /// Oldest first.
    Asc,
}

impl Order {
    /// The wire value.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Desc => "desc",
            Order::Asc => "asc",
        }
    }
}

/// A window on `created_at`, each bound optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// `created_at.gte`
    pub gte: Option<Timestamp>,
    /// `created_at.gt`
    pub gt: Option<Timestamp>,
    /// `created_at.lte`
    pub lte: Option<Timestamp>,
    /// `created_at.lt`
    pub lt: Option<Timestamp>,
}

impl Window {
    /// Whether `instant` lies in the window: all bounds that are given hold.
    pub fn contains(&self, instant: Timestamp) -> bool {
        self.gte.is_none_or(|bound| instant >= bound)
            && self.gt.is_none_or(|bound| instant > bound)
            && self.lte.is_none_or(|bound| instant <= bound)
            && self.lt.is_none_or(|bound| instant < bound)
    }
}

/// Where a page begins. Opaque to clients; a [`crate::Source`] decides what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// `after_id`: the page that follows in result order.
    After(String),
    /// `before_id`: the page that lies next to it in the other direction.
    Before(String),
}

/// A request for a page of activities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Only these types; empty for all. Not together with `exclude_activity_types`.
    pub activity_types: Vec<String>,
    /// All but these types.
    pub exclude_activity_types: Vec<String>,
    /// Only activities whose actor has one of these user ids (`actor_ids[]` and `user_ids[]` together).
    pub actor_ids: Vec<String>,
    /// Only these organizations, by `org_…` id or by UUID; activities without an organization are returned all the same.
    pub organization_ids: Vec<String>,
    /// The window on `created_at`.
    pub created_at: Window,
    /// Where the page begins; the start of the result if `None`.
    pub cursor: Option<Cursor>,
    /// The number of activities at most, 1 to [`crate::MAX_LIMIT`].
    pub limit: u32,
    /// The direction.
    pub order: Order,
}

impl Default for Query {
    fn default() -> Self {
        Query {
            activity_types: Vec::new(),
            exclude_activity_types: Vec::new(),
            actor_ids: Vec::new(),
            organization_ids: Vec::new(),
            created_at: Window::default(),
            cursor: None,
            limit: crate::DEFAULT_LIMIT,
            order: Order::Desc,
        }
    }
}
