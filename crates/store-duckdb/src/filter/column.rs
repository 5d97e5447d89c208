//! Tests of what stands in a column, as SQL.

use activity::{AgentPart, PersonPart, PlacePart, value::Value as Json};
use auditlake_store::{
    filter::{AGENT_TAGS, EnrichmentPart, Filter, Known, Operand, Test},
    schema::RESOURCE_SEPARATOR,
};
use duckdb::types::Value;

use super::{
    function::{ANY_PASSES, PASSES},
    raw_passes,
    row::{passes, time_of},
    wire,
};
use crate::schema;

const NEVER: &str = "false";

/// The columns of the actor's ids, the more telling one first.
const ACTOR_ID: &str = "coalesce(actor_user_id, actor_admin_api_key_id, actor_api_key_id)";
/// The actor's members that identify it and have no column.
const ACTOR_ID_OTHERS: [&str; 5] = ["service_account_id", "directory_id", "external_client_id", "subject", "service"];

/// The actor's members that name it and have no column.
pub(crate) const ACTOR_OTHERS: [&str; 6] =
    ["unauthenticated_email_address", "service_account_id", "directory_id", "external_client_id", "subject", "service"];

/// A member of the actor without a column.
pub(crate) fn other_member(name: &str) -> String {
    format!("actor_other['{name}']")
}

/// The test of a field with a name of its own.
pub(super) fn known(field: Known, test: &Test, values: &mut Vec<Value>) -> String {
    let mut any = |columns: &[&str]| any_text(columns, test, values);
    match field {
        Known::Type => any(&["event_name"]),
        Known::Id => match test {
            Test::Equals(id) if id.is_empty() => NEVER.to_owned(),
            // Exact, so that the hash, which is scanned in no time, finds the row.
            Test::Equals(id) => {
                values.push(Value::UInt(auditlake_store::id_hash(id)));
                values.push(Value::Text(id.clone()));
                "(id_hash = ? AND event_id = ?)".to_owned()
            }
            _ => any(&["event_id"]),
        },
        Known::Time => time("event_time", test, values),
        Known::Received => time("received_at", test, values),
        Known::Org => any(&["organization_id", "organization_uuid"]),
        Known::OrganizationId => any(&["organization_id"]),
        Known::OrganizationUuid => any(&["organization_uuid"]),
        Known::Actor => {
            let plain = any(&["actor_email", "actor_user_id", "actor_admin_api_key_id", "actor_api_key_id"]);
            let others = ACTOR_OTHERS.map(other_member);
            let others = any(&others.iter().map(String::as_str).collect::<Vec<_>>());
            format!("({plain} OR (actor_other IS NOT NULL AND {others}))")
        }
        Known::ActorId => {
            let plain = any(&[ACTOR_ID]);
            let first = format!("coalesce({})", ACTOR_ID_OTHERS.map(other_member).join(", "));
            let others = any(&[&first]);
            format!("({plain} OR (actor_other IS NOT NULL AND {ACTOR_ID} IS NULL AND {others}))")
        }
        Known::ActorType => any(&["actor_type"]),
        Known::Email => any(&["actor_email"]),
        Known::User => any(&["actor_user_id"]),
        Known::Key => any(&["actor_api_key_id", "actor_admin_api_key_id"]),
        Known::ApiKey => any(&["actor_api_key_id"]),
        Known::AdminApiKey => any(&["actor_admin_api_key_id"]),
        Known::Ip => any(&["actor_ip"]),
        Known::IpClass => any(&["ip_class"]),
        Known::UserAgent => any(&["actor_user_agent"]),
        Known::Category => any(&["category"]),
        Known::Outcome => any(&["outcome"]),
        Known::Product => any(&["product"]),
        Known::ReadOnly => truth("read_only", test),
        Known::Guessed => truth("guessed", test),
        Known::Target => any(&[&schema::target()]),
        Known::Resource => resource(test, values),
        Known::Tags => {
            let agent = AgentPart::ALL.map(schema::agent);
            let columns: Vec<&str> =
                ["category", "outcome", "product"].into_iter().chain(agent.iter().map(String::as_str)).collect();
            any(&columns)
        }
        Known::RawLog => raw_passes(&Filter::test(field, test.clone()), values),
        Known::Seq => number("seq", test, values),
        Known::SourceTtl => number("source_ttl", test, values),
        Known::RecordId => any(&["concat(source_id, ':', event_id)"]),
        Known::Workspace => any(&["workspace_id"]),
        Known::Source => any(&["source_id"]),
        Known::SourceType => match passes(test, Json::String("anthropic-compliance".into())) {
            true => "true".to_owned(),
            false => NEVER.to_owned(),
        },
        Known::Country
        | Known::City
        | Known::AsOrganization
        | Known::Isp
        | Known::ConnectionType
        | Known::IpUserType
        | Known::Client
        | Known::ClientVersion
        | Known::Browser
        | Known::Os
        | Known::Device
        | Known::Person
        | Known::Department
        | Known::Manager => match EnrichmentPart::of_field(field) {
            Some(EnrichmentPart::Place(part)) => any(&[&schema::place(part)]),
            Some(EnrichmentPart::Agent(part)) => any(&[&schema::agent(part)]),
            Some(EnrichmentPart::Person(part)) => any(&[&schema::person(part)]),
            None => NEVER.to_owned(),
        },
        Known::ServiceAccount => truth(&schema::person(PersonPart::ServiceAccount), test),
        Known::Asn => number(&schema::place(PlacePart::Asn), test, values),
        Known::Latitude => fraction(PlacePart::Latitude, test, values),
        Known::Longitude => fraction(PlacePart::Longitude, test, values),
        Known::Identity => any(&[&schema::IDENTITY]),
        Known::Enrichments => {
            let columns = schema::enrichment_texts();
            any_text(&columns.iter().map(String::as_str).collect::<Vec<_>>(), test, values)
        }
        // The feed names no destination.
        Known::DstIp
        | Known::DstCountry
        | Known::DstCity
        | Known::DstAsn
        | Known::DstAsOrganization
        | Known::DstIsp
        | Known::DstConnectionType
        | Known::DstUserType
        | Known::DstLatitude
        | Known::DstLongitude => NEVER.to_owned(),
    }
}

