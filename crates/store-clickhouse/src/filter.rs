//! Filters as SQL conditions over table `activity`, to the letter of [`auditlake_store::filter::evaluate`].
//!
//! What stands in a column is tested there by plain SQL where SQL means just the same ([`column`]). Where it does not, the server is
//! asked for the distinct values of the column, the reference evaluator says which of them pass, and the condition names these.
//! Words are looked for in the raw log by the server. What a test of a path into the raw log asks for is fetched, as few rows as a cheap look
//! at key and value leaves, judged here, and named by their ids: no reading of JSON is like another.
//!
//! Texts of people stand quoted in the condition.

mod column;

use auditlake_store::{
    Result, StoreError,
    filter::{self, Field, Filter, Known, Test, word_forms},
};

use crate::{client::Server, schema::quoted};

/// More values than this are not sent with a condition.
const MAX_VALUES: usize = 200_000;
/// More rows than this are not fetched to be judged here.
const MAX_ROWS: usize = 2_000_000;

/// A condition, with places in it that are filled when the server has been asked.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    text: String,
    needs: Vec<Need>,
}

/// What has to be asked first.
#[derive(Debug, Clone)]
pub(crate) enum Need {
    /// Which texts of a column pass.
    Texts {
        /// The column.
        expression: String,
        /// What they must pass.
        test: Test,
        /// Whether the empty text is a value.
        takes_empty: bool,
    },
    /// Which rows pass.
    Rows {
        /// What they must pass: it asks for the raw log alone.
        filter: Filter,
        /// The condition of rows that may.
        look: String,
    },
}

/// Makes a condition. Marks stand for what is not known yet.
pub(crate) fn compile(filter: &Filter) -> Compiled {
    let mut needs = Vec::new();
    let text = condition(filter, &mut needs);
    Compiled { text, needs }
}

fn condition(filter: &Filter, needs: &mut Vec<Need>) -> String {
    match filter {
        Filter::All => "true".to_owned(),
        Filter::And(list) => {
            joined(list.iter().map(|filter| condition(filter, needs)).collect(), " AND ").unwrap_or("true".to_owned())
        }
        Filter::Or(list) => {
            let (mut parts, rest) = several(list);
            parts.extend(rest.iter().map(|filter| condition(filter, needs)));
            joined(parts, " OR ").unwrap_or("false".to_owned())
        }
        Filter::Not(inner) => format!("NOT ifNull({}, false)", condition(inner, needs)),
        Filter::Word(word) => {
            let forms: Vec<String> = word_forms(word)
                .iter()
                .map(|form| format!("positionCaseInsensitive(raw_log, {}) > 0", quoted(form)))
                .collect();
            format!("({})", forms.join(" OR "))
        }
        Filter::Test { field: Field::Known(known), test } => column::known(*known, test, needs),
        Filter::Test { field: Field::Tag(name), test } => column::tag(name, test, needs),
        Filter::Test { field: Field::Raw(path), test } => match column::of_path(path) {
            Some(column) => column::raw_text(column, test, needs),
            None => rows(filter, path, test, needs),
        },
    }
}

/// Conditions as one; `None` if there are none.
fn joined(parts: Vec<String>, by: &str) -> Option<String> {
    (!parts.is_empty()).then(|| format!("({})", parts.join(by)))
}

/// Of alternatives, those that ask one field for several texts, each field as one condition; and the others.
fn several(list: &[Filter]) -> (Vec<String>, Vec<&Filter>) {
    let mut fields: Vec<(Known, Vec<&str>, Vec<&Filter>)> = Vec::new();
    let mut rest = Vec::new();
    for filter in list {
        match filter {
            Filter::Test { field: Field::Known(known), test: Test::Equals(text) } if !text.is_empty() => {
                match fields.iter_mut().find(|(field, ..)| field == known) {
                    Some((_, texts, filters)) => {
                        texts.push(text);
                        filters.push(filter);
                    }
                    None => fields.push((*known, vec![text], vec![filter])),
                }
            }
            _ => rest.push(filter),
        }
    }
    let mut parts = Vec::new();
    for (field, texts, filters) in fields {
        match (texts.len() > 1).then(|| column::one_of(field, &texts)).flatten() {
            Some(part) => parts.push(part),
            None => rest.extend(filters),
        }
    }
    (parts, rest)
}

/// Whether the filter looks for few rows among all: by id, or by what stands in the raw log.
pub(crate) fn is_search(filter: &Filter) -> bool {
    match filter {
        Filter::Word(_) => true,
        Filter::Test { field: Field::Raw(path), .. } => column::of_path(path).is_none(),
        Filter::Test { field: Field::Known(known), test } => {
            *known == Known::RawLog || (*known == Known::Id && matches!(test, Test::Equals(_)))
        }
        Filter::And(list) => list.iter().any(is_search),
        _ => false,
    }
}

/// Whether the filter names a single activity.
pub(crate) fn names_one(filter: &Filter) -> bool {
    match filter {
        Filter::Test { field: Field::Known(Known::Id), test: Test::Equals(_) } => true,
        Filter::And(list) => list.iter().any(names_one),
        _ => false,
    }
}

/// A place in the condition for what has to be asked.
fn mark(need: Need, needs: &mut Vec<Need>) -> String {
    needs.push(need);
    format!("\0{}\0", needs.len() - 1)
}

