//! What viewers may ask behind the mask: no question may tell what the mask hides.
//!
//! Whoever may ask for parts of a text finds out all of it, sign by sign (`email:a*`, `email:b*`, …); networks and comparisons do
//! the same to addresses and numbers, and words to everything. So what stands behind a name can be asked for as a whole only, and
//! what nothing stands for not at all. A field that is not listed here as open is not: a new one is hidden until somebody decides.

use auditlake_store::filter::{Field, Filter, Known, Test};

use super::is_title;

/// How viewers see the values of a field.
enum Sight {
    /// As they are.
    Open,
    /// Some of them by names that stand for them.
    Named,
    /// Not at all.
    Hidden,
}

/// Why viewers may not ask this; none if they may.
pub fn refusal(filter: &Filter) -> Option<String> {
    match filter {
        Filter::All => None,
        Filter::And(list) | Filter::Or(list) => list.iter().find_map(refusal),
        Filter::Not(inner) => refusal(inner),
        Filter::Word(_) => Some(
            "viewers cannot search for words, which would find hidden names and addresses, too: ask for a field, such as type:"
                .to_owned(),
        ),
        Filter::Test { field, test } => match (sight(field), test) {
            (Sight::Open, _) | (_, Test::Exists) | (Sight::Named, Test::Equals(_)) => None,
            // One address, as the parser reads it.
            (Sight::Named, Test::InNetwork(network)) if network.is_host() => None,
            (Sight::Named, _) => Some(format!(
                "viewers can ask for whole values of {} alone: parts of them, networks and comparisons could find out what is hidden",
                name(field)
            )),
            (Sight::Hidden, _) => Some(format!("{} is hidden from viewers, and cannot be asked for", name(field))),
        },
    }
}

/// Whether the raw log's member at this path is what people named something, or may be: of a change alone, nobody can tell what
/// was changed.
pub fn is_hidden_path<'p>(mut path: impl Iterator<Item = &'p str>) -> bool {
    path.any(|name| is_title(name) || matches!(name, "previous_value" | "current_value"))
}

fn sight(field: &Field) -> Sight {
    match field {
        Field::Raw(path) if is_hidden_path(path.iter().map(String::as_str)) => Sight::Hidden,
        Field::Raw(_) | Field::Tag(_) => Sight::Named,
        Field::Known(known) => sight_of(*known),
    }
}

fn sight_of(known: Known) -> Sight {
    match known {
        Known::Type
        | Known::Id
        | Known::Time
        | Known::Org
        | Known::OrganizationId
        | Known::OrganizationUuid
        | Known::ActorType
        | Known::IpClass
        | Known::Category
        | Known::Outcome
        | Known::Product
        | Known::ReadOnly
        | Known::Guessed
        | Known::Client
        | Known::ClientVersion
        | Known::Browser
        | Known::Os
        | Known::Device
        | Known::Department
        | Known::ServiceAccount
        | Known::Country
        | Known::City
        | Known::Asn
        | Known::AsOrganization
        | Known::Isp
        | Known::ConnectionType
        | Known::IpUserType
        | Known::Latitude
        | Known::Longitude
        | Known::Seq
        | Known::Received
        | Known::RecordId
        | Known::Workspace
        | Known::Source
        | Known::SourceType
        | Known::SourceTtl => Sight::Open,
        Known::Person | Known::Manager | Known::Enrichments | Known::RawLog => Sight::Hidden,
        _ => Sight::Named,
    }
}

fn name(field: &Field) -> String {
    match field {
        Field::Known(known) => known.name().to_owned(),
        Field::Tag(name) => format!("tags.{name}"),
        Field::Raw(path) => path.join("."),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use auditlake_store::filter::parse;

    use super::*;

    fn refused(text: &str) -> Option<String> {
        refusal(&parse(text).unwrap())
    }

    #[test]
    fn what_pages_ask_may_be_asked() {
        for fine in [
            "",
            "type:*_deleted -type:claude_* outcome:failure",
            "category:(sso OR domains) read_only:false time:>7d seq:>5 asn:>100 latitude:<10 city:San*",
            "actor:person-5f3a9c01ab -ip:address-5f3a9c01ab",
            "actor:eve@example.com key:apikey_01 ip:192.0.2.1 target:user_1 resource:claude_chat_1",
            "email:* -key:* user_agent:* ip:* -name:* person:*",
            "claude_project_id:claude_project_1 status_code:200 user_agent:curl",
        ] {
            assert_eq!(refused(fine), None, "{fine}");
        }
    }

    #[test]
    fn what_would_tell_what_is_hidden_may_not() {
        for wrong in [
            "email:e*",
            "actor:*eve*",
            "-actor:eve*",
            "(type:a OR user:user_1*)",
            "identity:e*",
            "key:apikey_*",
            "user_agent:*eve*",
            "target:eve*",
            "resource:claude*",
            "ip:192.0.2.0/24",
            "ip:192.*",
            "invited_email:e*",
            "raw.actor.email_address:e*",
            "status_code:>200",
            "some_ip:192.0.2.0/24",
            "tags.client:e*",
            "tags:e*",
            "rawLog:*eve*",
            "enrichments:Eve",
            "person:Eve",
            "manager:eve@example.com",
            "name:Secret",
            "updates.name:a*",
            "updates.previous_value:Secret",
            "title.previous:Secret",
            "eve",
            "\"eve smith\"",
            "type:a -(outcome:failure OR eve)",
        ] {
            assert!(refused(wrong).is_some(), "{wrong}");
        }
        assert!(refused("email:e*").unwrap().contains("whole values of email"));
        assert!(refused("updates.name:a").unwrap().contains("updates.name is hidden"));
        assert!(refused("eve").unwrap().contains("words"));
    }
}