/// The test of one tag.
pub(super) fn tag(name: &str, test: &Test, values: &mut Vec<Value>) -> String {
    match name {
        "category" | "outcome" | "product" => any_text(&[name], test, values),
        _ => match AGENT_TAGS.iter().find(|(tag, _)| *tag == name) {
            Some((_, part)) => any_text(&[&schema::agent(*part)], test, values),
            None => NEVER.to_owned(),
        },
    }
}

/// The column that holds what stands at this path of the raw log: always a text, or nothing.
pub(super) fn of_path(path: &[String]) -> Option<&'static str> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    Some(match path.as_slice() {
        ["id"] => "event_id",
        ["type"] => "event_name",
        ["organization_id"] => "organization_id",
        ["organization_uuid"] => "organization_uuid",
        ["actor", "type"] => "actor_type",
        ["actor", "email_address"] => "actor_email",
        ["actor", "user_id"] => "actor_user_id",
        ["actor", "ip_address"] => "actor_ip",
        ["actor", "user_agent"] => "actor_user_agent",
        ["actor", "api_key_id"] => "actor_api_key_id",
        ["actor", "admin_api_key_id"] => "actor_admin_api_key_id",
        _ => return None,
    })
}

/// The test of a text in which the empty one is a value.
pub(super) fn raw_text(column: &str, test: &Test, values: &mut Vec<Value>) -> String {
    match test {
        Test::Exists => format!("{column} IS NOT NULL"),
        Test::Equals(text) if text.is_empty() => format!("{column} = ''"),
        _ => text(column, test, values),
    }
}

/// Whether one of these texts passes. Empty ones do not.
fn any_text(columns: &[&str], test: &Test, values: &mut Vec<Value>) -> String {
    let parts: Vec<String> = columns.iter().map(|column| text(column, test, values)).collect();
    match parts.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", parts.join(" OR ")),
    }
}

fn text(column: &str, test: &Test, values: &mut Vec<Value>) -> String {
    match test {
        Test::Exists => format!("{column} <> ''"),
        Test::Equals(text) if text.is_empty() => NEVER.to_owned(),
        Test::Equals(text) if !text.bytes().any(|byte| byte.is_ascii_alphabetic()) => {
            values.push(Value::Text(text.clone()));
            format!("{column} = ?")
        }
        // `lower` also makes ASCII letters of two others (U+0130 and U+212A); those have more bytes.
        Test::Equals(text) if text.is_ascii() => {
            values.push(Value::Text(text.to_ascii_lowercase()));
            format!("(lower({column}) = ? AND strlen({column}) = {})", text.len())
        }
        _ => {
            values.push(Value::Text(wire::encode_test(test)));
            format!("{PASSES}(?, {column})")
        }
    }
}

