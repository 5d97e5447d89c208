//! A filter as text: canonical, and parsed back to the same tree.

use std::fmt::{self, Display, Formatter, Write};

use super::{
    Cidr, Field, Filter, Glob, Kind, Test,
    lexer::{Cursor, KEYWORDS},
    term,
};

/// The canonical text, empty for [`Filter::All`].
///
/// [`super::parse`] makes the same tree of it, provided that the tree is one that it can make, and that the text is not
/// longer than [`super::MAX_BYTES`] (a group `field:(a OR b)` is written out). Times are absolute.
impl Display for Filter {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Filter::All => Ok(()),
            Filter::And(all) if !all.is_empty() => list(f, all, " ", |filter| matches!(filter, Filter::Or(_))),
            Filter::Or(any) if !any.is_empty() => list(f, any, " OR ", |_| false),
            other => inner(f, other),
        }
    }
}

fn list(f: &mut Formatter, filters: &[Filter], joint: &str, enclose: impl Fn(&Filter) -> bool) -> fmt::Result {
    for (at, filter) in filters.iter().enumerate() {
        if at > 0 {
            f.write_str(joint)?;
        }
        match filter {
            Filter::All => f.write_char('*')?,
            _ if enclose(filter) => write!(f, "({filter})")?,
            _ => write!(f, "{filter}")?,
        }
    }
    Ok(())
}

/// A filter in a place where only one term may stand.
fn inner(f: &mut Formatter, filter: &Filter) -> fmt::Result {
    match filter {
        Filter::All => f.write_char('*'),
        // Neither comes from the parser, but each has a meaning.
        Filter::And(none) if none.is_empty() => f.write_char('*'),
        Filter::Or(none) if none.is_empty() => f.write_str("-*"),
        Filter::And(_) | Filter::Or(_) => write!(f, "({filter})"),
        Filter::Not(filter) => {
            f.write_char('-')?;
            inner(f, filter)
        }
        Filter::Word(text) => word(f, text),
        Filter::Test { field, test } => {
            name(f, field)?;
            f.write_char(':')?;
            value(f, field, test)
        }
    }
}

fn word(f: &mut Formatter, text: &str) -> fmt::Result {
    if text.starts_with('-') || KEYWORDS.contains(&text) || !is_safe(text) {
        quoted(f, text)
    } else {
        f.write_str(text)
    }
}

fn value(f: &mut Formatter, field: &Field, test: &Test) -> fmt::Result {
    match test {
        Test::Exists => f.write_char('*'),
        Test::Equals(text) if text.starts_with('/') || !is_safe(text) || is_network(field, text) => quoted(f, text),
        Test::Equals(text) => f.write_str(text),
        Test::Pattern(glob) => pattern(f, glob),
        // Without its bits a single address is a network in a field of addresses only.
        Test::InNetwork(cidr) if cidr.is_host() && !is_address(field) => f.write_str(&cidr.with_bits()),
        Test::InNetwork(cidr) => write!(f, "{cidr}"),
        Test::Less(operand) => write!(f, "<{operand}"),
        Test::LessOrEqual(operand) => write!(f, "<={operand}"),
        Test::Greater(operand) => write!(f, ">{operand}"),
        Test::GreaterOrEqual(operand) => write!(f, ">={operand}"),
    }
}

fn pattern(f: &mut Formatter, glob: &Glob) -> fmt::Result {
    for (at, piece) in glob.pieces().iter().enumerate() {
        if at > 0 {
            f.write_char('*')?;
        }
        // `name://…` is a URL and so a word.
        let rest = piece.strip_prefix('/').filter(|_| at == 0);
        if rest.is_some() {
            f.write_str("\\/")?;
        }
        escaped(f, rest.unwrap_or(piece), is_safe_char)?;
    }
    Ok(())
}

/// The name of a field, with `raw.` before a path that would be taken for something else.
fn name(f: &mut Formatter, field: &Field) -> fmt::Result {
    match field {
        Field::Known(known) => f.write_str(known.name()),
        Field::Tag(name) => {
            f.write_str("tags.")?;
            escaped(f, name, is_safe_in_name)
        }
        Field::Raw(path) => {
            let name = Path(path).to_string();
            if !is_plain_path(&name, field) {
                f.write_str("raw.")?;
            }
            f.write_str(&name)
        }
    }
}

struct Path<'p>(&'p [String]);

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        for (at, key) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char('.')?;
            }
            escaped(f, key, is_safe_in_name)?;
        }
        Ok(())
    }
}

/// Whether `name` alone is read as `field`. Hexadecimal digits before a colon could be the start of an address.
fn is_plain_path(name: &str, field: &Field) -> bool {
    let starts_well = !name.starts_with(|char: char| char.is_ascii_digit() || char == '-');
    starts_well
        && !name.bytes().all(|byte| byte.is_ascii_hexdigit())
        && Cursor::new(name).bare(true).and_then(|bare| term::field(&bare)).is_ok_and(|read| read == *field)
}

fn is_network(field: &Field, text: &str) -> bool {
    text.contains('/') && (is_address(field) || text.parse::<Cidr>().is_ok())
        || is_address(field) && text.parse::<Cidr>().is_ok()
}

fn is_address(field: &Field) -> bool {
    matches!(field, Field::Known(known) if known.kind() == Kind::Address)
}

fn is_safe(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_safe_char)
}

/// Whether a letter is itself without quotes and backslashes, wherever it stands in a value.
fn is_safe_char(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '@' | '/' | '+' | '%')
}

fn is_safe_in_name(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '@' | '/' | '$')
}

fn escaped(f: &mut Formatter, text: &str, safe: impl Fn(char) -> bool) -> fmt::Result {
    for char in text.chars() {
        if !safe(char) && (char.is_ascii_punctuation() || char.is_whitespace()) {
            f.write_char('\\')?;
        }
        f.write_char(char)?;
    }
    Ok(())
}

fn quoted(f: &mut Formatter, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(char)?;
    }
    f.write_char('"')
}
