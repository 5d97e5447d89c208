//! Tables, views and how an older file becomes a newer one.
//!
//! `activity` holds what varies, once. `anthropic_logs` shows the 46 columns of the unified record over it, and
//! `activities` those and what the product knows beside them. Times are UTC in plain `TIMESTAMP`.

use activity::PlacePart;
use auditlake_store::{
    Result, StoreError,
    raw::{MARK_ID, MARK_RESOURCES, MARK_TIME_MICROS, MARK_TIME_SECONDS},
    schema::RESOURCE_SEPARATOR,
};
use duckdb::Connection;

use crate::error;

mod enrichment;

pub(crate) use enrichment::{IDENTITY, agent, enrichment_texts, person, place, place_text};

/// The version that this program writes.
pub const VERSION: u32 = 6;

/// How version N + 1 is made of version N. What stands here was shipped once and never changes
/// again, but for how texts are packed: the engine keeps that with each file, and reads both.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("schema/v1.sql"),
    include_str!("schema/v2.sql"),
    include_str!("schema/v3.sql"),
    include_str!("schema/v4.sql"),
    include_str!("schema/v5.sql"),
    include_str!("schema/v6.sql"),
];

/// Brings the file to [`VERSION`], each step in a transaction of its own, and makes the views anew.
///
/// # Errors
/// [`StoreError::TooNew`] for a file that a newer program wrote.
pub(crate) fn migrate(connection: &Connection) -> Result<()> {
    let failed = |error: duckdb::Error| error::translate("bringing the schema up to date", &error);
    let mut version = version(connection).map_err(failed)?;
    if version > VERSION {
        return Err(StoreError::TooNew { found: version, known: VERSION });
    }
    while version < VERSION {
        let step = MIGRATIONS[version as usize];
        version += 1;
        let mark = format!("DELETE FROM schema_version; INSERT INTO schema_version VALUES ({version});");
        connection.execute_batch(&format!("BEGIN; {step}; {mark} COMMIT;")).map_err(failed)?;
    }
    make_views(connection).map_err(failed)
}

/// Makes the views anew unless they are these already: a file on a full disk can be opened, as nothing is written then.
fn make_views(connection: &Connection) -> duckdb::Result<()> {
    let views = views();
    let mark = format!("{:016x}", auditlake_store::content_hash(views.as_bytes()));
    let known = "SELECT count(*) FROM duckdb_views() WHERE view_name = 'activities' AND comment = ?";
    let count: i64 = connection.query_row(known, [&mark], |row| row.get(0))?;
    match count {
        0 => connection.execute_batch(&format!("BEGIN; {views} COMMENT ON VIEW activities IS '{mark}'; COMMIT;")),
        _ => Ok(()),
    }
}

pub(crate) fn version(connection: &Connection) -> duckdb::Result<u32> {
    let count = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'schema_version'";
    let exists: i64 = connection.query_row(count, [], |row| row.get(0))?;
    match exists {
        0 => Ok(0),
        _ => connection.query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| row.get(0)),
    }
}

/// The raw log, put together again: the inverse of [`auditlake_store::raw::split`].
pub(crate) fn raw_log() -> String {
    let mut text = "raw_rest".to_owned();
    for (at, mark) in MARK_RESOURCES.into_iter().enumerate().rev() {
        text = format!("replace({text}, chr({}), coalesce({}, ''))", mark as u32, resource(at));
    }
    text = format!("replace({text}, chr({}), strftime(event_time, '%Y-%m-%dT%H:%M:%SZ'))", MARK_TIME_SECONDS as u32);
    text = format!("replace({text}, chr({}), strftime(event_time, '%Y-%m-%dT%H:%M:%S.%fZ'))", MARK_TIME_MICROS as u32);
    format!("replace({text}, chr({}), event_id)", MARK_ID as u32)
}

/// The resource at this place, counted from 0.
fn resource(at: usize) -> String {
    format!("string_split(resource_ids, chr({}))[{}]", RESOURCE_SEPARATOR as u32, at + 1)
}

/// The target: itself, or the resource whose mark stands in its place.
pub(crate) fn target() -> String {
    let marks: Vec<String> = MARK_RESOURCES
        .into_iter()
        .enumerate()
        .map(|(at, mark)| format!("WHEN chr({}) THEN {}", mark as u32, resource(at)))
        .collect();
    format!("CASE target {} ELSE target END", marks.join(" "))
}

/// The members of the actor that have a column, with the names under which the map shows them.
const ACTOR: [(&str, &str); 10] = [
    ("type", "actor_type"),
    (
        "id",
        "coalesce(actor_user_id, actor_admin_api_key_id, actor_api_key_id, actor_other['service_account_id'], actor_other['directory_id'], actor_other['external_client_id'], actor_other['subject'], actor_other['service'])",
    ),
    ("email", "actor_email"),
    ("ip", "actor_ip"),
    ("email_address", "actor_email"),
    ("user_id", "actor_user_id"),
    ("ip_address", "actor_ip"),
    ("user_agent", "actor_user_agent"),
    ("api_key_id", "actor_api_key_id"),
    ("admin_api_key_id", "actor_admin_api_key_id"),
];

