//! Tests of what stands in a column, as SQL.

use std::net::IpAddr;

use activity::{AgentPart, PersonPart, PlacePart, value::Value as Json};
use auditlake_store::filter::{AGENT_TAGS, Cidr, EnrichmentPart, Glob, Known, Operand, Test, parse_time};
use jiff::Timestamp;

use super::{Need, mark, of_raw_log, passes_value};
use crate::schema::{self, moment, quoted};

const NEVER: &str = "false";

/// The columns of the actor's ids, the more telling one first.
const ACTOR_ID: &str = "coalesce(actor_user_id, actor_admin_api_key_id, actor_api_key_id)";
/// The columns of everything that tells who acted.
const ACTOR: [&str; 4] = ["actor_email", "actor_user_id", "actor_admin_api_key_id", "actor_api_key_id"];
/// The actor's members that identify it and have no column.
const ACTOR_ID_OTHERS: [&str; 5] = ["service_account_id", "directory_id", "external_client_id", "subject", "service"];

/// The columns of a field that is one text or several, as they are stored.
fn columns_of(field: Known) -> Option<&'static [&'static str]> {
    Some(match field {
        Known::Type => &["event_name"],
        Known::Org => &["organization_id", "organization_uuid"],
        Known::OrganizationId => &["organization_id"],
        Known::OrganizationUuid => &["organization_uuid"],
        Known::ActorType => &["actor_type"],
        Known::Email => &["actor_email"],
        Known::User => &["actor_user_id"],
        Known::Key => &["actor_api_key_id", "actor_admin_api_key_id"],
        Known::ApiKey => &["actor_api_key_id"],
        Known::AdminApiKey => &["actor_admin_api_key_id"],
        Known::Ip => &["actor_ip"],
        Known::IpClass => &["ip_class"],
        Known::UserAgent => &["actor_user_agent"],
        Known::Category => &["category"],
        Known::Outcome => &["outcome"],
        Known::Product => &["product"],
        Known::Workspace => &["workspace_id"],
        Known::Source => &["source_id"],
        _ => return None,
    })
}

/// Whether a field is one of several texts, none of which is empty: each column is gone through once. `None` where each is asked for itself.
pub(super) fn one_of(field: Known, texts: &[&str]) -> Option<String> {
    let list: Vec<String> = texts.iter().map(|text| quoted(&text.to_ascii_lowercase())).collect();
    let list = list.join(", ");
    let among = |columns: &[&str]| {
        let has_letters = texts.iter().any(|text| text.bytes().any(|byte| byte.is_ascii_alphabetic()));
        let of = |column: &&str| match has_letters {
            true => format!("lower({column}) IN ({list})"),
            false => format!("{column} IN ({list})"),
        };
        let parts: Vec<String> = columns.iter().map(of).collect();
        format!("({})", parts.join(" OR "))
    };
    match field {
        Known::Actor => {
            Some(format!("({} OR {})", among(&ACTOR), exists(&actor_others(), &format!("lower(v) IN ({list})"))))
        }
        _ => columns_of(field).map(among),
    }
}

