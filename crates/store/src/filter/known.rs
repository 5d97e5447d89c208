//! The table of fields with a name of their own. Each column of the unified record is a name here.

use super::field::{
    FieldInfo,
    Kind::{self, Address, Boolean, Number, Text, Time},
    Known,
};

/// The fields that have a name of their own, the most used first.
pub fn fields() -> &'static [FieldInfo] {
    &FIELDS
}

/// In the order of [`Known`], which a test holds them to.
pub(super) static FIELDS: [FieldInfo; 63] = [
    info(Known::Type, &["type", "eventName", "activityType"], Text, "the activity's `type`"),
    info(Known::Id, &["id", "eventID", "activityID"], Text, "the activity's `id`"),
    info(Known::Time, &["time", "eventTime", "created_at"], Time, "when it happened, to the microsecond"),
    info(Known::Org, &["org", "organization"], Text, "the organization's id and its UUID: either may match"),
    info(Known::OrganizationId, &["organization_id", "organizationID"], Text, "the organization's id alone"),
    info(Known::OrganizationUuid, &["organization_uuid", "organizationUUID"], Text, "the organization's UUID alone"),
    info(Known::Actor, &["actor"], Text, "who did it: the actor's email addresses and every id of it: any may match"),
    info(Known::ActorId, &["actor_id", "actor.id"], Text, "the one id that stands for the actor"),
    info(Known::ActorType, &["actor_type", "actorType", "actor.type"], Text, "the kind of actor, such as `user_actor`"),
    info(
        Known::Email,
        &["email", "actorEmail", "actor.email", "actor.email_address"],
        Text,
        "the actor's email address",
    ),
    info(Known::User, &["user", "actorUserID", "actor.user_id"], Text, "the actor's user id"),
    info(Known::Key, &["key"], Text, "the API key or Admin API key that acted: either may match"),
    info(Known::ApiKey, &["api_key", "actorAPIKeyID", "actor.api_key_id"], Text, "the API key that acted"),
    info(
        Known::AdminApiKey,
        &["admin_api_key", "actorAdminAPIKeyID", "actor.admin_api_key_id"],
        Text,
        "the Admin API key that acted",
    ),
    info(
        Known::Ip,
        &["ip", "srcIP", "actorIPAddress", "actor.ip", "actor.ip_address"],
        Address,
        "the address it came from, as the activity tells it",
    ),
    info(
        Known::IpClass,
        &["ip_class"],
        Text,
        "`public`, `private`, `loopback`, `reserved`, `placeholder` or `invalid`",
    ),
    info(
        Known::UserAgent,
        &["user_agent", "ua", "actorUserAgent", "actor.user_agent"],
        Text,
        "the user agent as it was sent",
    ),
    info(Known::Category, &["category"], Text, "the catalogue's category, such as `authentication`"),
    info(Known::Outcome, &["outcome"], Text, "how it ended, such as `failure`"),
    info(
        Known::Product,
        &["product", "serviceName"],
        Text,
        "the product surface, such as `claude.ai` or `claude-code`",
    ),
    info(Known::ReadOnly, &["read_only", "readOnly"], Boolean, "whether it changed nothing"),
    info(
        Known::Guessed,
        &["guessed"],
        Boolean,
        "whether the type is not in the catalogue, so that category, outcome and product are guessed",
    ),
    info(Known::Target, &["target"], Text, "whom or what it was done to"),
    info(Known::Resource, &["resource", "resources"], Text, "the id of any resource that it touches"),
    info(
        Known::Client,
        &["client"],
        Text,
        "what the user agent says talks to Claude, such as `claude-web`, `claude-code` or `anthropic-sdk-python`",
    ),
    info(Known::ClientVersion, &["client_version", "clientVersion"], Text, "its version"),
    info(Known::Browser, &["browser"], Text, "the browser that the user agent names"),
    info(Known::Os, &["os"], Text, "the operating system that the user agent names"),
    info(Known::Device, &["device"], Text, "the device that the user agent names"),
    info(Known::Person, &["person", "personName"], Text, "the actor's name in the directory"),
    info(Known::Department, &["department"], Text, "the actor's department in the directory"),
    info(Known::Manager, &["manager"], Text, "the actor's manager in the directory"),
    info(
        Known::ServiceAccount,
        &["service_account", "isServiceAccount"],
        Boolean,
        "whether the directory says that the actor is a service account",
    ),
    info(
        Known::Identity,
        &["identity"],
        Text,
        "one name for whoever acted: a key under both of its spellings is one, a placeholder is none",
    ),
    info(Known::Country, &["country", "srcASCountryCode"], Text, "the country of the address, two letters"),
    info(Known::City, &["city", "srcCity"], Text, "the city of the address"),
    info(Known::Asn, &["asn", "srcASNumber"], Number, "the number of the network that announces the address"),
    info(Known::AsOrganization, &["as_org", "srcASOrganization"], Text, "who runs that network"),
    info(Known::Isp, &["isp", "srcISP"], Text, "the address's internet provider"),
    info(Known::ConnectionType, &["srcConnectionType"], Text, "how the address is connected"),
    info(Known::IpUserType, &["srcUserType"], Text, "what kind of user the address belongs to"),
    info(Known::Latitude, &["latitude", "srcLatitude"], Number, "where the address is, in degrees north"),
    info(Known::Longitude, &["longitude", "srcLongitude"], Number, "where the address is, in degrees east"),
    info(Known::Tags, &["tags"], Text, "the value of any tag; `tags.NAME` is one tag alone"),
    info(Known::Enrichments, &["enrichments"], Text, "any text of any enrichment: name, provider, type, value, data"),
    info(Known::RawLog, &["rawLog"], Text, "the activity's whole JSON as one text"),
    info(Known::Seq, &["seq"], Number, "the number under which the store committed it"),
    info(Known::Received, &["received", "receivedAt"], Time, "when it was stored"),
    info(Known::RecordId, &["record_id"], Text, "the record's id in this deployment, the column `id`"),
    info(Known::Workspace, &["workspaceID"], Text, "this deployment's workspace"),
    info(Known::Source, &["source", "sourceID"], Text, "the configured source that it came from"),
    info(Known::SourceType, &["source_type", "sourceType"], Text, "the kind of source"),
    info(Known::SourceTtl, &["sourceTTL"], Number, "the source's retention in days"),
    info(
        Known::DstIp,
        &["dstIP"],
        Address,
        "the destination; the feed names none, so always missing, as the next nine",
    ),
    info(Known::DstCountry, &["dstASCountryCode"], Text, "the destination's country"),
    info(Known::DstCity, &["dstCity"], Text, "the destination's city"),
    info(Known::DstAsn, &["dstASNumber"], Number, "the destination's network"),
    info(Known::DstAsOrganization, &["dstASOrganization"], Text, "who runs the destination's network"),
    info(Known::DstIsp, &["dstISP"], Text, "the destination's internet provider"),
    info(Known::DstConnectionType, &["dstConnectionType"], Text, "how the destination is connected"),
    info(Known::DstUserType, &["dstUserType"], Text, "what kind of user the destination belongs to"),
    info(Known::DstLatitude, &["dstLatitude"], Number, "where the destination is, in degrees north"),
    info(Known::DstLongitude, &["dstLongitude"], Number, "where the destination is, in degrees east"),
];

const fn info(field: Known, names: &'static [&'static str], kind: Kind, description: &'static str) -> FieldInfo {
    FieldInfo { field, names, kind, description }
}
