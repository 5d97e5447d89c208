//! The 46 columns of the unified record as an answer, made of what an engine stores: what its view `anthropic_logs` says, to the byte.
//!
//! To plan the view's expressions takes an engine tens of milliseconds, longer than to find and read a page; and of each row it
//! makes the maps piece by piece. So a page asks for the stored columns, and the record is made of the answer.

use std::sync::{Arc, LazyLock};

use activity::{PART_SEPARATOR, PersonPart, PlacePart};
use arrow::{
    array::{
        Array, ArrayBuilder as _, ArrayRef, AsArray, BooleanArray, Float64Array, ListArray, MapArray, RecordBatch,
        StringArray, StringBuilder, StructArray, UInt32Array, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};

use crate::{filter::AGENT_TAGS, schema::RESOURCE_SEPARATOR};

/// What stands in the data of an entry of `enrichments` about a place.
pub const PLACE_DATA: [(&str, PlacePart); 9] = [
    ("country_code", PlacePart::Country),
    ("as_number", PlacePart::Asn),
    ("as_organization", PlacePart::AsOrganization),
    ("city", PlacePart::City),
    ("connection_type", PlacePart::ConnectionType),
    ("isp", PlacePart::Isp),
    ("latitude", PlacePart::Latitude),
    ("longitude", PlacePart::Longitude),
    ("user_type", PlacePart::UserType),
];
/// And about a person.
pub const PERSON_DATA: [(&str, PersonPart); 5] = [
    ("user_id", PersonPart::UserId),
    ("name", PersonPart::Name),
    ("department", PersonPart::Department),
    ("manager", PersonPart::Manager),
    ("service_account", PersonPart::ServiceAccount),
];

/// The schema of the record as the view gives it.
pub static RECORD: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name: &str, kind: &DataType| Field::new(name, kind.clone(), true);
    let (text, time) = (DataType::Utf8, DataType::Timestamp(TimeUnit::Microsecond, None));
    let map = map_type();
    let mut fields = vec![
        field("workspaceID", &text),
        field("sourceID", &text),
        field("sourceType", &text),
        field("sourceTTL", &DataType::UInt32),
        field("receivedAt", &time),
        field("id", &text),
        field("eventTime", &time),
        field("eventName", &text),
        field("eventID", &text),
        field("srcIP", &text),
    ];
    for end in ["src", "dst"] {
        let own = |name: &str, kind: &DataType| Field::new(format!("{end}{name}"), kind.clone(), true);
        let ip = (end == "dst").then(|| own("IP", &text));
        fields.extend(ip);
        fields.extend([
            own("ASCountryCode", &text),
            own("ASNumber", &DataType::UInt32),
            own("ASOrganization", &text),
            own("City", &text),
            own("ConnectionType", &text),
            own("ISP", &text),
            own("Latitude", &DataType::Float64),
            own("Longitude", &DataType::Float64),
            own("UserType", &text),
        ]);
    }
    fields.extend([
        field("actor", &map),
        field("tags", &map),
        field("resources", &DataType::List(item(text.clone()))),
        field("serviceName", &text),
        field("enrichments", &DataType::List(item(DataType::Struct(entry_fields())))),
        field("readOnly", &DataType::Boolean),
        field("rawLog", &text),
    ]);
    let names = [
        "activityID",
        "activityType",
        "organizationID",
        "actorType",
        "actorEmail",
        "actorUserID",
        "actorIPAddress",
        "actorUserAgent",
        "actorAPIKeyID",
        "actorAdminAPIKeyID",
    ];
    fields.extend(names.map(|name| field(name, &text)));
    Arc::new(Schema::new(fields))
});

fn item(kind: DataType) -> FieldRef {
    Arc::new(Field::new("l", kind, true))
}

fn map_type() -> DataType {
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(pair_fields()), false)), false)
}

fn pair_fields() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)])
}

fn entry_fields() -> Fields {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![Field::new("data", map_type(), true)];
    fields.extend(["name", "provider", "type", "value"].map(text));
    Fields::from(fields)
}

