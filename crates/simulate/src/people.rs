//! The people of the organization: who they are, where they live, when they work and what with.
//!
//! A person is computed from the seed and a number. Numbers from [`Organization::people`] on are newcomers and outsiders,
//! who appear in stories such as an invitation.

use serde::Serialize;

use crate::{
    hash::{below, mix, permille, pick},
    ids::{Id, uuid},
    networks::CITIES,
};

/// What somebody may do in the organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The one primary owner.
    PrimaryOwner,
    /// Administrators, who do administration rarely.
    Admin,
    /// People who write software.
    Developer,
    /// Everybody else.
    User,
}

/// A person of the simulated organization, as a directory would list them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Person {
    /// `user_01…`
    pub user_id: String,
    /// The address that they sign in with.
    pub email: String,
    /// First and last name.
    pub name: String,
    /// Where in the company.
    pub department: &'static str,
    /// What they may do.
    pub role: Role,
    /// The city that they live in.
    pub city: &'static str,
    /// Their time zone, in minutes east of UTC.
    pub offset_minutes: i32,
}

/// The company whose people are simulated.
#[derive(Debug, Clone)]
pub struct Organization {
    pub(crate) seed: u64,
    people: u32,
    pub(crate) admins: u32,
}

const DEPARTMENTS: [&str; 8] =
    ["Engineering", "Product", "Sales", "Marketing", "Finance", "Legal", "People", "Customer Support"];

static FIRST: &str = include_str!("../data/first-names.txt");
static LAST: &str = include_str!("../data/last-names.txt");
static NAMES: std::sync::LazyLock<(Vec<&str>, Vec<&str>)> =
    std::sync::LazyLock::new(|| (FIRST.split_whitespace().collect(), LAST.split_whitespace().collect()));

/// From this number on, people do not belong to the company: attackers' accounts, under a foreign domain.
pub(crate) const OUTSIDERS: u32 = 3_000_000_000;

impl Organization {
    pub(crate) fn new(seed: u64, people: u32) -> Organization {
        Organization { seed, people, admins: (people / 60).clamp(2, 40).min(people.saturating_sub(1)) }
    }

    /// The number of people.
    pub fn people(&self) -> u32 {
        self.people
    }

    /// The organization in which people chat, `org_01…`, and its UUID.
    pub fn id(&self) -> (String, String) {
        self.unit(Unit::Main)
    }

    /// The platform organization (workspaces, keys, agents) under the same parent, and its UUID.
    pub fn platform_id(&self) -> (String, String) {
        self.unit(Unit::Platform)
    }

    /// A sandbox organization under the same parent, in which administrators try dangerous things, and its UUID.
    pub fn sandbox_id(&self) -> (String, String) {
        self.unit(Unit::Sandbox)
    }

    pub(crate) fn unit(&self, unit: Unit) -> (String, String) {
        let Id(high, low) = Id::of(self.seed, 0x0a6 + unit as u64);
        let mut text = Vec::new();
        uuid(mix(high, 1), mix(low, 1), &mut text);
        (Id(high, low).text("org_"), String::from_utf8_lossy(&text).into_owned())
    }

    /// The person with this number; numbers from [`Organization::people`] on are newcomers and outsiders.
    pub fn person(&self, number: u32) -> Person {
        let traits = self.traits(number);
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        Person {
            user_id: self.user(number).text("user_"),
            email: text(&|out| self.write_email(number, out)),
            name: text(&|out| self.write_name(number, out)),
            department: if traits.role == Role::Developer {
                DEPARTMENTS[0]
            } else {
                pick(mix(traits.hash, 9), &DEPARTMENTS)
            },
            role: traits.role,
            city: CITIES[usize::from(traits.city)].name,
            offset_minutes: CITIES[usize::from(traits.city)].offset,
        }
    }

    pub(crate) fn user(&self, number: u32) -> Id {
        Id::of(mix(self.seed, 0x05e7), u64::from(number))
    }

    /// An administrator, by chance; the primary owner is number 0 and not among them.
    pub(crate) fn admin(&self, hash: u64) -> u32 {
        1 + below(hash, u64::from(self.admins.max(1))) as u32
    }

    /// Anybody but the primary owner and the administrators, if there is anybody.
    pub(crate) fn anybody(&self, hash: u64) -> u32 {
        let first = (1 + self.admins).min(self.people - 1);
        first + below(hash, u64::from(self.people - first)) as u32
    }

    /// A colleague of the same team: people whose numbers differ in the last three bits only.
    pub(crate) fn colleague(&self, of: u32, hash: u64) -> u32 {
        let first = of & !7;
        let size = self.people.saturating_sub(first).clamp(1, 8);
        let other = first + below(hash, u64::from(size)) as u32;
        if other == of { first + (other - first + 1) % size } else { other }
    }

    fn names(&self, number: u32) -> (&'static str, &'static str, u32) {
        let (first, last) = &*NAMES;
        // Every pair once before the first repetition: the two counts share no factor.
        let shift = below(mix(self.seed, 3), (first.len() * last.len()) as u64) as usize;
        let number = if number >= OUTSIDERS { number - OUTSIDERS } else { number };
        let at = number as usize + shift;
        let (round, at) = (at / (first.len() * last.len()), at % (first.len() * last.len()));
        (first[at % first.len()], last[at % last.len()], round as u32)
    }

    pub(crate) fn write_email(&self, number: u32, out: &mut Vec<u8>) {
        let (first, last, round) = self.names(number);
        out.extend(first.bytes().map(|byte| byte.to_ascii_lowercase()));
        out.push(b'.');
        out.extend(last.bytes().map(|byte| byte.to_ascii_lowercase()));
        if round > 0 {
            out.extend_from_slice((round + 1).to_string().as_bytes());
        }
        // One in twelve works for a partner.
        let partner = number > 8 && number < self.people && permille(mix(self.seed ^ 0x9a, u64::from(number)), 80);
        out.extend_from_slice(match (number >= OUTSIDERS, partner) {
            (true, _) => b"@example.net",
            (false, true) => b"@example.org",
            (false, false) => b"@example.com",
        });
    }

    pub(crate) fn write_name(&self, number: u32, out: &mut Vec<u8>) {
        let (first, last, _) = self.names(number);
        out.extend_from_slice(first.as_bytes());
        out.push(b' ');
        out.extend_from_slice(last.as_bytes());
    }
}

/// The organizations under the one parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Unit {
    Main,
    Platform,
    Sandbox,
    /// Sign-ins, sign-outs and Compliance API calls belong to none.
    None,
}