fn actor_map() -> String {
    let entries: Vec<String> =
        ACTOR.iter().map(|(name, column)| format!("{{'key': '{name}', 'value': {column}}}")).collect();
    // An actor's own member named `id`, `email` or `ip` gives way to the one above: a map has each key once.
    format!(
        "CASE WHEN actor_type IS NULL AND actor_other IS NULL THEN NULL ELSE map_from_entries(list_filter([{}], lambda e: e.value IS NOT NULL) || \
         coalesce(list_filter(map_entries(actor_other), lambda e: e.key NOT IN ('id', 'email', 'ip')), [])) END",
        entries.join(", ")
    )
}

/// The views with the columns of the record.
pub(crate) const VIEWS: [&str; 2] = ["anthropic_logs", "activities"];

/// The columns of one of [`VIEWS`] and how they are made over table `activity`.
pub(crate) fn view_columns(view: &str) -> Option<Vec<(&'static str, String)>> {
    match view {
        "anthropic_logs" => Some(unified()),
        "activities" => Some(unified().into_iter().chain(beside()).collect()),
        _ => None,
    }
}

/// The 46 columns over table `activity`.
fn unified() -> Vec<(&'static str, String)> {
    const TEXT: &str = "NULL::VARCHAR";
    vec![
        ("workspaceID", "workspace_id".into()),
        ("sourceID", "source_id".into()),
        ("sourceType", "'anthropic-compliance'".into()),
        ("sourceTTL", "source_ttl".into()),
        ("receivedAt", "received_at".into()),
        ("id", "source_id || ':' || event_id".into()),
        ("eventTime", "event_time".into()),
        ("eventName", "event_name".into()),
        ("eventID", "event_id".into()),
        ("srcIP", SRC_IP.into()),
        ("srcASCountryCode", place(PlacePart::Country)),
        ("srcASNumber", place(PlacePart::Asn)),
        ("srcASOrganization", place(PlacePart::AsOrganization)),
        ("srcCity", place(PlacePart::City)),
        ("srcConnectionType", place(PlacePart::ConnectionType)),
        ("srcISP", place(PlacePart::Isp)),
        ("srcLatitude", place(PlacePart::Latitude)),
        ("srcLongitude", place(PlacePart::Longitude)),
        ("srcUserType", place(PlacePart::UserType)),
        ("dstIP", TEXT.into()),
        ("dstASCountryCode", TEXT.into()),
        ("dstASNumber", "NULL::UINTEGER".into()),
        ("dstASOrganization", TEXT.into()),
        ("dstCity", TEXT.into()),
        ("dstConnectionType", TEXT.into()),
        ("dstISP", TEXT.into()),
        ("dstLatitude", "NULL::DOUBLE".into()),
        ("dstLongitude", "NULL::DOUBLE".into()),
        ("dstUserType", TEXT.into()),
        ("actor", actor_map()),
        ("tags", enrichment::tags()),
        ("resources", format!("string_split(resource_ids, chr({}))", RESOURCE_SEPARATOR as u32)),
        ("serviceName", "product".into()),
        ("enrichments", enrichment::enrichments()),
        ("readOnly", "read_only".into()),
        ("rawLog", raw_log()),
        ("activityID", "event_id".into()),
        ("activityType", "event_name".into()),
        ("organizationID", "organization_id".into()),
        ("actorType", "actor_type".into()),
        ("actorEmail", "actor_email".into()),
        ("actorUserID", "actor_user_id".into()),
        ("actorIPAddress", "actor_ip".into()),
        ("actorUserAgent", "actor_user_agent".into()),
        ("actorAPIKeyID", "actor_api_key_id".into()),
        ("actorAdminAPIKeyID", "actor_admin_api_key_id".into()),
    ]
}

/// The address, where it is one: `unknown`, `0.0.0.0` and the like are none.
pub(crate) const SRC_IP: &str = "CASE WHEN ip_class NOT IN ('placeholder', 'invalid') THEN actor_ip END";
/// Where that is so.
pub(crate) const IS_ADDRESS: &str = "ip_class NOT IN ('placeholder', 'invalid')";

/// What names the actor best.
pub(crate) const ACTOR_LABEL: &str = "coalesce(actor_email, actor_other['unauthenticated_email_address'], actor_user_id, \
     actor_admin_api_key_id, actor_api_key_id, actor_other['service_account_id'], actor_other['subject'], \
     actor_other['directory_id'], actor_other['external_client_id'], actor_other['service'], actor_type)";

