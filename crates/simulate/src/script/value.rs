//! The values of the script, and the programs that they become.
//!
//! - `$name` is an id that the story makes, the same wherever the story says `$name`; `$name#` is another one each time
//!   that its step is repeated; its prefix is the one that `fields.txt` gives to the field, or follows as `$name:prefix_`.
//! - `!name/5` is one of five ids that existed before the simulation began.
//! - `^` is the project in which the story plays, or `null`.
//! - `%pool!name/5` is the word of the pool that belongs to `!name/5`.
//! - `%pool` is a word of a pool in `data/pools.txt`, `%one(a|b)` one of these, `%int(1,9)`, `%hex(40)`, `%uuid`,
//!   `%email`, `%user`, `%name` of the target (`%own_email` …, `%each_email` … of the others), `%day(-30)` and `%time(48)` (hours)
//!   relative to the activity.
//! - JSON is itself; in its strings, `{{…}}` holds any of the above. A bare word is a string.

use std::{collections::HashMap, sync::LazyLock};

use crate::hash::named;

/// One act of writing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// These bytes.
    Text(Box<[u8]>),
    /// An id, without quotes.
    Id {
        prefix: Box<str>,
        scope: Scope,
        var: u64,
    },
    /// One of so many ids that were there before.
    Old {
        prefix: Box<str>,
        var: u64,
        of: u64,
    },
    /// The project's id with quotes, or `null`.
    Project {
        prefix: Box<str>,
    },
    /// One of these words.
    /// One of these words; a name is what a retroactive blanking takes away.
    Word {
        pool: Words,
        scope: Scope,
        salt: u64,
        name: bool,
    },
    /// The word that belongs to [`Op::Old`] of the same `var`.
    OldWord {
        pool: Words,
        var: u64,
        of: u64,
    },
    Int {
        low: i64,
        high: i64,
        salt: u64,
    },
    Hex {
        length: u8,
        scope: Scope,
        salt: u64,
    },
    Uuid {
        scope: Scope,
        salt: u64,
    },
    Email(Whose),
    User(Whose),
    Name(Whose),
    /// A date, so many days from the activity.
    Day(i64),
    /// A moment, so many hours from the activity.
    Time(i64),
}

/// Words, already escaped for JSON.
pub(crate) type Words = &'static [String];

/// What a value stays the same within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Story,
    /// The same for the same repetition of different steps.
    Turn,
    Activity,
}

/// Whose address or id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Own,
    Target,
    Each,
}

/// A value as read: JSON whose strings may hold atoms, or one atom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Json(serde_json::Value),
    Atom(String),
}

impl Value {
    /// Reads one value from the beginning of `text`; gives the rest.
    pub(crate) fn read(text: &str) -> Result<(Value, &str), String> {
        if text.starts_with(['"', '[', '{']) {
            let mut stream = serde_json::Deserializer::from_str(text).into_iter();
            let json = stream.next().ok_or("a value is missing")?.map_err(|error| format!("{error} in {text}"))?;
            let end = stream.byte_offset();
            return Ok((Value::Json(json), &text[end..]));
        }
        // An atom may hold spaces in its brackets.
        let mut depth = 0;
        let end = text
            .find(|letter: char| {
                depth += i32::from(letter == '(') - i32::from(letter == ')');
                depth == 0 && letter.is_whitespace()
            })
            .unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        let value = match serde_json::from_str(word) {
            Ok(json) => Value::Json(json),
            Err(_) if word.starts_with(['$', '!', '^', '%']) => Value::Atom(word.into()),
            Err(_) => Value::Json(word.into()),
        };
        Ok((value, rest))
    }

    /// The ids of the story that this value names.
    pub(crate) fn vars(&self, found: &mut Vec<String>) {
        match self {
            Value::Atom(atom) => found.extend(var_of(atom)),
            Value::Json(serde_json::Value::String(text)) => {
                found.extend(text.split("{{").skip(1).filter_map(|part| var_of(part.split("}}").next()?)));
            }
            Value::Json(serde_json::Value::Array(items)) => {
                items.iter().for_each(|item| Value::Json(item.clone()).vars(found));
            }
            Value::Json(_) => {}
        }
    }
}