fn resource(test: &Test, values: &mut Vec<Value>) -> String {
    let separator = format!("chr({})", RESOURCE_SEPARATOR as u32);
    if let Test::Exists = test {
        return format!("replace(resource_ids, {separator}, '') <> ''");
    }
    values.push(Value::Text(wire::encode_test(test)));
    let call = format!("{ANY_PASSES}(?, resource_ids)");
    match test {
        Test::Equals(text) if text.is_ascii() => {
            values.insert(values.len() - 1, Value::Text(text.to_ascii_lowercase()));
            format!("(contains(lower(resource_ids), ?) AND {call})")
        }
        _ => call,
    }
}

/// The test of a boolean column: `true` and `false` are texts.
fn truth(column: &str, test: &Test) -> String {
    match [true, false].map(|value| passes(test, Json::Bool(value))) {
        [true, true] => format!("{column} IS NOT NULL"),
        [true, false] => column.to_owned(),
        [false, true] => format!("NOT {column}"),
        [false, false] => NEVER.to_owned(),
    }
}

/// The test of a column of times. The years before 1 have no notation, so nothing there is earlier or later.
fn time(column: &str, test: &Test, values: &mut Vec<Value>) -> String {
    let (sign, operand) = match test {
        Test::Exists => return "true".to_owned(),
        Test::Equals(text) => match time_of(text) {
            Some(time) => ("=", time),
            None => return NEVER.to_owned(),
        },
        Test::Less(Operand::Time(time)) => ("<", *time),
        Test::LessOrEqual(Operand::Time(time)) => ("<=", *time),
        Test::Greater(Operand::Time(time)) => (">", *time),
        Test::GreaterOrEqual(Operand::Time(time)) => (">=", *time),
        _ => return NEVER.to_owned(),
    };
    values.push(Value::BigInt(operand.as_microsecond()));
    format!("({column} {sign} make_timestamp(?) AND {column} >= TIMESTAMP '0001-01-01')")
}

/// The test of a part of the place that is a number with a fraction.
fn fraction(part: PlacePart, test: &Test, values: &mut Vec<Value>) -> String {
    let column = schema::place(part);
    match test {
        Test::Equals(text) => match text.parse::<f64>() {
            // Everything that is read as a double and not written as a number in JSON passes nowhere.
            Ok(number) if passes(test, Json::Float(number)) => {
                values.push(Value::Double(number));
                format!("{column} = ?")
            }
            _ => NEVER.to_owned(),
        },
        Test::Pattern(_) => {
            let text = schema::place_text(part);
            values.push(Value::Text(wire::encode_test(test)));
            format!("(regexp_full_match({text}, '-?[0-9]+') AND {PASSES}(?, {text}))")
        }
        _ => number(&column, test, values),
    }
}

/// The test of a column of whole numbers.
fn number(column: &str, test: &Test, values: &mut Vec<Value>) -> String {
    let (sign, operand) = match test {
        Test::Exists => return format!("{column} IS NOT NULL"),
        Test::Equals(text) => return equal_number(column, test, text, values),
        Test::Pattern(_) => {
            values.push(Value::Text(wire::encode_test(test)));
            return format!("{PASSES}(?, CAST({column} AS VARCHAR))");
        }
        Test::Less(Operand::Number(number)) => ("<", *number),
        Test::LessOrEqual(Operand::Number(number)) => ("<=", *number),
        Test::Greater(Operand::Number(number)) => (">", *number),
        Test::GreaterOrEqual(Operand::Number(number)) => (">=", *number),
        _ => return NEVER.to_owned(),
    };
    values.push(Value::Double(operand));
    format!("CAST({column} AS DOUBLE) {sign} ?")
}

/// The one whole number that a text can stand for, if it does.
fn equal_number(column: &str, test: &Test, text: &str, values: &mut Vec<Value>) -> String {
    let number = text.parse::<u64>().or_else(|_| text.parse::<f64>().map(|number| number as u64));
    match number {
        Ok(number) if passes(test, Json::Unsigned(number)) => {
            values.push(Value::UBigInt(number));
            format!("{column} = ?")
        }
        _ => NEVER.to_owned(),
    }
}
