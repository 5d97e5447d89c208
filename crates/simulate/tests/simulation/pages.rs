//! Pages are what a perfect feed would give: any walk equals the sorted truth.

use std::sync::LazyLock;

use feed::{Cursor, Order, Page, Query, Source, Window};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;
use simulate::{Activity, Config, Pace, Simulation};

fn config() -> Config {
    let now = "2026-11-20T15:00:00Z".parse().unwrap();
    Config { people: 12, days: 9, now, pace: Pace::Frozen, ..Config::default() }
}

fn simulation(faults: &[&str]) -> Simulation {
    let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
    Simulation::new(Config { faults, ..config() }).unwrap()
}

struct Known {
    activity: Activity,
    actor: String,
    organization: Option<String>,
}

static PLAIN: LazyLock<Simulation> = LazyLock::new(|| simulation(&[]));
static TRUTH: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let known = |activity: Activity| {
        let json: Value = serde_json::from_slice(&activity.json).unwrap();
        Known {
            actor: json["actor"]["user_id"].as_str().unwrap_or_default().to_owned(),
            organization: json["organization_id"].as_str().map(str::to_owned),
            activity,
        }
    };
    PLAIN.truth(None, PLAIN.now()).map(known).collect()
});

/// What the truth says to a query without cursor and limit.
fn expected(query: &Query) -> Vec<&'static Activity> {
    let ids = PLAIN.organization();
    let names = [ids.id(), ids.platform_id(), ids.sandbox_id()];
    let wanted = |known: &&Known| {
        let uuid = |org: &String| names.iter().find(|(id, _)| id == org).map(|(_, uuid)| uuid.clone());
        let named = |org: &String| {
            query.organization_ids.contains(org) || uuid(org).is_some_and(|uuid| query.organization_ids.contains(&uuid))
        };
        (query.activity_types.is_empty() || query.activity_types.iter().any(|name| name == known.activity.kind))
            && !query.exclude_activity_types.iter().any(|name| name == known.activity.kind)
            && (query.actor_ids.is_empty() || query.actor_ids.contains(&known.actor))
            && (query.organization_ids.is_empty() || known.organization.as_ref().is_none_or(named))
            && query.created_at.contains(known.activity.created_at)
    };
    let mut found: Vec<&Activity> = TRUTH.iter().filter(wanted).map(|known| &known.activity).collect();
    if query.order == Order::Desc {
        found.reverse();
    }
    found
}

/// Follows `last_id` to the end.
fn walk(simulation: &Simulation, query: &Query) -> Vec<Page> {
    let mut pages = vec![simulation.find(query).unwrap()];
    while pages.last().is_some_and(|page| page.has_more) {
        let last = pages.last().and_then(|page| page.last_id.clone()).unwrap();
        pages.push(simulation.find(&Query { cursor: Some(Cursor::After(last)), ..query.clone() }).unwrap());
    }
    pages
}

