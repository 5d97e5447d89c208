//! `192.0.2.0/24`: networks, with one notion of an address for all of its spellings.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A network of IPv4 or IPv6 addresses. One address is the network of itself alone.
///
/// An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) counts as IPv4, on both sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    first: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The network of `prefix` bits around `address`. `None` if an address of its kind has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Cidr> {
        let (address, prefix) = match address {
            IpAddr::V6(v6) if prefix <= 128 => match v6.to_ipv4_mapped() {
                // A shorter prefix reaches beyond the mapped addresses, which are IPv4 to us and so in no IPv6 network.
                Some(v4) if prefix >= 96 => (IpAddr::V4(v4), prefix - 96),
                _ => (address, prefix),
            },
            IpAddr::V4(_) if prefix <= 32 => (address, prefix),
            _ => return None,
        };
        Some(Cidr { first: masked(address, prefix), prefix })
    }

    /// The network of this address alone.
    pub fn host(address: IpAddr) -> Cidr {
        let address = address.to_canonical();
        Cidr { first: address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// The lowest address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub fn last(&self) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => {
                IpAddr::V4(Ipv4Addr::from(u32::from(first) | u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0)))
            }
            IpAddr::V6(first) => {
                IpAddr::V6(Ipv6Addr::from(u128::from(first) | u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0)))
            }
        }
    }

    /// The number of leading bits that all addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether this is one address.
    pub fn is_host(&self) -> bool {
        self.prefix == if self.first.is_ipv4() { 32 } else { 128 }
    }

    /// The canonical text with the number of bits, even of a single address.
    pub fn with_bits(&self) -> String {
        format!("{}/{}", self.first, self.prefix)
    }

    /// Whether `address` is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix) == self.first
    }
}

/// `address` with all but its first `prefix` bits cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let tail = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(v4) & !tail))
        }
        IpAddr::V6(v6) => {
            let tail = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !tail))
        }
    }
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an IP address or network")]
pub struct NotANetwork;

impl FromStr for Cidr {
    type Err = NotANetwork;

    /// Takes `address` and `address/bits`. Bits of the address beyond the prefix are dropped.
    fn from_str(text: &str) -> Result<Cidr, NotANetwork> {
        let Some((address, bits)) = text.split_once('/') else {
            return text.parse().map(Cidr::host).map_err(|_| NotANetwork);
        };
        // `parse` alone would take `/+8` and `/008`.
        if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotANetwork);
        }
        let address = address.parse().map_err(|_| NotANetwork)?;
        let prefix = bits.parse().map_err(|_| NotANetwork)?;
        Cidr::new(address, prefix).ok_or(NotANetwork)
    }
}

impl fmt::Display for Cidr {
    /// The address alone where the network is one address.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.is_host() { write!(f, "{}", self.first) } else { write!(f, "{}/{}", self.first, self.prefix) }
    }
}
