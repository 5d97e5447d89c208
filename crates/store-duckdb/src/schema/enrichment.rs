//! What enrichment says, as SQL over the columns `place`, `agent` and `person` of table `activity`.
//!
//! A part is cut out with functions of one column, which the engine runs once for each entry of the column's dictionary.

use std::sync::LazyLock;

use activity::{
    AgentPart, PART_SEPARATOR, PersonPart, PlacePart,
    identity::{KEY_PREFIXES, OTHER_IDENTITIES, PLACEHOLDER_DOMAINS, PLACEHOLDERS},
};
use auditlake_store::{
    filter::AGENT_TAGS,
    record::{PERSON_DATA, PLACE_DATA},
};

/// Not `split_part`: the engine cannot plan a comparison with it where the whole column is `NULL`.
fn part(column: &str, at: usize) -> String {
    format!("nullif(string_split({column}, chr({}))[{}], '')", PART_SEPARATOR as u32, at + 1)
}

/// A part of the place, in the type of its column.
pub(crate) fn place(wanted: PlacePart) -> String {
    let text = part("place", wanted as usize);
    match wanted {
        PlacePart::Asn => format!("TRY_CAST({text} AS UINTEGER)"),
        PlacePart::Latitude | PlacePart::Longitude => format!("TRY_CAST({text} AS DOUBLE)"),
        _ => text,
    }
}

/// A part of the place, as text.
pub(crate) fn place_text(wanted: PlacePart) -> String {
    part("place", wanted as usize)
}

/// A part of the agent.
pub(crate) fn agent(wanted: AgentPart) -> String {
    part("agent", wanted as usize)
}

/// A part of the person; whether it is a service account as a boolean.
pub(crate) fn person(wanted: PersonPart) -> String {
    let text = part("person", wanted as usize);
    match wanted {
        PersonPart::ServiceAccount => format!("({text} = 'true')"),
        _ => text,
    }
}

/// Whoever acted, as one name: [`activity::identity()`] in SQL.
pub(crate) static IDENTITY: LazyLock<String> = LazyLock::new(|| {
    let mut ways = vec![person(PersonPart::UserId), real("actor_user_id"), real(&lower("actor_email"))];
    for key in ["actor_admin_api_key_id", "actor_api_key_id"] {
        let [admin, plain] = KEY_PREFIXES;
        let (key, length) = (real(key), admin.len() + 1);
        ways.push(format!("CASE WHEN starts_with({key}, '{admin}') THEN '{plain}' || {key}[{length}:] ELSE {key} END"));
    }
    for name in OTHER_IDENTITIES {
        let member = format!("actor_other['{name}']");
        ways.push(match name {
            "unauthenticated_email_address" => real(&lower(&member)),
            _ => real(&member),
        });
    }
    format!("coalesce({})", ways.join(", "))
});

/// The text, if it is no placeholder: [`activity::identity::is_placeholder`] in SQL.
fn real(text: &str) -> String {
    let words: Vec<String> =
        PLACEHOLDERS.into_iter().filter(|word| !word.is_empty()).map(|word| word.to_owned()).collect();
    let domains: Vec<String> = PLACEHOLDER_DOMAINS.into_iter().map(|domain| domain.replace('.', "[.]")).collect();
    let form = format!("(?s)({})?|.*@([^@]*[.])?({})", words.join("|"), domains.join("|"));
    format!("CASE WHEN NOT regexp_full_match({}, '{form}') THEN {text} END", lower(text))
}

/// A text with its ASCII letters in lower case, and no others.
fn lower(text: &str) -> String {
    format!("translate({text}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')")
}

/// The column `tags`: what follows from the type, and what the user agent says. One map of one list: making a map looks for keys that
/// stand twice, and joining two maps does that three times.
pub(super) fn tags() -> String {
    const PLAIN: &str = "[{'key': 'category', 'value': category}, {'key': 'outcome', 'value': outcome}, {'key': 'product', 'value': product}]";
    const OWN: &str = "CASE WHEN own_read THEN [{'key': 'own_read', 'value': 'true'}] ELSE [] END";
    let agent = entries(AGENT_TAGS.map(|(name, wanted)| (name, part("agent", wanted as usize))));
    format!("map_from_entries({PLAIN} || {OWN} || {agent})")
}

