//! When somebody works, where, and what with: what the simulation needs of a person, without their texts.

use crate::{
    calendar::{DAY, MINUTE, Micros, day_of, is_weekend},
    devices::Client,
    hash::{below, mix, permille},
    networks::{CITIES, NetworkKind},
    people::{Organization, Role},
};

/// A person, as numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    pub(crate) hash: u64,
    pub(crate) role: Role,
    pub(crate) city: u8,
    /// When the working day begins, in minutes after local midnight, and how long it is.
    pub(crate) begins: u16,
    pub(crate) lasts: u16,
    /// How busy, in percent of the average.
    pub(crate) busy: u16,
    pub(crate) browser: Client,
    pub(crate) desktop: Client,
    pub(crate) phone: Client,
    pub(crate) code: Client,
}

impl Organization {
    /// What everything that is special to a person follows from, [`Traits::hash`].
    pub(crate) fn traits_hash(&self, number: u32) -> u64 {
        mix(mix(self.seed, 0x7ea), u64::from(number))
    }

    pub(crate) fn traits(&self, number: u32) -> Traits {
        let hash = self.traits_hash(number);
        let role = match number {
            0 => Role::PrimaryOwner,
            _ if number <= self.admins => Role::Admin,
            _ if permille(mix(hash, 1), 380) => Role::Developer,
            _ => Role::User,
        };
        let mac = permille(mix(hash, 2), 560);
        let linux = role == Role::Developer && permille(mix(hash, 3), 180);
        let first = permille(mix(hash, 4), 700);
        let (browser, desktop, code) = match (linux, mac) {
            (true, _) => (Client::FirefoxLinux, Client::FirefoxLinux, Client::CodeLinux),
            (_, true) => {
                (if first { Client::ChromeMac } else { Client::SafariMac }, Client::DesktopMac, Client::CodeMac)
            }
            _ => (
                if first { Client::ChromeWindows } else { Client::EdgeWindows },
                Client::DesktopWindows,
                Client::CodeWindows,
            ),
        };
        // The sum of two even draws, squared: many moderate people, a few busy ones.
        let draw = below(mix(hash, 5), 100) + below(mix(hash, 6), 100);
        Traits {
            hash,
            role,
            // Teams sit together, most of the time.
            city: below(
                mix(mix(self.seed, 0xc17), u64::from(if permille(mix(hash, 7), 850) { number >> 4 } else { number })),
                16,
            ) as u8,
            begins: 420 + below(mix(hash, 8), 180) as u16,
            lasts: 450 + below(mix(hash, 10), 120) as u16,
            busy: (40 + draw * draw / 190) as u16,
            browser,
            desktop,
            phone: if permille(mix(hash, 11), 550) { Client::Iphone } else { Client::Android },
            code,
        }
    }
}

impl Traits {
    /// The start of a local day in UTC.
    pub(crate) fn midnight(&self, day: i64) -> Micros {
        midnight(self.city, day)
    }

    /// The working hours of a local day, if it is one: weekends, holidays and sick days are not.
    pub(crate) fn working_hours(&self, day: i64) -> Option<(Micros, Micros)> {
        let luck = mix(self.hash, day as u64);
        if is_weekend(day) {
            // Some look in for an hour or two.
            return permille(luck, 70).then(|| {
                let begins = self.midnight(day) + (600 + below(mix(luck, 1), 480) as Micros) * MINUTE;
                (begins, begins + 90 * MINUTE)
            });
        }
        let on_holiday = permille(mix(self.hash ^ 0x401, (day + 3).div_euclid(7) as u64), 70);
        if on_holiday || permille(luck, 30) {
            return None;
        }
        let begins = self.midnight(day) + (Micros::from(self.begins) + below(mix(luck, 2), 60) as Micros - 30) * MINUTE;
        Some((begins, begins + (Micros::from(self.lasts) + below(mix(luck, 3), 60) as Micros) * MINUTE))
    }

    /// Where somebody spends a day. Trips lead to the neighbouring city for a week.
    pub(crate) fn whereabouts(&self, day: i64) -> (NetworkKind, u8) {
        let luck = mix(self.hash ^ 0x3e4e, day as u64);
        let week = (day + 3).div_euclid(7) as u64;
        if permille(mix(self.hash ^ 0x741b, week), 2) {
            return (NetworkKind::Office, CITIES[usize::from(self.city)].neighbour);
        }
        let kind = match below(luck, 100) {
            _ if is_weekend(day) => NetworkKind::Residential,
            0..52 => NetworkKind::Office,
            52..88 => NetworkKind::Residential,
            _ => NetworkKind::Vpn,
        };
        (kind, self.city)
    }
}

/// The local day of a moment for somebody who lives in this city.
pub(crate) fn local_day(city: u8, at: Micros) -> i64 {
    day_of(at + Micros::from(CITIES[usize::from(city)].offset) * MINUTE)
}

/// The start of a local day in a city, in UTC.
pub(crate) fn midnight(city: u8, day: i64) -> Micros {
    day * DAY - Micros::from(CITIES[usize::from(city)].offset) * MINUTE
}
