//! What kind of address an IP address is, as far as the address itself tells.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The class of an `ip_address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// Routed on the internet.
    Public,
    /// Private, link-local, carrier-grade or unique-local: real, but of no place.
    Private,
    /// Loopback.
    Loopback,
    /// Set aside for documentation, benchmarks, multicast or the future.
    Reserved,
    /// `0.0.0.0` and `::`: written where nothing is known.
    Placeholder,
    /// No IP address.
    Invalid,
}

impl AddressClass {
    /// The class of an address as text.
    pub fn of(text: &str) -> AddressClass {
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => v4(address),
            Ok(IpAddr::V6(address)) => address.to_ipv4_mapped().map_or_else(|| v6(address), v4),
            Err(_) => AddressClass::Invalid,
        }
    }

    /// The name that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            AddressClass::Public => "public",
            AddressClass::Private => "private",
            AddressClass::Loopback => "loopback",
            AddressClass::Reserved => "reserved",
            AddressClass::Placeholder => "placeholder",
            AddressClass::Invalid => "invalid",
        }
    }
}

fn v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    if address.is_unspecified() {
        AddressClass::Placeholder
    } else if address.is_loopback() {
        AddressClass::Loopback
    } else if address.is_private() || address.is_link_local() || (a == 100 && b & 0xc0 == 64) {
        AddressClass::Private
    } else if a == 0
        || a >= 224
        || address.is_documentation()
        || (a == 198 && b & 0xfe == 18)
        || (a == 192 && b == 0 && c == 0)
    {
        AddressClass::Reserved
    } else {
        AddressClass::Public
    }
}

fn v6(address: Ipv6Addr) -> AddressClass {
    let first = address.segments();
    if address.is_unspecified() {
        AddressClass::Placeholder
    } else if address.is_loopback() {
        AddressClass::Loopback
    } else if first[0] & 0xfe00 == 0xfc00 || first[0] & 0xffc0 == 0xfe80 {
        AddressClass::Private
    } else if first[0] & 0xff00 == 0xff00
        || (first[0] == 0x2001 && first[1] == 0x0db8)
        || first[0] == 0x3fff && first[1] < 0x1000
        || first[0] & 0xe000 != 0x2000
    {
        AddressClass::Reserved
    } else {
        AddressClass::Public
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_classes() {
        for (text, class) in [
            ("8.8.8.8", AddressClass::Public),
            ("10.1.2.3", AddressClass::Private),
            ("100.64.0.1", AddressClass::Private),
            ("127.0.0.1", AddressClass::Loopback),
            ("192.0.2.7", AddressClass::Reserved),
            ("0.0.0.0", AddressClass::Placeholder),
            ("::", AddressClass::Placeholder),
            ("::1", AddressClass::Loopback),
            ("fd00::1", AddressClass::Private),
            ("fe80::1", AddressClass::Private),
            ("2001:db8::1", AddressClass::Reserved),
            ("2606:4700::1111", AddressClass::Public),
            ("::ffff:10.0.0.1", AddressClass::Private),
            ("unknown", AddressClass::Invalid),
            ("", AddressClass::Invalid),
        ] {
            assert_eq!(AddressClass::of(text), class, "{text}");
        }
    }
}
