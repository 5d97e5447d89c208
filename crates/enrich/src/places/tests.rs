//! Databases of several makers, written here, and what is read of them.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{Block, Builder};

fn open(bytes: Vec<u8>) -> Arc<Database> {
    Arc::new(Database::new(Path::new("test.mmdb"), bytes).unwrap())
}

fn look_up<const N: usize>(databases: [&Arc<Database>; N], text: &str) -> Option<Arc<str>> {
    Places::new(8).look_up(&databases.map(Arc::clone), text)
}

fn block() -> Block<'static> {
    Block {
        country_code: "DE",
        country: "Germany",
        city: "Berlin",
        latitude: 52.52,
        longitude: 13.0,
        asn: 64_496,
        as_organization: "Example Company",
        connection_type: "Corporate",
        user_type: "business",
    }
}

fn parts(text: &str) -> Vec<&str> {
    text.split(activity::PART_SEPARATOR).collect()
}

#[test]
fn finds_what_was_written() {
    let mut builder = Builder::default();
    assert!(builder.add("192.0.2.0/24", &block()));
    assert!(builder.add("192.0.2.128/25", &Block { city: "Paris", country_code: "FR", ..block() }));
    assert!(builder.add("2001:db8:7::/48", &Block { city: "Zürich", ..block() }));
    assert!(!builder.add("192.0.2.0/33", &block()) && !builder.add("nonsense", &block()));
    let database = open(builder.finish("Sample-City", "a sample", 1_767_312_000));
    assert_eq!(database.label(), "Sample-City 2026-01-02");
    database.verify().unwrap();
    let find = |text: &str| look_up([&database], text);
    let all = find("192.0.2.7").unwrap();
    assert_eq!(
        parts(&all),
        [
            "DE",
            "64496",
            "Example Company",
            "Berlin",
            "Corporate",
            "Example Company",
            "52.52",
            "13",
            "business",
            "Sample-City 2026-01-02"
        ]
    );
    for (text, city) in [
        ("192.0.2.127", Some("Berlin")),
        ("192.0.2.128", Some("Paris")),
        ("::ffff:192.0.2.200", Some("Paris")),
        ("2001:DB8:7::1", Some("Zürich")),
        ("2001:db8:8::1", None),
        ("192.0.3.1", None),
        ("10.0.0.1", None),
        ("0.0.0.0", None),
        ("::", None),
        ("127.0.0.1", None),
        ("unknown", None),
        ("", None),
        ("192.0.2.7:443", None),
    ] {
        assert_eq!(find(text).as_deref().and_then(|text| PlacePart::City.of(text)), city, "{text}");
    }
}