/// Makes the record of a batch with the columns of table `activity` that it is made of, whose order is of no matter: `workspace_id`,
/// `source_id`, `source_ttl`, `received_at`, `event_time`, `event_name`, `event_id`, `organization_id`, those of the actor, `ip_class`,
/// `category`, `outcome`, `product`, `read_only`, `own_read`, `resource_ids` (one text, parted by [`RESOURCE_SEPARATOR`]), `place`, `agent`,
/// `person`; and `raw_log`, whole.
///
/// # Errors
/// A batch with other columns.
pub fn record(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let column = |name: &str| -> Result<&ArrayRef, ArrowError> {
        batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))
    };
    let texts = |name: &str| -> Result<Texts<'_>, ArrowError> {
        let array = column(name)?.as_string_opt();
        array.map(Texts).ok_or_else(|| ArrowError::SchemaError(format!("column {name} holds no texts")))
    };
    let row = Row {
        actor: [
            texts("actor_type")?,
            texts("actor_email")?,
            texts("actor_ip")?,
            texts("actor_user_id")?,
            texts("actor_user_agent")?,
            texts("actor_api_key_id")?,
            texts("actor_admin_api_key_id")?,
        ],
        other: column("actor_other")?
            .as_map_opt()
            .ok_or_else(|| ArrowError::SchemaError("actor_other is no map".to_owned()))?,
        plain: [texts("category")?, texts("outcome")?, texts("product")?],
        own_read: column("own_read")?
            .as_boolean_opt()
            .ok_or_else(|| ArrowError::SchemaError("own_read is no truth".to_owned()))?,
        place: texts("place")?,
        agent: texts("agent")?,
        person: texts("person")?,
    };
    let (sources, ids, classes) = (texts("source_id")?, texts("event_id")?, texts("ip_class")?);
    let (resources, addresses) = (texts("resource_ids")?, texts("actor_ip")?);

    let mut record_ids = Vec::with_capacity(rows);
    let (mut actors, mut tags, mut lists) = (Maps::default(), Maps::default(), Entries::default());
    for at in 0..rows {
        let id = ids.get(at).unwrap_or_default();
        record_ids.push(sources.get(at).map(|source| format!("{source}:{id}")));
        row.actor(at, &mut actors);
        row.tags(at, &mut tags);
        row.enrichments(at, &mut lists);
    }
    let src_ip: StringArray =
        (0..rows).map(|at| addresses.get(at).filter(|_| classes.get(at).is_some_and(is_address))).collect();
    let nothing = |kind: &DataType| new_null_array(kind, rows);
    let (none, no_number, no_fraction) =
        (nothing(&DataType::Utf8), nothing(&DataType::UInt32), nothing(&DataType::Float64));
    let part = |wanted: PlacePart| -> ArrayRef {
        Arc::new((0..rows).map(|at| row.place.part(at, wanted as usize)).collect::<StringArray>())
    };
    let fraction = |wanted: PlacePart| -> ArrayRef {
        let numbers = (0..rows).map(|at| row.place.part(at, wanted as usize)?.parse().ok());
        Arc::new(numbers.collect::<Float64Array>())
    };
    let numbers = (0..rows).map(|at| row.place.part(at, PlacePart::Asn as usize)?.parse().ok());
    let asn: ArrayRef = Arc::new(numbers.collect::<UInt32Array>());
    let kept = |name: &str| column(name).cloned();
    let columns = vec![
        kept("workspace_id")?,
        kept("source_id")?,
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n("anthropic-compliance", rows))),
        kept("source_ttl")?,
        kept("received_at")?,
        Arc::new(StringArray::from_iter(record_ids)),
        kept("event_time")?,
        kept("event_name")?,
        kept("event_id")?,
        Arc::new(src_ip),
        part(PlacePart::Country),
        asn,
        part(PlacePart::AsOrganization),
        part(PlacePart::City),
        part(PlacePart::ConnectionType),
        part(PlacePart::Isp),
        fraction(PlacePart::Latitude),
        fraction(PlacePart::Longitude),
        part(PlacePart::UserType),
        none.clone(),
        none.clone(),
        no_number,
        none.clone(),
        none.clone(),
        none.clone(),
        none.clone(),
        no_fraction.clone(),
        no_fraction,
        none,
        Arc::new(actors.finish()),
        Arc::new(tags.finish()),
        Arc::new(split(&resources, rows)),
        kept("product")?,
        Arc::new(lists.finish()),
        kept("read_only")?,
        kept("raw_log")?,
        kept("event_id")?,
        kept("event_name")?,
        kept("organization_id")?,
        kept("actor_type")?,
        kept("actor_email")?,
        kept("actor_user_id")?,
        kept("actor_ip")?,
        kept("actor_user_agent")?,
        kept("actor_api_key_id")?,
        kept("actor_admin_api_key_id")?,
    ];
    RecordBatch::try_new(RECORD.clone(), columns)
}

