//! A page of activities: the bytes as they were received, and where the next page begins.

use bytes::Bytes;

/// One activity, byte for byte as received or stored: a JSON object in UTF-8 (checked).
pub type RawActivity = Bytes;

/// A page of activities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The activities in result order.
    pub data: Vec<RawActivity>,
    /// Whether more follow in the direction of the request.
    pub has_more: bool,
    /// The cursor of the first activity, for `before_id`; `None` for an empty page.
    pub first_id: Option<String>,
    /// The cursor of the last activity, for `after_id`; `None` for an empty page.
    pub last_id: Option<String>,
}
