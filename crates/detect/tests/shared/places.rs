//! What enrichment would say of an address, by the simulator's own table of networks.

use std::ops::RangeInclusive;

use simulate::{Network, networks};

/// The table.
pub struct Places(Vec<(RangeInclusive<u128>, String)>);

impl Places {
    pub fn new() -> Places {
        Places(networks().iter().map(|network| (range(&network.cidr), place(network))).collect())
    }

    pub fn of(&self, address: &str) -> Option<&str> {
        let number = match address.parse().ok()? {
            std::net::IpAddr::V4(ip) => u128::from(u32::from(ip)),
            std::net::IpAddr::V6(ip) => u128::from(ip),
        };
        self.0.iter().find(|(range, _)| range.contains(&number)).map(|(_, place)| place.as_str())
    }
}

fn range(cidr: &str) -> RangeInclusive<u128> {
    let (address, bits) = cidr.split_once('/').unwrap();
    let (first, width) = match address.parse().unwrap() {
        std::net::IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        std::net::IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    first..=first + ((1 << (width - bits.parse::<u32>().unwrap())) - 1)
}

fn place(network: &Network) -> String {
    [
        network.country_code.to_owned(),
        network.asn.to_string(),
        network.as_organization.to_owned(),
        network.city.to_owned(),
        network.connection_type.to_owned(),
        network.as_organization.to_owned(),
        network.latitude.to_string(),
        network.longitude.to_string(),
        network.user_type.to_owned(),
    ]
    .join("\u{1f}")
}
