//! An activity as rules see it: its own fields by path, and beside them what is derived from it and what enrichment says.

use std::{borrow::Cow, cell::OnceCell, net::IpAddr};

use activity::{
    Activity, AddressClass,
    classify::{Classification, classify},
    value::{Fields, Value},
};
use jiff::tz::TimeZone;
use rsigma_eval::{Event, EventValue};

/// What enrichment says of an activity: texts of parts with U+001F between them, as they are stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Enrichment<'a> {
    /// Country, AS number, AS organisation, city, connection type, ISP, latitude, longitude, user type.
    pub place: Option<&'a str>,
    /// Client, its version, browser, its version, system, its version, device.
    pub agent: Option<&'a str>,
    /// User id, name, department, manager, whether it is a service account.
    pub person: Option<&'a str>,
}

/// The parts of `place`, in their order.
pub(crate) const PLACE: [&str; 9] =
    ["country", "asn", "as_organization", "city", "connection_type", "isp", "latitude", "longitude", "user_type"];
/// The parts of `agent`.
pub(crate) const AGENT: [&str; 7] = ["name", "version", "browser", "browser_version", "os", "os_version", "device"];
/// The parts of `person`.
pub(crate) const PERSON: [&str; 5] = ["id", "name", "department", "manager", "service_account"];

impl<'a> Enrichment<'a> {
    fn part(text: Option<&'a str>, names: &[&str], name: &str) -> Option<&'a str> {
        let at = names.iter().position(|known| *known == name)?;
        text?.split('\u{1f}').nth(at).filter(|part| !part.is_empty())
    }
}

/// An activity as rules see it.
pub struct Seen<'a> {
    /// The activity.
    pub activity: &'a Activity<'a>,
    /// What enrichment says of it.
    pub enrichment: Enrichment<'a>,
    class: OnceCell<Classification<'a>>,
}

impl<'a> Seen<'a> {
    /// An activity with what enrichment says of it.
    pub fn new(activity: &'a Activity<'a>, enrichment: Enrichment<'a>) -> Self {
        Seen { activity, enrichment, class: OnceCell::new() }
    }

    fn class(&self) -> &Classification<'a> {
        self.class.get_or_init(|| classify(&self.activity.kind, &self.activity.fields))
    }

    /// Who did it, in one text; see docs/rules.md.
    pub fn identity(&self) -> Option<Cow<'_, str>> {
        let actor = &self.activity.actor;
        let email = actor.text("email_address").or_else(|| actor.text("unauthenticated_email_address"));
        match email.filter(|email| !email.is_empty()) {
            Some(email) if email.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) => {
                Some(Cow::Owned(email.to_lowercase()))
            }
            Some(email) => Some(Cow::Borrowed(email)),
            None => actor.id().map(Cow::Borrowed),
        }
    }

    /// The texts of a field: one for a scalar, several for a list.
    pub(crate) fn text(&self, path: &str) -> Option<Cow<'_, str>> {
        match self.get_field(path)? {
            EventValue::Str(text) => Some(text),
            EventValue::Null => None,
            EventValue::Array(items) => {
                let texts: Vec<Cow<str>> = items.iter().filter_map(EventValue::as_str).collect();
                (!texts.is_empty()).then(|| Cow::Owned(texts.join(", ")))
            }
            EventValue::Map(_) => None,
            scalar => scalar.as_str().map(|text| Cow::Owned(text.into_owned())),
        }
    }

    fn derived(&self, room: &str, name: &str) -> Option<EventValue<'_>> {
        let text = |text: &'a str| EventValue::Str(Cow::Borrowed(text));
        match room {
            "activity" => match name {
                "category" => Some(EventValue::Str(Cow::Borrowed(self.class().category))),
                "outcome" => Some(EventValue::Str(Cow::Borrowed(self.class().outcome.as_str()))),
                "product" => Some(EventValue::Str(Cow::Borrowed(self.class().surface))),
                "read_only" => Some(EventValue::Bool(self.class().read_only)),
                "known" => Some(EventValue::Bool(!self.class().guessed)),
                "target" => self
                    .class()
                    .target(&self.activity.fields)
                    .map(|target| EventValue::Str(Cow::Owned(target.into_owned()))),
                "hour" => Some(EventValue::Int(self.local().hour().into())),
                "weekday" => Some(EventValue::Int(self.local().weekday().to_monday_one_offset().into())),
                _ => None,
            },
            "src" => match name {
                "ip" => self.activity.actor.text("ip_address").map(|ip| EventValue::Str(Cow::Borrowed(ip))),
                "class" => {
                    let ip = self.activity.actor.text("ip_address")?;
                    Some(EventValue::Str(Cow::Borrowed(AddressClass::of(ip).as_str())))
                }
                "network" => self.network().map(|network| EventValue::Str(Cow::Owned(network))),
                "asn" | "latitude" | "longitude" => {
                    let part = Enrichment::part(self.enrichment.place, &PLACE, name)?;
                    Some(match part.parse::<i64>() {
                        Ok(number) => EventValue::Int(number),
                        Err(_) => part.parse().map_or(text(part), EventValue::Float),
                    })
                }
                name => Enrichment::part(self.enrichment.place, &PLACE, name).map(text),
            },
            "client" => Enrichment::part(self.enrichment.agent, &AGENT, name).map(text),
            "person" => match (name, Enrichment::part(self.enrichment.person, &PERSON, name)?) {
                ("service_account", part) => Some(EventValue::Bool(part == "true")),
                (_, part) => Some(text(part)),
            },
            _ => None,
        }
    }

    fn local(&self) -> jiff::Zoned {
        self.activity.created_at.to_zoned(TimeZone::UTC)
    }

    /// Where it came from as a place without databases: the AS number, else the address's network.
    fn network(&self) -> Option<String> {
        if let Some(asn) = Enrichment::part(self.enrichment.place, &PLACE, "asn") {
            return Some(format!("AS{asn}"));
        }
        match self.activity.actor.text("ip_address")?.parse::<IpAddr>().ok()? {
            IpAddr::V4(ip) if !ip.is_unspecified() => {
                let [a, b, c, _] = ip.octets();
                Some(format!("{a}.{b}.{c}.0/24"))
            }
            IpAddr::V6(ip) if !ip.is_unspecified() => {
                let [a, b, c, ..] = ip.segments();
                Some(format!("{a:x}:{b:x}:{c:x}::/48"))
            }
            _ => None,
        }
    }

    /// Degrees north and east.
    pub(crate) fn position(&self) -> Option<(f64, f64)> {
        let part = |name| Enrichment::part(self.enrichment.place, &PLACE, name)?.parse::<f64>().ok();
        Some((part("latitude")?, part("longitude")?))
    }
}

