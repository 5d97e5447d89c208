//! Rows out of the columns that a store answers.
//!
//! Columns are found by the names of view `activities`. One that is not there reads as absent, so that rows of older and of
//! narrower answers pass, too; only the raw log has to be there.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, MapArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType, UInt32Type, UInt64Type},
};

use crate::row::{Agent, Person, Place, Row};

/// What parts the ids in the text column `resourceIDs`.
const SEPARATOR: char = '\u{1f}';

/// A column that is not there, or holds another type than it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{0}` of the answer cannot be read")]
pub struct UnreadableColumn(&'static str);

/// The columns of a batch, found once for all its rows.
#[derive(Debug)]
pub struct Columns {
    rows: usize,
    seq: Option<ArrayRef>,
    received_at: Option<ArrayRef>,
    workspace: Option<StringArray>,
    source: Option<StringArray>,
    source_ttl: Option<ArrayRef>,
    time: Option<ArrayRef>,
    name: Option<StringArray>,
    id: Option<StringArray>,
    organization_id: Option<StringArray>,
    organization_uuid: Option<StringArray>,
    actor_type: Option<StringArray>,
    actor_email: Option<StringArray>,
    actor_user_id: Option<StringArray>,
    actor_ip: Option<StringArray>,
    actor_user_agent: Option<StringArray>,
    actor_api_key_id: Option<StringArray>,
    actor_admin_api_key_id: Option<StringArray>,
    actor_other: Option<MapArray>,
    source_ip: Option<StringArray>,
    category: Option<StringArray>,
    outcome: Option<StringArray>,
    product: Option<StringArray>,
    read_only: Option<BooleanArray>,
    guessed: Option<BooleanArray>,
    own_read: Option<BooleanArray>,
    target: Option<StringArray>,
    resources: Resources,
    place: Option<StringArray>,
    parted_place: PartedPlace,
    agent: Option<StringArray>,
    parted_agent: [Option<StringArray>; 7],
    person: Option<StringArray>,
    parted_person: [Option<StringArray>; 4],
    is_service_account: Option<BooleanArray>,
    raw: StringArray,
}

/// The touched ids: a list in the views, one text where rows come as they are stored.
#[derive(Debug)]
enum Resources {
    None,
    Text(StringArray),
    List(arrow::array::ListArray),
}

/// The place in the nine `src…` columns.
#[derive(Debug, Default)]
struct PartedPlace {
    texts: [Option<StringArray>; 6],
    as_number: Option<ArrayRef>,
    latitude: Option<Float64Array>,
    longitude: Option<Float64Array>,
}

impl Columns {
    /// The columns of `batch`.
    ///
    /// # Errors
    /// A column that is there with a type that cannot be read, or no raw log.
    pub fn of(batch: &RecordBatch) -> Result<Columns, UnreadableColumn> {
        let text = |name| texts(batch, name);
        Ok(Columns {
            rows: batch.num_rows(),
            seq: converted(batch, "seq", &DataType::UInt64)?,
            received_at: converted(batch, "receivedAt", &DataType::Timestamp(TimeUnit::Microsecond, None))?,
            workspace: text("workspaceID")?,
            source: text("sourceID")?,
            source_ttl: converted(batch, "sourceTTL", &DataType::UInt32)?,
            time: converted(batch, "eventTime", &DataType::Timestamp(TimeUnit::Microsecond, None))?,
            name: text("eventName")?,
            id: text("eventID")?,
            organization_id: text("organizationID")?,
            organization_uuid: text("organizationUUID")?,
            actor_type: text("actorType")?,
            actor_email: text("actorEmail")?,
            actor_user_id: text("actorUserID")?,
            actor_ip: text("actorIPAddress")?,
            actor_user_agent: text("actorUserAgent")?,
            actor_api_key_id: text("actorAPIKeyID")?,
            actor_admin_api_key_id: text("actorAdminAPIKeyID")?,
            actor_other: batch.column_by_name("actorOther").and_then(|column| column.as_map_opt()).cloned(),
            source_ip: text("srcIP")?,
            category: text("category")?,
            outcome: text("outcome")?,
            product: text("serviceName")?,
            read_only: converted(batch, "readOnly", &DataType::Boolean)?.map(|column| column.as_boolean().clone()),
            guessed: converted(batch, "guessed", &DataType::Boolean)?.map(|column| column.as_boolean().clone()),
            own_read: converted(batch, "ownRead", &DataType::Boolean)?.map(|column| column.as_boolean().clone()),
            target: text("target")?,
            resources: resources(batch)?,
            place: text("place")?,
            parted_place: PartedPlace::of(batch)?,
            agent: text("agent")?,
            parted_agent: [
                text("client")?,
                text("clientVersion")?,
                text("browser")?,
                text("browserVersion")?,
                text("os")?,
                text("osVersion")?,
                text("device")?,
            ],
            person: text("person")?,
            parted_person: [text("identity")?, text("personName")?, text("department")?, text("manager")?],
            is_service_account: converted(batch, "isServiceAccount", &DataType::Boolean)?
                .map(|column| column.as_boolean().clone()),
            raw: text("rawLog")?.ok_or(UnreadableColumn("rawLog"))?,
        })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The row at this place.
    pub fn row(&self, at: usize) -> Row<'_> {
        let text = |column| text(column, at);
        Row {
            seq: self.seq.as_ref().and_then(|column| number::<UInt64Type>(column, at)),
            received_at: self.received_at.as_ref().and_then(|column| number::<TimestampMicrosecondType>(column, at)),
            workspace: text(&self.workspace).unwrap_or_default(),
            source: text(&self.source).unwrap_or_default(),
            source_ttl: self.source_ttl.as_ref().and_then(|column| number::<UInt32Type>(column, at)).unwrap_or(0),
            time: self.time.as_ref().and_then(|column| number::<TimestampMicrosecondType>(column, at)).unwrap_or(0),
            name: text(&self.name).unwrap_or_default(),
            id: text(&self.id).unwrap_or_default(),
            organization_id: text(&self.organization_id),
            organization_uuid: text(&self.organization_uuid),
            actor_type: text(&self.actor_type),
            actor_email: text(&self.actor_email),
            actor_user_id: text(&self.actor_user_id),
            actor_ip: text(&self.actor_ip),
            actor_user_agent: text(&self.actor_user_agent),
            actor_api_key_id: text(&self.actor_api_key_id),
            actor_admin_api_key_id: text(&self.actor_admin_api_key_id),
            actor_other: self.actor_other.as_ref().map(|column| entries(column, at)).unwrap_or_default(),
            source_ip: text(&self.source_ip),
            category: text(&self.category).unwrap_or(activity::classify::OTHER),
            outcome: text(&self.outcome).unwrap_or("unknown"),
            product: text(&self.product).unwrap_or_default(),
            read_only: flag(&self.read_only, at).unwrap_or(false),
            guessed: flag(&self.guessed, at).unwrap_or(false),
            own_read: flag(&self.own_read, at).unwrap_or(false),
            target: text(&self.target),
            resources: self.resources.at(at),
            place: match text(&self.place) {
                Some(place) => Place::of(Some(place)),
                None => self.parted_place.at(at),
            },
            agent: match text(&self.agent) {
                Some(agent) => Agent::of(Some(agent)),
                None => self.agent_at(at),
            },
            person: match text(&self.person) {
                Some(person) => Person::of(Some(person)),
                None => self.person_at(at),
            },
            raw: self.raw.value(at),
        }
    }

    fn agent_at(&self, at: usize) -> Agent<'_> {
        let [client, client_version, browser, browser_version, os, os_version, device] =
            self.parted_agent.each_ref().map(|column| text(column, at));
        Agent { client, client_version, browser, browser_version, os, os_version, device }
    }

    fn person_at(&self, at: usize) -> Person<'_> {
        let [identity, name, department, manager] = self.parted_person.each_ref().map(|column| text(column, at));
        // The identity of somebody whom no directory has is the actor's own id, and so says nothing here.
        let user_id = identity.filter(|_| name.is_some());
        Person { user_id, name, department, manager, is_service_account: flag(&self.is_service_account, at) }
    }
}

