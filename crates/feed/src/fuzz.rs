//! Query strings as strangers may send them: right, nearly right, and anything. A feed answers each with a page or a 400.
//!
//! Everything follows from a seed. A little of what pages gave is remembered, so that real cursors, ids and times come back
//! whole, damaged and in the wrong places. This is for tests of whoever serves a [`crate::Source`]: see [`run`].

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::{Page, cursor::Position};

const NAMES: [&str; 18] = [
    "activity_types[]",
    "activity_types%5B%5D",
    "activity_types[0]",
    "exclude_activity_types[]",
    "actor_ids[]",
    "user_ids[]",
    "organization_ids[]",
    "created_at.gte",
    "created_at.gt",
    "created_at.lte",
    "created_at.lt",
    "after_id",
    "before_id",
    "limit",
    "order",
    "created_at",
    "%",
    "",
];
const WORDS: [&str; 9] = [
    "asc",
    "desc",
    "claude_chat_created",
    "sso_login_failed",
    "user_1",
    "org_1",
    "activity_",
    "1970-01-01T00:00:00Z",
    "",
];
/// So much of what pages gave is remembered.
const REMEMBERED: usize = 256;

/// How far a run came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Query strings that were answered.
    pub sent: usize,
    /// How many of them with a page.
    pub pages: usize,
}

/// Query strings without end.
#[derive(Debug, Clone)]
pub struct Strings {
    state: u64,
    seen: Vec<String>,
}

/// Asks so many times. `ask` gives status and body, or `None` for a text that cannot stand in a URL.
///
/// # Panics
/// If an answer is neither a page nor a 400.
pub async fn run(strings: &mut Strings, count: usize, ask: impl AsyncFn(&str) -> Option<(u16, Bytes)>) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..count {
        let query = strings.query();
        let Some((status, body)) = ask(&query).await else { continue };
        tally.sent += 1;
        match (status, Page::parse(&body)) {
            (200, Ok(page)) => {
                strings.learn(&page);
                tally.pages += 1;
            }
            (400, _) => {}
            _ => panic!("{status} for {query:?}: {}", String::from_utf8_lossy(&body)),
        }
    }
    tally
}

impl Strings {
    /// Those of a seed.
    pub fn new(seed: u64) -> Strings {
        Strings { state: seed, seen: Vec::new() }
    }

    /// The next one, as it stands behind the `?`.
    pub fn query(&mut self) -> String {
        if self.below(5) == 0 {
            return self.text(80, |strings| char::from(b' ' + strings.below(95) as u8));
        }
        let pairs: Vec<String> = (0..self.below(6)).map(|_| self.pair()).collect();
        pairs.join("&")
    }

    /// Remembers what a page gave, in the place of something else when it is too much.
    pub fn learn(&mut self, page: &Page) {
        let first = page.data.first().and_then(|raw| serde_json::from_slice::<Value>(raw).ok()).unwrap_or_default();
        let fields = [
            &first["id"],
            &first["created_at"],
            &first["type"],
            &first["organization_id"],
            &first["organization_uuid"],
            &first["actor"]["user_id"],
        ];
        let texts = fields.into_iter().filter_map(Value::as_str);
        let cursors = [&page.first_id, &page.last_id].into_iter().flatten().map(String::as_str);
        for text in texts.chain(cursors).map(str::to_owned).collect::<Vec<_>>() {
            if self.seen.len() < REMEMBERED {
                self.seen.push(text);
            } else {
                let at = self.below(REMEMBERED);
                self.seen[at] = text;
            }
        }
    }

    fn pair(&mut self) -> String {
        let name = self.pick(&NAMES);
        let value = if self.below(2) == 0 { self.fitting(name) } else { self.value() };
        match self.below(2) {
            0 => format!("{name}={value}"),
            _ => format!("{name}={}", form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>()),
        }
    }