/// The names in front of what is no field of the feed.
pub(crate) const ROOMS: [&str; 4] = ["activity", "src", "client", "person"];

impl Event for Seen<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let activity = self.activity;
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        let text = |text| EventValue::Str(Cow::Borrowed(text));
        match (head, rest) {
            ("type", "") => Some(text(&activity.kind)),
            ("id", "") => Some(text(&activity.id)),
            ("created_at", "") => Some(text(&activity.created_at_text)),
            ("organization_id", "") => activity.organization_id.as_deref().map(text),
            ("organization_uuid", "") => activity.organization_uuid.as_deref().map(text),
            ("actor", "identity") => self.identity().map(EventValue::Str),
            ("actor", "") => None,
            ("actor", rest) => at(&activity.actor.fields, rest),
            (room, name) if ROOMS.contains(&room) && !name.is_empty() => self.derived(room, name),
            _ => at(&activity.fields, path),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        let mut found = false;
        self.visit_string_values(&mut |text| found = found || pred(text));
        found
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let mut list = vec![Cow::Borrowed(self.activity.kind.as_ref()), Cow::Borrowed(self.activity.id.as_ref())];
        let fields = [&self.activity.actor.fields, &self.activity.fields];
        fields.into_iter().flatten().for_each(|(_, value)| strings(value, &mut list));
        list
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::from_str(self.activity.raw).unwrap_or_default()
    }
}

fn strings<'v>(value: &'v Value, list: &mut Vec<Cow<'v, str>>) {
    match value {
        Value::String(text) => list.push(Cow::Borrowed(text)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, list)),
        Value::Object(fields) => fields.iter().for_each(|(_, value)| strings(value, list)),
        _ => {}
    }
}

/// The value at a path. Lists on the way stand for each of their elements.
fn at<'v>(fields: &'v Fields, path: &str) -> Option<EventValue<'v>> {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let (_, value) = fields.iter().find(|(name, _)| name == key)?;
    if rest.is_empty() {
        return Some(shown(value));
    }
    let mut found = Vec::new();
    below(value, rest, &mut found);
    match found.len() {
        0 => None,
        1 => found.pop(),
        _ => Some(EventValue::Array(found)),
    }
}

fn below<'v>(value: &'v Value, path: &str, found: &mut Vec<EventValue<'v>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| below(item, path, found)),
        Value::Object(fields) => found.extend(at(fields, path)),
        _ => {}
    }
}

fn shown<'v>(value: &'v Value) -> EventValue<'v> {
    match value {
        Value::Null => EventValue::Null,
        Value::Bool(value) => EventValue::Bool(*value),
        Value::Integer(value) => EventValue::Int(*value),
        Value::Unsigned(value) => EventValue::Float(*value as f64),
        Value::Float(value) => EventValue::Float(*value),
        Value::String(text) => EventValue::Str(Cow::Borrowed(text)),
        Value::Array(items) => EventValue::Array(items.iter().map(shown).collect()),
        Value::Object(fields) => {
            EventValue::Map(fields.iter().map(|(name, value)| (Cow::Borrowed(name.as_ref()), shown(value))).collect())
        }
    }
}