/// The layouts of other makers, as values of the format.
#[test]
fn reads_every_layout() {
    let text = |bytes: &mut Vec<u8>, text: &str| crate::writer::write_text(text, bytes);
    let flat = |members: &[(&str, &str)]| {
        let mut bytes = vec![7 << 5 | members.len() as u8];
        for (name, value) in members {
            text(&mut bytes, name);
            text(&mut bytes, value);
        }
        bytes
    };
    let one = |kind: &str, record: Vec<u8>| open(crate::writer::tests::of_record(kind, "192.0.2.0/24", record));
    let lite = one(
        "ipinfo bundle_ip_info_lite.mmdb",
        flat(&[
            ("asn", "AS64500"),
            ("as_name", "Lite; Net"),
            ("as_domain", "lite.example"),
            ("country", "Germany"),
            ("country_code", "DE"),
        ]),
    );
    let location = one(
        "ipinfo standard_location.mmdb",
        flat(&[("city", "Berlin"), ("country", "DE"), ("lat", "52.52"), ("lng", "13.405"), ("region", "Berlin")]),
    );
    let asn = one("ipinfo asn", flat(&[("asn", "AS64501"), ("name", "Old Net"), ("type", "hosting")]));
    let both = look_up([&lite, &location, &asn], "192.0.2.1").unwrap();
    assert_eq!(
        parts(&both),
        [
            "DE",
            "64500",
            "Lite; Net",
            "Berlin",
            "",
            "",
            "52.52",
            "13.405",
            "hosting",
            "ipinfo bundle_ip_info_lite.mmdb; ipinfo standard_location.mmdb; ipinfo asn"
        ]
    );
    // GeoIP2 Anonymous IP: booleans at the top, and a wrong value beside them.
    let mut anonymous = vec![7 << 5 | 3];
    for name in ["is_anonymous", "is_tor_exit_node"] {
        text(&mut anonymous, name);
        anonymous.extend_from_slice(&[1, 7]);
    }
    text(&mut anonymous, "country");
    text(&mut anonymous, "nowhere");
    let anonymous = one("GeoIP2-Anonymous-IP", anonymous);
    let hidden = look_up([&asn, &anonymous], "192.0.2.1").unwrap();
    assert_eq!(PlacePart::UserType.of(&hidden), Some("tor_exit_node"));
    assert_eq!(PlacePart::Country.of(&hidden), None);
    // GeoLite2-ASN and GeoIP2-Connection-Type.
    let mut lite_asn = vec![7 << 5 | 2];
    text(&mut lite_asn, "autonomous_system_number");
    lite_asn.extend_from_slice(&[6 << 5 | 2, 0xfb, 0xf0]);
    text(&mut lite_asn, "autonomous_system_organization");
    text(&mut lite_asn, "ACME");
    let kind = one("GeoIP2-Connection-Type", flat(&[("connection_type", "Cellular")]));
    let found = look_up([&one("GeoLite2-ASN", lite_asn), &kind], "192.0.2.1").unwrap();
    assert_eq!(parts(&found)[1..5], ["64496", "ACME", "", "Cellular"]);
}

#[test]
fn broken_files_are_told() {
    let mut builder = Builder::default();
    builder.add("192.0.2.0/24", &block());
    let good = builder.finish("Sample", "", 0);
    for bytes in
        [Vec::new(), b"no database".to_vec(), good[..good.len() - 40].to_vec(), good[good.len() / 2..].to_vec()]
    {
        let error = Database::new(Path::new("x.mmdb"), bytes).err().unwrap();
        assert!(error.to_string().starts_with("x.mmdb is no MaxMind database"), "{error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(at in any::<prop::sample::Index>(), byte: u8, address: u32) {
        let mut builder = Builder::default();
        builder.add("192.0.2.0/24", &block());
        builder.add("2001:db8::/32", &block());
        let mut bytes = builder.finish("Sample", "", 0);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(database) = Database::new(Path::new("x"), bytes).map(Arc::new) {
            let _ = look_up([&database], "192.0.2.1");
            let _ = look_up([&database], &std::net::Ipv4Addr::from(address).to_string());
        }
    }
}

#[test]
fn addresses_of_one_record_share_its_text_and_no_others() {
    let (mut city, mut other) = (Builder::default(), Builder::default());
    city.add("192.0.2.0/24", &block());
    city.add("198.51.100.0/24", &Block { city: "Paris", ..block() });
    other.add("192.0.2.128/25", &Block { city: "Lyon", ..block() });
    let databases = [open(city.finish("City", "", 0)), open(other.finish("Other", "", 0))];
    let mut places = Places::new(8);
    let mut find = |text: &str| places.look_up(&databases, text);
    let (one, two) = (find("192.0.2.1").unwrap(), find("192.0.2.2").unwrap());
    assert!(Arc::ptr_eq(&one, &two));
    assert_ne!(find("198.51.100.1"), Some(one));
    assert_eq!(find("192.0.3.1"), None);
    assert_eq!(find("192.0.2.3"), Some(two));
}

proptest! {
    #[test]
    fn numbers_in_a_row_are_told_apart(one: Vec<usize>, other: Vec<usize>) {
        let text = |numbers: &[usize]| {
            let mut text = String::new();
            numbers.iter().for_each(|number| write_number(*number, &mut text));
            text
        };
        prop_assert_eq!(text(&one) == text(&other), one == other);
    }
}