    /// A value such as good clients send.
    fn fitting(&mut self, name: &str) -> String {
        match name {
            "limit" => (1 + self.below(5_000)).to_string(),
            "order" => self.pick(&["asc", "desc"]).to_owned(),
            "after_id" | "before_id" if self.seen.is_empty() => self.cursor(),
            name if name.starts_with("created_at") && self.below(2) == 0 => self.timestamp(),
            _ => self.remembered(),
        }
    }

    /// A value that could stand anywhere.
    fn value(&mut self) -> String {
        match self.below(9) {
            0 => self.cursor(),
            1 => {
                let cursor = self.cursor();
                self.damaged(&cursor)
            }
            2 => {
                let seen = self.remembered();
                self.damaged(&seen)
            }
            3 => self.remembered(),
            4 => format!("activity_{}", self.letters(30)),
            5 => {
                let digits = self.text(22, |strings| char::from(b'0' + strings.below(10) as u8));
                if self.below(2) == 0 { format!("-{digits}") } else { digits }
            }
            6 => self.timestamp(),
            7 => self.text(40, |strings| char::from_u32(strings.below(0x11_0000) as u32).unwrap_or('\u{fffd}')),
            _ => self.text(12, |strings| char::from(strings.pick(b"%%%0123456789abcdefABCDEFxz"))),
        }
    }

    /// A cursor of ours to a place where nothing stands.
    fn cursor(&mut self) -> String {
        let id = if self.below(2) == 0 { format!("activity_{}", self.letters(30)) } else { self.letters(30) };
        Position { created_at_us: self.number() as i64, id }.encode()
    }

    /// A time as it is written, perhaps none that there is.
    fn timestamp(&mut self) -> String {
        if self.below(3) == 0 {
            let second = self.below(4_000_000_000) as i64;
            return Timestamp::from_second(second).unwrap_or_default().to_string();
        }
        let mut number = |digits: usize, most: usize| format!("{:0digits$}", self.below(most));
        let (year, month, day) = (number(4, 10_000), number(2, 14), number(2, 33));
        let (hour, minute, second, offset) = (number(2, 26), number(2, 62), number(2, 62), number(2, 30));
        let fraction = self.text(12, |strings| char::from(b'0' + strings.below(10) as u8));
        let fraction = if self.below(2) == 0 { format!(".{fraction}") } else { String::new() };
        let between = self.pick(&["T", "T", "T", "t", " ", ""]);
        let zone = self.pick(&["Z", "Z", "z", "", "+", "-"]);
        let zone = if zone.len() == 1 && "+-".contains(zone) { format!("{zone}{offset}:00") } else { zone.to_owned() };
        format!("{year}-{month}-{day}{between}{hour}:{minute}:{second}{fraction}{zone}")
    }

    /// Something that a page gave, or a word that a feed knows.
    fn remembered(&mut self) -> String {
        if self.seen.is_empty() || self.below(4) == 0 {
            return self.pick(&WORDS).to_owned();
        }
        let at = self.below(self.seen.len());
        self.seen[at].clone()
    }

    /// The same with a letter changed, lost or doubled, or broken off.
    fn damaged(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        if letters.is_empty() {
            return String::new();
        }
        let at = self.below(letters.len());
        match self.below(4) {
            0 => letters[at] = char::from(b' ' + self.below(95) as u8),
            1 => _ = letters.remove(at),
            2 => letters.insert(at, letters[at]),
            _ => letters.truncate(at),
        }
        letters.into_iter().collect()
    }

    fn letters(&mut self, most: usize) -> String {
        self.text(most, |strings| {
            char::from(strings.pick(b"0123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"))
        })
    }

    fn text(&mut self, most: usize, letter: impl Fn(&mut Strings) -> char) -> String {
        (0..self.below(most + 1)).map(|_| letter(self)).collect()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    /// The next number of splitmix64: any seed will do, and it is the same on every machine.
    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }
}
