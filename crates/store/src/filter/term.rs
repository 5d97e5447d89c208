//! Single words and tests: what a name and a value mean together.

use std::ops::Range;

use jiff::{Span, Timestamp, ToSpan, tz::TimeZone};

use super::{
    Cidr, Field, Filter, FilterError, Glob, Kind, Known, Operand, Test,
    lexer::{Bare, Letter},
    operand::{date_of, is_age, is_number, number_of, parse_time, time_of},
};

/// The longest field name, in bytes. A group repeats it for each of its values.
const MAX_NAME_BYTES: usize = 512;

const TIME_HINT: &str =
    "write a date (`2026-01-31`), a time with zone (`2026-01-31T08:00:00Z`) or an age (`24h`, `7d`)";

/// An operator of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    GreaterOrEqual,
    LessOrEqual,
    Greater,
    Less,
}

impl Comparison {
    /// Each of them, the longer signs first.
    pub(super) const ALL: [Comparison; 4] =
        [Comparison::GreaterOrEqual, Comparison::LessOrEqual, Comparison::Greater, Comparison::Less];

    pub(super) fn sign(self) -> &'static str {
        match self {
            Comparison::GreaterOrEqual => ">=",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::Less => "<",
        }
    }

    fn test(self, operand: Operand) -> Test {
        match self {
            Comparison::GreaterOrEqual => Test::GreaterOrEqual(operand),
            Comparison::LessOrEqual => Test::LessOrEqual(operand),
            Comparison::Greater => Test::Greater(operand),
            Comparison::Less => Test::Less(operand),
        }
    }
}

/// A phrase that belongs to no field.
pub(super) fn phrase(phrase: String, spot: Range<usize>) -> Result<Filter, FilterError> {
    if phrase.is_empty() {
        return Err(FilterError::new(spot, "an empty phrase", "write what to search for between the quotes"));
    }
    Ok(Filter::Word(phrase))
}

/// A bare text that belongs to no field.
pub(super) fn word(bare: &Bare) -> Result<Filter, FilterError> {
    if let Some(at) = comparison_without_colon(bare.letters()) {
        let name: String = bare.letters()[..at].iter().map(|letter| letter.char).collect();
        let rest: String = bare.letters()[at..].iter().map(|letter| letter.char).collect();
        return Err(FilterError::new(
            bare.spot.clone(),
            "a comparison without a colon",
            format!("write `{name}:{rest}`, or put it between quotes to search for the text"),
        ));
    }
    let mut pieces = bare.pieces();
    if pieces.iter().all(String::is_empty) {
        return Ok(Filter::All);
    }
    // A word stands anywhere, so wildcards around it change nothing.
    let words = pieces.iter().filter(|piece| !piece.is_empty()).count();
    if words == 1 {
        pieces.retain(|piece| !piece.is_empty());
        return Ok(Filter::Word(pieces.swap_remove(0)));
    }
    pieces.insert(0, String::new());
    pieces.push(String::new());
    Ok(Glob::new(pieces).map_or(Filter::All, |glob| Filter::test(Known::RawLog, Test::Pattern(glob))))
}

/// Where the sign stands in what was meant as `name:>value`.
fn comparison_without_colon(letters: &[Letter]) -> Option<usize> {
    let at = letters.iter().position(|letter| letter.is('<') || letter.is('>'))?;
    let is_name = letters[..at].iter().all(|letter| letter.char.is_ascii_alphanumeric() || "_.".contains(letter.char));
    (is_name && letters[0].char.is_ascii_alphabetic() && at + 1 < letters.len()).then_some(at)
}

/// The field of a name.
pub(super) fn field(name: &Bare) -> Result<Field, FilterError> {
    let error = |message: String, hint: String| Err(FilterError::new(name.spot.clone(), message, hint));
    let text = name.text();
    if text.is_empty() {
        return Err(FilterError::new(
            name.spot.start..name.spot.start + 1,
            "no field stands before this colon",
            "write `field:value`, or `\\:` for the sign itself",
        ));
    }
    if text.len() > MAX_NAME_BYTES {
        return error(format!("a field name of {} bytes", text.len()), format!("at most {MAX_NAME_BYTES} are allowed"));
    }
    if name.letters().iter().any(|letter| letter.is('*')) {
        return error(
            "a wildcard in a field name".into(),
            "name the field, or search the whole raw log with a bare word; `\\*` is the sign itself".into(),
        );
    }
    if name.is_plain() {
        if let Some(known) = Known::by_name(&text) {
            return Ok(known.into());
        }
        if let Some(meant) = Known::by_name_ignoring_case(&text) {
            return error(
                format!("there is no field `{text}`"),
                format!("write `{meant}`, or `raw.{text}` for that member of the raw log"),
            );
        }
    }
    let mut path: Vec<String> = name.split('.').map(key).collect();
    if path.iter().any(String::is_empty) {
        return error(
            format!("the path `{text}` has an empty part"),
            "write keys with one dot between each two; `\\.` is a dot inside a key".into(),
        );
    }
    match path[0].as_str() {
        "raw" if path.len() > 1 => {
            path.remove(0);
            Ok(Field::Raw(path))
        }
        "tags" if path.len() > 1 => Ok(Field::Tag(path[1..].join("."))),
        _ => Ok(Field::Raw(path)),
    }
}

/// A key of a path. `[]` behind it says that it is a list, which goes without saying.
fn key(letters: &[Letter]) -> String {
    let letters = match letters {
        [key @ .., open, close] if open.is('[') && close.is(']') => key,
        key => key,
    };
    letters.iter().map(|letter| letter.char).collect()
}

