//! What enrichment says, as SQL over the columns `place`, `agent` and `person` of table `activity`.

use std::sync::LazyLock;

use activity::{
    AgentPart, PART_SEPARATOR, PersonPart, PlacePart,
    identity::{KEY_PREFIXES, OTHER_IDENTITIES, PLACEHOLDER_DOMAINS, PLACEHOLDERS},
};
use auditlake_store::{
    filter::AGENT_TAGS,
    record::{PERSON_DATA, PLACE_DATA},
};

/// A part of one of the columns: a nullable text.
fn part(column: &str, at: usize) -> String {
    format!("nullIf(splitByChar(char({}), ifNull({column}, ''))[{}], '')", PART_SEPARATOR as u32, at + 1)
}

/// A part of the place, in the type of its column.
pub(crate) fn place(wanted: PlacePart) -> String {
    let text = part("place", wanted as usize);
    match wanted {
        PlacePart::Asn => format!("toUInt32OrNull({text})"),
        PlacePart::Latitude | PlacePart::Longitude => format!("toFloat64OrNull({text})"),
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
        PersonPart::ServiceAccount => format!("CAST({text} = 'true' AS Nullable(Bool))"),
        _ => text,
    }
}

/// A member of the actor that has no column of its own: a nullable text.
pub(crate) fn other(name: &str) -> String {
    format!("if(mapContains(actor_other, '{name}'), CAST(actor_other['{name}'] AS Nullable(String)), NULL)")
}

/// Whoever acted, as one name: [`activity::identity()`] in SQL.
pub(crate) static IDENTITY: LazyLock<String> = LazyLock::new(|| {
    let plain = |column: &str| format!("CAST({column} AS Nullable(String))");
    let mut ways = vec![
        person(PersonPart::UserId),
        real(&plain("actor_user_id")),
        real(&format!("lower({})", plain("actor_email"))),
    ];
    for key in ["actor_admin_api_key_id", "actor_api_key_id"] {
        let [admin, short] = KEY_PREFIXES;
        let (key, length) = (real(&plain(key)), admin.len() + 1);
        ways.push(format!("if(startsWith({key}, '{admin}'), concat('{short}', substring({key}, {length})), {key})"));
    }
    for name in OTHER_IDENTITIES {
        let member = other(name);
        ways.push(match name {
            "unauthenticated_email_address" => real(&format!("lower({member})")),
            _ => real(&member),
        });
    }
    format!("coalesce({})", ways.join(", "))
});

/// The text, if it is no placeholder: [`activity::identity::is_placeholder`] in SQL.
fn real(text: &str) -> String {
    let words: Vec<&str> = PLACEHOLDERS.into_iter().filter(|word| !word.is_empty()).collect();
    let domains: Vec<String> = PLACEHOLDER_DOMAINS.into_iter().map(|domain| domain.replace('.', "[.]")).collect();
    let form = format!("(?s)^(({})?|.*@([^@]*[.])?({}))$", words.join("|"), domains.join("|"));
    format!("if(match(lower({text}), '{form}'), NULL, {text})")
}

/// By which the directory was asked.
fn subject() -> String {
    let address = other("unauthenticated_email_address");
    format!("coalesce(CAST(actor_email AS Nullable(String)), {address}, CAST(actor_user_id AS Nullable(String)))")
}

fn agent_pairs() -> Vec<(&'static str, String)> {
    AGENT_TAGS.iter().map(|(name, wanted)| (*name, part("agent", *wanted as usize))).collect()
}

/// The column `tags`: what follows from the type, and what the user agent says.
pub(super) fn tags(own_read: &str) -> String {
    let mut pairs = vec![
        ("category", "CAST(category AS Nullable(String))".to_owned()),
        ("outcome", "CAST(outcome AS Nullable(String))".to_owned()),
        ("product", "CAST(product AS Nullable(String))".to_owned()),
        ("own_read", format!("if({own_read}, 'true', NULL)")),
    ];
    pairs.extend(agent_pairs());
    pairs_as_map(&pairs)
}

/// The column `enrichments`: an entry for each look-up that said something.
pub(super) fn enrichments() -> String {
    const ENTRY: &str =
        "Array(Tuple(data Map(String, String), name String, provider String, type String, value String))";
    let entry = |column: &str, data: &str, name: &str, provider: &str, kind: &str, value: &str| {
        format!(
            "if(isNull({column}), [], [({data}, '{name}', ifNull(CAST({provider} AS Nullable(String)), ''), '{kind}', \
             ifNull(CAST({value} AS Nullable(String)), ''))])::{ENTRY}"
        )
    };
    let parts = |column: &str, list: &[(&'static str, usize)]| {
        let pairs: Vec<(&str, String)> = list.iter().map(|(name, at)| (*name, part(column, *at))).collect();
        pairs_as_map(&pairs)
    };
    let place = parts("place", &PLACE_DATA.map(|(name, wanted)| (name, wanted as usize)));
    let person = parts("person", &PERSON_DATA.map(|(name, wanted)| (name, wanted as usize)));
    let geo = entry("place", &place, "geoip", &place_text(PlacePart::Database), "ip_address", "actor_ip");
    let agent =
        entry("agent", &pairs_as_map(&agent_pairs()), "user_agent", "'auditlake'", "user_agent", "actor_user_agent");
    let person = entry("person", &person, "directory", "'directory'", "actor", &subject());
    format!("arrayConcat({geo}, {agent}, {person})")
}

/// Every text that stands in the column `enrichments`.
pub(crate) fn enrichment_texts() -> Vec<String> {
    let mut all = Vec::new();
    let subject = subject();
    for (column, parts, words) in [
        ("place", PlacePart::COUNT, ["'geoip'", "'ip_address'", "actor_ip"]),
        ("agent", AgentPart::COUNT, ["'user_agent'", "'auditlake'", "actor_user_agent"]),
        ("person", PersonPart::COUNT, ["'directory'", "'actor'", subject.as_str()]),
    ] {
        all.extend((0..parts).map(|at| part(column, at)));
        all.extend(words.iter().map(|word| format!("if(isNull({column}), NULL, CAST({word} AS Nullable(String)))")));
    }
    all
}

/// A map of these names and nullable values, without those that have no value.
pub(super) fn pairs_as_map(pairs: &[(&str, String)]) -> String {
    format!("CAST({} AS Map(String, String))", filtered(pairs))
}

/// The pairs that have a value, as an array of pairs of texts.
pub(super) fn filtered(pairs: &[(&str, String)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("('{name}', CAST({value} AS Nullable(String)))")).collect();
    format!("arrayMap(e -> (e.1, assumeNotNull(e.2)), arrayFilter(e -> isNotNull(e.2), [{}]))", pairs.join(", "))
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