/// By which the directory was asked.
const SUBJECT: &str = "coalesce(actor_email, actor_other['unauthenticated_email_address'], actor_user_id)";

fn agent_map() -> String {
    map(AGENT_TAGS.map(|(name, wanted)| (name, part("agent", wanted as usize))))
}

/// The column `enrichments`: an entry for each look-up that said something.
pub(super) fn enrichments() -> String {
    let entry = |column: &str, data: &str, name: &str, provider: &str, kind: &str, value: &str| {
        format!(
            "CASE WHEN {column} IS NOT NULL THEN [{{'data': {data}, 'name': '{name}', 'provider': {provider}, \
             'type': '{kind}', 'value': {value}}}] ELSE [] END"
        )
    };
    let place = map(PLACE_DATA.map(|(name, wanted)| (name, part("place", wanted as usize))));
    let person = map(PERSON_DATA.map(|(name, wanted)| (name, part("person", wanted as usize))));
    let database = place_text(PlacePart::Database);
    let geo = entry("place", &place, "geoip", &database, "ip_address", "actor_ip");
    let agent = entry("agent", &agent_map(), "user_agent", "'auditlake'", "user_agent", "actor_user_agent");
    let person = entry("person", &person, "directory", "'directory'", "actor", SUBJECT);
    format!(
        "CASE WHEN place IS NULL AND agent IS NULL AND person IS NULL THEN NULL ELSE {geo} || {agent} || {person} END::\
         STRUCT(data MAP(VARCHAR, VARCHAR), name VARCHAR, provider VARCHAR, \"type\" VARCHAR, \"value\" VARCHAR)[]"
    )
}

/// Every text that stands in the column `enrichments`.
pub(crate) fn enrichment_texts() -> Vec<String> {
    let mut all = Vec::new();
    for (column, parts, words) in [
        ("place", PlacePart::COUNT, ["'geoip'", "'ip_address'", "actor_ip"].as_slice()),
        ("agent", AgentPart::COUNT, &["'user_agent'", "'auditlake'", "actor_user_agent"]),
        ("person", PersonPart::COUNT, &["'directory'", "'actor'", SUBJECT]),
    ] {
        all.extend((0..parts).map(|at| part(column, at)));
        all.extend(words.iter().map(|word| format!("CASE WHEN {column} IS NOT NULL THEN {word} END")));
    }
    all
}

/// A map of these names and values, without those that have no value.
fn map<const N: usize>(named: [(&str, String); N]) -> String {
    format!("map_from_entries({})", entries(named))
}

/// What such a map is made of.
fn entries<const N: usize>(named: [(&str, String); N]) -> String {
    let entries = named.map(|(name, value)| format!("{{'key': '{name}', 'value': {value}}}"));
    format!("list_filter([{}], lambda e: e.value IS NOT NULL)", entries.join(", "))
}

/// What view `activities` shows beside the 46 columns.
pub(super) fn beside() -> Vec<(&'static str, String)> {
    vec![
        ("client", agent(AgentPart::Client)),
        ("clientVersion", agent(AgentPart::ClientVersion)),
        ("browser", agent(AgentPart::Browser)),
        ("browserVersion", agent(AgentPart::BrowserVersion)),
        ("os", agent(AgentPart::Os)),
        ("osVersion", agent(AgentPart::OsVersion)),
        ("device", agent(AgentPart::Device)),
        ("personName", person(PersonPart::Name)),
        ("department", person(PersonPart::Department)),
        ("manager", person(PersonPart::Manager)),
        ("isServiceAccount", person(PersonPart::ServiceAccount)),
        ("identity", IDENTITY.clone()),
    ]
}
