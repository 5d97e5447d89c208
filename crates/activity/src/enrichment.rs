//! What others know of an activity: the place of its address, the program behind its user agent, the person in a directory.
//!
//! Each is one text of parts in a fixed order, as it is stored: a million rows share a few thousand of them. What makes
//! these texts is not known here.

use std::sync::Arc;

/// What parts the parts. No part contains it.
pub const PART_SEPARATOR: char = '\u{1f}';

/// What is known of an activity beside itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enrichment {
    /// Where its address is, see [`PlacePart`].
    pub place: Option<Arc<str>>,
    /// What its user agent stands for, see [`AgentPart`].
    pub agent: Option<Arc<str>>,
    /// Whom its actor is in the directory, see [`PersonPart`].
    pub person: Option<Arc<str>>,
}

macro_rules! parts {
    ($(#[$about:meta])* $name:ident, $count:literal: $($(#[$doc:meta])* $part:ident),+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $part),+
        }

        impl $name {
            /// The number of parts.
            pub const COUNT: usize = $count;
            /// All of them, in their order.
            pub const ALL: [$name; $count] = [$($name::$part),+];

            /// This part of a text; `None` if it is empty.
            pub fn of(self, text: &str) -> Option<&str> {
                part(text, self as usize)
            }
        }
    };
}

parts! {
    /// The parts of [`Enrichment::place`].
    PlacePart, 10:
    /// The country's ISO 3166 code.
    Country,
    /// The number of the autonomous system.
    Asn,
    /// Who runs the autonomous system.
    AsOrganization,
    /// The city's English name.
    City,
    /// How the address is connected.
    ConnectionType,
    /// The internet provider.
    Isp,
    /// Degrees north.
    Latitude,
    /// Degrees east.
    Longitude,
    /// What kind of user the address belongs to.
    UserType,
    /// The databases that said so, each with the date of its making.
    Database
}

parts! {
    /// The parts of [`Enrichment::agent`].
    AgentPart, 7:
    /// What talks to Claude, such as `claude-code`.
    Client,
    /// Its version.
    ClientVersion,
    /// The browser.
    Browser,
    /// Its version.
    BrowserVersion,
    /// The operating system.
    Os,
    /// Its version.
    OsVersion,
    /// The class of device.
    Device
}

parts! {
    /// The parts of [`Enrichment::person`].
    PersonPart, 5:
    /// The user id.
    UserId,
    /// The name.
    Name,
    /// The department.
    Department,
    /// The manager.
    Manager,
    /// `true` or `false`.
    ServiceAccount
}

/// Puts parts together; control characters in them become U+FFFD. `None` if all are empty.
pub fn join_parts<const N: usize>(parts: [&str; N]) -> Option<String> {
    if parts.iter().all(|part| part.is_empty()) {
        return None;
    }
    let mut text = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            text.push(PART_SEPARATOR);
        }
        match part.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            true => text.push_str(part),
            false => text.extend(part.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign })),
        }
    }
    Some(text)
}

fn part(text: &str, at: usize) -> Option<&str> {
    text.split(PART_SEPARATOR).nth(at).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        let text = join_parts(["user_1", "A \u{1f}\n B", "", "boss", "false"]).unwrap();
        let found = PersonPart::ALL.map(|part| part.of(&text));
        assert_eq!(found, [Some("user_1"), Some("A \u{fffd}\u{fffd} B"), None, Some("boss"), Some("false")]);
        assert_eq!(join_parts(["", "", ""]), None);
        assert_eq!(PlacePart::Database.of("DE"), None);
        assert_eq!((PlacePart::ALL.len(), AgentPart::ALL.len()), (PlacePart::COUNT, AgentPart::COUNT));
    }
}
