//! The site over a store in memory, to be looked at while it is made: `cargo run -p web --example preview -- [PORT] [empty]`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use activity::catalog;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use support::Fake;
use web::{SimulatedBanner, Site};

const PEOPLE: [&str; 12] = [
    "ada.lovelace",
    "grace.hopper",
    "alan.turing",
    "katherine.johnson",
    "edsger.dijkstra",
    "barbara.liskov",
    "margaret.hamilton",
    "donald.knuth",
    "frances.allen",
    "tony.hoare",
    "radia.perlman",
    "john.backus",
];

/// What people do most, and how often.
const HABITS: [(&str, u64); 14] = [
    ("claude_chat_viewed", 38),
    ("claude_chat_created", 21),
    ("claude_chat_updated", 12),
    ("claude_project_viewed", 9),
    ("sso_login_succeeded", 8),
    ("claude_file_uploaded", 7),
    ("claude_artifact_viewed", 6),
    ("claude_project_created", 3),
    ("sso_login_failed", 2),
    ("claude_chat_snapshot_created", 2),
    ("compliance_api_accessed", 4),
    ("platform_api_key_created", 1),
    ("claude_user_role_updated", 1),
    ("org_user_invite_sent", 1),
];

/// A generator of numbers that is good enough to look at.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn id(&mut self, prefix: &str) -> String {
        let signs = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let tail: String = (0..22).map(|_| char::from(signs[self.roll(signs.len() as u64) as usize])).collect();
        format!("{prefix}_01{tail}")
    }

    fn kind(&mut self) -> &'static str {
        if self.roll(12) == 0 {
            let types = catalog::types();
            return &types[self.roll(types.len() as u64) as usize].name;
        }
        let mut left = self.roll(HABITS.iter().map(|(_, weight)| weight).sum());
        for (kind, weight) in HABITS {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        HABITS[0].0
    }

    fn activity(&mut self, at: Timestamp) -> String {
        let kind = self.kind();
        // A few people do most.
        let person = self.roll(12).min(self.roll(12)) as usize;
        let agent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36";
        let actor = match self.roll(16) {
            0 => {
                json!({"type": "api_actor", "api_key_id": self.id("apikey"), "ip_address": "203.0.113.40", "user_agent": "python-httpx/0.28.1"})
            }
            1 => json!({"type": "system_actor", "service": "retention"}),
            _ => {
                json!({"type": "user_actor", "email_address": format!("{}@example.com", PEOPLE[person]), "user_id": self.id("user"),
                "ip_address": format!("198.51.100.{}", 10 + person), "user_agent": agent})
            }
        };
        let mut value = json!({"id": self.id("activity"), "created_at": at.to_string(), "organization_id": "org_01Preview",
            "organization_uuid": "6b0f2a30-3d3c-4f0e-9f2e-5f0c3f7a9a10", "actor": actor, "type": kind});
        for path in catalog::get(kind).into_iter().flat_map(|info| info.target.iter().chain(&info.resources)) {
            if !path.contains(['.', '[']) {
                value[path] = self.id(path.trim_end_matches("_id")).into();
            }
        }
        value.to_string()
    }
}

/// Thirty days with nights and weekends.
fn past(dice: &mut Dice, count: usize) -> Vec<String> {
    let now = Timestamp::now();
    let mut list = Vec::new();
    while list.len() < count {
        let at = now - SignedDuration::from_millis(dice.roll(30 * 86_400_000) as i64);
        let local = at.to_zoned(jiff::tz::TimeZone::UTC);
        let is_weekend = local.weekday().to_monday_zero_offset() >= 5;
        let busy =
            [1, 1, 1, 1, 1, 2, 5, 14, 30, 38, 40, 36, 26, 34, 38, 36, 30, 22, 12, 7, 5, 3, 2, 1][local.hour() as usize];
        if dice.roll(40) < if is_weekend { busy / 6 + 1 } else { busy } {
            list.push(dice.activity(at));
        }
    }
    list
}

/// What strangers may send.
fn hostile(dice: &mut Dice) -> Vec<String> {
    let at = Timestamp::now().to_string();
    let texts = [
        "<script>alert(1)</script><b>bold</b>",
        "invoice\u{202e}fdp.exe",
        "مرحبا بالعالم",
        &"very long ".repeat(100_000),
    ];
    let raw = |text: &&str| {
        json!({"id": dice.id("activity"), "created_at": at, "organization_id": null, "organization_uuid": null, "type": "claude_project_created",
            "claude_project_id": text, "name": text, "actor": {"type": "user_actor", "email_address": text, "user_id": "u", "ip_address": "2001:db8:85a3:8d3:1319:8a2e:370:7348", "user_agent": text}})
            .to_string()
    };
    texts.iter().map(raw).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let port: u16 = arguments.get(1).and_then(|port| port.parse().ok()).unwrap_or(8099);
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let (store, mut dice) = (Arc::new(Fake::default()), Dice(0x9e37_79b9_7f4a_7c15));
    if !has("empty") {
        let past = past(&mut dice, 4_000);
        store.add("claude-enterprise", past);
    }
    if has("hostile") {
        let hostile = hostile(&mut dice);
        store.add("<i>other</i>", hostile);
    }
    let mut site = Site::new(store.clone(), "preview".to_owned().into());
    site.simulated = (!has("empty")).then_some(SimulatedBanner { people: 200, days: 30, seed: 7 });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("http://{}", listener.local_addr()?);
    if !has("still") {
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(900)).await;
                let next = dice.activity(Timestamp::now());
                store.add("claude-enterprise", [next]);
            }
        });
    }
    axum::serve(listener, web::router(site)).await
}