/// The test of a field with a name of its own.
pub(super) fn known(field: Known, test: &Test, needs: &mut Vec<Need>) -> String {
    let mut any = |columns: &[&str]| any_text(columns, test, needs);
    match field {
        Known::Type
        | Known::Org
        | Known::OrganizationId
        | Known::OrganizationUuid
        | Known::ActorType
        | Known::Email
        | Known::User
        | Known::Key
        | Known::ApiKey
        | Known::AdminApiKey
        | Known::Ip
        | Known::IpClass
        | Known::UserAgent
        | Known::Category
        | Known::Outcome
        | Known::Product
        | Known::Workspace
        | Known::Source => any(columns_of(field).unwrap_or_default()),
        Known::Id => match test {
            Test::Equals(id) if id.is_empty() => NEVER.to_owned(),
            // Exact, so that the hash, by which a projection is ordered, finds the row's place in the table's own order. The projection
            // has no other columns, and without the second step the hashes of all rows would be read.
            Test::Equals(id) => format!(
                "((event_time, event_id) IN (SELECT event_time, event_id FROM activity WHERE id_hash = {} AND event_id = {}))",
                auditlake_store::id_hash(id),
                quoted(id)
            ),
            _ => any(&["event_id"]),
        },
        Known::Time => time("event_time", test, needs),
        Known::Received => time("received_at", test, needs),
        Known::Actor => {
            let plain = any(&ACTOR);
            format!("({plain} OR {})", other_members(&actor_others(), test, needs))
        }
        Known::ActorId => {
            let plain = any(&[ACTOR_ID]);
            let others = first_other(test, needs);
            format!("({plain} OR (isNull({ACTOR_ID}) AND {others}))")
        }
        Known::ReadOnly => truth("read_only", test),
        Known::Guessed => truth("guessed", test),
        Known::Target => {
            let own = any(&["target"]);
            among_resources(test, own)
        }
        Known::Resource => {
            let own = resource(test, needs);
            among_resources(test, own)
        }
        Known::Tags => {
            let agent = AgentPart::ALL.map(schema::agent);
            let columns: Vec<&str> =
                ["category", "outcome", "product"].into_iter().chain(agent.iter().map(String::as_str)).collect();
            any(&columns)
        }
        Known::RawLog => match test {
            Test::Exists => "true".to_owned(),
            Test::Equals(_) | Test::Pattern(_) => any(&["raw_log"]),
            _ => of_raw_log(field, test, needs),
        },
        Known::Seq => number("seq", test, needs),
        Known::SourceTtl => number("source_ttl", test, needs),
        Known::RecordId => any(&["concat(source_id, ':', event_id)"]),
        Known::SourceType => match passes_value(test, Json::String("anthropic-compliance".into())) {
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
        Known::Asn => number(&schema::place(PlacePart::Asn), test, needs),
        Known::Latitude => fraction(PlacePart::Latitude, test, needs),
        Known::Longitude => fraction(PlacePart::Longitude, test, needs),
        Known::Identity => any(&[&schema::IDENTITY]),
        Known::Enrichments => {
            let columns = schema::enrichment_texts();
            any_text(&columns.iter().map(String::as_str).collect::<Vec<_>>(), test, needs)
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
pub(super) fn tag(name: &str, test: &Test, needs: &mut Vec<Need>) -> String {
    match name {
        "category" | "outcome" | "product" => any_text(&[name], test, needs),
        _ => match AGENT_TAGS.iter().find(|(tag, _)| *tag == name) {
            Some((_, part)) => any_text(&[&schema::agent(*part)], test, needs),
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
pub(super) fn raw_text(column: &str, test: &Test, needs: &mut Vec<Need>) -> String {
    match test {
        Test::Exists => format!("isNotNull({column})"),
        Test::Equals(text) if text.is_empty() => format!("{column} = ''"),
        _ => text(column, test, true, needs),
    }
}

/// Whether one of these texts passes. Empty ones do not.
fn any_text(columns: &[&str], test: &Test, needs: &mut Vec<Need>) -> String {
    let parts: Vec<String> = columns.iter().map(|column| text(column, test, false, needs)).collect();
    match parts.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", parts.join(" OR ")),
    }
}

/// The test of a text. The server's `lower` knows ASCII letters alone, as the reference does.
fn text(column: &str, test: &Test, takes_empty: bool, needs: &mut Vec<Need>) -> String {
    match test {
        Test::Exists => format!("{column} != ''"),
        Test::Equals(text) if text.is_empty() => NEVER.to_owned(),
        Test::Equals(text) => equals(column, text),
        Test::Pattern(glob) => {
            let like = format!("lower({column}) LIKE {}", quoted(&like(glob)));
            // A pattern has a piece that is not empty, so no empty text is of its form.
            like
        }
        Test::InNetwork(network) => in_network(column, network),
        _ => mark(Need::Texts { expression: column.to_owned(), test: test.clone(), takes_empty }, needs),
    }
}

fn equals(column: &str, text: &str) -> String {
    match text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        true => format!("lower({column}) = {}", quoted(&text.to_ascii_lowercase())),
        false => format!("{column} = {}", quoted(text)),
    }
}

/// A pattern for `LIKE`, in lower case.
fn like(glob: &Glob) -> String {
    glob.like().to_ascii_lowercase()
}

/// Texts that the reference takes for an address, by their form: the server alone would take some more.
const ADDRESS: &str = "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\\\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}\
     |[0-9a-fA-F:]*:[0-9a-fA-F:]*(:(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\\\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3})?)$";

/// Whether a text is an address in the network, or the network itself.
fn in_network(column: &str, network: &Cidr) -> String {
    let v6 = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let address = format!("if(match({column}, '{ADDRESS}'), toIPv6OrNull({column}), NULL)");
    let mut inside =
        format!("{address} BETWEEN toIPv6('{}') AND toIPv6('{}')", v6(network.first()), v6(network.last()));
    if network.first().is_ipv6() {
        // An IPv4 address is in no IPv6 network, however it is written.
        inside.push_str(&format!(
            " AND NOT ({address} BETWEEN toIPv6('::ffff:0.0.0.0') AND toIPv6('::ffff:255.255.255.255'))"
        ));
    }
    format!("((ifNull({inside}, false)) OR {})", equals(column, &network.with_bits()))
}

/// The members of an actor that tell who it is and have no column.
fn actor_others() -> Vec<&'static str> {
    [&["unauthenticated_email_address"], ACTOR_ID_OTHERS.as_slice()].concat()
}

/// Whether one of these members of the actor meets a condition on `v`. Few rows have any: they are gone through once, and not once for each name.
fn exists(names: &[&str], condition: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    format!(
        "arrayExists((k, v) -> {condition} AND k IN ({}), mapKeys(actor_other), mapValues(actor_other))",
        names.join(", ")
    )
}

/// Whether one of the actor's members without a column passes.
fn other_members(names: &[&str], test: &Test, needs: &mut Vec<Need>) -> String {
    if matches!(test, Test::Exists | Test::Equals(_) | Test::Pattern(_) | Test::InNetwork(_)) {
        return exists(names, &text("v", test, false, needs));
    }
    let values = names.iter().map(|name| schema::other(name));
    let tests: Vec<String> = values.map(|value| text(&value, test, false, needs)).collect();
    format!("(notEmpty(actor_other) AND ({}))", tests.join(" OR "))
}

/// Whether the first of the actor's members that are ids and have no column passes.
fn first_other(test: &Test, needs: &mut Vec<Need>) -> String {
    let first = format!("coalesce({})", ACTOR_ID_OTHERS.map(schema::other).join(", "));
    format!("(notEmpty(actor_other) AND {})", text(&first, test, false, needs))
}

/// A test for one id of a resource, behind what the index knows: whether it can be among the ids of a row at all.
fn among_resources(test: &Test, own: String) -> String {
    match test {
        Test::Equals(id) if !id.is_empty() => {
            format!("(has({}, {}) AND {own})", schema::RESOURCE_IDS, quoted(&id.to_ascii_lowercase()))
        }
        _ => own,
    }
}

fn resource(test: &Test, needs: &mut Vec<Need>) -> String {
    let any = |condition: &str| format!("arrayExists(r -> r != '' AND {condition}, resources)");
    match test {
        Test::Exists => any("true"),
        Test::Equals(text) if text.is_empty() => NEVER.to_owned(),
        Test::Equals(_) | Test::Pattern(_) | Test::InNetwork(_) => any(&text("r", test, false, needs)),
        _ => {
            let expression = "arrayJoin(resources)".to_owned();
            // Values of any place are found first; which rows have one of them is asked then.
            let found = mark(Need::Texts { expression, test: test.clone(), takes_empty: false }, needs);
            format!("event_id IN (SELECT event_id FROM activity WHERE {found})")
        }
    }
}

/// The test of a boolean column: `true` and `false` are texts.
fn truth(column: &str, test: &Test) -> String {
    match [true, false].map(|value| passes_value(test, Json::Bool(value))) {
        [true, true] => format!("isNotNull({column})"),
        [true, false] => format!("({column})"),
        [false, true] => format!("(NOT {column})"),
        [false, false] => NEVER.to_owned(),
    }
}

/// The time that a text stands for; no age and not `now`, which have no `-` behind four digits.
fn time_of(text: &str) -> Option<Timestamp> {
    (text.as_bytes().get(4) == Some(&b'-')).then(|| parse_time(text, Timestamp::UNIX_EPOCH)).flatten()
}

/// The test of a column of times. The years before 1 have no notation, so nothing there is earlier or later.
fn time(column: &str, test: &Test, needs: &mut Vec<Need>) -> String {
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
        // Nobody can write such a test of the time, but it has a meaning.
        Test::Pattern(_) | Test::InNetwork(_) if column == "event_time" => {
            return of_raw_log(Known::Time, test, needs);
        }
        _ => return NEVER.to_owned(),
    };
    format!("({column} {sign} {})", moment(operand))
}

/// The test of a part of the place that is a number with a fraction.
fn fraction(part: PlacePart, test: &Test, needs: &mut Vec<Need>) -> String {
    let column = schema::place(part);
    match test {
        Test::Equals(text) => match text.parse::<f64>() {
            // Everything that is read as a double and not written as a number in JSON passes nowhere.
            Ok(number) if passes_value(test, Json::Float(number)) => format!("{column} = {}", double(number)),
            _ => NEVER.to_owned(),
        },
        Test::Pattern(glob) => {
            let text = schema::place_text(part);
            format!("(match({text}, '^-?[0-9]+$') AND {text} LIKE {})", quoted(&like(glob)))
        }
        _ => number(&column, test, needs),
    }
}

fn double(number: f64) -> String {
    format!("toFloat64('{number:?}')")
}

/// The test of a column of whole numbers.
fn number(column: &str, test: &Test, needs: &mut Vec<Need>) -> String {
    let (sign, operand) = match test {
        Test::Exists => return format!("isNotNull({column})"),
        Test::Equals(text) => return equal_number(column, test, text),
        Test::Pattern(_) => return text(&format!("toString({column})"), test, false, needs),
        Test::Less(Operand::Number(number)) => ("<", *number),
        Test::LessOrEqual(Operand::Number(number)) => ("<=", *number),
        Test::Greater(Operand::Number(number)) => (">", *number),
        Test::GreaterOrEqual(Operand::Number(number)) => (">=", *number),
        _ => return NEVER.to_owned(),
    };
    format!("toFloat64({column}) {sign} {}", double(operand))
}

/// The one whole number that a text can stand for, if it does.
fn equal_number(column: &str, test: &Test, text: &str) -> String {
    let number = text.parse::<u64>().or_else(|_| text.parse::<f64>().map(|number| number as u64));
    match number {
        Ok(number) if passes_value(test, Json::Unsigned(number)) => format!("{column} = {number}"),
        _ => NEVER.to_owned(),
    }
}
