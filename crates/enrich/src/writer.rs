//! Writes a small location database in MaxMind's format, version 2: for ranges that no public one knows.
//!
//! The records have the field layout of GeoIP2 Enterprise, so every reader of such files understands them. Meant for
//! hundreds of blocks, not for the internet: the tree stands in memory, and its links take 32 bits.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
};

/// A block of addresses and where it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block<'s> {
    /// The country's ISO 3166 code.
    pub country_code: &'s str,
    /// The country's English name.
    pub country: &'s str,
    /// The city's English name.
    pub city: &'s str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The number of the autonomous system.
    pub asn: u32,
    /// Who runs the autonomous system.
    pub as_organization: &'s str,
    /// The connection type in MaxMind's terms.
    pub connection_type: &'s str,
    /// The user type in MaxMind's terms.
    pub user_type: &'s str,
}

/// A database in the making.
#[derive(Default)]
pub struct Builder {
    /// For each node, what follows on a zero and on a one.
    nodes: Vec<[Link; 2]>,
    data: Vec<u8>,
    known: HashMap<Vec<u8>, u32>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Link {
    #[default]
    Nothing,
    Node(u32),
    Data(u32),
}

/// What stands between tree and data, and what the data's offsets begin behind.
const GAP: [u8; 16] = [0; 16];
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

impl Builder {
    /// Adds a block, such as `192.0.2.0/29`. A later block inside an earlier one wins there. `false` if the text is no block.
    pub fn add(&mut self, cidr: &str, block: &Block) -> bool {
        let Some((address, bits)) = parse(cidr) else { return false };
        let encoded = record(block);
        let next = self.data.len() as u32;
        let at = *self.known.entry(encoded).or_insert_with_key(|encoded| {
            self.data.extend_from_slice(encoded);
            next
        });
        if self.nodes.is_empty() {
            self.nodes.push(Default::default());
        }
        let mut node = 0;
        for depth in 0..bits {
            let side = (address >> (127 - depth) & 1) as usize;
            if depth + 1 == bits {
                self.nodes[node][side] = Link::Data(at);
                break;
            }
            node = match self.nodes[node][side] {
                Link::Node(next) => next as usize,
                // What the larger block said goes on to hold for the rest of it.
                other => {
                    self.nodes.push([other, other]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Link::Node(next as u32);
                    next
                }
            };
        }
        true
    }

    /// The file. `kind` is its `database_type`.
    pub fn finish(self, kind: &str, description: &str, built_seconds: u64) -> Vec<u8> {
        let nodes = if self.nodes.is_empty() { vec![Default::default()] } else { self.nodes };
        let count = nodes.len() as u32;
        let mut out = Vec::with_capacity(nodes.len() * 8 + self.data.len() + 512);
        for link in nodes.iter().flatten() {
            let number = match link {
                Link::Nothing => count,
                Link::Node(next) => *next,
                Link::Data(at) => count + GAP.len() as u32 + at,
            };
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&GAP);
        out.extend_from_slice(&self.data);
        out.extend_from_slice(MARKER);
        let metadata = Value::Map(BTreeMap::from([
            ("binary_format_major_version", Value::Short(2)),
            ("binary_format_minor_version", Value::Short(0)),
            ("build_epoch", Value::Long(built_seconds)),
            ("database_type", Value::Text(kind)),
            ("description", Value::Map(BTreeMap::from([("en", Value::Text(description))]))),
            ("ip_version", Value::Short(6)),
            ("languages", Value::List(vec![Value::Text("en")])),
            ("node_count", Value::Whole(count)),
            ("record_size", Value::Short(32)),
        ]));
        metadata.write(&mut out);
        out
    }
}

/// A block's first address in 128 bits and its length; IPv4 stands below `::/96`.
fn parse(cidr: &str) -> Option<(u128, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let (address, bits) = match address.parse().ok()? {
        IpAddr::V4(address) => (u128::from(address.to_bits()), bits.checked_add(96).filter(|&bits| bits <= 128)?),
        IpAddr::V6(address) => (Ipv6Addr::to_bits(address), bits),
    };
    (1..=128).contains(&bits).then_some((address, bits))
}

fn record(block: &Block) -> Vec<u8> {
    let names = |name| Value::Map(BTreeMap::from([("names", Value::Map(BTreeMap::from([("en", Value::Text(name))])))]));
    let mut country = BTreeMap::from([("iso_code", Value::Text(block.country_code))]);
    country.insert("names", Value::Map(BTreeMap::from([("en", Value::Text(block.country))])));
    let mut out = Vec::new();
    Value::Map(BTreeMap::from([
        ("country", Value::Map(country)),
        ("city", names(block.city)),
        (
            "location",
            Value::Map(BTreeMap::from([
                ("latitude", Value::Double(block.latitude)),
                ("longitude", Value::Double(block.longitude)),
            ])),
        ),
        (
            "traits",
            Value::Map(BTreeMap::from([
                ("autonomous_system_number", Value::Whole(block.asn)),
                ("autonomous_system_organization", Value::Text(block.as_organization)),
                ("connection_type", Value::Text(block.connection_type)),
                ("isp", Value::Text(block.as_organization)),
                ("user_type", Value::Text(block.user_type)),
            ])),
        ),
    ]))
    .write(&mut out);
    out
}

/// A value of the data section.
enum Value<'s> {
    Text(&'s str),
    Double(f64),
    Short(u16),
    Whole(u32),
    Long(u64),
    Map(BTreeMap<&'static str, Value<'s>>),
    List(Vec<Value<'s>>),
}

impl Value<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Text(text) => write_text(text, out),
            Value::Double(number) => {
                control(3, 8, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Short(number) => whole(5, u64::from(*number), out),
            Value::Whole(number) => whole(6, u64::from(*number), out),
            Value::Long(number) => whole(9, *number, out),
            Value::Map(members) => {
                control(7, members.len(), out);
                for (name, value) in members {
                    write_text(name, out);
                    value.write(out);
                }
            }
            Value::List(items) => {
                control(11, items.len(), out);
                items.iter().for_each(|item| item.write(out));
            }
        }
    }
}

pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    control(2, text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// Without leading zero bytes.
fn whole(kind: u8, number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let skip = (number.leading_zeros() / 8) as usize;
    control(kind, bytes.len() - skip, out);
    out.extend_from_slice(&bytes[skip..]);
}

/// The byte that says what follows and how long it is; kinds above 7 take a second one.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (low, more): (u8, &[u8]) = match size {
        0..29 => (size as u8, &[]),
        29..285 => (29, &[(size - 29) as u8]),
        285..65_821 => (30, &((size - 285) as u16).to_be_bytes()),
        _ => (31, &((size - 65_821) as u32).to_be_bytes()[1..]),
    };
    match kind {
        8.. => out.extend_from_slice(&[low, kind - 7]),
        _ => out.push(kind << 5 | low),
    }
    out.extend_from_slice(more);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A database of one block with a record that is already encoded.
    pub(crate) fn of_record(kind: &str, cidr: &str, record: Vec<u8>) -> Vec<u8> {
        let mut builder = Builder::default();
        assert!(builder.add(cidr, &Block::default()));
        builder.data = record;
        builder.finish(kind, "", 0)
    }
}