fn is_address(class: &str) -> bool {
    !matches!(class, "placeholder" | "invalid")
}

/// A column of texts.
#[derive(Clone, Copy)]
struct Texts<'a>(&'a StringArray);

impl<'a> Texts<'a> {
    fn get(self, at: usize) -> Option<&'a str> {
        self.0.is_valid(at).then(|| self.0.value(at))
    }

    /// One of the parts of a text; the empty one is none.
    fn part(self, at: usize, part: usize) -> Option<&'a str> {
        self.get(at)?.split(PART_SEPARATOR).nth(part).filter(|part| !part.is_empty())
    }
}

/// The columns that maps are made of.
struct Row<'a> {
    /// Kind, e-mail address, IP address, user id, user agent, API key, Admin API key.
    actor: [Texts<'a>; 7],
    other: &'a MapArray,
    plain: [Texts<'a>; 3],
    own_read: &'a BooleanArray,
    place: Texts<'a>,
    agent: Texts<'a>,
    person: Texts<'a>,
}

impl<'a> Row<'a> {
    /// The members of the actor that have no column.
    fn others(&self, at: usize) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone {
        let offsets = self.other.value_offsets();
        let range = match self.other.is_valid(at) {
            true => offsets[at] as usize..offsets[at + 1] as usize,
            false => 0..0,
        };
        let (keys, values) = (Texts(self.other.keys().as_string()), Texts(self.other.values().as_string()));
        range.map(move |at| (keys.get(at).unwrap_or_default(), values.get(at)))
    }

    fn other(&self, at: usize, name: &str) -> Option<&'a str> {
        self.others(at).find(|(key, _)| *key == name)?.1
    }

    fn actor(&self, at: usize, maps: &mut Maps) {
        let [kind, email, ip, user, agent, key, admin_key] = self.actor.map(|column| column.get(at));
        if kind.is_none() && !self.other.is_valid(at) {
            return maps.skip();
        }
        let other = |name| self.other(at, name);
        let id = user.or(admin_key).or(key).or_else(|| {
            let ids = ["service_account_id", "directory_id", "external_client_id", "subject", "service"];
            ids.into_iter().find_map(other)
        });
        for (name, value) in [
            ("type", kind),
            ("id", id),
            ("email", email),
            ("ip", ip),
            ("email_address", email),
            ("user_id", user),
            ("ip_address", ip),
            ("user_agent", agent),
            ("api_key_id", key),
            ("admin_api_key_id", admin_key),
        ] {
            maps.put(name, value);
        }
        let others = self.others(at).filter(|(name, _)| !matches!(*name, "id" | "email" | "ip"));
        others.for_each(|(name, value)| maps.put_any(name, value));
        maps.end();
    }

    fn tags(&self, at: usize, maps: &mut Maps) {
        for (name, column) in ["category", "outcome", "product"].into_iter().zip(&self.plain) {
            maps.put_any(name, column.get(at));
        }
        if self.own_read.is_valid(at) && self.own_read.value(at) {
            maps.put("own_read", Some("true"));
        }
        self.agent_data(at, maps);
        maps.end();
    }

    fn agent_data(&self, at: usize, maps: &mut Maps) {
        AGENT_TAGS.into_iter().for_each(|(name, wanted)| maps.put(name, self.agent.part(at, wanted as usize)));
    }

    fn enrichments(&self, at: usize, lists: &mut Entries) {
        let [place, agent, person] = [self.place, self.agent, self.person].map(|column| column.get(at).is_some());
        if !place && !agent && !person {
            return lists.end(false);
        }
        let [_, email, ip, user, user_agent, ..] = self.actor.map(|column| column.get(at));
        if place {
            let data = |(name, wanted): (&'static str, PlacePart)| (name, self.place.part(at, wanted as usize));
            PLACE_DATA.map(data).into_iter().for_each(|(name, value)| lists.data.put(name, value));
            lists.put(["geoip", "ip_address"], self.place.part(at, PlacePart::Database as usize), ip);
        }
        if agent {
            self.agent_data(at, &mut lists.data);
            lists.put(["user_agent", "user_agent"], Some("auditlake"), user_agent);
        }
        if person {
            let data = |(name, wanted): (&'static str, PersonPart)| (name, self.person.part(at, wanted as usize));
            PERSON_DATA.map(data).into_iter().for_each(|(name, value)| lists.data.put(name, value));
            let subject = email.or_else(|| self.other(at, "unauthenticated_email_address")).or(user);
            lists.put(["directory", "actor"], Some("directory"), subject);
        }
        lists.end(true);
    }
}

/// Maps under way.
struct Maps {
    keys: StringBuilder,
    values: StringBuilder,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Default for Maps {
    fn default() -> Maps {
        Maps { keys: StringBuilder::new(), values: StringBuilder::new(), ends: vec![0], valid: Vec::new() }
    }
}

impl Maps {
    /// Adds an entry, unless it has no value.
    fn put(&mut self, name: &str, value: Option<&str>) {
        if value.is_some() {
            self.put_any(name, value);
        }
    }

    fn put_any(&mut self, name: &str, value: Option<&str>) {
        self.keys.append_value(name);
        self.values.append_option(value);
    }

    /// Ends a map.
    fn end(&mut self) {
        self.ends.push(length(&self.keys));
        self.valid.push(true);
    }

    /// No map at all.
    fn skip(&mut self) {
        self.ends.push(length(&self.keys));
        self.valid.push(false);
    }

    fn finish(mut self) -> MapArray {
        let pairs: Vec<ArrayRef> = vec![Arc::new(self.keys.finish()), Arc::new(self.values.finish())];
        let entries = Arc::new(Field::new("entries", DataType::Struct(pair_fields()), false));
        let pairs = StructArray::new(pair_fields(), pairs, None);
        MapArray::new(entries, offsets(self.ends), pairs, Some(NullBuffer::from(self.valid)), false)
    }
}

/// Lists of enrichments under way.
struct Entries {
    data: Maps,
    /// Name, provider, type, value.
    words: [StringBuilder; 4],
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Default for Entries {
    fn default() -> Entries {
        let words = std::array::from_fn(|_| StringBuilder::new());
        Entries { data: Maps::default(), words, ends: vec![0], valid: Vec::new() }
    }
}

impl Entries {
    /// Ends an entry, whose data were put before.
    fn put(&mut self, [name, kind]: [&str; 2], provider: Option<&str>, value: Option<&str>) {
        self.data.end();
        for (words, word) in self.words.iter_mut().zip([Some(name), provider, Some(kind), value]) {
            words.append_option(word);
        }
    }

    /// Ends a list; whether there is one.
    fn end(&mut self, is_there: bool) {
        self.ends.push(length(&self.words[0]));
        self.valid.push(is_there);
    }

    fn finish(self) -> ListArray {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.data.finish())];
        columns.extend(self.words.map(|mut words| Arc::new(words.finish()) as ArrayRef));
        let entries = Arc::new(StructArray::new(entry_fields(), columns, None));
        let item = item(DataType::Struct(entry_fields()));
        ListArray::new(item, offsets(self.ends), entries, Some(NullBuffer::from(self.valid)))
    }
}

fn length(texts: &StringBuilder) -> i32 {
    i32::try_from(texts.len()).unwrap_or(i32::MAX)
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ends.into())
}

/// The lists of ids.
fn split(texts: &Texts<'_>, rows: usize) -> ListArray {
    let (mut ids, mut ends, mut valid) = (StringBuilder::new(), vec![0], Vec::with_capacity(rows));
    for at in 0..rows {
        let text = texts.get(at);
        text.into_iter().flat_map(|text| text.split(RESOURCE_SEPARATOR)).for_each(|id| ids.append_value(id));
        ends.push(length(&ids));
        valid.push(text.is_some());
    }
    ListArray::new(item(DataType::Utf8), offsets(ends), Arc::new(ids.finish()), Some(NullBuffer::from(valid)))
}
