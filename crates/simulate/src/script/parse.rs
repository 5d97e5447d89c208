//! Reads the script's files into a [`Book`]. An error names the file and the line.

use std::collections::HashSet;

use super::{
    Book, Casting, Hours, Part, Step, Story, Surface, TypeSet,
    compile::{self, Given},
    kind_of,
    value::Value,
    words::{attribute, cast, range},
};
use crate::{
    calendar::{DAY, HOUR, MINUTE, Micros, SECOND},
    people::Unit,
};

const FILES: [(&str, &str); 6] = [
    ("sessions.txt", include_str!("../../data/sessions.txt")),
    ("routines.txt", include_str!("../../data/routines.txt")),
    ("rarities.txt", include_str!("../../data/rarities.txt")),
    ("platform.txt", include_str!("../../data/platform.txt")),
    ("settings.txt", include_str!("../../data/settings.txt")),
    ("scenarios.txt", include_str!("../../data/scenarios.txt")),
];

/// The whole script.
pub(super) fn book() -> Result<Book, String> {
    let mut book = Book {
        steps: Vec::new(),
        sessions: Vec::new(),
        routines: Vec::new(),
        rarities: Vec::new(),
        scenarios: Vec::new(),
    };
    let mut errors = Vec::new();
    for (file, text) in FILES {
        let mut open = None;
        for (number, line) in text.lines().enumerate() {
            if let Err(error) = read(line, &mut open, &mut book) {
                errors.push(format!("{file}:{}: {error}", number + 1));
            }
        }
        close(&mut book, open);
    }
    if errors.is_empty() { Ok(book) } else { Err(errors.join("\n")) }
}

type Open = Option<(&'static str, Story, Writing)>;

fn read(line: &'static str, open: &mut Open, book: &mut Book) -> Result<(), String> {
    let body = line.trim();
    if body.is_empty() || body.starts_with('#') {
        return Ok(());
    }
    if !line.starts_with(' ') {
        close(book, open.take());
        let (kind, mut story, writing) = head(body)?;
        story.first = book.steps.len() as u16;
        *open = Some((kind, story, writing));
        return Ok(());
    }
    let (_, story, writing) = open.as_mut().ok_or("a step before any story")?;
    let step = step(body, story, writing)?;
    story.types.add(step.kind);
    // A repetition waits as long as the first time; a long wait may end at a weekend or at night, and go on.
    let waits = match step.delay.1 {
        HOUR.. if story.patient => 3 * DAY,
        _ => 0,
    };
    story.span += (step.delay.1 + waits) * Micros::from(step.times.1);
    story.steps += 1;
    book.steps.push(step);
    Ok(())
}

fn close(book: &mut Book, open: Open) {
    let Some((kind, story, _)) = open else { return };
    match kind {
        "session" => book.sessions.push(story),
        "routine" => book.routines.push(story),
        "rare" => book.rarities.push(story),
        _ => book.scenarios.push(story),
    }
}

/// What the steps of a story have said so far.
pub(super) struct Writing {
    seen: HashSet<String>,
    pub(super) unit: Option<Unit>,
    default_delay: (Micros, Micros),
}

fn head(line: &'static str) -> Result<(&'static str, Story, Writing), String> {
    let (line, about) = line.split_once(" -- ").unwrap_or((line, ""));
    let mut words = line.split_whitespace();
    let kind = words.next().filter(|kind| ["session", "routine", "rare", "scenario"].contains(kind));
    let kind = kind.ok_or("session, routine, rare or scenario?")?;
    let personal = kind == "session";
    let mut story = Story {
        name: words.next().ok_or("a story needs a name")?,
        about,
        first: 0,
        steps: 0,
        own: if personal { Casting::Anybody } else { Casting::Admin },
        target: Casting::Colleague,
        hours: Hours::Work,
        weight: (0, 0),
        rate: (0.0, 0.0),
        project: 0,
        lasting: false,
        surface: Surface::Any,
        late: false,
        patient: matches!(kind, "routine" | "rare"),
        span: 0,
        types: TypeSet::default(),
    };
    let default_delay = if personal { (8 * SECOND, 70 * SECOND) } else { (40 * SECOND, 9 * MINUTE) };
    let mut writing = Writing { seen: HashSet::new(), unit: None, default_delay };
    for word in words {
        attribute(word, &mut story, &mut writing).ok_or_else(|| format!("what is {word}?"))?;
    }
    Ok((kind, story, writing))
}

fn step(line: &'static str, story: &Story, writing: &mut Writing) -> Result<Step, String> {
    let mut delay = if story.steps == 0 { (0, 0) } else { writing.default_delay };
    let mut step: Option<Step> = None;
    let mut given = Vec::new();
    let mut chance = 1000;
    let mut rest = line;
    while !rest.is_empty() {
        if let Some((name, value)) = rest.split_once('=').filter(|(name, _)| {
            step.is_some()
                && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
        }) {
            let (value, after) = Value::read(value)?;
            given.push((name, Given::Is(value)));
            rest = after.trim_start();
            continue;
        }
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = after.trim_start();
        if let Some(span) = word.strip_prefix('+') {
            delay = range(span).ok_or_else(|| format!("{word} is no delay"))?;
        } else if let Some(percent) = word.strip_prefix('?') {
            let percent = percent.strip_suffix('%').and_then(|percent| percent.parse::<u16>().ok());
            chance = 10 * percent.ok_or_else(|| format!("{word} is no percentage"))?;
        } else if let Some(step) = step.as_mut() {
            match word {
                "unlabelled" => step.unlabelled = true,
                _ if word.starts_with('@') => cast(word, step).ok_or_else(|| format!("who is {word}?"))?,
                _ if word.starts_with('-') => given.push((&word[1..], Given::Left)),
                _ => return Err(format!("what is {word}?")),
            }
        } else {
            step = Some(begin(word)?);
        }
    }
    let mut step = step.ok_or("a step needs a type")?;
    (step.delay, step.chance) = (delay, chance);
    if let (Some(unit), true) = (writing.unit, step.unit != Unit::None) {
        step.unit = unit;
    }
    step.fields = compile::fields(&step, given, &mut writing.seen)?;
    Ok(step)
}

fn begin(word: &str) -> Result<Step, String> {
    let (name, times) = word.split_once('*').unwrap_or((word, "1"));
    let (low, high) = times.split_once("..").unwrap_or((times, times));
    let number = |text: &str| text.parse::<u8>().map_err(|_| format!("{word}: {text} is no number"));
    let info = activity::catalog::get(name).ok_or_else(|| format!("no activity type {name}"))?;
    Ok(Step {
        kind: kind_of(name).ok_or("the catalogue is not sorted by name")?,
        name: &info.name,
        delay: (0, 0),
        chance: 1000,
        times: (number(low)?, number(high)?),
        actor: Part::Own,
        place: None,
        client: None,
        unlabelled: false,
        unit: unit(name),
        fields: Vec::new(),
    })
}

/// The organization to which activities of a type belong.
fn unit(name: &str) -> Unit {
    const NONE: [&str; 7] =
        ["sso_login_", "sso_second", "magic_link_", "social_", "user_logged_out", "phone_", "compliance_api_"];
    const PLATFORM: [&str; 6] =
        ["platform_", "api_key_", "scoped_api_key_", "workspace_", "admin_api_key_", "org_external_key_"];
    match name {
        "anonymous_mobile_login_attempted" => Unit::None,
        _ if NONE.iter().any(|prefix| name.starts_with(prefix)) => Unit::None,
        _ if PLATFORM.iter().any(|prefix| name.starts_with(prefix)) => Unit::Platform,
        _ => Unit::Main,
    }
}
