//! The columns of answers and views, as SQL over table `activity`.
//!
//! Two spellings of the unified record: for the port, where absent is NULL as in the other engine, and for view
//! `anthropic_logs`, which has literally the types of the original table, where absent is the empty value.

use activity::PlacePart;
use auditlake_store::schema::{RESOURCE_SEPARATOR, UNIFIED};

mod enrichment;
pub(crate) mod tables;

pub(crate) use enrichment::{IDENTITY, agent, enrichment_texts, other, person, place, place_text};

/// The address, where it is one: `unknown`, `0.0.0.0` and the like are none.
pub(crate) const SRC_IP: &str = "if(ip_class IN ('placeholder', 'invalid'), NULL, CAST(actor_ip AS Nullable(String)))";

/// Whether it is one of our own requests: it was so when it was stored, or was seen to be later.
pub(crate) const OWN_READ: &str = "(own_read OR (id_hash, event_id) IN (SELECT id_hash, event_id FROM own_reads))";

/// The ids of a row's resources and of its target in small letters, as index `by_resource` has them.
pub(crate) const RESOURCE_IDS: &str = "arrayMap(r -> lower(r), arrayPushBack(resources, ifNull(target, '')))";

/// What names the actor best: column `actor_label`.
fn actor_label() -> String {
    let text = |column: &str| format!("CAST({column} AS Nullable(String))");
    let ways = [
        text("actor_email"),
        other("unauthenticated_email_address"),
        text("actor_user_id"),
        text("actor_admin_api_key_id"),
        text("actor_api_key_id"),
        other("service_account_id"),
        other("subject"),
        other("directory_id"),
        other("external_client_id"),
        other("service"),
        text("actor_type"),
    ];
    format!("coalesce({})", ways.join(", "))
}

fn actor_map() -> String {
    let id: Vec<String> = ["actor_user_id", "actor_admin_api_key_id", "actor_api_key_id"]
        .into_iter()
        .map(|column| format!("CAST({column} AS Nullable(String))"))
        .chain(["service_account_id", "directory_id", "external_client_id", "subject", "service"].map(other))
        .collect();
    let columns: Vec<(&str, String)> = vec![
        ("type", "actor_type".into()),
        ("id", format!("coalesce({})", id.join(", "))),
        ("email", "actor_email".into()),
        ("ip", "actor_ip".into()),
        ("email_address", "actor_email".into()),
        ("user_id", "actor_user_id".into()),
        ("ip_address", "actor_ip".into()),
        ("user_agent", "actor_user_agent".into()),
        ("api_key_id", "actor_api_key_id".into()),
        ("admin_api_key_id", "actor_admin_api_key_id".into()),
    ];
    // An actor's own member named `id`, `email` or `ip` gives way to the one above: a map has each key once.
    format!(
        "if(isNull(actor_type) AND empty(actor_other), map(), CAST(arrayConcat({}, \
         arrayFilter(e -> e.1 NOT IN ('id', 'email', 'ip'), CAST(actor_other AS Array(Tuple(String, String))))) \
         AS Map(String, String)))",
        enrichment::filtered(&columns)
    )
}

/// The 46 columns: each is absent as NULL, or as an empty list or map.
fn columns() -> Vec<(&'static str, String)> {
    const TEXT: &str = "CAST(NULL AS Nullable(String))";
    const NUMBER: &str = "CAST(NULL AS Nullable(UInt32))";
    const FRACTION: &str = "CAST(NULL AS Nullable(Float64))";
    let text = |column: &str| format!("CAST({column} AS Nullable(String))");
    vec![
        ("workspaceID", text("workspace_id")),
        ("sourceID", text("source_id")),
        ("sourceType", text("'anthropic-compliance'")),
        ("sourceTTL", "source_ttl".into()),
        ("receivedAt", "received_at".into()),
        ("id", "concat(source_id, ':', event_id)".into()),
        ("eventTime", "event_time".into()),
        ("eventName", text("event_name")),
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
        ("dstASNumber", NUMBER.into()),
        ("dstASOrganization", TEXT.into()),
        ("dstCity", TEXT.into()),
        ("dstConnectionType", TEXT.into()),
        ("dstISP", TEXT.into()),
        ("dstLatitude", FRACTION.into()),
        ("dstLongitude", FRACTION.into()),
        ("dstUserType", TEXT.into()),
        ("actor", actor_map()),
        ("tags", enrichment::tags(OWN_READ)),
        ("resources", "resources".into()),
        ("serviceName", text("product")),
        ("enrichments", enrichment::enrichments()),
        ("readOnly", "read_only".into()),
        ("rawLog", "raw_log".into()),
        ("activityID", "event_id".into()),
        ("activityType", text("event_name")),
        ("organizationID", text("organization_id")),
        ("actorType", text("actor_type")),
        ("actorEmail", text("actor_email")),
        ("actorUserID", text("actor_user_id")),
        ("actorIPAddress", text("actor_ip")),
        ("actorUserAgent", text("actor_user_agent")),
        ("actorAPIKeyID", text("actor_api_key_id")),
        ("actorAdminAPIKeyID", text("actor_admin_api_key_id")),
    ]
}

