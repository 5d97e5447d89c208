//! Somebody's statement over the views, with only those of their columns that it names.
//!
//! The server plans all columns of a view before it finds that most of them are not wanted, and looks up which commits are whole: some
//! twenty milliseconds each time, and again to tell the types of the answer. So where a statement names its columns, the views in it
//! become queries over table `activity` with these columns alone. Its words are read here, with a narrow mind: whatever is not known
//! to mean no more than the words say stays as it is. Whoever uses this compares the types of both answers ([`crate::sql`]).

use crate::schema;

/// Longer statements stay as they are.
const LONGEST: usize = 16 * 1024;
/// What means all columns, cannot stand behind a query in the place of a table, or tells how a column is stored.
const DOUBTFUL: [&str; 16] = [
    "columns",
    "apply",
    "natural",
    "final",
    "sample",
    "prewhere",
    "settings",
    "format",
    "into",
    "recursive",
    "describe",
    "explain",
    "exists",
    "untuple",
    "totypename",
    "dumpcolumnstructure",
];
/// What may stand behind a table and is no other name of it.
const CLAUSES: [&str; 32] = [
    "where",
    "group",
    "order",
    "limit",
    "having",
    "union",
    "except",
    "intersect",
    "qualify",
    "window",
    "offset",
    "fetch",
    "join",
    "left",
    "right",
    "inner",
    "outer",
    "full",
    "cross",
    "any",
    "all",
    "asof",
    "semi",
    "anti",
    "global",
    "local",
    "paste",
    "array",
    "on",
    "using",
    "with",
    "from",
];

/// A statement with holes for the condition of the rows that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Narrowed(Vec<String>);

impl Narrowed {
    /// The statement over the rows that meet this condition.
    pub(crate) fn text(&self, visible: &str) -> String {
        self.0.join(visible)
    }
}

/// A word, name, number, text or sign of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// Between quotes that names have.
    Name(&'a str),
    Number,
    Text,
    Sign(char),
}

impl<'a> Token<'a> {
    fn name(self) -> Option<&'a str> {
        match self {
            Token::Word(name) | Token::Name(name) => Some(name),
            _ => None,
        }
    }

    fn is_word(self, words: &[&str]) -> bool {
        matches!(self, Token::Word(own) if words.iter().any(|word| word.eq_ignore_ascii_case(own)))
    }
}

/// The statement with fewer columns; `None` if it stays as it is. With `is_packed`, texts with a dictionary keep it.
pub(crate) fn narrowed(text: &str, is_packed: bool) -> Option<Narrowed> {
    if text.len() > LONGEST || !schema::VIEWS.iter().any(|view| text.contains(view)) {
        return None;
    }
    let tokens = read(text)?;
    let at = |at: usize| tokens.get(at).map(|(token, _)| *token);
    if !at(0)?.is_word(&["select", "with"]) {
        return None;
    }
    let names: Vec<&str> = tokens.iter().filter_map(|(token, _)| token.name()).collect();
    let (mut pieces, mut piece, mut done) = (Vec::new(), String::new(), 0);
    for (place, (token, spot)) in tokens.iter().enumerate() {
        let before = place.checked_sub(1).and_then(at);
        let after = at(place + 1);
        if token.is_word(&DOUBTFUL) || (*token == Token::Sign('*') && !is_count_or_product(&tokens, place)) {
            return None;
        }
        let Some(name) = token.name().filter(|name| schema::VIEWS.contains(name)) else { continue };
        if before == Some(Token::Sign('.')) {
            return None;
        }
        if after == Some(Token::Sign('.')) {
            // One of its columns.
            continue;
        }
        if !before.is_some_and(|before| before.is_word(&["from", "join"])) {
            return None;
        }
        let is_renamed = match after {
            Some(Token::Word(word)) => word.eq_ignore_ascii_case("as") || !Token::Word(word).is_word(&CLAUSES),
            Some(Token::Name(_)) => true,
            _ => false,
        };
        let columns = schema::view_columns(name, is_packed)?;
        let wanted = columns.iter().filter(|(column, _)| names.contains(column));
        let mut wanted: Vec<String> = wanted.map(|(column, value)| format!("{value} AS `{column}`")).collect();
        if wanted.is_empty() {
            wanted.push("1 AS `nothing`".to_owned());
        }
        piece.push_str(text.get(done..spot.start)?);
        piece.push_str(&format!("(SELECT {} FROM activity WHERE ", wanted.join(", ")));
        pieces.push(std::mem::take(&mut piece));
        piece.push(')');
        if !is_renamed {
            piece.push_str(&format!(" AS {name}"));
        }
        done = spot.end;
    }
    if pieces.is_empty() {
        return None;
    }
    piece.push_str(text.get(done..)?);
    pieces.push(piece);
    Some(Narrowed(pieces))
}