/// A test that only the reference can make, on the raw log.
fn rows(filter: &Filter, path: &[String], test: &Test, needs: &mut Vec<Need>) -> String {
    let key = path
        .last()
        .filter(|key| is_plain(key))
        .map(|key| format!("position(raw_log, {})", quoted(&format!("{key}\""))));
    let texts: &[String] = match test {
        Test::Equals(text) => std::slice::from_ref(text),
        Test::Pattern(glob) => glob.pieces(),
        _ => &[],
    };
    // A number has other spellings: 5 is 5.0.
    let texts = texts.iter().filter(|text| {
        is_plain(text) && text.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E'))
    });
    let texts = texts.map(|text| format!("positionCaseInsensitive(raw_log, {})", quoted(text)));
    let found: Vec<String> = key.into_iter().chain(texts).map(|position| format!("{position} > 0")).collect();
    let look = match found.is_empty() {
        true => "true".to_owned(),
        // Letters may stand there as `\u0061`.
        false => format!("({} OR position(raw_log, '\\\\u') > 0)", found.join(" AND ")),
    };
    mark(Need::Rows { filter: filter.clone(), look }, needs)
}

/// Whether a text is written in JSON in one way only, apart from `\u` for its letters.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'/') || byte == b' ';
    !text.is_empty() && text.bytes().all(is_plain)
}

/// A test of the raw log as a whole that SQL cannot make.
fn of_raw_log(known: Known, test: &Test, needs: &mut Vec<Need>) -> String {
    mark(Need::Rows { filter: Filter::test(known, test.clone()), look: "true".to_owned() }, needs)
}

impl Compiled {
    /// The condition, with everything asked that has to be, of the rows for which `base` holds.
    pub(crate) async fn settled(self, server: &Server, base: &str) -> Result<String> {
        let mut text = self.text;
        for (at, need) in self.needs.iter().enumerate() {
            let found = match need {
                Need::Texts { expression, test, takes_empty } => {
                    texts(server, base, expression, test, *takes_empty).await?
                }
                Need::Rows { filter, look } => found_rows(server, base, filter, look).await?,
            };
            text = text.replace(&format!("\0{at}\0"), &found);
        }
        Ok(text)
    }
}

fn too_many(what: &str) -> StoreError {
    StoreError::Limit {
        message: format!("the filter finds more {what} than can be looked through"),
        hint: "narrow the time".to_owned(),
    }
}

fn among(expression: &str, values: &[String]) -> String {
    match values {
        [] => "false".to_owned(),
        values => {
            let list: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            format!("{expression} IN ({})", list.join(", "))
        }
    }
}

async fn texts(server: &Server, base: &str, expression: &str, test: &Test, takes_empty: bool) -> Result<String> {
    let text = format!(
        "SELECT DISTINCT CAST({expression} AS Nullable(String)) AS value FROM activity WHERE {base} AND isNotNull(value) \
         LIMIT {}",
        MAX_ROWS + 1
    );
    let table = server.rows("filtering", &text).await?;
    let mut found = Vec::new();
    for (at, row) in table.rows().enumerate() {
        let value = row.string(0);
        if at >= MAX_ROWS || found.len() > MAX_VALUES {
            return Err(too_many("different values"));
        }
        if (takes_empty || !value.is_empty()) && passes(test, &value) {
            found.push(value);
        }
    }
    Ok(among(&format!("CAST({expression} AS Nullable(String))"), &found))
}

/// Whether a text passes, as it would in a raw log.
pub(crate) fn passes(test: &Test, text: &str) -> bool {
    passes_value(test, activity::value::Value::String(text.into()))
}

/// Whether a value passes, as it would in a raw log.
pub(crate) fn passes_value(test: &Test, value: activity::value::Value<'_>) -> bool {
    let activity = activity::Activity {
        raw: "",
        id: "".into(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        created_at_text: "".into(),
        kind: "".into(),
        organization_id: None,
        organization_uuid: None,
        actor: activity::Actor::default(),
        fields: vec![("value".into(), value)],
    };
    filter::matches(&Filter::test(Field::Raw(vec!["value".to_owned()]), test.clone()), &activity)
}

async fn found_rows(server: &Server, base: &str, wanted: &Filter, look: &str) -> Result<String> {
    let text = format!("SELECT event_id, raw_log FROM activity WHERE {base} AND {look} LIMIT {}", MAX_ROWS + 1);
    let table = server.rows("filtering", &text).await?;
    let mut found = Vec::new();
    for (at, row) in table.rows().enumerate() {
        if at >= MAX_ROWS || found.len() > MAX_VALUES {
            return Err(too_many("activities"));
        }
        let Some(Ok(activity)) = row.text(1).map(activity::Activity::parse_str) else { continue };
        if filter::matches(wanted, &activity) {
            found.push(row.string(0));
        }
    }
    Ok(among("event_id", &found))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn asks_a_field_once_for_several_texts() {
        let of = |text: &str| compile(&filter::parse(text).unwrap()).text;
        let both = "(lower(organization_id) IN ('org_1', 'org_2') OR lower(organization_uuid) IN ('org_1', 'org_2'))";
        assert_eq!(of("(org:org_1 OR org:Org_2)"), format!("({both})"));
        assert_eq!(
            of("(user:1 OR type:it's OR user:2)"),
            "((actor_user_id IN ('1', '2')) OR lower(event_name) = 'it\\'s')"
        );
        assert!(of("(actor:a OR actor:b)").contains("arrayExists((k, v) -> lower(v) IN ('a', 'b') AND k IN ("));
    }
}