fn queries() -> impl Strategy<Value = Query> {
    let types = prop::sample::subsequence(
        vec![
            "claude_chat_created",
            "claude_chat_viewed",
            "org_users_listed",
            "scim_user_updated",
            "sso_login_succeeded",
            "tunnel_created",
        ],
        0..5,
    );
    let people = prop::collection::vec(0..14u32, 0..3);
    let orgs = prop::collection::vec(0..5usize, 0..2);
    let bound = || prop::option::weighted(0.3, (0..TRUTH.len(), -1..=1i64));
    (types, any::<bool>(), people, orgs, (bound(), bound(), bound(), bound()), 1..400u32, any::<bool>()).prop_map(
        |(types, exclude, people, orgs, (gte, gt, lte, lt), limit, asc)| {
            let types: Vec<String> = types.into_iter().map(str::to_owned).collect();
            let organization = PLAIN.organization();
            let names = [
                organization.id().0,
                organization.id().1,
                organization.platform_id().0,
                "org_01none".into(),
                organization.sandbox_id().1,
            ];
            // Bounds lie on and beside activities, where mistakes would be.
            let at = |bound: Option<(usize, i64)>| {
                bound.map(|(at, by)| TRUTH[at].activity.created_at + SignedDuration::from_nanos(by * 400))
            };
            Query {
                activity_types: if exclude { Vec::new() } else { types.clone() },
                exclude_activity_types: if exclude { types } else { Vec::new() },
                actor_ids: people.into_iter().map(|who| organization.person(who).user_id).collect(),
                organization_ids: orgs.into_iter().map(|at| names[at].clone()).collect(),
                created_at: Window { gte: at(gte), gt: at(gt), lte: at(lte), lt: at(lt) },
                limit,
                order: if asc { Order::Asc } else { Order::Desc },
                cursor: None,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_walk_is_the_sorted_truth(query in queries()) {
        let expected: Vec<&feed::RawActivity> = expected(&query).iter().map(|activity| &activity.json).collect();
        let pages = walk(&PLAIN, &query);
        let found: Vec<&feed::RawActivity> = pages.iter().flat_map(|page| &page.data).collect();
        prop_assert!(found == expected, "{} instead of {}", found.len(), expected.len());
        for page in &pages[..pages.len() - 1] {
            prop_assert_eq!(page.data.len(), query.limit as usize);
        }
        // And back again, page by page.
        if let Some(last) = pages.last().and_then(|page| page.last_id.clone()) {
            let mut back = Vec::new();
            let mut cursor = last;
            loop {
                let page = PLAIN.find(&Query { cursor: Some(Cursor::Before(cursor)), ..query.clone() }).unwrap();
                back.splice(0..0, page.data.iter().cloned());
                if !page.has_more {
                    break;
                }
                prop_assert_eq!(page.data.len(), query.limit as usize);
                cursor = page.first_id.unwrap();
            }
            prop_assert!(back.iter().collect::<Vec<_>>() == expected[..expected.len() - 1]);
        }
    }
}

fn id(raw: &feed::RawActivity) -> String {
    let json: Value = serde_json::from_slice(raw).unwrap();
    json["id"].as_str().unwrap().to_owned()
}

/// Follows the id of the last activity to the end.
fn walk_by_ids(simulation: &Simulation, query: &Query) -> Vec<feed::RawActivity> {
    let mut page = simulation.find(query).unwrap();
    let mut found = page.data;
    while page.has_more {
        let cursor = Some(Cursor::After(id(found.last().unwrap())));
        page = simulation.find(&Query { cursor, ..query.clone() }).unwrap();
        found.append(&mut page.data);
    }
    found
}

#[test]
fn a_walk_by_ids_is_the_same_walk() {
    for order in [Order::Desc, Order::Asc] {
        let query = Query { limit: 70, order, ..Query::default() };
        let expected: Vec<&feed::RawActivity> = expected(&query).iter().map(|activity| &activity.json).collect();
        assert!(walk_by_ids(&PLAIN, &query).iter().eq(expected.iter().copied()), "{order:?}");
        let cursor = Some(Cursor::Before(id(expected[100])));
        let page = PLAIN.find(&Query { cursor, ..query }).unwrap();
        assert!(page.has_more && page.data.iter().eq(expected[30..100].iter().copied()), "{order:?}");
    }
}

#[test]
fn a_walk_by_ids_passes_both_copies() {
    let twice = simulation(&["duplicate=50%"]);
    for order in [Order::Desc, Order::Asc] {
        // A page of one copy leads on to the next activity, and not to the other copy for ever.
        let found = walk_by_ids(&twice, &Query { limit: 1, order, ..recent() });
        assert!(found.iter().eq(expected(&Query { order, ..recent() }).iter().map(|activity| &activity.json)));
    }
}

/// The last of what happened, for what takes long.
fn recent() -> Query {
    let gte = Some(PLAIN.now() - SignedDuration::from_hours(7));
    Query { created_at: Window { gte, ..Window::default() }, ..Query::default() }
}

#[test]
fn an_empty_page_has_no_cursors_and_a_foreign_cursor_is_refused() {
    let far = Some("1999-01-01T00:00:00Z".parse().unwrap());
    let page = PLAIN.find(&Query { created_at: Window { lt: far, ..Window::default() }, ..Query::default() }).unwrap();
    assert_eq!(page, Page::default());
    let cursor = Some(Cursor::After("activity_01J8o21jIINvm1V7Da3sYWrZ".into()));
    let error = PLAIN.find(&Query { cursor, ..Query::default() }).unwrap_err();
    assert_eq!((error.status, error.kind.as_str()), (400, "invalid_request_error"));
}

#[test]
fn late_activities_appear_later_and_each_once() {
    let config = Config { pace: Pace::Frozen, faults: vec!["late=20%:2h".parse().unwrap()], ..config() };
    let begin = Simulation::new(config.clone()).unwrap();
    let start = Some(begin.start());
    let mut seen: Vec<Activity> = begin.truth(None, begin.now()).collect();
    let first = seen.len();
    let mut before = begin.now();
    for hour in 1..=4 {
        let now = begin.now() + SignedDuration::from_mins(40 * hour);
        let later = Simulation::new(Config { now, start, ..config.clone() }).unwrap();
        let page = later.find(&Query { limit: 5_000, ..Query::default() }).unwrap();
        let more: Vec<Activity> = later.truth(Some(before), now).collect();
        assert!(more.iter().any(|activity| activity.created_at < before), "some are late");
        assert!(more.iter().all(|activity| page.data.contains(&activity.json)));
        seen.extend(more);
        before = now;
    }
    let end = Simulation::new(Config { now: before, start, ..config.clone() }).unwrap();
    let mut all: Vec<Activity> = end.truth(None, before).collect();
    assert!(all.len() > first);
    let by_id = |activity: &Activity| activity.id();
    seen.sort_by_key(by_id);
    all.sort_by_key(by_id);
    assert_eq!(seen, all);
    let pages = walk(&end, &Query { limit: 500, ..Query::default() });
    assert_eq!(pages.iter().map(|page| page.data.len()).sum::<usize>(), all.len());
}

#[test]
fn duplicates_come_twice_even_across_pages() {
    let simulation = simulation(&["duplicate=5%"]);
    for limit in [1, 7, 400] {
        let mut found: Vec<feed::RawActivity> =
            walk(&simulation, &Query { limit, order: Order::Asc, ..Query::default() })
                .into_iter()
                .inspect(|page| assert!(page.data.len() <= limit as usize))
                .flat_map(|page| page.data)
                .collect();
        let all = found.len();
        found.dedup();
        assert!(all > TRUTH.len() * 103 / 100, "{all}");
        assert!(found.iter().eq(TRUTH.iter().map(|known| &known.activity.json)));
    }
}

#[test]
fn an_early_end_is_put_right_when_asked_again() {
    let simulation = simulation(&["early-end=50%"]);
    let mut query = Query { limit: 50, ..Query::default() };
    let (mut early, mut found) = (0, 0);
    loop {
        let mut page = simulation.find(&query).unwrap();
        if !page.has_more {
            early += 1;
            let again = simulation.find(&query).unwrap();
            assert_eq!(page.data, again.data);
            page = again;
        }
        found += page.data.len();
        if !page.has_more {
            break;
        }
        query.cursor = page.last_id.map(Cursor::After);
    }
    assert!(early > 5);
    assert_eq!(found, TRUTH.len());
}

#[test]
fn names_are_blank_when_read_again() {
    let simulation = simulation(&["blank-names=30%:0s"]);
    let query = Query { limit: 2_000, ..Query::default() };
    let first = simulation.find(&query).unwrap();
    let again = simulation.find(&query).unwrap();
    assert_eq!(first.data, PLAIN.find(&query).unwrap().data);
    let poorer = first.data.iter().zip(&again.data).filter(|(a, b)| a != b);
    assert!(poorer.clone().count() > 200);
    for (a, b) in poorer {
        assert!(a.len() > b.len());
        let json: Value = serde_json::from_slice(b).unwrap();
        simulate::validate::validate(&json).unwrap();
    }
}

#[test]
fn unknown_activities_are_extra_and_part_of_the_truth() {
    let simulation = simulation(&["unknown=2%"]);
    let truth: Vec<Activity> = simulation.truth(None, simulation.now()).collect();
    let unknown = truth
        .iter()
        .filter(|activity| {
            let json: Value = serde_json::from_slice(&activity.json).unwrap();
            simulate::validate::validate(&json).is_err()
        })
        .count();
    assert_eq!(truth.len() - unknown, TRUTH.len());
    assert!((TRUTH.len() / 100..TRUTH.len() / 20).contains(&unknown), "{unknown} of {}", truth.len());
    let pages = walk(&simulation, &Query { limit: 300, order: Order::Asc, ..Query::default() });
    assert!(pages.iter().flat_map(|page| &page.data).eq(truth.iter().map(|activity| &activity.json)));
}

#[test]
fn a_billion_cost_no_more_than_a_thousand() {
    let now: Timestamp = "2026-11-20T15:00:00Z".parse().unwrap();
    let big = Simulation::new(Config { people: 100_000, days: 730, now, pace: Pace::Frozen, ..config() }).unwrap();
    let middle = Some(now - SignedDuration::from_hours(365 * 24));
    let window = Window { lte: middle, ..Window::default() };
    for query in [
        Query { created_at: window, limit: 5_000, ..Query::default() },
        Query { created_at: window, activity_types: vec!["claude_project_created".into()], ..Query::default() },
        Query { created_at: window, actor_ids: vec![big.organization().person(77_777).user_id], ..Query::default() },
    ] {
        let begun = std::time::Instant::now();
        let page = big.find(&query).unwrap();
        eprintln!("{} of 2.2 billion in {:?}", page.data.len(), begun.elapsed());
        assert!(page.has_more && page.data.len() == query.limit as usize);
        // Generous, because other tests run beside this one.
        assert!(begun.elapsed().as_secs() < 5);
    }
}

#[tokio::test]
async fn pages_of_long_ago_are_computed_as_well() {
    let now = "2026-11-20T15:00:00Z".parse().unwrap();
    let days = 6_000;
    let simulation =
        Simulation::new(Config { people: 300, days, now, pace: Pace::Frozen, ..Config::default() }).unwrap();
    for back in [10, 700, 800, 2_000, 4_000, 5_990] {
        let lt = now.checked_sub(SignedDuration::from_hours(24 * back)).unwrap();
        let created_at = Window { lt: Some(lt), ..Window::default() };
        let page = simulation.page(&Query { created_at, limit: 200, ..Query::default() }).await.unwrap();
        assert_eq!((page.data.len(), page.has_more), (200, true), "{back} days ago");
    }
}