/// What a record of the port is made of ([`auditlake_store::record`]).
pub(crate) fn stored() -> String {
    let text = |column: &'static str| (column, format!("CAST({column} AS Nullable(String))"));
    let plain = |column: &'static str| (column, column.to_owned());
    let resources =
        format!("if(empty(resources), NULL, arrayStringConcat(resources, char({})))", RESOURCE_SEPARATOR as u32);
    let mut columns: Vec<(&str, String)> = ["workspace_id", "source_id", "event_name", "organization_id", "actor_type"]
        .into_iter()
        .chain([
            "actor_email",
            "actor_user_id",
            "actor_ip",
            "actor_user_agent",
            "actor_api_key_id",
            "actor_admin_api_key_id",
        ])
        .chain(["ip_class", "category", "outcome", "product", "place", "agent", "person"])
        .map(text)
        .collect();
    columns.extend(["source_ttl", "received_at", "event_time", "event_id", "read_only", "raw_log"].map(plain));
    columns.extend([
        ("actor_other", "CAST(actor_other AS Map(String, String))".to_owned()),
        ("own_read", format!("CAST({OWN_READ} AS Bool)")),
        ("resource_ids", resources),
    ]);
    // Under names of their own: the server would take the condition's columns for these.
    columns.into_iter().map(|(name, value)| format!("{value} AS `stored.{name}`")).collect::<Vec<_>>().join(", ")
}

/// The 46 columns in literally the types of the original table.
fn literal() -> Vec<(&'static str, String)> {
    let typed = columns().into_iter().zip(UNIFIED).map(|((name, value), (_, kind))| {
        let value = match kind {
            "String" => format!("ifNull(toString({value}), '')"),
            "UInt32" | "Float64" => format!("ifNull({value}, 0)"),
            _ => value,
        };
        (name, format!("CAST({value} AS {kind})"))
    });
    typed.collect()
}

/// The views with the columns of the record.
pub(crate) const VIEWS: [&str; 2] = ["anthropic_logs", "activities"];

/// The columns of one of [`VIEWS`] and how they are made over table `activity`; with `is_packed`, texts that the table keeps a dictionary of
/// have it still. To group or filter by one takes less than half as long then.
pub(crate) fn view_columns(view: &str, is_packed: bool) -> Option<Vec<(&'static str, String)>> {
    let columns = match view {
        // As the view gives times, whose columns have no zone: a conversion that people can write would bring one along.
        "anthropic_logs" => literal()
            .into_iter()
            .map(|(name, value)| match name {
                "eventTime" => (name, "_CAST(event_time, 'DateTime')".to_owned()),
                "receivedAt" => (name, "_CAST(received_at, 'DateTime')".to_owned()),
                _ => (name, value),
            })
            .collect(),
        "activities" => whole(),
        _ => return None,
    };
    let packed = |name: &str| packed(name).filter(|_| is_packed).map(str::to_owned);
    Some(columns.into_iter().map(|(name, value)| (name, packed(name).unwrap_or(value))).collect())
}

/// A column of the views as a text with a dictionary, if the table has one.
fn packed(name: &str) -> Option<&'static str> {
    Some(match name {
        "workspaceID" => "workspace_id",
        "sourceID" => "source_id",
        "eventName" | "activityType" => "event_name",
        "serviceName" => "product",
        "organizationID" => "ifNull(organization_id, '')",
        "actorType" => "ifNull(actor_type, '')",
        "actorEmail" => "ifNull(actor_email, '')",
        "actorUserID" => "ifNull(actor_user_id, '')",
        "actorIPAddress" => "ifNull(actor_ip, '')",
        "actorUserAgent" => "ifNull(actor_user_agent, '')",
        "actorAPIKeyID" => "ifNull(actor_api_key_id, '')",
        "actorAdminAPIKeyID" => "ifNull(actor_admin_api_key_id, '')",
        "organizationUUID" => "organization_uuid",
        "category" => "toNullable(category)",
        "outcome" => "toNullable(outcome)",
        "ipClass" => "ip_class",
        "actorLabel" => "actor_label",
        _ => return None,
    })
}

