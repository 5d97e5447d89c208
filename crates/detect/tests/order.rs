//! The same alerts from activities in any order, in any pieces, and with everything in memory lost in between.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use activity::Activity;
use auditlake_store::alert::Finding;
use detect::{Engine, Enrichment, Input, Pack, Update, builtin, load};
use simulate::{Config, Simulation};

#[path = "shared/places.rs"]
mod places;

/// What intake would have said of addresses.
static PLACES: LazyLock<places::Places> = LazyLock::new(places::Places::new);

const DAY: i64 = 86_400_000_000;

/// Rules of every kind that are easily met, so that there is much to get wrong.
const RULES: &str = "
title: many views
name: base
logsource: {product: anthropic, service: compliance}
detection: {selection: {type: [claude_chat_viewed, claude_chat_created]}, condition: selection}
auditlake: {enabled: false}
---
title: updates
name: other
logsource: {product: anthropic, service: compliance}
detection: {selection: {type: claude_chat_updated}, condition: selection}
auditlake: {enabled: false}
---
title: burst
name: burst
correlation: {type: event_count, rules: [base], group-by: [actor.identity], timespan: 20m, condition: {gte: 4}}
---
title: distinct
name: distinct
correlation: {type: value_count, rules: [base], group-by: [src.network], timespan: 2h, condition: {field: actor.identity, gte: 3}}
---
title: together
name: together
correlation: {type: temporal, rules: [base, other], group-by: [actor.identity], timespan: 3m}
---
title: ordered
name: ordered
correlation: {type: temporal_ordered, rules: [other, base], group-by: [actor.identity], timespan: 3m}
---
title: a burst that others count
name: inner
correlation: {type: event_count, rules: [base], group-by: [actor.identity], timespan: 15m, condition: {gte: 3}}
auditlake: {enabled: false}
---
title: a correlation of a correlation
name: outer
correlation: {type: temporal_ordered, rules: [inner, other], group-by: [actor.identity], timespan: 30m}
---
title: bursts in different hours
name: outermost
correlation: {type: event_count, rules: [inner], group-by: [actor.identity], timespan: 2h, condition: {gte: 6}}
---
title: new network
name: new-network
logsource: {product: anthropic, service: compliance}
detection: {selection: {actor.type: user_actor}, condition: selection}
detector: {type: new_value, value: src.network, within: 5d, learn: 2d}
---
title: new country
name: new-country
logsource: {product: anthropic, service: compliance}
detection: {selection: {actor.type: user_actor}, condition: selection}
detector: {type: new_value, value: src.country, within: 5d, learn: 2d}
---
title: travel
name: travel
logsource: {product: anthropic, service: compliance}
detection: {selection: {actor.type: user_actor}, condition: selection}
detector: {type: travel, speed_kmh: 300, distance_km: 100, timespan: 12h}
---
title: countries
name: countries
correlation: {type: value_count, rules: [base], group-by: [actor.identity], timespan: 1d, condition: {field: src.country, gte: 2}}
---
title: gap
name: gap
logsource: {product: anthropic, service: compliance}
detection: {selection: {type: claude_project_viewed}, condition: selection}
detector: {type: gap, ends: other, within: 2d}
auditlake: {group: 6h}
---
title: busy
name: busy
logsource: {product: anthropic, service: compliance}
detection: {selection: {actor.type: user_actor}, condition: selection}
detector: {type: baseline, history: 6d, days: 2, factor: 1.2, at_least: 5}
---
title: each
name: each
logsource: {product: anthropic, service: compliance}
detection: {selection: {type|endswith: _deleted}, condition: selection}
auditlake: {group: 6h, title: '{actor.identity} {type} {count}'}
";

fn pack() -> Arc<Pack> {
    let pack = Pack::new(builtin(), load::read("rules.yml", RULES, false));
    assert_eq!(pack.problems, []);
    Arc::new(pack)
}

fn simulated() -> Vec<String> {
    let simulation = Simulation::new(Config {
        seed: 3,
        people: 25,
        days: 14,
        now: "2026-03-02T12:00:00Z".parse().unwrap(),
        scenarios: ["password-spray", "account-takeover", "session-theft"].map(str::to_owned).to_vec(),
        ..Config::default()
    })
    .unwrap();
    let all = simulation.activities(simulation.start(), simulation.now());
    all.map(|activity| String::from_utf8(activity.json.to_vec()).unwrap()).collect()
}

/// What is stored of alerts.
#[derive(Default)]
struct Alerts(BTreeMap<String, Finding>);

impl Alerts {
    fn apply(&mut self, update: Update) {
        for id in update.withdrawn {
            self.0.remove(&id);
        }
        self.0.extend(update.findings.into_iter().map(|finding| (finding.id.clone(), finding)));
    }
}

