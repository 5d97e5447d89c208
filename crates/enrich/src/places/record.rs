//! A record of a location database, whoever made it: GeoLite2 and GeoIP2, DB-IP, IPinfo.
//!
//! They differ in the shape of the same fields: `country` is a map with `iso_code` or a text, `asn` a number or `AS123`,
//! coordinates stand in `location` or flat, as numbers or texts. So each field takes any shape, and what it cannot use is
//! left out.

use std::{fmt, marker::PhantomData};

use activity::PlacePart;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The fields that anybody uses.
#[derive(Default)]
pub(super) struct Raw<'d> {
    country: Field<'d>,
    registered_country: Field<'d>,
    country_code: Field<'d>,
    city: Field<'d>,
    location: Location<'d>,
    flat: Location<'d>,
    traits: Traits<'d>,
    top: Traits<'d>,
    /// IPinfo's words for `autonomous_system_…`.
    asn: Field<'d>,
    as_name: Field<'d>,
    name: Field<'d>,
    carrier: Field<'d>,
    kind: Field<'d>,
}

/// What GeoIP2 keeps in `traits`, or its smaller databases at the top.
#[derive(Default)]
struct Traits<'d> {
    number: Field<'d>,
    organization: Field<'d>,
    connection: Field<'d>,
    isp: Field<'d>,
    user: Field<'d>,
    /// The first of [`HIDING`] that is set.
    hides: Option<&'static str>,
}

#[derive(Default)]
struct Location<'d> {
    latitude: Field<'d>,
    longitude: Field<'d>,
}

/// A value of any shape.
#[derive(Default, Clone, Copy)]
struct Field<'d> {
    text: Option<&'d str>,
    number: Option<f64>,
    /// `iso_code` of a map.
    code: Option<&'d str>,
    /// `names.en` or `name` of a map.
    name: Option<&'d str>,
    is_true: bool,
}

/// What says that an address hides somebody, the more telling one first, in the spellings of MaxMind and IPinfo.
const HIDING: [(&str, &str); 10] = [
    ("is_tor_exit_node", "tor_exit_node"),
    ("tor", "tor_exit_node"),
    ("is_residential_proxy", "residential_proxy"),
    ("is_public_proxy", "public_proxy"),
    ("proxy", "public_proxy"),
    ("is_anonymous_vpn", "vpn"),
    ("vpn", "vpn"),
    ("relay", "relay"),
    ("is_anonymous", "anonymous"),
    ("is_hosting_provider", "hosting"),
];

impl<'d> Raw<'d> {
    /// The parts that are texts as they stand there.
    pub(super) fn texts(&self) -> [(PlacePart, Option<&'d str>); 6] {
        let code = |field: &Field<'d>| {
            let is_code = |text: &&str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
            field.code.or(field.text).filter(is_code)
        };
        let country =
            code(&self.country_code).or_else(|| code(&self.country)).or_else(|| code(&self.registered_country));
        let organization = [self.top.organization, self.traits.organization, self.as_name]
            .iter()
            .find_map(|field| field.text)
            // An AS database of IPinfo calls it `name`; elsewhere that may be anything.
            .or_else(|| self.asn().and(self.name.text));
        let of = |get: fn(&Traits<'d>) -> Field<'d>| get(&self.top).text.or(get(&self.traits).text);
        [
            (PlacePart::Country, country),
            (PlacePart::AsOrganization, organization),
            (PlacePart::City, self.city.name.or(self.city.text)),
            (PlacePart::ConnectionType, of(|traits| traits.connection)),
            (PlacePart::Isp, of(|traits| traits.isp).or(self.carrier.name).or(self.carrier.text)),
            (PlacePart::UserType, of(|traits| traits.user).or(self.asn().and(self.kind.text))),
        ]
    }

    pub(super) fn asn(&self) -> Option<u32> {
        [self.top.number, self.traits.number, self.asn].iter().find_map(Field::asn).filter(|&number| number > 0)
    }

    /// Degrees north and east.
    pub(super) fn coordinates(&self) -> Option<(f64, f64)> {
        [&self.location, &self.flat].iter().find_map(|at| {
            let (north, east) = (at.latitude.double()?, at.longitude.double()?);
            ((-90.0..=90.0).contains(&north) && (-180.0..=180.0).contains(&east)).then_some((north, east))
        })
    }

    pub(super) fn hides(&self) -> Option<&'static str> {
        self.top.hides.or(self.traits.hides)
    }

    fn set(&mut self, key: &str, field: Field<'d>) -> bool {
        let place = match key {
            "country" => &mut self.country,
            "registered_country" => &mut self.registered_country,
            "country_code" => &mut self.country_code,
            "city" => &mut self.city,
            "asn" => &mut self.asn,
            "as_name" => &mut self.as_name,
            "name" => &mut self.name,
            "carrier" => &mut self.carrier,
            "type" => &mut self.kind,
            _ => return self.flat.set(key, field) || self.top.set(key, field),
        };
        *place = field;
        true
    }
}