impl PartedPlace {
    fn of(batch: &RecordBatch) -> Result<PartedPlace, UnreadableColumn> {
        let text = |name| texts(batch, name);
        let degrees = |name| Ok(converted(batch, name, &DataType::Float64)?.map(|c| c.as_primitive().clone()));
        Ok(PartedPlace {
            texts: [
                text("srcASCountryCode")?,
                text("srcASOrganization")?,
                text("srcCity")?,
                text("srcConnectionType")?,
                text("srcISP")?,
                text("srcUserType")?,
            ],
            as_number: converted(batch, "srcASNumber", &DataType::UInt32)?,
            latitude: degrees("srcLatitude")?,
            longitude: degrees("srcLongitude")?,
        })
    }

    fn at(&self, at: usize) -> Place<'_> {
        let [country, as_organization, city, connection_type, isp, user_type] =
            self.texts.each_ref().map(|column| text(column, at));
        let degrees = |column: &Option<Float64Array>| {
            column
                .as_ref()
                .filter(|column| column.is_valid(at))
                .map(|column| column.value(at))
                .filter(|d| d.is_finite())
        };
        Place {
            country,
            as_number: self.as_number.as_ref().and_then(|column| number::<UInt32Type>(column, at)),
            as_organization,
            city,
            connection_type,
            isp,
            latitude: degrees(&self.latitude),
            longitude: degrees(&self.longitude),
            user_type,
            database: None,
            text: None,
        }
    }
}

