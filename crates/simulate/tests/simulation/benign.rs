//! With no scenario asked for, thirty days look benign: what detection rules watch for hardly ever happens.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::Value;
use simulate::{Activity, Config, Pace, Simulation};

fn simulation(people: u32, days: u32, seed: u64) -> Simulation {
    let now = "2026-11-20T15:00:00Z".parse().unwrap();
    Simulation::new(Config { seed, people, days, now, pace: Pace::Frozen, ..Config::default() }).unwrap()
}

fn past(simulation: &Simulation) -> impl Iterator<Item = Activity> {
    simulation.activities(simulation.start(), simulation.now())
}

/// Types that hardly any organization sees in a month, and that a rule would report on sight.
const SENSITIVE: &[&str] = &[
    "account_deleted",
    "admin_api_key_created",
    "api_key_created",
    "audit_log_export_started",
    "claude_artifact_published",
    "desktop_extension_allowlisted",
    "ghe_webhook_signature_invalid",
    "inference_hooks_config_updated",
    "inference_hooks_request_failed_open",
    "marketplace_created",
    "mcp_server_created",
    "org_bulk_delete_initiated",
    "org_data_export_started",
    "org_deletion_requested",
    "org_directory_sync_deleted",
    "org_domain_removed",
    "org_invite_link_generated",
    "org_ip_restriction_deleted",
    "org_magic_link_second_factor_toggled",
    "org_members_exported",
    "org_sso_connection_deactivated",
    "org_sso_toggled",
    "platform_api_key_created",
    "platform_federation_rule_updated",
    "platform_signing_key_created",
    "platform_spend_limit_deleted",
    "platform_workspace_inference_data_retention_disabled",
    "primary_owner_transferred",
    "rbac_role_assigned",
    "role_assignment_granted",
    "service_key_created",
    "tunnel_token_minted",
];

/// Values that a rule would report on sight.
const OPEN: &[&str] =
    &[r#""anyone_with_link""#, r#"{"type":"public"}"#, r#""always_allow""#, r#""invited_role":"admin""#];

/// How often a past holds what a rule would report on sight, types and values. What no benign past may hold at all is refused
/// here: tools of attackers, bursts, a key from two places, a log that is off.
fn look(simulation: &Simulation) -> BTreeMap<&'static str, u32> {
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    // The latest times of what one person did of a kind, to find bursts.
    let mut recent: HashMap<(String, &str), Vec<Timestamp>> = HashMap::new();
    let mut keys: HashMap<String, String> = HashMap::new();
    for activity in past(simulation) {
        let json: Value = serde_json::from_slice(&activity.json).unwrap();
        if let Some(name) = SENSITIVE.iter().find(|name| **name == activity.kind) {
            *found.entry(name).or_default() += 1;
        }
        let client = json["actor"]["user_agent"].as_str().unwrap_or_default().split('/').next().unwrap_or_default();
        assert!(!["curl", "python-requests", "Go-http-client"].contains(&client), "{json:#}");
        if activity.kind == "org_compliance_api_settings_updated" {
            assert_eq!(json["compliance_api_logging_enabled"], true);
        }
        let text = std::str::from_utf8(&activity.json).unwrap();
        for value in OPEN.iter().filter(|value| text.contains(**value)) {
            *found.entry(value).or_default() += 1;
        }
        let address = json["actor"]["ip_address"].as_str().unwrap_or_default();
        assert!(!address.starts_with("203.0.113.") || json["actor"]["type"] != "user_actor", "{json:#}");
        if activity.kind == "compliance_api_accessed" {
            // A key reads from one place.
            let key = json["actor"]["api_key_id"].to_string();
            assert_eq!(keys.entry(key).or_insert_with(|| address.to_owned()), address);
        }
        if let Some(user) = json["actor"]["user_id"].as_str() {
            let times = recent.entry((user.to_owned(), activity.kind)).or_default();
            times.retain(|time| activity.created_at.duration_since(*time).as_mins() < 10);
            times.push(activity.created_at);
            assert!(times.len() < 30, "a burst of {}: {json:#}", activity.kind);
        }
    }
    found
}