/// Whether a star stands in `count(*)` or between two numbers.
fn is_count_or_product(tokens: &[(Token, std::ops::Range<usize>)], place: usize) -> bool {
    let at = |back: usize| place.checked_sub(back).and_then(|at| tokens.get(at)).map(|(token, _)| *token);
    let next = tokens.get(place + 1).map(|(token, _)| *token);
    let is_count = at(1) == Some(Token::Sign('('))
        && at(2).is_some_and(|word| word.is_word(&["count"]))
        && next == Some(Token::Sign(')'));
    is_count || matches!(at(1), Some(Token::Number | Token::Sign(')')))
}

/// The tokens and where they stand; `None` for what has a meaning of its own: heredocs, parameters, comments with `#`.
fn read(text: &str) -> Option<Vec<(Token<'_>, std::ops::Range<usize>)>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(sign) = text[start..].chars().next() {
        let rest = &text[start..];
        let mut token = None;
        let length = match sign {
            sign if sign.is_whitespace() => sign.len_utf8(),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/")? + 2,
            '#' | '$' | '{' | '?' | ';' => return None,
            '\'' => {
                token = Some(Token::Text);
                crate::sql::closed(rest, sign)
            }
            '"' | '`' => {
                let length = crate::sql::closed(rest, sign);
                let name = rest.get(1..length.checked_sub(1)?)?;
                if name.contains(['\\', '"', '`']) || length < 3 {
                    return None;
                }
                token = Some(Token::Name(name));
                length
            }
            sign if sign.is_ascii_digit() => {
                token = Some(Token::Number);
                let is_part = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '.';
                rest.find(|sign| !is_part(sign)).unwrap_or(rest.len())
            }
            sign if sign.is_ascii_alphabetic() || sign == '_' => {
                let length = rest.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(rest.len());
                token = Some(Token::Word(&rest[..length]));
                length
            }
            sign if sign.is_ascii() => {
                token = Some(Token::Sign(sign));
                1
            }
            _ => return None,
        };
        let end = start + length;
        tokens.extend(token.map(|token| (token, start..end)));
        start = end;
    }
    Some(tokens)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        narrowed(text, false)
            .unwrap()
            .text("true")
            .replace("CAST(ifNull(toString(CAST(event_name AS Nullable(String))), '') AS String)", "n")
    }

    #[test]
    fn only_the_named_columns_are_left() {
        let n = "(SELECT n AS `eventName` FROM activity WHERE true)";
        for (text, expected) in [
            (
                "SELECT eventName, count(*) FROM anthropic_logs GROUP BY 1",
                format!("SELECT eventName, count(*) FROM {n} AS anthropic_logs GROUP BY 1"),
            ),
            (
                "select anthropic_logs.eventName, 2 * count() from anthropic_logs limit 3",
                format!("select anthropic_logs.eventName, 2 * count() from {n} AS anthropic_logs limit 3"),
            ),
            (
                "with x as (select `eventName` from anthropic_logs as a) select x.eventName from x join activities b using (eventName)",
                format!(
                    "with x as (select `eventName` from {n} as a) select x.eventName from x join {n} b using (eventName)"
                ),
            ),
            (
                "SELECT count() FROM anthropic_logs",
                "SELECT count() FROM (SELECT 1 AS `nothing` FROM activity WHERE true) AS anthropic_logs".to_owned(),
            ),
            (
                "SELECT 'from anthropic_logs *', eventName FROM anthropic_logs -- *",
                format!("SELECT 'from anthropic_logs *', eventName FROM {n} AS anthropic_logs -- *"),
            ),
        ] {
            assert_eq!(of(text), expected);
        }
    }

    #[test]
    fn what_may_mean_all_columns_stays() {
        for text in [
            "SELECT * FROM anthropic_logs",
            "SELECT a.* FROM anthropic_logs a",
            "SELECT DISTINCT * FROM anthropic_logs",
            "SELECT COLUMNS('event') FROM anthropic_logs",
            "SELECT eventName FROM ours.anthropic_logs",
            "SELECT eventName FROM anthropic_logs FINAL",
            "SELECT eventName FROM anthropic_logs SAMPLE 0.1",
            "SELECT anthropic_logs FROM anthropic_logs",
            "SELECT 1 WHERE 2 IN anthropic_logs",
            "SELECT eventName FROM activities, anthropic_logs",
            "WITH anthropic_logs AS (SELECT 1 AS eventName) SELECT eventName FROM anthropic_logs",
            "SELECT eventName FROM anthropic_logs NATURAL JOIN activities",
            "SELECT eventName, $a$ x $a$ FROM anthropic_logs",
            "SELECT eventName FROM \"anthropic\\_logs\"",
            "EXPLAIN SELECT eventName FROM anthropic_logs",
            "DESCRIBE TABLE anthropic_logs",
            "SELECT event_name FROM drift",
            "SELECT eventName FROM anthropic_logs; SELECT 1",
            "SELECT toTypeName(eventName) FROM anthropic_logs",
        ] {
            assert_eq!(narrowed(text, true), None, "{text}");
        }
    }
}
