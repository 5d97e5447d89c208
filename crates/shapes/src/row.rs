//! A record as every shape takes it: everything that is known of an activity, borrowed.

use std::borrow::Cow;

use activity::{AddressClass, Record};

/// One record. Times are microseconds since 1970, UTC.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row<'a> {
    /// The number of the commit that stored it.
    pub seq: Option<u64>,
    /// When it was stored.
    pub received_at: Option<i64>,
    /// The deployment's workspace.
    pub workspace: &'a str,
    /// The configured source's id.
    pub source: &'a str,
    /// The retention of the source, in days.
    pub source_ttl: u32,
    /// `created_at`
    pub time: i64,
    /// `type`
    pub name: &'a str,
    /// `id`
    pub id: &'a str,
    /// `organization_id`
    pub organization_id: Option<&'a str>,
    /// `organization_uuid`
    pub organization_uuid: Option<&'a str>,
    /// `actor.type`
    pub actor_type: Option<&'a str>,
    /// `actor.email_address`
    pub actor_email: Option<&'a str>,
    /// `actor.user_id`
    pub actor_user_id: Option<&'a str>,
    /// `actor.ip_address` as it was written
    pub actor_ip: Option<&'a str>,
    /// `actor.user_agent`
    pub actor_user_agent: Option<&'a str>,
    /// `actor.api_key_id`
    pub actor_api_key_id: Option<&'a str>,
    /// `actor.admin_api_key_id`
    pub actor_admin_api_key_id: Option<&'a str>,
    /// The other members of the actor, flattened.
    pub actor_other: Vec<(&'a str, &'a str)>,
    /// The address, where it is a real one.
    pub source_ip: Option<&'a str>,
    /// The category in the catalogue.
    pub category: &'a str,
    /// `success`, `failure`, `attempt`, `unknown`
    pub outcome: &'a str,
    /// The product surface.
    pub product: &'a str,
    /// Whether the activity changed nothing.
    pub read_only: bool,
    /// Whether the type is unknown, so that category, outcome and surface are guesses.
    pub guessed: bool,
    /// Whether the activity is a read of the feed by this program itself.
    pub own_read: bool,
    /// Whom or what the action was done to.
    pub target: Option<&'a str>,
    /// The ids of everything that was touched.
    pub resources: Vec<&'a str>,
    /// Where the address is.
    pub place: Place<'a>,
    /// What the user agent stands for.
    pub agent: Agent<'a>,
    /// Whom the actor is in the directory.
    pub person: Person<'a>,
    /// The activity as it was received.
    pub raw: &'a str,
}

/// Where an address is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Place<'a> {
    pub country: Option<&'a str>,
    pub as_number: Option<u32>,
    pub as_organization: Option<&'a str>,
    pub city: Option<&'a str>,
    pub connection_type: Option<&'a str>,
    pub isp: Option<&'a str>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub user_type: Option<&'a str>,
    /// The databases that said so.
    pub database: Option<&'a str>,
    /// All of it as it is stored, its parts parted.
    pub text: Option<&'a str>,
}

/// What a user agent stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Agent<'a> {
    pub client: Option<&'a str>,
    pub client_version: Option<&'a str>,
    pub browser: Option<&'a str>,
    pub browser_version: Option<&'a str>,
    pub os: Option<&'a str>,
    pub os_version: Option<&'a str>,
    pub device: Option<&'a str>,
}

/// Whom an actor is in the operator's directory.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Person<'a> {
    pub user_id: Option<&'a str>,
    pub name: Option<&'a str>,
    pub department: Option<&'a str>,
    pub manager: Option<&'a str>,
    pub is_service_account: Option<bool>,
}

/// What parts the parts of a stored place, agent or person.
const PART_SEPARATOR: char = '\u{1f}';

fn parts<const N: usize>(text: &str) -> [Option<&str>; N] {
    let mut parts = text.split(PART_SEPARATOR);
    std::array::from_fn(|_| parts.next().filter(|part| !part.is_empty()))
}

