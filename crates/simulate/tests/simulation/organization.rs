//! What the organization does is valid, complete, plausible and always the same.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;
use simulate::{Activity, Config, Pace, Simulation, validate::validate};

fn simulation(people: u32, days: u32) -> Simulation {
    let now = "2026-11-20T15:00:00Z".parse().unwrap();
    Simulation::new(Config { people, days, now, pace: Pace::Frozen, ..Config::default() }).unwrap()
}

fn past(simulation: &Simulation) -> impl Iterator<Item = Activity> {
    simulation.activities(simulation.start(), simulation.now())
}

#[test]
fn thirty_days_of_two_hundred_people() {
    let simulation = simulation(200, 30);
    let (mut count, mut bytes) = (0, 0);
    let mut ids = HashSet::new();
    let mut last = (Timestamp::MIN, String::new());
    for activity in past(&simulation) {
        count += 1;
        bytes += activity.json.len();
        let json: Value = serde_json::from_slice(&activity.json).unwrap();
        validate(&json).unwrap_or_else(|error| panic!("{error}\n{json:#}"));
        assert_eq!(json["id"], activity.id());
        assert_eq!(json["type"], activity.kind);
        assert_eq!(serde_json::to_vec(&json).unwrap(), activity.json, "compact, and nothing twice");
        assert_eq!(activity.scenario, None);
        let position = (activity.created_at, activity.id());
        assert!(last < position);
        last = position;
        assert!(ids.insert(activity.id()));
    }
    assert!((150_000..230_000).contains(&count), "{count}");
    let average = bytes / count;
    assert!((500..=700).contains(&average), "{average}");
    eprintln!("{count} activities, {average} bytes on average");
}