impl Resources {
    fn at(&self, at: usize) -> Vec<&str> {
        match self {
            Resources::Text(column) if column.is_valid(at) => column.value(at).split(SEPARATOR).collect(),
            Resources::List(column) if column.is_valid(at) => {
                let offsets = column.value_offsets();
                let range = usize::try_from(offsets[at]).unwrap_or(0)..usize::try_from(offsets[at + 1]).unwrap_or(0);
                let texts = column.values().as_string::<i32>();
                range.filter(|at| texts.is_valid(*at)).map(|at| texts.value(at)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn resources(batch: &RecordBatch) -> Result<Resources, UnreadableColumn> {
    if let Some(ids) = texts(batch, "resourceIDs")? {
        return Ok(Resources::Text(ids));
    }
    Ok(match batch.column_by_name("resources").and_then(|column| column.as_list_opt::<i32>()) {
        Some(list) if list.values().as_string_opt::<i32>().is_some() => Resources::List(list.clone()),
        _ => Resources::None,
    })
}

fn converted(batch: &RecordBatch, name: &'static str, kind: &DataType) -> Result<Option<ArrayRef>, UnreadableColumn> {
    match batch.column_by_name(name) {
        None => Ok(None),
        Some(column) if column.data_type() == kind => Ok(Some(column.clone())),
        Some(column) => cast(column, kind).map(Some).map_err(|_| UnreadableColumn(name)),
    }
}

fn texts(batch: &RecordBatch, name: &'static str) -> Result<Option<StringArray>, UnreadableColumn> {
    Ok(converted(batch, name, &DataType::Utf8)?.map(|column| column.as_string::<i32>().clone()))
}

fn text(column: &Option<StringArray>, at: usize) -> Option<&str> {
    column.as_ref().filter(|column| column.is_valid(at)).map(|column| column.value(at))
}

fn flag(column: &Option<BooleanArray>, at: usize) -> Option<bool> {
    column.as_ref().filter(|column| column.is_valid(at)).map(|column| column.value(at))
}

fn number<T: arrow::datatypes::ArrowPrimitiveType>(column: &ArrayRef, at: usize) -> Option<T::Native> {
    let column = column.as_primitive_opt::<T>()?;
    column.is_valid(at).then(|| column.value(at))
}

/// The entries of a map of texts.
fn entries(column: &MapArray, at: usize) -> Vec<(&str, &str)> {
    if column.is_null(at) {
        return Vec::new();
    }
    let (Some(names), Some(values)) = (column.keys().as_string_opt::<i32>(), column.values().as_string_opt::<i32>())
    else {
        return Vec::new();
    };
    let offsets = column.value_offsets();
    let range = usize::try_from(offsets[at]).unwrap_or(0)..usize::try_from(offsets[at + 1]).unwrap_or(0);
    range.filter(|at| values.is_valid(*at)).map(|at| (names.value(at), values.value(at))).collect()
}
