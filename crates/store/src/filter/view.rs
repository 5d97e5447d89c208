//! One activity as a filter sees it: what stands in it, and what its record adds.

use std::borrow::Cow;

use activity::{Activity, Record, record_id};

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

/// An activity with its record and where it came from. What enrichment and the store add (country, browser, seq, received,
/// workspace …) is missing.
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
            Known::Tags => [record.category, record.outcome, record.product].into_iter().for_each(each),
            Known::Source => each(self.source),
            Known::SourceType => each("anthropic-compliance"),
            Known::RecordId => each(&record_id(self.source, &record.activity.id)),
            _ => {}
        }
    }

    fn tag(&self, name: &str) -> Option<Cow<'_, str>> {
        let record = self.record;
        match name {
            "category" => Some(record.category.into()),
            "outcome" => Some(record.outcome.into()),
            "product" => Some(record.product.into()),
            _ => None,
        }
    }
}

/// The members of an actor that [`Known::Actor`] matches.
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
        Known::Actor => members(&ACTOR_MEMBERS),
        Known::ActorId => actor.id().into_iter().for_each(each),
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
