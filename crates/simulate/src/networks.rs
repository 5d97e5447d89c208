//! Where activities come from: every network that the simulation uses.
//!
//! All of them lie in the ranges that are reserved for documentation (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24,
//! 2001:db8::/32), so nothing simulated can be mistaken for somebody's real address. [`networks`] gives the table, from
//! which a location database for demonstrations and tests can be built.

use std::sync::LazyLock;

use crate::hash::mix;

/// What kind of place a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum NetworkKind {
    /// A company office.
    Office,
    /// The company's own VPN.
    Vpn,
    /// People's homes.
    Residential,
    /// Mobile carriers.
    Mobile,
    /// The company's machines at a cloud provider.
    Cloud,
    /// A hosting provider that anybody can rent from.
    Hosting,
    /// Tor exits.
    Tor,
    /// Anonymising proxies.
    Proxy,
}

/// One network: its block, where it is and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The block, such as `192.0.2.0/29`.
    pub cidr: String,
    /// What kind of place it is.
    pub kind: NetworkKind,
    /// The city's English name.
    pub city: &'static str,
    /// The country's English name.
    pub country: &'static str,
    /// The country's ISO 3166 code.
    pub country_code: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The autonomous system, from the numbers reserved for documentation.
    pub asn: u32,
    /// Who runs the autonomous system.
    pub as_organization: &'static str,
    /// The connection type in MaxMind's terms.
    pub connection_type: &'static str,
    /// The user type in MaxMind's terms.
    pub user_type: &'static str,
    prefix: Prefix,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Prefix {
    /// The first address and the number of addresses.
    V4([u8; 4], u8),
    /// The first 48 bits.
    V6([u16; 3]),
}

/// A city in which people of the organization live, or from which strangers come.
pub(crate) struct City {
    pub(crate) name: &'static str,
    pub(crate) country: &'static str,
    pub(crate) code: &'static str,
    pub(crate) at: (f64, f64),
    /// Minutes east of UTC; standard time all year.
    pub(crate) offset: i32,
    /// The city near by to which business trips go.
    pub(crate) neighbour: u8,
}

const fn city(
    name: &'static str,
    country: &'static str,
    code: &'static str,
    at: (f64, f64),
    offset: i32,
    neighbour: u8,
) -> City {
    City { name, country, code, at, offset, neighbour }
}

/// Where people of the organization live.
pub(crate) static CITIES: [City; 16] = [
    city("Berlin", "Germany", "DE", (52.52, 13.405), 60, 1),
    city("Amsterdam", "Netherlands", "NL", (52.37, 4.895), 60, 0),
    city("London", "United Kingdom", "GB", (51.507, -0.128), 0, 3),
    city("Dublin", "Ireland", "IE", (53.35, -6.26), 0, 2),
    city("Paris", "France", "FR", (48.857, 2.352), 60, 5),
    city("Zurich", "Switzerland", "CH", (47.377, 8.541), 60, 4),
    city("New York", "United States", "US", (40.713, -74.006), -300, 7),
    city("Toronto", "Canada", "CA", (43.653, -79.383), -300, 6),
    city("San Francisco", "United States", "US", (37.775, -122.419), -480, 9),
    city("Seattle", "United States", "US", (47.606, -122.332), -480, 8),
    city("Austin", "United States", "US", (30.267, -97.743), -360, 10),
    city("Warsaw", "Poland", "PL", (52.23, 21.012), 60, 0),
    city("Bengaluru", "India", "IN", (12.972, 77.595), 330, 12),
    city("Singapore", "Singapore", "SG", (1.352, 103.82), 480, 13),
    city("Tokyo", "Japan", "JP", (35.677, 139.65), 540, 14),
    city("Sydney", "Australia", "AU", (-33.869, 151.209), 600, 15),
];

/// Where strangers come from, by the kind of network that they hide in.
static STRANGERS: [(NetworkKind, City, u32, &str); 6] = [
    (NetworkKind::Tor, city("Reykjavik", "Iceland", "IS", (64.147, -21.942), 0, 0), 64506, "Onion Relay Society"),
    (
        NetworkKind::Hosting,
        city("Panama City", "Panama", "PA", (8.983, -79.517), -300, 0),
        64507,
        "Isthmus Rented Servers",
    ),
    (NetworkKind::Hosting, city("Nairobi", "Kenya", "KE", (-1.286, 36.817), 180, 0), 64508, "Savanna Compute"),
    (NetworkKind::Proxy, city("Vilnius", "Lithuania", "LT", (54.687, 25.28), 120, 0), 64509, "Amber Anonymous Proxies"),
    (NetworkKind::Cloud, city("Frankfurt", "Germany", "DE", (50.11, 8.682), 60, 0), 64510, "Northstar Cloud"),
    (NetworkKind::Cloud, city("Ashburn", "United States", "US", (39.044, -77.487), -300, 0), 64511, "Northstar Cloud"),
];

static NETWORKS: LazyLock<Vec<Network>> = LazyLock::new(build);

/// Every network that a simulated activity can come from. The blocks do not overlap.
pub fn networks() -> &'static [Network] {
    &NETWORKS
}

