//! The columns: what an engine is given for each record, and what a user of the unified record sees.
//!
//! An engine stores [`COLUMNS`] (what varies, once) and shows [`UNIFIED`], the 46 columns of the unified record, as a view
//! over them. A query that was written for the original table runs unchanged.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// The 46 columns of the unified record `anthropic_logs`: names in their order, with the type in ClickHouse's spelling.
pub const UNIFIED: [(&str, &str); 46] = [
    ("workspaceID", "String"),
    ("sourceID", "String"),
    ("sourceType", "String"),
    ("sourceTTL", "UInt32"),
    ("receivedAt", "DateTime"),
    ("id", "String"),
    ("eventTime", "DateTime"),
    ("eventName", "String"),
    ("eventID", "String"),
    ("srcIP", "String"),
    ("srcASCountryCode", "String"),
    ("srcASNumber", "UInt32"),
    ("srcASOrganization", "String"),
    ("srcCity", "String"),
    ("srcConnectionType", "String"),
    ("srcISP", "String"),
    ("srcLatitude", "Float64"),
    ("srcLongitude", "Float64"),
    ("srcUserType", "String"),
    ("dstIP", "String"),
    ("dstASCountryCode", "String"),
    ("dstASNumber", "UInt32"),
    ("dstASOrganization", "String"),
    ("dstCity", "String"),
    ("dstConnectionType", "String"),
    ("dstISP", "String"),
    ("dstLatitude", "Float64"),
    ("dstLongitude", "Float64"),
    ("dstUserType", "String"),
    ("actor", "Map(String, String)"),
    ("tags", "Map(String, String)"),
    ("resources", "Array(String)"),
    ("serviceName", "String"),
    ("enrichments", "Array(Tuple(data Map(String, String), name String, provider String, type String, value String))"),
    ("readOnly", "Bool"),
    ("rawLog", "String"),
    ("activityID", "String"),
    ("activityType", "String"),
    ("organizationID", "String"),
    ("actorType", "String"),
    ("actorEmail", "String"),
    ("actorUserID", "String"),
    ("actorIPAddress", "String"),
    ("actorUserAgent", "String"),
    ("actorAPIKeyID", "String"),
    ("actorAdminAPIKeyID", "String"),
];

/// What parts the ids in the column `resource_ids`. It cannot occur in one.
pub const RESOURCE_SEPARATOR: char = '\u{1f}';

/// The columns of a [`crate::Batch`], in their order.
///
/// | Column | Holds |
/// | --- | --- |
/// | `id_hash` | the low 32 bits of XXH3-64 over `event_id`: finds a known id without an index |
/// | `event_time` | `created_at`, microseconds UTC |
/// | `event_name`, `event_id`, `organization_id`, `organization_uuid` | the envelope |
/// | `actor_…` | the actor's members of the same names; `actor_other` the rest, flattened |
/// | `ip_class` | `public`, `private`, `loopback`, `reserved`, `placeholder`, `invalid` |
/// | `category`, `outcome`, `product`, `read_only`, `guessed` | from the catalogue; `guessed` if the type is not in it |
/// | `target` | whom or what the action was done to; the mark of a resource (see [`crate::raw`]) where it is that one |
/// | `resource_ids` | the ids of all resources touched, parted by [`RESOURCE_SEPARATOR`] |
/// | `raw_rest` | the raw log without what stands in other columns, see [`crate::raw`] |
/// | `place`, `agent`, `person` | what [`activity::Enrichment`] holds, its parts parted by [`activity::PART_SEPARATOR`] |
pub static COLUMNS: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(columns())));

fn columns() -> Vec<Field> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let some = |name: &str| Field::new(name, DataType::Utf8, false);
    vec![
        Field::new("id_hash", DataType::UInt32, false),
        Field::new("event_time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        some("event_name"),
        some("event_id"),
        text("organization_id"),
        text("organization_uuid"),
        text("actor_type"),
        text("actor_email"),
        text("actor_user_id"),
        text("actor_ip"),
        text("actor_user_agent"),
        text("actor_api_key_id"),
        text("actor_admin_api_key_id"),
        map("actor_other"),
        text("ip_class"),
        some("category"),
        some("outcome"),
        some("product"),
        Field::new("read_only", DataType::Boolean, false),
        Field::new("guessed", DataType::Boolean, false),
        text("target"),
        text("resource_ids"),
        some("raw_rest"),
        text("place"),
        text("agent"),
        text("person"),
    ]
}

/// A nullable column `MAP(VARCHAR, VARCHAR)`, with the field names that Arrow's map builder gives.
fn map(name: &str) -> Field {
    let entry = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
    let entries = Field::new("entries", DataType::Struct(entry), false);
    Field::new(name, DataType::Map(Arc::new(entries), false), true)
}