#[test]
fn every_type_occurs_in_ninety_days() {
    for (people, seed) in [(5, 1), (5, 2), (50, 3), (200, 4)] {
        let now = "2026-11-20T15:00:00Z".parse().unwrap();
        let config = Config { seed, people, days: 90, now, pace: Pace::Frozen, ..Config::default() };
        let simulation = Simulation::new(config).unwrap();
        let found: HashSet<&str> = past(&simulation).map(|activity| activity.kind).collect();
        let missing: Vec<&str> = activity::catalog::types()
            .iter()
            .map(|info| info.name.as_str())
            .filter(|name| !found.contains(name))
            .collect();
        assert!(missing.is_empty(), "{people} people, seed {seed}: {} missing: {missing:?}", missing.len());
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let first: Vec<Activity> = past(&simulation(20, 10)).collect();
    let second: Vec<Activity> = past(&simulation(20, 10)).collect();
    assert_eq!(first, second);
    let now = "2026-11-20T15:00:00Z".parse().unwrap();
    let other = Simulation::new(Config { seed: 2, people: 20, days: 10, now, ..Config::default() }).unwrap();
    assert!(past(&other).zip(&first).all(|(a, b)| a.json != b.json));
}

#[test]
fn time_that_moves_on_changes_nothing_that_was() {
    let early = simulation(20, 10);
    let now = "2026-11-27T15:00:00Z".parse().unwrap();
    let config = Config { people: 20, now, start: Some(early.start()), ..Config::default() };
    let late = Simulation::new(config).unwrap();
    let again: Vec<Activity> = late.activities(early.start(), early.now()).collect();
    assert_eq!(past(&early).collect::<Vec<_>>(), again);
}

#[test]
fn weekends_are_quiet_and_nights_too() {
    let simulation = simulation(300, 28);
    let (mut weekday, mut weekend) = (0, 0);
    let mut per_person: HashMap<String, u32> = HashMap::new();
    for activity in past(&simulation) {
        let json: Value = serde_json::from_slice(&activity.json).unwrap();
        if json["actor"]["type"] != "user_actor" {
            continue;
        }
        *per_person.entry(json["actor"]["email_address"].to_string()).or_default() += 1;
        match activity.created_at.in_tz("UTC").unwrap().weekday() {
            jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday => weekend += 1,
            _ => weekday += 1,
        }
    }
    assert!(weekend * 10 < weekday, "{weekend} at weekends, {weekday} on weekdays");
    let busiest = per_person.values().max().unwrap();
    assert!(*busiest < 28 * 150, "{busiest} by one person");
}

/// What creates an entity, the field that carries it, where all later uses of the same field have to follow, and how many
/// there were before the simulation began.
const CREATES: &[(&[&str], &str, usize)] = &[
    (&["claude_chat_created"], "claude_chat_id", 0),
    (&["claude_project_created"], "claude_project_id", 0),
    (&["claude_project_document_uploaded"], "claude_project_document_id", 0),
    (&["claude_artifact_created"], "claude_artifact_id", 0),
    (&["claude_chat_snapshot_created"], "claude_chat_snapshot_id", 0),
    (&["design_project_created"], "design_project_id", 0),
    (&["api_key_created", "platform_api_key_created"], "api_key_id", 0),
    (&["admin_api_key_created"], "admin_api_key_id", 0),
    (&["service_key_created"], "service_key_id", 0),
    (&["mcp_server_created"], "mcp_server_id", 6),
    (&["group_created"], "group_id", 12),
    (&["tunnel_created"], "tunnel_id", 0),
    (&["marketplace_created"], "marketplace_id", 0),
    (&["rbac_role_created"], "role_id", 6),
    (&["claude_code_runner_pool_created"], "runner_pool_id", 0),
    (&["platform_oauth_app_created"], "oauth_app_id", 0),
    (&["org_external_key_created"], "external_key_id", 0),
    (&["ccr_agent_proxy_profile_created"], "profile_id", 0),
];

/// What ends an entity.
const ENDS: &[(&str, &str)] = &[
    ("claude_chat_deleted", "claude_chat_id"),
    ("claude_project_deleted", "claude_project_id"),
    ("claude_project_document_deleted", "claude_project_document_id"),
    ("design_project_deleted", "design_project_id"),
    ("scoped_api_key_deleted", "api_key_id"),
    ("admin_api_key_deleted", "admin_api_key_id"),
    ("service_key_revoked", "service_key_id"),
    ("mcp_server_deleted", "mcp_server_id"),
    ("group_deleted", "group_id"),
    ("org_user_deleted", "deleted_user_id"),
    ("scim_user_deleted", "user_id"),
];

/// Failures name what need not exist; a chat of long ago may be refused.
fn may_name_anything(kind: &str) -> bool {
    kind.contains("failed") || kind == "claude_artifact_viewed" || kind == "claude_chat_snapshot_deleted"
}

#[test]
fn things_are_created_before_they_are_used_and_not_used_after_their_end() {
    for (people, seed) in [(5, 1), (120, 2)] {
        let now = "2026-11-20T15:00:00Z".parse().unwrap();
        let config = Config { seed, people, days: 80, now, pace: Pace::Frozen, ..Config::default() };
        let simulation = Simulation::new(config).unwrap();
        let mut created: HashSet<String> = HashSet::new();
        let mut old: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
        let mut old_actors: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
        let mut ended: BTreeMap<String, Timestamp> = BTreeMap::new();
        for activity in past(&simulation) {
            let json: Value = serde_json::from_slice(&activity.json).unwrap();
            let text = |field: &str| json[field].as_str().map(str::to_owned);
            for (kinds, field, before) in CREATES {
                let Some(id) = text(field) else { continue };
                if kinds.contains(&activity.kind) {
                    let is_old = old.get(field).is_some_and(|old| old.contains(&id));
                    assert!(!is_old && created.insert(id), "created twice or too late: {json:#}");
                } else if !may_name_anything(activity.kind) && !id.starts_with("claude_proj_sync") {
                    let ghost =
                        *field == "claude_artifact_id" && json["actor"]["email_address"] == "unknown@invalid.internal";
                    if !ghost && !created.contains(&id) {
                        let old = old.entry(field).or_default();
                        old.insert(id);
                        assert!(old.len() <= *before, "used before it was created: {json:#}");
                    }
                }
            }
            for (kind, field) in ENDS {
                let Some(id) = text(field) else { continue };
                if let Some(when) = ended.get(&id) {
                    let aftermath = ["org_user_deleted", "owned_projects_access_restored", "account_deleted"];
                    assert!(aftermath.contains(&activity.kind), "used after its end at {when}: {json:#}");
                }
                if activity.kind == *kind {
                    ended.insert(id, activity.created_at);
                }
            }
            for field in ["api_key_id", "admin_api_key_id"] {
                let Some(key) = json["actor"][field].as_str() else { continue };
                assert!(!ended.contains_key(key), "acts after its end: {json:#}");
                if !created.contains(key) {
                    let old = old_actors.entry(field).or_default();
                    old.insert(key.to_owned());
                    assert!(old.len() <= 6, "acts before it was created: {json:#}");
                }
            }
            if let Some(user) = json["actor"]["user_id"].as_str() {
                assert!(
                    !ended.contains_key(user) || activity.kind == "account_deleted",
                    "acts after removal: {json:#}"
                );
            }
        }
        assert!(created.len() > 1_000 && ended.len() > 20, "{} {}", created.len(), ended.len());
    }
}

#[test]
fn a_year_of_many_people_is_not_computed_to_show_a_page_of_it() {
    let now = "2026-11-20T15:00:00Z".parse().unwrap();
    let config = Config { people: 100_000, days: 730, now, pace: Pace::Frozen, ..Config::default() };
    let simulation = Simulation::new(config).unwrap();
    let middle = now - (365 * 24).hours();
    let begun = std::time::Instant::now();
    let query = feed::Query {
        created_at: feed::Window { lte: Some(middle), ..feed::Window::default() },
        limit: 5_000,
        ..feed::Query::default()
    };
    let page = simulation.find(&query).unwrap();
    assert_eq!(page.data.len(), 5_000);
    let took = begun.elapsed();
    eprintln!("a page in the middle of 2.2 billion: {took:?}");
    assert!(took.as_millis() < 1_500, "{took:?}");
}

#[test]
fn samples_show_every_type_by_every_actor() {
    let mut found: HashSet<(String, String)> = HashSet::new();
    let mut ids = HashSet::new();
    for activity in simulate::samples(1, "2026-11-20T15:00:00Z".parse().unwrap()) {
        let json: Value = serde_json::from_slice(&activity.json).unwrap();
        validate(&json).unwrap_or_else(|error| panic!("{error}\n{json:#}"));
        assert!(ids.insert(activity.id()));
        found.insert((activity.kind.to_owned(), json["actor"]["type"].as_str().unwrap().to_owned()));
    }
    for info in activity::catalog::types() {
        for actor in &info.actors {
            assert!(found.contains(&(info.name.clone(), actor.clone())), "{} by {actor}", info.name);
        }
    }
}