fn build() -> Vec<Network> {
    let mut all = Vec::new();
    for (at, city) in CITIES.iter().enumerate() {
        let (block, high) = (16 * at as u8, at as u16);
        let home = NetworkKind::Residential;
        all.push(network(NetworkKind::Office, city, Prefix::V4([192, 0, 2, block], 8), 64496, "Example Company"));
        all.push(network(NetworkKind::Vpn, city, Prefix::V4([192, 0, 2, block + 8], 8), 64496, "Example Company"));
        all.push(network(home, city, Prefix::V4([198, 51, 100, block], 8), 64497, "Hearth Broadband"));
        all.push(network(NetworkKind::Mobile, city, Prefix::V4([198, 51, 100, block + 8], 8), 64498, "Meadow Mobile"));
        all.push(network(home, city, Prefix::V6([0x2001, 0xdb8, 0x100 + high]), 64497, "Hearth Broadband"));
        all.push(network(NetworkKind::Mobile, city, Prefix::V6([0x2001, 0xdb8, 0x200 + high]), 64498, "Meadow Mobile"));
    }
    for (at, (kind, city, asn, owner)) in STRANGERS.iter().enumerate() {
        all.push(network(*kind, city, Prefix::V4([203, 0, 113, 32 * at as u8], 32), *asn, owner));
        all.push(network(*kind, city, Prefix::V6([0x2001, 0xdb8, 0xf00 + at as u16]), *asn, owner));
    }
    all
}

fn network(kind: NetworkKind, city: &City, prefix: Prefix, asn: u32, as_organization: &'static str) -> Network {
    let (connection_type, user_type) = match kind {
        NetworkKind::Office | NetworkKind::Vpn => ("Corporate", "business"),
        NetworkKind::Residential => ("Cable/DSL", "residential"),
        NetworkKind::Mobile => ("Cellular", "cellular"),
        NetworkKind::Cloud | NetworkKind::Hosting | NetworkKind::Tor | NetworkKind::Proxy => ("Corporate", "hosting"),
    };
    let cidr = match prefix {
        Prefix::V4([a, b, c, d], 8) => format!("{a}.{b}.{c}.{d}/29"),
        Prefix::V4([a, b, c, d], _) => format!("{a}.{b}.{c}.{d}/27"),
        Prefix::V6([a, b, c]) => format!("{a:x}:{b:x}:{c:x}::/48"),
    };
    Network {
        cidr,
        kind,
        city: city.name,
        country: city.country,
        country_code: city.code,
        latitude: city.at.0,
        longitude: city.at.1,
        asn,
        as_organization,
        connection_type,
        user_type,
        prefix,
    }
}

/// Writes the address that `host` has in a network of this kind; `city` counts for the kinds that people live in.
pub(crate) fn write_address(kind: NetworkKind, city: u8, host: u64, out: &mut Vec<u8>) {
    let all = networks();
    let base = 6 * usize::from(city);
    let strangers = 6 * CITIES.len();
    // Half of the homes and phones have IPv6.
    let v6 = usize::from(host & 1 == 1);
    let at = match kind {
        NetworkKind::Office => base,
        NetworkKind::Vpn => base + 1,
        NetworkKind::Residential => base + 2 + 2 * v6,
        NetworkKind::Mobile => base + 3 + 2 * v6,
        NetworkKind::Tor => strangers,
        NetworkKind::Hosting => strangers + 2 + 2 * usize::from(host & 2 == 2),
        NetworkKind::Proxy => strangers + 6,
        NetworkKind::Cloud => strangers + 8 + 2 * usize::from(host & 2 == 2),
    };
    all[at].prefix.write(mix(host, 77), out);
}

impl Prefix {
    fn write(self, host: u64, out: &mut Vec<u8>) {
        use std::io::Write as _;
        // Writing to a vector cannot fail.
        let _ = match self {
            // Neither the first address nor the last: those name a network.
            Prefix::V4([a, b, c, d], size) => {
                write!(out, "{a}.{b}.{c}.{}", d + 1 + (host % u64::from(size - 2)) as u8)
            }
            Prefix::V6([a, b, c]) => {
                write!(out, "{a:x}:{b:x}:{c:x}:{:x}:{:x}::{:x}", host >> 48, host >> 32 & 0xffff | 1, host & 0xffff | 1)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::IpAddr};

    use super::*;

    #[test]
    fn blocks_are_apart_and_addresses_lie_in_them() {
        let cidrs: HashSet<&str> = networks().iter().map(|network| network.cidr.as_str()).collect();
        assert_eq!(cidrs.len(), networks().len());
        for network in networks() {
            for host in 0..50 {
                let mut out = Vec::new();
                network.prefix.write(mix(host, 1), &mut out);
                let text = String::from_utf8(out).unwrap();
                let address: IpAddr = text.parse().unwrap();
                match (address, network.prefix) {
                    (IpAddr::V4(address), Prefix::V4([.., d], size)) => {
                        assert!((d + 1..=d + (size - 2)).contains(&address.octets()[3]), "{text} in {}", network.cidr);
                    }
                    (IpAddr::V6(address), Prefix::V6(first)) => assert_eq!(address.segments()[..3], first),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}