/// A field and a value without quotes.
pub(super) fn value(field: &Field, bare: &Bare) -> Result<Filter, FilterError> {
    let text = bare.text();
    let pieces = bare.pieces();
    if pieces.len() > 1 {
        let test = match Glob::new(pieces) {
            None => Test::Exists,
            Some(glob) => Test::Pattern(glob),
        };
        return match (kind(field), &test) {
            (None | Some(Kind::Text | Kind::Address), _) | (_, Test::Exists) => Ok(Filter::test(field.clone(), test)),
            (Some(kind), _) => Err(FilterError::new(
                bare.spot.clone(),
                format!("a wildcard in a {}", kind.as_str()),
                match kind {
                    Kind::Boolean => "write `true`, `false` or `*` alone",
                    _ => "compare with `>`, `>=`, `<` or `<=`, or write `*` alone",
                },
            )),
        };
    }
    // In the raw log a single address is a text like any other; only in a field of addresses do its spellings matter.
    let network = match kind(field) {
        Some(Kind::Address) => true,
        None => text.contains('/'),
        _ => false,
    };
    match text.parse::<Cidr>() {
        Ok(cidr) if network && bare.is_plain() => Ok(Filter::test(field.clone(), Test::InNetwork(cidr))),
        Err(_) if kind(field) == Some(Kind::Address) && bare.is_plain() && text.contains('/') => Err(FilterError::new(
            bare.spot.clone(),
            format!("`{text}` is no network"),
            "write an address and its bits, as in `192.0.2.0/24` or `2001:db8::/32`",
        )),
        _ => literal(field, text, bare.spot.clone()),
    }
}

/// A field and a value that is exactly this text.
pub(super) fn literal(field: &Field, text: String, spot: Range<usize>) -> Result<Filter, FilterError> {
    let error = |message: String, hint: &str| Err(FilterError::new(spot.clone(), message, hint));
    match kind(field) {
        Some(Kind::Time) => return span(field, &text, spot),
        Some(Kind::Number) if number_of(&text).is_none() => {
            return error(format!("`{text}` is no number"), "write a number such as `42` or `-1.5`");
        }
        Some(Kind::Boolean) if !["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            return error(format!("`{text}` is neither true nor false"), "write `true` or `false`");
        }
        _ if text.is_empty() && !matches!(field, Field::Raw(_)) => {
            return error(
                "an empty value".into(),
                "to find where the field is missing, write `-` before it and `*` as its value",
            );
        }
        _ => {}
    }
    Ok(Filter::test(field.clone(), Test::Equals(text)))
}

/// A comparison.
pub(super) fn compare(
    field: &Field,
    comparison: Comparison,
    text: &str,
    spot: Range<usize>,
    now: Timestamp,
) -> Result<Filter, FilterError> {
    let error = |message: String, hint: &str| Err(FilterError::new(spot.clone(), message, hint));
    let sign = comparison.sign();
    if text.is_empty() {
        return error(format!("nothing stands after `{sign}`"), "write a number or a time directly after it");
    }
    let (number, time) = (number_of(text), parse_time(text, now));
    let operand = match (kind(field), number, time) {
        (Some(Kind::Text | Kind::Address | Kind::Boolean), ..) => {
            return error(
                format!("`{sign}` on a field without an order"),
                "only numbers and times have one; put the value between quotes to search for the sign itself",
            );
        }
        (Some(Kind::Number) | None, Some(number), _) => Operand::Number(number),
        (Some(Kind::Time) | None, _, Some(time)) => Operand::Time(time),
        (Some(Kind::Number) | None, ..) if is_number(text.as_bytes()) => {
            return error(format!("`{text}` is too large"), "write a number that a double can hold");
        }
        (Some(Kind::Time) | None, ..) if is_age(text) => {
            return error(format!("the age `{text}` reaches too far back"), "write a shorter age, or a date");
        }
        (Some(Kind::Number), ..) => {
            return error(format!("`{text}` is no number"), "write a number such as `42` or `-1.5`");
        }
        (Some(Kind::Time), ..) => return error(format!("`{text}` is no time"), TIME_HINT),
        (None, ..) => {
            return error(
                format!("`{text}` is neither a number nor a time"),
                "write a number such as `400`, a date such as `2026-01-31`, a time with zone or an age such as `7d`",
            );
        }
    };
    Ok(Filter::test(field.clone(), comparison.test(operand)))
}

/// A time without an operator stands for all the time that it names: a date for its day, a time for its second, or as
/// much of it as its fraction tells.
fn span(field: &Field, text: &str, spot: Range<usize>) -> Result<Filter, FilterError> {
    let Some(start) = time_of(text) else {
        let (message, hint) = if is_age(text) || text == "now" {
            (
                format!("`{text}` is a point in time, and no activity is exactly there"),
                "write `>` before it for all since, `<` for all before",
            )
        } else {
            (format!("`{text}` is no time"), TIME_HINT)
        };
        return Err(FilterError::new(spot, message, hint));
    };
    let length: Span = match date_of(text) {
        Some(_) => 24.hours(),
        None => {
            let digits =
                text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
            10_i64.pow(6 - digits.min(6) as u32).microseconds()
        }
    };
    let since = Filter::test(field.clone(), Test::GreaterOrEqual(Operand::Time(start)));
    let end = start.to_zoned(TimeZone::UTC).checked_add(length).ok();
    Ok(Filter::and(
        std::iter::once(since)
            .chain(end.map(|end| Filter::test(field.clone(), Test::Less(Operand::Time(end.timestamp()))))),
    ))
}

/// What the values of a field are, where that is known.
fn kind(field: &Field) -> Option<Kind> {
    match field {
        Field::Known(known) => Some(known.kind()),
        Field::Tag(_) | Field::Raw(_) => None,
    }
}
