//! Activities made up from a number, the sorted list that is the truth about them, and queries about what they have.

use std::collections::BTreeMap;

use activity::{Activity, Record};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{BatchBuilder, Commit, Direction, Engine, FeedPage, FeedQuery, FeedRow, Position, SourceInfo};

/// The first is common, the last two exist nowhere.
const TYPES: [&str; 8] = [
    "claude_chat_viewed",
    "claude_chat_created",
    "sso_login_failed",
    "api_key_created",
    "something_new",
    "it's \"odd\\",
    "no_such",
    "'",
];
/// Ids and UUIDs, of which some activities have one and some have none.
const ORGANIZATIONS: [(Option<&str>, Option<&str>); 5] = [
    (Some("org_0"), Some("00000000-0000-4000-8000-000000000000")),
    (Some("org_1"), Some("00000000-0000-4000-8000-000000000001")),
    (Some("org_1"), None),
    (None, Some("00000000-0000-4000-8000-000000000002")),
    (None, None),
];
const SOURCES: [&str; 3] = ["main", "other", "hidden"];
const START_US: i64 = 1_790_000_000_000_000;
/// Instants lie side by side in groups of this many, and the groups an eighth of a day apart.
const SIDE_BY_SIDE: u64 = 5;

/// SplitMix64: random numbers that are the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Nothing mostly; up to three otherwise.
    fn some_of(&mut self, all: &[&str], odds: usize) -> Vec<String> {
        let count = if self.one_in(odds) { 1 + self.below(3) } else { 0 };
        (0..count).map(|_| (*self.pick(all)).to_owned()).collect()
    }
}

/// What can be asked about an activity.
#[derive(Clone)]
struct Told {
    position: Position,
    raw: String,
    kind: &'static str,
    user: Option<String>,
    organization: (Option<&'static str>, Option<&'static str>),
    source: &'static str,
}

impl Told {
    fn passes(&self, query: &FeedQuery) -> bool {
        let among =
            |list: &[String], value: Option<&str>| value.is_some_and(|value| list.iter().any(|one| one == value));
        let (id, uuid) = self.organization;
        let at = self.position.time;
        (query.types.is_empty() || among(&query.types, Some(self.kind)))
            && !among(&query.exclude_types, Some(self.kind))
            && (query.actor_ids.is_empty() || among(&query.actor_ids, self.user.as_deref()))
            && (query.organizations.is_empty()
                || among(&query.organizations, id)
                || among(&query.organizations, uuid)
                || (id.is_none() && uuid.is_none()))
            && query.gte.is_none_or(|bound| at >= bound)
            && query.gt.is_none_or(|bound| at > bound)
            && query.lte.is_none_or(|bound| at <= bound)
            && query.lt.is_none_or(|bound| at < bound)
            && !among(&query.exclude_sources, Some(self.source))
    }
}

/// What a store was given.
pub(super) struct World {
    rows: BTreeMap<Position, Told>,
    /// So many different instants there are: few, so that many activities share one.
    instants: u64,
    made: u64,
}

impl World {
    pub(super) fn new(instants: u64) -> World {
        World { rows: BTreeMap::new(), instants, made: 0 }
    }

    /// Gives a store new activities from any source, of any time, and some again that it has.
    #[expect(clippy::expect_used, reason = "a test's own activities are activities")]
    pub(super) async fn arrive(&mut self, store: &impl Engine, random: &mut Random, count: usize) {
        let source = *random.pick(&SOURCES);
        let again: Vec<Position> = (0..count / 20).filter_map(|_| self.somewhere(random)).collect();
        let mut raws: Vec<String> = again.iter().map(|position| self.rows[position].raw.clone()).collect();
        for _ in 0..count {
            let told = self.activity(random, source);
            raws.push(told.raw.clone());
            self.rows.insert(told.position.clone(), told);
        }
        let batches = raws.chunks(count / 3 + 1).map(|part| {
            let mut rows = BatchBuilder::with_capacity(part.len());
            for raw in part {
                rows.push(&Record::of(&Activity::parse_str(raw).expect("an activity")));
            }
            rows.finish()
        });
        let commit = Commit { batches: batches.collect(), ..Commit::new(SourceInfo::new(source)) };
        assert_eq!(store.commit(commit).await.expect("commit").total().new, count as u64);
    }