/// What the product adds to the unified record, over table `activity`.
fn beside() -> Vec<(&'static str, String)> {
    let mut columns: Vec<(&str, String)> = vec![
        ("seq", "seq".into()),
        ("entry", "entry".into()),
        ("late", "coalesce(late, false)".into()),
        ("ownRead", "coalesce(own_read, false)".into()),
        ("organizationUUID", "organization_uuid".into()),
        ("category", "category".into()),
        ("outcome", "outcome".into()),
        ("guessed", "guessed".into()),
        ("target", target()),
        ("ipClass", "ip_class".into()),
        ("actorLabel", ACTOR_LABEL.into()),
        ("contentHash", format!("sha256({})", raw_log())),
    ];
    columns.extend(enrichment::beside());
    columns
}

fn list(columns: &[(&str, String)]) -> String {
    let columns: Vec<String> = columns.iter().map(|(name, value)| format!("{value} AS \"{name}\"")).collect();
    columns.join(", ")
}

fn views() -> String {
    format!(
        "CREATE OR REPLACE VIEW anthropic_logs AS SELECT {unified} FROM activity; \
         CREATE OR REPLACE VIEW activities AS SELECT {unified}, {beside} FROM activity; \
         CREATE OR REPLACE VIEW drift AS SELECT source_id, kind, event_name AS \"type\", name, value, first_seen, last_seen, \
         times AS \"count\", example FROM drift_state; \
         CREATE OR REPLACE VIEW observed AS SELECT {observed} FROM activity; {ALERTS} \
         CREATE OR REPLACE VIEW lookups AS SELECT happened_at AS \"at\", who, address, what, detail, link FROM lookup;",
        unified = list(&unified()),
        beside = list(&beside()),
        observed = observed()
    )
}

/// The `summary` columns of the port, over table `activity`.
pub(crate) fn summary() -> String {
    list(&[
        ("seq", "seq".into()),
        ("eventTime", "event_time".into()),
        ("eventName", "event_name".into()),
        ("category", "category".into()),
        ("outcome", "outcome".into()),
        ("serviceName", "product".into()),
        ("actor", ACTOR_LABEL.into()),
        ("actorType", "actor_type".into()),
        ("srcIP", SRC_IP.into()),
        ("target", target()),
        ("organizationID", "organization_id".into()),
        ("sourceID", "source_id".into()),
        ("eventID", "event_id".into()),
    ])
}

/// Alerts for people who ask with SQL.
const ALERTS: &str = "CREATE OR REPLACE VIEW alerts AS SELECT id, rule, severity, state, title, entity, count, first_seen AS \"first\", \
     last_seen AS \"last\", historical, raised_at AS \"raisedAt\", changed_at AS \"changedAt\", \
     json_extract_string(finding, '$.tags[*]') AS tags, json_extract_string(finding, '$.organization') AS \"organizationID\" FROM alert; \
     CREATE OR REPLACE VIEW alert_activities AS SELECT id AS \"alertID\", rule, \
     unnest(json_extract_string(finding, '$.activities[*]')) AS \"eventID\" FROM alert;";

/// What a subscriber sees of an activity.
pub(crate) fn observed() -> String {
    list(&[
        ("seq", "seq".into()),
        ("eventTime", "event_time".into()),
        ("sourceID", "source_id".into()),
        ("eventName", "event_name".into()),
        ("place", "place".into()),
        ("agent", "agent".into()),
        ("person", "person".into()),
        ("rawLog", raw_log()),
    ])
}

/// The `plain` columns of the port, over table `activity`.
pub(crate) fn plain() -> String {
    list(&[
        ("seq", "seq".into()),
        ("receivedAt", "received_at".into()),
        ("workspaceID", "workspace_id".into()),
        ("sourceID", "source_id".into()),
        ("sourceTTL", "source_ttl".into()),
        ("eventTime", "event_time".into()),
        ("eventName", "event_name".into()),
        ("eventID", "event_id".into()),
        ("organizationID", "organization_id".into()),
        ("organizationUUID", "organization_uuid".into()),
        ("actorType", "actor_type".into()),
        ("actorEmail", "actor_email".into()),
        ("actorUserID", "actor_user_id".into()),
        ("actorIPAddress", "actor_ip".into()),
        ("actorUserAgent", "actor_user_agent".into()),
        ("actorAPIKeyID", "actor_api_key_id".into()),
        ("actorAdminAPIKeyID", "actor_admin_api_key_id".into()),
        ("actorOther", "actor_other".into()),
        ("srcIP", SRC_IP.into()),
        ("category", "category".into()),
        ("outcome", "outcome".into()),
        ("serviceName", "product".into()),
        ("readOnly", "read_only".into()),
        ("guessed", "guessed".into()),
        ("ownRead", "own_read".into()),
        ("target", target()),
        ("resourceIDs", "resource_ids".into()),
        ("place", "place".into()),
        ("agent", "agent".into()),
        ("person", "person".into()),
        ("rawLog", raw_log()),
    ])
}

/// The `raw` columns of the port, over table `activity`.
pub(crate) fn raw() -> String {
    list(&[("eventTime", "event_time".into()), ("eventID", "event_id".into()), ("rawLog", raw_log())])
}