fn var_of(atom: &str) -> Option<String> {
    let name = atom.strip_prefix('$')?;
    Some(name.split([':', '#']).next()?.into())
}

/// What one atom writes. `prefix` is the field's own; `text` says whether it stands inside a string.
pub(crate) fn atom(atom: &str, prefix: Option<&str>, salt: u64, turn: bool) -> Result<(Op, bool), String> {
    let scope = if turn { Scope::Turn } else { Scope::Story };
    let ids = |rest: &str| -> Result<(String, Box<str>), String> {
        let (name, own) = rest.split_once(':').map_or((rest, None), |(name, prefix)| (name, Some(prefix)));
        let prefix = own.or(prefix).ok_or_else(|| format!("{atom} has no prefix"))?;
        Ok((name.to_owned(), prefix.into()))
    };
    if let Some(rest) = atom.strip_prefix('$') {
        let (name, prefix) = ids(rest)?;
        let (name, scope) = name.strip_suffix('#').map_or((name.as_str(), Scope::Story), |name| (name, Scope::Turn));
        return Ok((Op::Id { prefix, scope, var: named(name) }, true));
    }
    if let Some(rest) = atom.strip_prefix('!') {
        let (name, prefix) = ids(rest)?;
        let (name, of) = name.split_once('/').ok_or_else(|| format!("{atom}: of how many?"))?;
        return Ok((
            Op::Old { prefix, var: named(name), of: of.parse().map_err(|_| format!("{atom}: a number"))? },
            true,
        ));
    }
    if let Some(rest) = atom.strip_prefix('^') {
        let prefix = if rest.is_empty() { prefix.ok_or_else(|| format!("{atom} has no prefix"))? } else { rest };
        return Ok((Op::Project { prefix: prefix.into() }, false));
    }
    let Some(rest) = atom.strip_prefix('%') else { return Err(format!("{atom} is no atom")) };
    if let Some((pool, old)) = rest.split_once('!') {
        let pool = POOLS.get(pool).ok_or_else(|| format!("no pool {pool}"))?;
        let (name, of) = old.split_once('/').ok_or_else(|| format!("{atom}: of how many?"))?;
        return Ok((
            Op::OldWord { pool, var: named(name), of: of.parse().map_err(|_| format!("{atom}: a number"))? },
            true,
        ));
    }
    let (name, given) = rest.split_once('(').map_or((rest, ""), |(name, given)| (name, given.trim_end_matches(')')));
    let int = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("{atom}: {text:?} is no number"));
    let op = match name {
        "int" => {
            let (low, high) = given.split_once(',').ok_or_else(|| format!("{atom}: from, to"))?;
            return Ok((Op::Int { low: int(low)?, high: int(high)?, salt }, false));
        }
        "hex" => Op::Hex { length: int(given)? as u8, scope, salt },
        "uuid" => Op::Uuid { scope, salt },
        "email" => Op::Email(Whose::Target),
        "user" => Op::User(Whose::Target),
        "name" => Op::Name(Whose::Target),
        "own_email" => Op::Email(Whose::Own),
        "own_user" => Op::User(Whose::Own),
        "own_name" => Op::Name(Whose::Own),
        "each_email" => Op::Email(Whose::Each),
        "each_user" => Op::User(Whose::Each),
        "day" => Op::Day(int(given)?),
        "time" => Op::Time(int(given)?),
        // Bounded: only the script's own lines come here, once.
        "one" => Op::Word {
            pool: given.split('|').map(escaped).collect::<Vec<_>>().leak(),
            scope: Scope::Activity,
            salt,
            name: false,
        },
        "fixed" => {
            Op::Word { pool: given.split('|').map(escaped).collect::<Vec<_>>().leak(), scope, salt, name: false }
        }
        pool => Op::Word { pool: POOLS.get(pool).ok_or_else(|| format!("no pool {pool}"))?, scope, salt, name: true },
    };
    Ok((op, true))
}

/// `text` as it stands between the quotes of a JSON string.
pub(crate) fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text.trim()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

static POOLS: LazyLock<HashMap<&str, Vec<String>>> = LazyLock::new(|| {
    include_str!("../../data/pools.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, words)| (name.trim(), words.split('|').map(escaped).collect()))
        .collect()
});
