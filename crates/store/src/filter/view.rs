//! One activity as a filter sees it: what stands in it, and what its record adds.

use std::borrow::Cow;

use activity::{
    ACTOR_IDS, Activity, AgentPart, Enrichment, PART_SEPARATOR, PersonPart, PlacePart, Record, identity, record_id,
};

use super::Known;

/// One activity with all that the record adds to it, as a filter sees it.
pub trait View {
    /// The activity itself, for words and paths into the raw log.
    fn activity(&self) -> &Activity<'_>;

    /// Calls `each` with every value of `field`. Numbers are written as in JSON, times as RFC 3339 in UTC, booleans as
    /// `true` and `false`. Empty values count as missing.
    fn values(&self, field: Known, each: &mut dyn FnMut(&str));

    /// The value of one tag.
    fn tag(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// An activity alone: fields that the record adds are missing.
impl View for Activity<'_> {
    fn activity(&self) -> &Activity<'_> {
        self
    }

    fn values(&self, field: Known, each: &mut dyn FnMut(&str)) {
        values_of_activity(self, field, each);
    }

    fn tag(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// An activity with its record and where it came from, of which nothing is known beside itself. What the store adds (seq,
/// received, workspace …) is missing, too.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'r> {
    /// The record.
    pub record: &'r Record<'r>,
    /// The id of its source.
    pub source: &'r str,
}

impl View for RecordView<'_> {
    fn activity(&self) -> &Activity<'_> {
        self.record.activity
    }

    fn values(&self, field: Known, each: &mut dyn FnMut(&str)) {
        let RecordView { record, source } = *self;
        EnrichedView { record, source, enrichment: &Enrichment::default() }.values(field, each);
    }

    fn tag(&self, name: &str) -> Option<Cow<'_, str>> {
        tag_of(self.record, name).map(Cow::Borrowed)
    }
}

/// As [`RecordView`], with what is known of the activity beside itself: country, client, department and the like.
#[derive(Debug, Clone, Copy)]
pub struct EnrichedView<'r> {
    /// The record.
    pub record: &'r Record<'r>,
    /// The id of its source.
    pub source: &'r str,
    /// What enrichment says.
    pub enrichment: &'r Enrichment,
}

impl View for EnrichedView<'_> {
    fn activity(&self) -> &Activity<'_> {
        self.record.activity
    }

    fn values(&self, field: Known, each: &mut dyn FnMut(&str)) {
        let record = self.record;
        if values_of_activity(record.activity, field, each) {
            return;
        }
        let truth = |value: bool| if value { "true" } else { "false" };
        match field {
            Known::Category => each(record.category),
            Known::Outcome => each(record.outcome),
            Known::Product => each(record.product),
            Known::ReadOnly => each(truth(record.read_only)),
            Known::Guessed => each(truth(record.guessed)),
            Known::IpClass => record.ip_class.iter().for_each(|class| each(class.as_str())),
            Known::Target => record.target.iter().for_each(|target| each(target)),
            Known::Resource => record.resources.iter().for_each(|id| each(id)),
            Known::Tags => {
                [record.category, record.outcome, record.product].into_iter().for_each(&mut *each);
                let agent = self.enrichment.agent.as_deref().unwrap_or_default();
                AgentPart::ALL.iter().filter_map(|part| part.of(agent)).for_each(each);
            }
            Known::Enrichments => enrichment_texts(record, self.enrichment, each),
            Known::Identity => identity(record, self.enrichment).iter().for_each(|name| each(name)),
            Known::Source => each(self.source),
            Known::SourceType => each("anthropic-compliance"),
            Known::RecordId => each(&record_id(self.source, &record.activity.id)),
            _ => {
                let part = EnrichmentPart::of_field(field).and_then(|part| part.of(self.enrichment));
                part.into_iter().for_each(each);
            }
        }
    }

    fn tag(&self, name: &str) -> Option<Cow<'_, str>> {
        let agent = || AGENT_TAGS.iter().find(|(tag, _)| *tag == name)?.1.of(self.enrichment.agent.as_deref()?);
        tag_of(self.record, name).or_else(agent).map(Cow::Borrowed)
    }
}

/// The tags that the user agent gives.
pub const AGENT_TAGS: [(&str, AgentPart); AgentPart::COUNT] = [
    ("client", AgentPart::Client),
    ("client_version", AgentPart::ClientVersion),
    ("browser", AgentPart::Browser),
    ("browser_version", AgentPart::BrowserVersion),
    ("os", AgentPart::Os),
    ("os_version", AgentPart::OsVersion),
    ("device", AgentPart::Device),
];