fn give(engine: &mut Engine, json: &str, depth: Option<detect::Depth>) {
    let activity = Activity::parse_str(json).unwrap();
    let place = activity.actor.text("ip_address").and_then(|address| PLACES.of(address));
    let enrichment = Enrichment { place, ..Enrichment::default() };
    let input = Input { activity: &activity, enrichment, source: "s" };
    match depth {
        None => engine.take(&input),
        Some(depth) => engine.recall(&input, depth),
    }
}

fn time(json: &str) -> i64 {
    Activity::parse_str(json).unwrap().created_at.as_microsecond()
}

/// Takes pieces one after the other as the subscriber does; with `forgetful`, everything in memory is lost behind each piece.
fn in_pieces(pack: &Arc<Pack>, pieces: &[Vec<&String>], forgetful: bool, room: usize) -> Alerts {
    let mut alerts = Alerts::default();
    let mut stored: Vec<&String> = Vec::new();
    let fresh = |alerts: &Alerts| {
        let mut engine = Engine::new(pack.clone()).with_room(room);
        engine.know(alerts.0.keys().cloned());
        engine
    };
    let mut engine = fresh(&alerts);
    for piece in pieces {
        for missing in engine.missing(piece.iter().map(|json| time(json))) {
            let days = missing.from * DAY..missing.to * DAY;
            for json in stored.iter().filter(|json| days.contains(&time(json))) {
                give(&mut engine, json, Some(missing.depth));
            }
        }
        piece.iter().for_each(|json| give(&mut engine, json, None));
        alerts.apply(engine.settle());
        stored.extend(piece);
        if forgetful {
            engine = fresh(&alerts);
        }
    }
    alerts
}

#[test]
fn order_and_crashes_change_nothing() {
    let pack = pack();
    let all = simulated();
    assert!(all.len() > 2_000, "{}", all.len());
    let truth = in_pieces(&pack, &[all.iter().collect()], false, usize::MAX);
    let kinds: std::collections::BTreeSet<&str> = truth.0.values().map(|finding| finding.rule.as_str()).collect();
    let of_the_pack = ["impossible-travel", "session-in-two-countries", "sign-in-after-spray"];
    let small = [
        "burst",
        "distinct",
        "together",
        "ordered",
        "outer",
        "outermost",
        "new-network",
        "new-country",
        "travel",
        "countries",
        "busy",
        "each",
    ];
    for rule in small.into_iter().chain(of_the_pack) {
        assert!(kinds.contains(rule), "{rule} finds nothing; {kinds:?}");
    }
    let live: Vec<Vec<&String>> = all.chunks(37).map(|piece| piece.iter().collect()).collect();
    let reversed: Vec<Vec<&String>> = all.rchunks(301).map(|piece| piece.iter().collect()).collect();
    let mut mixed = all.iter().collect::<Vec<_>>();
    // A fixed shuffle: by the digits of the ids.
    mixed.sort_by_key(|json| json.bytes().skip(20).step_by(3).take(12).collect::<Vec<u8>>());
    let mixed: Vec<Vec<&String>> = mixed.chunks(173).map(<[&String]>::to_vec).collect();
    let crashed: Vec<Vec<&String>> = all.rchunks(all.len() / 10 + 1).map(|piece| piece.iter().collect()).collect();
    for (name, pieces, forgetful, room) in [
        ("live", &live, false, usize::MAX),
        ("newest first", &reversed, false, usize::MAX),
        ("mixed", &mixed, false, usize::MAX),
        ("little memory", &reversed, false, 500),
        ("little memory, mixed", &mixed, false, 500),
        ("killed ten times", &crashed, true, usize::MAX),
        ("killed behind each piece", &reversed, true, usize::MAX),
    ] {
        let found = in_pieces(&pack, pieces, forgetful, room);
        let ids = |alerts: &Alerts| alerts.0.keys().cloned().collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&truth), "{name}");
        assert_eq!(found.0, truth.0, "{name}");
    }
}

#[test]
fn the_pack_is_well() {
    let pack = Arc::new(Pack::new(builtin(), load::Loaded::default()));
    assert_eq!(detect::lint::run(&pack, |_| true), []);
    let failed: Vec<_> = detect::trial::run(&pack, |_| true).into_iter().filter(|verdict| !verdict.passed).collect();
    assert_eq!(failed, []);
}

