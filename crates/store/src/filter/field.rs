//! What a filter can ask about: fields with a name of their own, tags, and every path into the raw log.

use super::known;

/// A field of an activity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// A field of the record that [`super::fields`] lists.
    Known(Known),
    /// One entry of the record's `tags`.
    Tag(String),
    /// A path into the activity's JSON: the keys from the outside to the inside, never empty. Lists on the way and at the
    /// end are walked, each element for itself.
    Raw(Vec<String>),
}

impl From<Known> for Field {
    fn from(known: Known) -> Field {
        Field::Known(known)
    }
}

/// The fields that have a name of their own. [`Known::info`] says what each one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "known.rs describes each of them once, for people and for this")]
pub enum Known {
    Type,
    Id,
    Time,
    Org,
    OrganizationId,
    OrganizationUuid,
    Actor,
    ActorId,
    ActorType,
    Email,
    User,
    Key,
    ApiKey,
    AdminApiKey,
    Ip,
    IpClass,
    UserAgent,
    Category,
    Outcome,
    Product,
    ReadOnly,
    Guessed,
    Target,
    Resource,
    Client,
    ClientVersion,
    Browser,
    Os,
    Device,
    Person,
    Department,
    Manager,
    ServiceAccount,
    Identity,
    Country,
    City,
    Asn,
    AsOrganization,
    Isp,
    ConnectionType,
    IpUserType,
    Latitude,
    Longitude,
    Tags,
    Enrichments,
    RawLog,
    Seq,
    Received,
    RecordId,
    Workspace,
    Source,
    SourceType,
    SourceTtl,
    DstIp,
    DstCountry,
    DstCity,
    DstAsn,
    DstAsOrganization,
    DstIsp,
    DstConnectionType,
    DstUserType,
    DstLatitude,
    DstLongitude,
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Any text. No order.
    Text,
    /// An IP address as it was written, so perhaps none. No order.
    Address,
    /// A number.
    Number,
    /// A point in time.
    Time,
    /// `true` or `false`.
    Boolean,
}

/// What is to be known of a field, for completion and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// The field.
    pub field: Known,
    /// Its names, the one that is rendered first.
    pub names: &'static [&'static str],
    /// What its values are.
    pub kind: Kind,
    /// What it holds.
    pub description: &'static str,
}

impl Known {
    /// What is to be known of the field.
    pub fn info(self) -> &'static FieldInfo {
        &known::FIELDS[self as usize]
    }

    /// The name that is rendered.
    pub fn name(self) -> &'static str {
        self.info().names[0]
    }

    /// What its values are.
    pub fn kind(self) -> Kind {
        self.info().kind
    }

    /// The field of this name, upper and lower case told apart.
    pub fn by_name(name: &str) -> Option<Known> {
        known::FIELDS.iter().find(|info| info.names.contains(&name)).map(|info| info.field)
    }

    /// The name that differs from `name` in upper and lower case only.
    pub(super) fn by_name_ignoring_case(name: &str) -> Option<&'static str> {
        known::FIELDS.iter().flat_map(|info| info.names).copied().find(|known| known.eq_ignore_ascii_case(name))
    }
}

impl Kind {
    /// The name in the reference.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Address => "address",
            Kind::Number => "number",
            Kind::Time => "time",
            Kind::Boolean => "boolean",
        }
    }
}