#[test]
fn a_month_of_a_thousand_people_raises_hardly_an_eyebrow() {
    let found = look(&simulation(1_000, 30, 1));
    assert!(found.values().sum::<u32>() <= 5 && OPEN.iter().all(|value| !found.contains_key(value)), "{found:?}");
}

/// A year has its change weeks, once a quarter, in which an organization does what it otherwise never does: each of it once or
/// twice, however many people there are. Takes a minute:
/// `cargo test -p simulate --test simulation -- --ignored --nocapture a_year`.
#[test]
#[ignore = "takes a minute"]
fn a_year_of_a_thousand_people_has_its_change_weeks_and_nothing_else() {
    let found = look(&simulation(1_000, 365, 1));
    eprintln!("{found:#?}");
    let quarters = 365u32.div_ceil(76);
    assert!(found.values().all(|times| *times <= 2 * quarters), "{found:?}");
    assert!(OPEN.iter().all(|value| !found.contains_key(value)), "{found:?}");
}

#[test]
fn nobody_travels_faster_than_an_airliner() {
    let simulation = simulation(150, 80, 3);
    let mut known = HashMap::new();
    let mut last: HashMap<String, (Timestamp, &str, (f64, f64))> = HashMap::new();
    for activity in past(&simulation) {
        let json: Value = serde_json::from_slice(&activity.json).unwrap();
        let (Some(user), Some(address)) = (json["actor"]["user_id"].as_str(), json["actor"]["ip_address"].as_str())
        else {
            continue;
        };
        let find = || simulate::networks().iter().find(|network| contains(&network.cidr, address));
        let Some(network) = *known.entry(address.to_owned()).or_insert_with(find) else {
            assert_eq!(address, "0.0.0.0");
            continue;
        };
        let here = (activity.created_at, network.city, (network.latitude, network.longitude));
        if let Some((before, city, there)) = last.insert(user.to_owned(), here) {
            let hours = activity.created_at.duration_since(before).as_secs_f64() / 3_600.0;
            let kilometres = distance(there, here.2);
            assert!(kilometres < 100.0 + 800.0 * hours, "{user} from {city} to {} in {hours} hours", network.city);
        }
    }
    assert!(last.len() >= 150);
}

fn contains(cidr: &str, address: &str) -> bool {
    let (first, bits) = cidr.split_once('/').unwrap();
    let bits: u32 = bits.parse().unwrap();
    match (first.parse().unwrap(), address.parse().unwrap()) {
        (std::net::IpAddr::V4(a), std::net::IpAddr::V4(b)) => u32::from(a) ^ u32::from(b) < 1 << (32 - bits),
        (std::net::IpAddr::V6(a), std::net::IpAddr::V6(b)) => u128::from(a) ^ u128::from(b) < 1 << (128 - bits),
        _ => false,
    }
}

/// In kilometres, on a ball.
fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (north_a, north_b, east) = (a.0.to_radians(), b.0.to_radians(), (b.1 - a.1).to_radians());
    let angle = north_a.sin() * north_b.sin() + north_a.cos() * north_b.cos() * east.cos();
    6_371.0 * angle.clamp(-1.0, 1.0).acos()
}

#[test]
fn administrators_sleep_at_night() {
    let simulation = simulation(200, 60, 5);
    let organization = simulation.organization();
    let offsets: HashMap<String, i64> = (0..5)
        .map(|who| organization.person(who))
        .map(|person| (person.user_id, i64::from(person.offset_minutes)))
        .collect();
    let (mut day, mut night) = (0, 0);
    for activity in past(&simulation) {
        let json: Value = serde_json::from_slice(&activity.json).unwrap();
        let Some(offset) = json["actor"]["user_id"].as_str().and_then(|user| offsets.get(user)) else { continue };
        if activity.kind.starts_with("org_") || activity.kind.starts_with("platform_") {
            let hour = (activity.created_at.as_second() / 60 + offset) / 60 % 24;
            *if (6..20).contains(&hour) { &mut day } else { &mut night } += 1;
        }
    }
    assert!(day > 100 && night * 50 < day, "{night} of {day} at night");
}