#[test]
fn the_coverage_page_names_every_rule() {
    let pack = Pack::new(builtin(), load::Loaded::default());
    let silent = |rule: &detect::Rule| matches!(rule.kind, detect::Kind::Silence);
    let running = pack.running().map(|rule| rule.id.as_str());
    let mut running: Vec<&str> =
        running.chain(pack.rules.values().filter(|rule| silent(rule)).map(|rule| rule.id.as_str())).collect();
    let page = include_str!("../../../docs/coverage.md");
    let rows = page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split('|').nth(2));
    let mut named: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    for list in [&mut running, &mut named] {
        list.sort_unstable();
        list.dedup();
    }
    let missing: Vec<&&str> = running.iter().filter(|rule| !named.contains(rule)).collect();
    let unknown: Vec<&&str> = named.iter().filter(|rule| !running.contains(rule)).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not in docs/coverage.md: {missing:?}; no rule: {unknown:?}");
}

#[test]
fn what_can_never_fire_is_refused() {
    let rule = |detection: &str| {
        let text = format!(
            "title: x\nname: x\nlogsource: {{product: anthropic, service: compliance}}\ndetection:\n  selection: {detection}\n  condition: selection\n"
        );
        let pack = Pack::new(load::Loaded::default(), load::read("x.yml", &text, false));
        let problems = detect::lint::run(&pack, |_| true);
        problems.into_iter().map(|problem| problem.to_string()).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(rule("{type: org_sso_toggled, enabled: false}"), "");
    for (detection, word) in [
        ("{type: org_sso_toggledd}", "no type"),
        ("{type: org_sso_toggled, enable: false}", "no field enable"),
        ("{type: org_sso_toggled, enabled: 'no'}", "never"),
        ("{type: sso_login_succeeded, auth_method: password}", "never \"password\""),
        ("{type: sso_login_succeeded, actor.type: api_actor}", "never \"api_actor\""),
        ("{type: sso_login_succeeded, actor.email: x}", "no field actor.email"),
        ("{type: sso_login_succeeded, src.land: x}", "no field src.land"),
        ("{activity.category: nonsense}", "never \"nonsense\""),
        ("{nonsense: x}", "no type of the catalogue has a field"),
    ] {
        let said = rule(detection);
        assert!(said.contains(word) && said.contains("x.yml:"), "{detection}: {said:?}");
    }
}

#[test]
fn a_broken_rule_costs_no_other() {
    let good = "title: good\nname: good\nlogsource: {product: anthropic, service: compliance}\ndetection:\n  a: {type: account_deleted}\n  condition: a\n";
    let text = format!(
        "title: [\n---\n{good}---\ntitle: half\nname: half\ncorrelation: {{type: event_count, rules: [missing], group-by: [src.ip], timespan: 5m, condition: {{gte: 2}}}}\n---\n{good}"
    );
    let pack = Pack::new(load::Loaded::default(), load::read("mine.yml", &text, false));
    assert_eq!(pack.running().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["good"]);
    let told: Vec<String> = pack.problems.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|line| line.starts_with("mine.yml:")), "{told:?}");
    assert!(told.iter().any(|line| line.contains("rule half") && line.contains("missing")), "{told:?}");
    assert!(told.iter().any(|line| line.contains("rule good") && line.contains("already")), "{told:?}");
}

#[test]
fn exceptions_end_and_overrides_count() {
    let rule = "title: gone\nname: gone\nlevel: low\nlogsource: {product: anthropic, service: compliance}\ndetection:\n  a: {type: account_deleted}\n  condition: a\n---\n\
        exceptions:\n  - {rule: gone, when: {actor.email_address: a@example.com}, until: 2026-03-01, reason: known}\noverrides:\n  - {rule: gone, level: critical, reason: it matters here}\n";
    let pack = Arc::new(Pack::new(load::Loaded::default(), load::read("x.yml", rule, false)));
    assert_eq!(pack.problems, []);
    let mut engine = Engine::new(pack);
    for (number, (who, when)) in
        [("a", "2026-03-01T23:59:59Z"), ("a", "2026-03-02T00:00:00Z"), ("b", "2026-02-01T00:00:00Z")]
            .into_iter()
            .enumerate()
    {
        let json = format!(
            r#"{{"id":"activity_{number}","created_at":"{when}","type":"account_deleted","actor":{{"type":"user_actor","email_address":"{who}@example.com"}}}}"#
        );
        give(&mut engine, &json, None);
    }
    let found = engine.settle().findings;
    let told: Vec<(&str, &str)> = found.iter().map(|one| (one.entity.as_str(), one.severity.as_str())).collect();
    assert_eq!(told, [("b@example.com", "critical"), ("a@example.com", "critical")]);
}