    fn activity(&mut self, random: &mut Random, source: &'static str) -> Told {
        self.made += 1;
        // One in eight belongs to a crowd at one moment.
        let step = if random.one_in(8) { 3 } else { random.next() % self.instants };
        let apart = (step / SIDE_BY_SIDE * 10_800_000_000 + step % SIDE_BY_SIDE) as i64;
        let time = Timestamp::from_microsecond(START_US + apart).unwrap_or_default();
        // Numbers without zeros before them, so that an id begins with another one; capitals, and more than ASCII.
        let id =
            format!("{}{:x}", random.pick(&["activity_", "A_", "\u{e9}_", "a'\\_"]), self.made * 7_919 % 1_000_003);
        let kind = if random.one_in(2) { TYPES[0] } else { random.pick(&TYPES[1..6]) };
        let user = (!random.one_in(3)).then(|| format!("user_{}", random.below(9)));
        let organization = *random.pick(&ORGANIZATIONS);
        let raw = json!({
            "id": id,
            "created_at": format!("{time:.6}"),
            "organization_id": organization.0,
            "organization_uuid": organization.1,
            "actor": { "type": "user_actor", "user_id": user, "email_address": "somebody@example.com" },
            "type": kind,
            "claude_chat_id": format!("claude_chat_{}", self.made),
        });
        Told { position: Position { time, id }, raw: raw.to_string(), kind, user, organization, source }
    }

    /// Where one of the activities stands.
    fn somewhere(&self, random: &mut Random) -> Option<Position> {
        let Position { time, id } = self.rows.keys().nth(random.below(self.rows.len()))?;
        Some(Position { time: *time, id: id.clone() })
    }

    /// Anything that can be asked, from anywhere.
    pub(super) fn query(&self, random: &mut Random, limits: &[u32]) -> FeedQuery {
        let ids: Vec<&str> =
            ORGANIZATIONS.iter().flat_map(|(id, uuid)| [*id, *uuid]).flatten().chain(["org_9"]).collect();
        let mut query = FeedQuery {
            types: random.some_of(&TYPES, 3),
            exclude_types: random.some_of(&TYPES, 4),
            actor_ids: random.some_of(&["user_1", "user_2", "user_7", "user_", ""], 4),
            organizations: random.some_of(&ids, 3),
            limit: *random.pick(limits),
            ascending: random.one_in(2),
            exclude_sources: random.some_of(&SOURCES, 3),
            ..FeedQuery::default()
        };
        if !random.one_in(3) {
            self.narrow(random, &mut query);
        }
        query
    }

    /// Some of the four bounds, at activities or beside them; now and then there is nothing between them.
    fn narrow(&self, random: &mut Random, query: &mut FeedQuery) {
        let mut bounds: Vec<Timestamp> = (0..4).map(|_| self.moment(random)).collect();
        if !random.one_in(6) {
            bounds.sort_unstable();
        }
        let mut maybe = |at: usize| random.one_in(2).then(|| bounds[at]);
        (query.gte, query.gt, query.lte, query.lt) = (maybe(0), maybe(1), maybe(2), maybe(3));
    }

    fn moment(&self, random: &mut Random) -> Timestamp {
        if random.one_in(20) {
            return *random.pick(&[Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX]);
        }
        let time = self.somewhere(random).map_or(Timestamp::UNIX_EPOCH, |position| position.time);
        let beside = SignedDuration::from_micros(random.below(3) as i64 - 1);
        time.checked_add(beside).unwrap_or(time)
    }

    /// A place to begin: of an activity, passing or not; or where none is, beside one in time or in the order of ids.
    pub(super) fn cursor(&self, random: &mut Random) -> Option<(Position, Direction)> {
        let mut position = self.somewhere(random)?;
        match random.below(4) {
            0 => position.time = self.moment(random),
            1 => position.id.push('0'),
            2 => position.id.truncate(2),
            _ => {}
        }
        Some((position, if random.one_in(2) { Direction::After } else { Direction::Before }))
    }

    /// The place behind everything, in the order of an answer.
    pub(super) fn end(&self, is_ascending: bool) -> Position {
        let times = self.rows.keys().map(|position| position.time);
        let time = if is_ascending { times.max() } else { times.min() };
        Position { time: time.unwrap_or_default(), id: if is_ascending { "\u{10ffff}" } else { "" }.to_owned() }
    }

    /// Where all activities stand that a query asks for, wherever it begins.
    pub(super) fn passing(&self, query: &FeedQuery) -> Vec<Position> {
        self.rows.values().filter(|told| told.passes(query)).map(|told| told.position.clone()).collect()
    }

    /// The page that is right.
    pub(super) fn page(&self, query: &FeedQuery) -> FeedPage {
        let mut rows: Vec<&Told> = self.rows.values().filter(|told| told.passes(query)).collect();
        if !query.ascending {
            rows.reverse();
        }
        let is_behind = |one: &Position, other: &Position| if query.ascending { one > other } else { one < other };
        let is_back = match &query.cursor {
            None => false,
            Some((position, Direction::After)) => {
                rows.retain(|told| is_behind(&told.position, position));
                false
            }
            Some((position, Direction::Before)) => {
                rows.retain(|told| is_behind(position, &told.position));
                true
            }
        };
        let limit = query.limit as usize;
        let has_more = rows.len() > limit;
        let rows = if is_back { &rows[rows.len().saturating_sub(limit)..] } else { &rows[..rows.len().min(limit)] };
        let rows = rows.iter().map(|told| FeedRow { position: told.position.clone(), raw: told.raw.clone() });
        FeedPage { rows: rows.collect(), has_more }
    }
}