/// Every text of the column `enrichments`.
fn enrichment_texts(record: &Record, enrichment: &Enrichment, each: &mut dyn FnMut(&str)) {
    let actor = |name: &str| record.activity.actor.text(name);
    let other = || Some(&*record.actor_other.iter().find(|(name, _)| name == "unauthenticated_email_address")?.1);
    let mut all = |text: Option<&str>, words: [Option<&str>; 4]| {
        let Some(text) = text else { return };
        words.into_iter().flatten().chain(text.split(PART_SEPARATOR)).for_each(&mut *each);
    };
    // The database stands among the parts of the place.
    let Enrichment { place, agent, person } = enrichment;
    all(place.as_deref(), [Some("geoip"), Some("ip_address"), actor("ip_address"), None]);
    all(agent.as_deref(), [Some("user_agent"), Some("auditlake"), Some("user_agent"), actor("user_agent")]);
    let subject = actor("email_address").or_else(other).or_else(|| actor("user_id"));
    all(person.as_deref(), [Some("directory"), Some("directory"), Some("actor"), subject]);
}

fn tag_of(record: &Record, name: &str) -> Option<&'static str> {
    match name {
        "category" => Some(record.category),
        "outcome" => Some(record.outcome),
        "product" => Some(record.product),
        _ => None,
    }
}

/// The part of an enrichment's text that a field asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrichmentPart {
    /// Of the place.
    Place(PlacePart),
    /// Of the agent.
    Agent(AgentPart),
    /// Of the person.
    Person(PersonPart),
}

impl EnrichmentPart {
    /// The part that a field asks for, if it asks for one.
    pub fn of_field(field: Known) -> Option<EnrichmentPart> {
        use EnrichmentPart::{Agent, Person, Place};
        Some(match field {
            Known::Country => Place(PlacePart::Country),
            Known::City => Place(PlacePart::City),
            Known::Asn => Place(PlacePart::Asn),
            Known::AsOrganization => Place(PlacePart::AsOrganization),
            Known::Isp => Place(PlacePart::Isp),
            Known::ConnectionType => Place(PlacePart::ConnectionType),
            Known::IpUserType => Place(PlacePart::UserType),
            Known::Latitude => Place(PlacePart::Latitude),
            Known::Longitude => Place(PlacePart::Longitude),
            Known::Client => Agent(AgentPart::Client),
            Known::ClientVersion => Agent(AgentPart::ClientVersion),
            Known::Browser => Agent(AgentPart::Browser),
            Known::Os => Agent(AgentPart::Os),
            Known::Device => Agent(AgentPart::Device),
            Known::Person => Person(PersonPart::Name),
            Known::Department => Person(PersonPart::Department),
            Known::Manager => Person(PersonPart::Manager),
            Known::ServiceAccount => Person(PersonPart::ServiceAccount),
            _ => return None,
        })
    }

    /// The part, if it is known.
    pub fn of(self, enrichment: &Enrichment) -> Option<&str> {
        match self {
            EnrichmentPart::Place(part) => part.of(enrichment.place.as_deref()?),
            EnrichmentPart::Agent(part) => part.of(enrichment.agent.as_deref()?),
            EnrichmentPart::Person(part) => part.of(enrichment.person.as_deref()?),
        }
    }
}

/// The members of an actor that [`Known::Actor`] matches, as the record shows them.
pub const ACTOR_MEMBERS: [&str; 10] = [
    "email_address",
    "unauthenticated_email_address",
    "user_id",
    "admin_api_key_id",
    "api_key_id",
    "service_account_id",
    "directory_id",
    "external_client_id",
    "subject",
    "service",
];

/// Calls `each` with the values of a field that stands in the activity itself; `false` if the record adds the field.
///
/// A [`View`] calls this first and answers the rest.
pub fn values_of_activity(activity: &Activity<'_>, field: Known, each: &mut dyn FnMut(&str)) -> bool {
    let actor = &activity.actor;
    let mut members = |names: &[&str]| names.iter().filter_map(|name| actor.text(name)).for_each(&mut *each);
    match field {
        Known::Type => each(&activity.kind),
        Known::Id => each(&activity.id),
        Known::Time => each(&activity.created_at.to_string()),
        Known::Org => {
            [&activity.organization_id, &activity.organization_uuid].into_iter().flatten().for_each(|id| each(id))
        }
        Known::OrganizationId => activity.organization_id.iter().for_each(|id| each(id)),
        Known::OrganizationUuid => activity.organization_uuid.iter().for_each(|id| each(id)),
        Known::Actor => ACTOR_MEMBERS.iter().filter_map(|name| actor.shown(name)).for_each(|name| each(&name)),
        Known::ActorId => ACTOR_IDS.iter().find_map(|name| actor.shown(name)).iter().for_each(|id| each(id)),
        Known::ActorType => members(&["type"]),
        Known::Email => members(&["email_address"]),
        Known::User => members(&["user_id"]),
        Known::Key => members(&["api_key_id", "admin_api_key_id"]),
        Known::ApiKey => members(&["api_key_id"]),
        Known::AdminApiKey => members(&["admin_api_key_id"]),
        Known::Ip => members(&["ip_address"]),
        Known::UserAgent => members(&["user_agent"]),
        Known::RawLog => each(activity.raw),
        _ => return false,
    }
    true
}
