//! Where an address is: several databases in MaxMind's format together.
//!
//! Each field comes from the first database that has it, in the order in which they are named. What tells that an address
//! hides somebody (Tor, VPN, proxy) comes before any other user type, as it tells more.

mod record;

use std::{fmt::Write, net::IpAddr, path::Path, sync::Arc};

use activity::{AddressClass, PlacePart, join_parts};
use maxminddb::{LookupResult, MaxMindDbError, Reader};

use crate::{EnrichError, Result, cache::Cache};
use record::Raw;

/// Where an address stands in a database.
type Found<'d> = LookupResult<'d, Vec<u8>>;

/// An open database.
pub struct Database {
    reader: Reader<Vec<u8>>,
    label: String,
}

impl Database {
    /// Reads a database; `path` is for messages.
    ///
    /// # Errors
    /// If the bytes are no database.
    pub fn new(path: &Path, bytes: Vec<u8>) -> Result<Database> {
        let bad = |message: String| EnrichError::Database { path: path.to_owned(), message };
        let reader = Reader::from_source(bytes).map_err(|error| bad(error.to_string()))?;
        let metadata = reader.metadata();
        let kind: String =
            metadata.database_type.chars().filter(|sign| !sign.is_control() && *sign != ';').take(80).collect();
        let label = match built(metadata.build_epoch) {
            Some(date) => format!("{kind} {date}"),
            None => kind,
        };
        let database = Database { reader, label };
        // A file that is cut short in the middle has its metadata but not its records.
        for probe in ["1.1.1.1", "2001:4860::1", "192.0.2.1"] {
            if let Ok(address) = probe.parse() {
                let found = database.find(address).map_err(|error| bad(error.to_string()))?;
                found.map_or(Ok(None), |found| found.decode::<Raw>()).map_err(|error| bad(error.to_string()))?;
            }
        }
        Ok(database)
    }

    /// What it is and when it was made, such as `GeoLite2-City 2026-04-10`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// When it was made, in seconds since 1970.
    pub fn built_seconds(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// Reads every record of it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> std::result::Result<(), String> {
        self.reader.verify().map_err(|error| error.to_string())
    }

    fn find(&self, address: IpAddr) -> std::result::Result<Option<Found<'_>>, MaxMindDbError> {
        match (self.reader.metadata().ip_version, address) {
            // Older databases know no IPv6.
            (4, IpAddr::V6(_)) => Ok(None),
            _ => self.reader.lookup(address).map(Some),
        }
    }
}

fn built(seconds: u64) -> Option<String> {
    if seconds == 0 {
        return None;
    }
    let time = jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(jiff::fmt::strtime::format("%Y-%m-%d", time).ok()?.to_string())
}

/// What databases were asked, a thread each: many addresses stand for one record.
pub(crate) struct Places {
    said: Cache,
    key: String,
}

impl Places {
    /// Remembers at most so many records.
    pub(crate) fn new(most: usize) -> Places {
        Places { said: Cache::new(most), key: String::new() }
    }

    /// Forgets everything, as the databases are others now.
    pub(crate) fn clear(&mut self) {
        self.said.clear();
    }

    /// What several databases say of an address, as the text that is stored.
    ///
    /// Placeholders and what is no address are asked of nobody; private addresses are, as a database of one's own may know
    /// them.
    pub(crate) fn look_up(&mut self, databases: &[Arc<Database>], text: &str) -> Option<Arc<str>> {
        let class = AddressClass::of(text);
        if matches!(class, AddressClass::Placeholder | AddressClass::Invalid | AddressClass::Loopback) {
            return None;
        }
        let address = text.parse::<IpAddr>().ok()?.to_canonical();
        // A broken record of one database costs no other one.
        let found = |database: &Arc<Database>| database.find(address).ok().flatten().and_then(|found| found.offset());
        self.key.clear();
        for database in databases {
            write_number(found(database).map_or(0, |record| record + 1), &mut self.key);
        }
        self.said.get(&self.key, || {
            let mut place = Place::default();
            for database in databases {
                let Ok(Some(found)) = database.find(address) else { continue };
                let Ok(Some(raw)) = found.decode() else { continue };
                if place.add(&raw) {
                    if !place.databases.is_empty() {
                        place.databases.push_str("; ");
                    }
                    place.databases.push_str(&database.label);
                }
            }
            place.text().map(Arc::from)
        })
    }
}

/// A number as text that no other number begins with: five bits a sign, the last one marked.
fn write_number(mut number: usize, out: &mut String) {
    while number >= 0x20 {
        out.push(char::from(0x40 | (number & 0x1f) as u8));
        number >>= 5;
    }
    out.push(char::from(0x20 | number as u8));
}

/// What is known so far.
#[derive(Default)]
struct Place<'d> {
    texts: [&'d str; PlacePart::COUNT],
    asn: Option<u32>,
    at: Option<(f64, f64)>,
    hides: Option<&'static str>,
    databases: String,
}

impl<'d> Place<'d> {
    /// Takes what is new; whether there was anything.
    fn add(&mut self, raw: &Raw<'d>) -> bool {
        let mut is_new = false;
        for (part, text) in raw.texts() {
            let place = &mut self.texts[part as usize];
            if place.is_empty()
                && let Some(text) = text.filter(|text| !text.is_empty())
            {
                *place = text;
                is_new = true;
            }
        }
        if self.asn.is_none() {
            self.asn = raw.asn();
            is_new |= self.asn.is_some();
        }
        if self.at.is_none() {
            self.at = raw.coordinates();
            is_new |= self.at.is_some();
        }
        if self.hides.is_none() {
            self.hides = raw.hides();
            is_new |= self.hides.is_some();
        }
        is_new
    }

    fn text(self) -> Option<String> {
        let mut texts: [&str; PlacePart::COUNT] = self.texts;
        let (mut asn, mut latitude, mut longitude) = (String::new(), String::new(), String::new());
        // Writing to a text cannot fail.
        if let Some(number) = self.asn {
            let _ = write!(asn, "{number}");
        }
        if let Some((north, east)) = self.at {
            let _ = write!(latitude, "{north}");
            let _ = write!(longitude, "{east}");
        }
        if let Some(hides) = self.hides {
            texts[PlacePart::UserType as usize] = hides;
        }
        texts[PlacePart::Asn as usize] = &asn;
        texts[PlacePart::Latitude as usize] = &latitude;
        texts[PlacePart::Longitude as usize] = &longitude;
        texts[PlacePart::Database as usize] = &self.databases;
        join_parts(texts)
    }
}

#[cfg(test)]
mod tests;