#[test]
fn correlations_count_correlations() {
    let text = |group: &str, outer: &str| {
        format!(
            "title: a\nname: a\nlogsource: {{product: anthropic, service: compliance}}\ndetection: {{s: {{type: claude_chat_viewed}}, condition: s}}\n---\n\
             title: b\nname: b\nlogsource: {{product: anthropic, service: compliance}}\ndetection: {{s: {{type: claude_chat_created}}, condition: s}}\n---\n\
             title: many\nname: many\ncorrelation: {{type: event_count, rules: [a], group-by: [{group}], timespan: 10m, condition: {{gte: 3}}}}\n---\n\
             title: then\nname: then\ncorrelation: {{{outer}, group-by: [actor.identity], timespan: 1h}}\n"
        )
    };
    let pack = |group: &str, outer: &str| {
        Arc::new(Pack::new(load::Loaded::default(), load::read("x.yml", &text(group, outer), false)))
    };
    let good = pack("actor.identity", "type: temporal_ordered, rules: [many, b]");
    assert_eq!(good.problems, []);
    assert_eq!(good.running().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["then"], "what it names is silent");
    // The seconds at which chats are viewed, and one is made; the seconds that are evidence.
    for (viewed, made, evidence) in [
        (vec![0, 60, 120], 3_700, vec![0, 60, 120, 3_700]),
        (vec![0, 60, 120], 3_721, vec![]),
        (vec![0, 60, 700], 800, vec![]),
        (vec![100, 160, 220], 50, vec![]),
        // The last three are within ten minutes; the first is no part of it.
        (vec![0, 900, 960, 1_020], 1_100, vec![900, 960, 1_020, 1_100]),
    ] {
        let mut engine = Engine::new(good.clone());
        let all = viewed.iter().map(|at| (*at, "claude_chat_viewed")).chain([(made, "claude_chat_created")]);
        for (at, kind) in all {
            let when = jiff::Timestamp::from_second(1_772_409_600 + at).unwrap();
            let actor = r#"{"type":"user_actor","email_address":"ann@example.com"}"#;
            let json = format!(r#"{{"id":"a{at}","created_at":"{when}","type":"{kind}","actor":{actor}}}"#);
            give(&mut engine, &json, None);
        }
        let found = engine.settle().findings;
        let told: Vec<String> = found.into_iter().flat_map(|finding| finding.activities).collect();
        let wanted: Vec<String> = evidence.iter().map(|at| format!("a{at}")).collect();
        assert_eq!(told, wanted, "{viewed:?} {made}");
    }
    for (group, outer, reason) in [
        ("src.ip", "type: temporal_ordered, rules: [many, b]", "another group-by"),
        ("actor.identity", "type: temporal_ordered, rules: [many, nobody]", "named nobody"),
        ("actor.identity", "type: temporal_ordered, rules: [b, then]", "refers back"),
        ("actor.identity", "type: value_count, rules: [many], condition: {field: src.ip, gte: 2}", "no field"),
    ] {
        let told: Vec<String> = pack(group, outer).problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains("rule then") && line.contains(reason)), "{told:?}");
    }
}

#[test]
fn a_gap_has_a_timeline() {
    let mut engine = Engine::new(Arc::new(Pack::new(builtin(), load::Loaded::default())));
    let give = |engine: &mut Engine, at: &str, on: bool| {
        let json = format!(
            r#"{{"id":"activity_{at}","created_at":"{at}","organization_id":"org_1","type":"org_compliance_api_settings_updated","actor":{{"type":"user_actor","email_address":"ann@example.com"}},"compliance_api_enabled":{on},"compliance_api_logging_enabled":{on}}}"#
        );
        give(engine, &json, None);
        let mut update = engine.settle();
        update.findings.retain(|finding| finding.rule == "logging-disabled");
        update.findings
    };
    let searches = |finding: &Finding| {
        let steps = finding.next_steps.iter().filter_map(|step| step.search.clone());
        steps.filter(|search| search.starts_with("time:")).collect::<Vec<_>>()
    };
    let begun = give(&mut engine, "2026-03-01T23:30:00Z", false).remove(0);
    assert!(begun.title.ends_with("(since 2026-03-01T23:30:00Z)"), "{}", begun.title);
    assert_eq!(searches(&begun), ["time:>=2026-03-01T22:30:00Z time:<=2026-03-01T23:30:00Z"]);
    // The end, on another day, says so in the alert of the beginning.
    let ended = give(&mut engine, "2026-03-02T01:10:00Z", true);
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!((&ended[0].id, ended[0].count), (&begun.id, 2));
    assert!(ended[0].summary.contains("2026-03-01T23:30:00Z to 2026-03-02T01:10:00Z, 1 h 40 min"), "{ended:?}");
    assert_eq!(searches(&ended[0])[1..], ["time:>=2026-03-02T01:10:00Z time:<2026-03-02T02:10:00Z"]);
}