impl<'a> Place<'a> {
    /// The place as it is stored: country, AS number, AS organization, city, connection type, ISP, latitude, longitude,
    /// user type, databases, parted by U+001F.
    pub fn of(text: Option<&'a str>) -> Place<'a> {
        let Some(text) = text else { return Place::default() };
        let [country, number, organization, city, connection, isp, latitude, longitude, user, database] = parts(text);
        Place {
            country,
            as_number: number.and_then(|number| number.parse().ok()),
            as_organization: organization,
            city,
            connection_type: connection,
            isp,
            latitude: degrees(latitude),
            longitude: degrees(longitude),
            user_type: user,
            database,
            text: Some(text),
        }
    }
}

/// JSON has no number for what is not finite.
fn degrees(text: Option<&str>) -> Option<f64> {
    text?.parse().ok().filter(|degrees: &f64| degrees.is_finite())
}

impl<'a> Agent<'a> {
    /// The agent as it is stored: client, its version, browser, its version, system, its version, device.
    pub fn of(text: Option<&'a str>) -> Agent<'a> {
        let Some(text) = text else { return Agent::default() };
        let [client, client_version, browser, browser_version, os, os_version, device] = parts(text);
        Agent { client, client_version, browser, browser_version, os, os_version, device }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Agent::default()
    }

    /// Names and values of what is known.
    pub(crate) fn named(&self) -> [(&'static str, Option<&'a str>); 7] {
        [
            ("client", self.client),
            ("client_version", self.client_version),
            ("browser", self.browser),
            ("browser_version", self.browser_version),
            ("os", self.os),
            ("os_version", self.os_version),
            ("device", self.device),
        ]
    }
}

impl<'a> Person<'a> {
    /// The person as it is stored: user id, name, department, manager, whether a service account.
    pub fn of(text: Option<&'a str>) -> Person<'a> {
        let Some(text) = text else { return Person::default() };
        let [user_id, name, department, manager, service] = parts(text);
        Person { user_id, name, department, manager, is_service_account: service.map(|text| text == "true") }
    }
}

/// Where a record that has just been parsed comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The deployment's workspace.
    pub workspace: &'a str,
    /// The configured source's id.
    pub source: &'a str,
    /// The retention of the source, in days.
    pub source_ttl: u32,
    /// When it was stored, in microseconds since 1970.
    pub received_at: Option<i64>,
    /// The number of the commit.
    pub seq: Option<u64>,
    /// Whether the activity is a read of the feed by this program itself.
    pub own_read: bool,
}

/// What enrichment says of a record, each as it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// See [`Place::of`].
    pub place: Option<&'a str>,
    /// See [`Agent::of`].
    pub agent: Option<&'a str>,
    /// See [`Person::of`].
    pub person: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// A record that has just been parsed, with what is known of it.
    pub fn of(record: &'a Record<'a>, origin: Origin<'a>, known: Known<'a>) -> Row<'a> {
        let activity = record.activity;
        let actor = |name| activity.actor.text(name);
        let is_real = !matches!(record.ip_class, None | Some(AddressClass::Placeholder) | Some(AddressClass::Invalid));
        Row {
            seq: origin.seq,
            received_at: origin.received_at,
            workspace: origin.workspace,
            source: origin.source,
            source_ttl: origin.source_ttl,
            time: activity.created_at.as_microsecond(),
            name: &activity.kind,
            id: &activity.id,
            organization_id: activity.organization_id.as_deref(),
            organization_uuid: activity.organization_uuid.as_deref(),
            actor_type: actor("type"),
            actor_email: actor("email_address"),
            actor_user_id: actor("user_id"),
            actor_ip: actor("ip_address"),
            actor_user_agent: actor("user_agent"),
            actor_api_key_id: actor("api_key_id"),
            actor_admin_api_key_id: actor("admin_api_key_id"),
            actor_other: record.actor_other.iter().map(|(name, value)| (&**name, &**value)).collect(),
            source_ip: if is_real { actor("ip_address") } else { None },
            category: record.category,
            outcome: record.outcome,
            product: record.product,
            read_only: record.read_only,
            guessed: record.guessed,
            own_read: origin.own_read,
            target: record.target.as_deref(),
            resources: record.resources.iter().map(Cow::as_ref).collect(),
            place: Place::of(known.place),
            agent: Agent::of(known.agent),
            person: Person::of(known.person),
            raw: activity.raw,
        }
    }

    /// A member of the actor that has no field of its own.
    pub(crate) fn other(&self, name: &str) -> Option<&'a str> {
        self.actor_other.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// The id that stands for the actor, whichever kind of id it has.
    pub(crate) fn actor_id(&self) -> Option<&'a str> {
        self.actor_user_id.or(self.actor_admin_api_key_id).or(self.actor_api_key_id).or_else(|| {
            ["service_account_id", "directory_id", "external_client_id", "subject", "service"]
                .into_iter()
                .find_map(|name| self.other(name))
        })
    }

    /// The key that the actor used.
    pub(crate) fn actor_key(&self) -> Option<&'a str> {
        self.actor_admin_api_key_id.or(self.actor_api_key_id)
    }

    /// The actor's e-mail address, proved or only claimed.
    pub(crate) fn any_email(&self) -> Option<&'a str> {
        self.actor_email.or_else(|| self.other("unauthenticated_email_address"))
    }

    /// What names the actor best.
    pub(crate) fn actor_name(&self) -> Option<&'a str> {
        self.any_email().or_else(|| self.actor_id()).or(self.actor_type)
    }

    /// The address, if it is one by its form, too.
    pub(crate) fn ip(&self) -> Option<&'a str> {
        self.source_ip.filter(|text| text.len() <= 40 && text.parse::<std::net::IpAddr>().is_ok())
    }
}