/// The columns of view `activities`.
fn whole() -> Vec<(&'static str, String)> {
    let mut columns = literal();
    // To the second in the original's type, to the microsecond here.
    for (name, value) in &mut columns {
        match *name {
            "eventTime" => *value = "event_time".to_owned(),
            "receivedAt" => *value = "received_at".to_owned(),
            _ => {}
        }
    }
    columns.extend(beside());
    columns
}

/// What the product adds to the unified record.
fn beside() -> Vec<(&'static str, String)> {
    let text = |column: &str| format!("CAST({column} AS Nullable(String))");
    let mut columns: Vec<(&str, String)> = vec![
        ("seq", "seq".into()),
        ("entry", "entry".into()),
        ("late", "late".into()),
        ("ownRead", format!("CAST({OWN_READ} AS Bool)")),
        ("organizationUUID", text("organization_uuid")),
        ("category", text("category")),
        ("outcome", text("outcome")),
        ("guessed", "guessed".into()),
        ("target", "target".into()),
        ("ipClass", text("ip_class")),
        ("actorLabel", text("actor_label")),
        ("contentHash", "lower(hex(SHA256(raw_log)))".into()),
    ];
    columns.extend(enrichment::beside());
    columns
}

fn list(columns: &[(&str, String)]) -> String {
    let columns: Vec<String> = columns.iter().map(|(name, value)| format!("{value} AS `{name}`")).collect();
    columns.join(", ")
}

/// The `summary` columns of the port.
pub(crate) fn summary() -> String {
    let text = |column: &str| format!("CAST({column} AS Nullable(String))");
    list(&[
        ("seq", "seq".into()),
        ("eventTime", "event_time".into()),
        ("eventName", text("event_name")),
        ("category", text("category")),
        ("outcome", text("outcome")),
        ("serviceName", text("product")),
        ("actor", text("actor_label")),
        ("actorType", text("actor_type")),
        ("srcIP", SRC_IP.into()),
        ("target", "target".into()),
        ("organizationID", text("organization_id")),
        ("sourceID", text("source_id")),
        ("eventID", "event_id".into()),
    ])
}

/// What a subscriber sees of an activity.
pub(crate) fn observed() -> String {
    let text = |column: &str| format!("CAST({column} AS Nullable(String))");
    list(&[
        ("seq", "seq".into()),
        ("eventTime", "event_time".into()),
        ("sourceID", text("source_id")),
        ("eventName", text("event_name")),
        ("place", text("place")),
        ("agent", text("agent")),
        ("person", text("person")),
        ("rawLog", "raw_log".into()),
    ])
}

/// The `plain` columns of the port.
pub(crate) fn plain() -> String {
    let text = |column: &str| format!("CAST({column} AS Nullable(String))");
    list(&[
        ("seq", "seq".into()),
        ("receivedAt", "received_at".into()),
        ("workspaceID", text("workspace_id")),
        ("sourceID", text("source_id")),
        ("sourceTTL", "source_ttl".into()),
        ("eventTime", "event_time".into()),
        ("eventName", text("event_name")),
        ("eventID", "event_id".into()),
        ("organizationID", text("organization_id")),
        ("organizationUUID", text("organization_uuid")),
        ("actorType", text("actor_type")),
        ("actorEmail", text("actor_email")),
        ("actorUserID", text("actor_user_id")),
        ("actorIPAddress", text("actor_ip")),
        ("actorUserAgent", text("actor_user_agent")),
        ("actorAPIKeyID", text("actor_api_key_id")),
        ("actorAdminAPIKeyID", text("actor_admin_api_key_id")),
        ("actorOther", "CAST(actor_other AS Map(String, String))".into()),
        ("srcIP", SRC_IP.into()),
        ("category", text("category")),
        ("outcome", text("outcome")),
        ("serviceName", text("product")),
        ("readOnly", "read_only".into()),
        ("guessed", "guessed".into()),
        ("ownRead", format!("CAST({OWN_READ} AS Bool)")),
        ("target", "target".into()),
        (
            "resourceIDs",
            format!("if(empty(resources), NULL, arrayStringConcat(resources, char({})))", RESOURCE_SEPARATOR as u32),
        ),
        ("place", text("place")),
        ("agent", text("agent")),
        ("person", text("person")),
        ("rawLog", "raw_log".into()),
    ])
}

/// The `raw` columns of the port.
pub(crate) fn raw() -> String {
    list(&[("eventTime", "event_time".into()), ("eventID", "event_id".into()), ("rawLog", "raw_log".into())])
}

/// A text as SQL writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for sign in text.chars() {
        match sign {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

/// A time as SQL writes it.
pub(crate) fn moment(time: jiff::Timestamp) -> String {
    format!("fromUnixTimestamp64Micro({}, 'UTC')", time.as_microsecond())
}
