//! A row out of a store's columns is the row of the record.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray, UInt32Array, UInt64Array,
    },
    datatypes::{DataType, Field},
};
use shapes::{Columns, Row, Shape};

use crate::support::with_row;

fn texts(value: Option<&str>) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

/// What a store answers for this row: narrow as for an export, or as view `activities` shows it.
fn batch(row: &Row, is_narrow: bool) -> RecordBatch {
    let mut other = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (name, value) in &row.actor_other {
        other.keys().append_value(name);
        other.values().append_value(value);
    }
    other.append(!row.actor_other.is_empty()).unwrap();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("seq", Arc::new(UInt64Array::from(vec![row.seq]))),
        ("receivedAt", Arc::new(TimestampMicrosecondArray::from(vec![row.received_at]))),
        ("workspaceID", texts(Some(row.workspace))),
        ("sourceID", texts(Some(row.source))),
        ("sourceTTL", Arc::new(UInt32Array::from(vec![row.source_ttl]))),
        ("eventTime", Arc::new(TimestampMicrosecondArray::from(vec![row.time]))),
        ("eventName", texts(Some(row.name))),
        ("eventID", texts(Some(row.id))),
        ("organizationID", texts(row.organization_id)),
        ("organizationUUID", texts(row.organization_uuid)),
        ("actorType", texts(row.actor_type)),
        ("actorEmail", texts(row.actor_email)),
        ("actorUserID", texts(row.actor_user_id)),
        ("actorIPAddress", texts(row.actor_ip)),
        ("actorUserAgent", texts(row.actor_user_agent)),
        ("actorAPIKeyID", texts(row.actor_api_key_id)),
        ("actorAdminAPIKeyID", texts(row.actor_admin_api_key_id)),
        ("actorOther", Arc::new(other.finish())),
        ("srcIP", texts(row.source_ip)),
        ("category", texts(Some(row.category))),
        ("outcome", texts(Some(row.outcome))),
        ("serviceName", texts(Some(row.product))),
        ("readOnly", Arc::new(BooleanArray::from(vec![row.read_only]))),
        ("guessed", Arc::new(BooleanArray::from(vec![row.guessed]))),
        ("target", texts(row.target)),
        ("rawLog", texts(Some(row.raw))),
    ];
    if is_narrow {
        let agent = &row.agent;
        let agent: Vec<&str> = [
            agent.client,
            agent.client_version,
            agent.browser,
            agent.browser_version,
            agent.os,
            agent.os_version,
            agent.device,
        ]
        .map(Option::unwrap_or_default)
        .into();
        let person = "user_9\u{1f}Alice Example\u{1f}Finance\u{1f}bob@example.com\u{1f}false";
        let ids = row.resources.join("\u{1f}");
        columns.push(("resourceIDs", texts(Some(ids.as_str()).filter(|ids| !ids.is_empty()))));
        columns.push(("place", texts(row.place.text)));
        columns.push(("agent", texts(Some(agent.join("\u{1f}").as_str()).filter(|_| !row.agent.is_empty()))));
        columns.push(("person", texts(row.person.name.map(|_| person))));
    } else {
        let (place, agent, person) = (&row.place, &row.agent, &row.person);
        let list = ListArray::new(
            Arc::new(Field::new("item", DataType::Utf8, true)),
            arrow::buffer::OffsetBuffer::from_lengths([row.resources.len()]),
            Arc::new(StringArray::from(row.resources.clone())),
            None,
        );
        columns.push(("resources", Arc::new(list)));
        columns.extend([
            ("srcASCountryCode", texts(place.country)),
            ("srcASNumber", Arc::new(UInt32Array::from(vec![place.as_number])) as ArrayRef),
            ("srcASOrganization", texts(place.as_organization)),
            ("srcCity", texts(place.city)),
            ("srcConnectionType", texts(place.connection_type)),
            ("srcISP", texts(place.isp)),
            ("srcLatitude", Arc::new(Float64Array::from(vec![place.latitude]))),
            ("srcLongitude", Arc::new(Float64Array::from(vec![place.longitude]))),
            ("srcUserType", texts(place.user_type)),
            ("client", texts(agent.client)),
            ("clientVersion", texts(agent.client_version)),
            ("browser", texts(agent.browser)),
            ("browserVersion", texts(agent.browser_version)),
            ("os", texts(agent.os)),
            ("osVersion", texts(agent.os_version)),
            ("device", texts(agent.device)),
            ("identity", texts(person.user_id)),
            ("personName", texts(person.name)),
            ("department", texts(person.department)),
            ("manager", texts(person.manager)),
            ("isServiceAccount", Arc::new(BooleanArray::from(vec![person.is_service_account]))),
        ]);
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn are_the_record() {
    for sample in simulate::samples(5, "2026-03-01T09:00:00Z".parse().unwrap()).iter().step_by(7) {
        for is_enriched in [false, true] {
            with_row(std::str::from_utf8(&sample.json).unwrap(), is_enriched, |row| {
                let narrow = Columns::of(&batch(row, true)).unwrap();
                assert_eq!(narrow.row(0), *row);
                let view = Columns::of(&batch(row, false)).unwrap();
                let mut shown = view.row(0);
                // The view says in its column `enrichments` which database it was.
                (shown.place.database, shown.place.text) = (row.place.database, row.place.text);
                assert_eq!(shown, *row);
            });
        }
    }
}

#[test]
fn little_is_enough() {
    let raw = r#"{"id":"a","created_at":"2026-01-01T00:00:00Z","type":"x"}"#;
    let batch = RecordBatch::try_from_iter([("rawLog", texts(Some(raw)))]).unwrap();
    let columns = Columns::of(&batch).unwrap();
    for shape in Shape::ALL {
        let mut out = Vec::new();
        shape.write(&columns.row(0), &mut out);
        serde_json::from_slice::<serde_json::Value>(&out).unwrap();
    }
    let none = RecordBatch::try_from_iter([("x", texts(Some("")))]).unwrap();
    assert_eq!(Columns::of(&none).unwrap_err().to_string(), "column `rawLog` of the answer cannot be read");
}
