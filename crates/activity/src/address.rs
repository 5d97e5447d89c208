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
    /// Set aside for documentation, benchmarks, tunnels, multicast or the future.
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
        || (a == 192 && b == 88 && c == 99)
    {
        AddressClass::Reserved
    } else {
        AddressClass::Public
    }
}

fn v6(address: Ipv6Addr) -> AddressClass {
    let first = address.segments();
    // NAT64 and 6to4 are ways to an IPv4 address.
    if first[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return v4(Ipv4Addr::from((u32::from(first[6]) << 16) | u32::from(first[7])));
    }
    if first[0] == 0x2002 {
        return v4(Ipv4Addr::from((u32::from(first[1]) << 16) | u32::from(first[2])));
    }
    if address.is_unspecified() {
        AddressClass::Placeholder
    } else if address.is_loopback() {
        AddressClass::Loopback
    } else if first[0] & 0xfe00 == 0xfc00 || matches!(first[0] & 0xffc0, 0xfe80 | 0xfec0) {
        AddressClass::Private
    } else if first[0] & 0xff00 == 0xff00
        || (first[0] == 0x2001 && (first[1] == 0x0db8 || first[1] < 0x0200))
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
            ("::ffff:8.8.8.8", AddressClass::Public),
            ("::ffff:0.0.0.0", AddressClass::Placeholder),
            ("64:ff9b::8.8.8.8", AddressClass::Public),
            ("64:ff9b::10.0.0.1", AddressClass::Private),
            ("2002:0a00:0001::1", AddressClass::Private),
            ("2002:0808:0808::1", AddressClass::Public),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", AddressClass::Reserved),
            ("2001:4860:4860::8888", AddressClass::Public),
            ("fec0::1", AddressClass::Private),
            ("192.88.99.1", AddressClass::Reserved),
            ("198.18.0.1", AddressClass::Reserved),
            ("239.1.1.1", AddressClass::Reserved),
            ("255.255.255.255", AddressClass::Reserved),
            ("169.254.1.1", AddressClass::Private),
            ("10.0.0.1:443", AddressClass::Invalid),
            ("fe80::1%eth0", AddressClass::Invalid),
            ("unknown", AddressClass::Invalid),
            ("", AddressClass::Invalid),
        ] {
            assert_eq!(AddressClass::of(text), class, "{text}");
        }
    }
}