impl<'d> Traits<'d> {
    fn set(&mut self, key: &str, field: Field<'d>) -> bool {
        let place = match key {
            "autonomous_system_number" => &mut self.number,
            "autonomous_system_organization" => &mut self.organization,
            "connection_type" => &mut self.connection,
            "isp" => &mut self.isp,
            "user_type" => &mut self.user,
            _ => {
                let rank = |name: &str| HIDING.iter().position(|(_, word)| *word == name);
                let found =
                    HIDING.iter().find(|(name, _)| *name == key && (field.is_true || field.text == Some("true")));
                if let Some((_, word)) = found
                    && self.hides.is_none_or(|old| rank(word) < rank(old))
                {
                    self.hides = Some(word);
                }
                return found.is_some();
            }
        };
        *place = field;
        true
    }
}

impl<'d> Location<'d> {
    fn set(&mut self, key: &str, field: Field<'d>) -> bool {
        match key {
            "latitude" | "lat" => self.latitude = field,
            "longitude" | "lng" | "lon" => self.longitude = field,
            _ => return false,
        }
        true
    }
}

impl Field<'_> {
    fn asn(&self) -> Option<u32> {
        match (self.number, self.text) {
            (Some(number), _) if number >= 0.0 && number <= f64::from(u32::MAX) => Some(number as u32),
            (_, Some(text)) => text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text).parse().ok(),
            _ => None,
        }
    }

    fn double(&self) -> Option<f64> {
        self.number.or_else(|| self.text?.parse().ok()).filter(|number: &f64| number.is_finite())
    }
}

/// Keys that hold a map, and whose members are of interest.
#[derive(Clone, Copy)]
enum Inside {
    Location,
    Traits,
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Record<'d>(PhantomData<&'d ()>);
        impl<'de> Visitor<'de> for Record<'de> {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a record")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
                let mut raw = Raw::default();
                while let Some(key) = map.next_key::<&str>()? {
                    match key {
                        "location" | "geo" => map.next_value_seed(Members(Inside::Location, &mut raw))?,
                        "traits" => map.next_value_seed(Members(Inside::Traits, &mut raw))?,
                        "continent" | "subdivisions" | "postal" | "represented_country" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        key => {
                            let field = map.next_value()?;
                            raw.set(key, field);
                        }
                    }
                }
                Ok(raw)
            }
        }
        deserializer.deserialize_any(Record(PhantomData))
    }
}

/// The members of a map below the record.
struct Members<'r, 'd>(Inside, &'r mut Raw<'d>);

impl<'de> serde::de::DeserializeSeed<'de> for Members<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map")
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&str>()? {
            let field = map.next_value()?;
            match self.0 {
                Inside::Location => {
                    let is_place = self.1.location.set(key, field);
                    // IPinfo's newer files keep all of the place together.
                    if !is_place && matches!(key, "city" | "country" | "country_code") {
                        self.1.set(key, field);
                    }
                }
                Inside::Traits => {
                    self.1.traits.set(key, field);
                }
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Field<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Field { text: Some(text), ..Field::default() })
            }
            fn visit_borrowed_bytes<E>(self, _: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Field::default())
            }
            fn visit_bool<E>(self, is_true: bool) -> Result<Self::Value, E> {
                Ok(Field { is_true, ..Field::default() })
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Field { number: Some(number as f64), ..Field::default() })
            }
            fn visit_u128<E>(self, number: u128) -> Result<Self::Value, E> {
                Ok(Field { number: Some(number as f64), ..Field::default() })
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Field { number: Some(number as f64), ..Field::default() })
            }
            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Field { number: Some(number), ..Field::default() })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Field::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut field = Field::default();
                while let Some(key) = map.next_key::<&str>()? {
                    match key {
                        "iso_code" => field.code = map.next_value::<Field>()?.text,
                        "names" => field.name = map.next_value::<Names>()?.0,
                        "name" => field.name = map.next_value::<Field>()?.text.or(field.name),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(field)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The English one of several names, or the first.
struct Names<'d>(Option<&'d str>);

impl<'de> Deserialize<'de> for Names<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<'d>(PhantomData<&'d ()>);
        impl<'de> Visitor<'de> for Map<'de> {
            type Value = Names<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("names by language")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Names(Some(text)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut english, mut first) = (None, None);
                while let Some(language) = map.next_key::<&str>()? {
                    if language == "en" {
                        english = map.next_value::<Field>()?.text;
                    } else if first.is_none() {
                        first = map.next_value::<Field>()?.text;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Names(english.or(first)))
            }
        }
        deserializer.deserialize_any(Map(PhantomData))
    }
}
