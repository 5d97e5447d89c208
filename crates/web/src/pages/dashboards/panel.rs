//! A panel: what it asks, and what it draws.

use auditlake_store::{
    Columns, CountBy, Facets, Result, Select, StoreError, Tally,
    filter::{self, Filter},
};
use serde_json::{Value, json};

use super::{
    super::{
        dimension::{Dimension, LONGEST},
        line::Line,
        stack::Stack,
        text,
    },
    Definition, Kind,
};
use crate::{
    ask::Ask,
    scope::{Params, Scope},
};

/// So many values has a panel.
const VALUES: u64 = 8;
/// So many activities has a list.
const LINES: u64 = 12;
/// More values than this are not counted.
const MOST_DISTINCT: u64 = 10_000;
/// The groups of a chart are bounded.
const MOST_GROUPS: u64 = 20_000;

/// A panel with its numbers.
pub struct Drawn {
    pub definition: &'static Definition,
    pub dimension: Option<&'static Dimension>,
    /// The activities that it counts, in the Explorer.
    pub explore: String,
    /// The filter that finds them.
    written: String,
    pub answer: Answer,
}

/// What a panel shows.
pub enum Answer {
    Number(u64),
    /// Whether there are more.
    Distinct(u64, bool),
    Time(Stack),
    Top(Vec<Bar>),
    List(Vec<Line>),
}

/// A value, how often it occurs, and where to see what was counted.
pub struct Bar {
    pub value: String,
    pub count: u64,
    pub percent: f64,
    pub explore: String,
    pub page: Option<String>,
}

impl Drawn {
    /// Asks for the numbers; nothing if the store does not know the column. `board` has all panels that are asked for
    /// with this one.
    pub async fn load(
        ask: Ask<'_>,
        definition: &'static Definition,
        board: &'static [Definition],
        scope: &Scope,
        base: &Filter,
    ) -> Result<Option<Drawn>> {
        let own = filter::parse(&definition.filter).unwrap_or(Filter::All);
        let filter = Filter::and([scope.filter(), base.clone(), own]);
        let written = match base {
            Filter::All => definition.filter.clone(),
            base => format!("{base} {}", definition.filter).trim_end().to_owned(),
        };
        let dimension = definition.by.as_deref().and_then(Dimension::of);
        let column = definition.column();
        let explore = explore(scope, &written);
        match answer(ask, definition, board, dimension, column, filter, scope, &written).await {
            Ok(answer) => Ok(Some(Drawn { definition, dimension, explore, written, answer })),
            Err(StoreError::Statement(message)) => {
                tracing::debug!("panel {} is left out: {message}", definition.title);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self.answer, Answer::Number(_) | Answer::Distinct(..))
    }

    pub fn is_top(&self) -> bool {
        matches!(self.answer, Answer::Top(_))
    }

    pub fn is_time(&self) -> bool {
        matches!(self.answer, Answer::Time(_))
    }

    /// Whether it counts what has failed, and something has.
    pub fn is_bad(&self) -> bool {
        let filter = &self.definition.filter;
        let is_failure =
            filter.ends_with("outcome:failure") || filter.ends_with("_failed") || filter.ends_with("_failed)");
        matches!(self.answer, Answer::Number(1..)) && is_failure
    }

    /// Whether there is anything to see.
    pub fn is_filled(&self) -> bool {
        match &self.answer {
            Answer::Number(_) | Answer::Distinct(..) => true,
            Answer::Time(stack) => !stack.segments.is_empty(),
            Answer::Top(bars) => !bars.is_empty(),
            Answer::List(lines) => !lines.is_empty(),
        }
    }

    /// The value as the panel calls it.
    pub fn label<'a>(&self, value: &'a str) -> &'a str {
        self.dimension.map_or(value, |dimension| dimension.label(value))
    }

    /// Those of one value, in the Explorer.
    pub fn explore_value(&self, scope: &Scope, value: &str) -> String {
        let more = match self.dimension {
            _ if value.len() > LONGEST => String::new(),
            Some(dimension) if value.is_empty() => format!("-{}:*", dimension.field),
            Some(dimension) => dimension.filter(value).to_string(),
            None => String::new(),
        };
        explore(scope, format!("{} {more}", self.written).trim())
    }

    pub fn is_code(&self) -> bool {
        self.dimension.is_some_and(|dimension| dimension.is_code)
    }

    pub fn hint(&self, value: &str) -> String {
        self.dimension.map_or_else(|| text::plain(value, 300), |dimension| dimension.hint(value))
    }

    pub fn json(&self) -> Value {
        let (kind, answer) = match &self.answer {
            Answer::Number(count) => ("number", json!(count)),
            Answer::Distinct(count, _) => ("distinct", json!(count)),
            Answer::Time(stack) => {
                let sum: u64 = stack.series.iter().map(|series| series.count).sum();
                ("time", json!({ "sum": sum }))
            }
            Answer::Top(bars) => ("top", bars.iter().map(|bar| json!([bar.value, bar.count])).collect()),
            Answer::List(lines) => ("list", lines.iter().map(|line| json!(line.event_id)).collect()),
        };
        let Definition { title, by, filter, .. } = self.definition;
        json!({ "title": title, "kind": kind, "by": by, "filter": filter, "answer": answer })
    }
}

#[expect(clippy::too_many_arguments, reason = "it is one function with its caller, cut for its length")]
async fn answer(
    ask: Ask<'_>,
    definition: &Definition,
    board: &[Definition],
    dimension: Option<&'static Dimension>,
    column: String,
    filter: Filter,
    scope: &Scope,
    written: &str,
) -> Result<Answer> {
    let window = scope.window;
    let tally = |width, limit, filter| Tally { by: vec![column.clone()], width, filter, window, limit };
    Ok(match definition.kind {
        Kind::Number => Answer::Number(ask.total(filter, window).await?.count),
        Kind::Distinct => {
            let count = CountBy { column: column.clone(), filter, window, limit: MOST_DISTINCT + 1 };
            let named = ask.count_by(&count).await?.len() as u64;
            Answer::Distinct(named.min(MOST_DISTINCT), named > MOST_DISTINCT)
        }
        Kind::Time => {
            let groups = ask.tally(&tally(Some(scope.width), MOST_GROUPS, filter)).await?;
            Answer::Time(Stack::new(&groups, scope.since, scope.until, scope.width))
        }
        Kind::Top => {
            let counts: Vec<(String, u64)> = if column.starts_with("raw.") || column == "resource" {
                let groups = ask.tally(&tally(None, VALUES + 1, filter)).await?;
                groups.iter().filter_map(|group| Some((group.values.first()?.clone()?, group.count))).collect()
            } else {
                counts(ask, definition, board, &column, filter, scope).await?
            };
            let counts: Vec<_> =
                counts.into_iter().filter(|(value, _)| !value.is_empty()).take(VALUES as usize).collect();
            let most = counts.first().map_or(1, |(_, count)| *count).max(1);
            let bar = |(value, count): (String, u64)| {
                let percent = 100.0 * count as f64 / most as f64;
                let more = match dimension {
                    Some(dimension) => dimension.filter(&value).to_string(),
                    None => format!("{}:{}", column.trim_start_matches("raw."), quoted(&value)),
                };
                let text = format!("{written} {more}").trim().to_owned();
                let page = dimension.and_then(|dimension| dimension.link(&value));
                // Of a value that fits no address, all that the panel counts is shown.
                let text = if value.len() > LONGEST { written } else { &text };
                Bar { count, percent, explore: explore(scope, text), page, value }
            };
            Answer::Top(counts.into_iter().map(bar).collect())
        }
        Kind::List => {
            let select = Select { filter, window, limit: Some(LINES), columns: Columns::Summary, ..Select::default() };
            let rows = ask.rows(&select).await?;
            Answer::List(rows.iter().cloned().map(Line::of).collect::<Result<_>>()?)
        }
    })
}

/// How often each value occurs. Panels of a board that count the same records ask for all of their columns in one pass, and
/// as they ask the same, it is asked once.
async fn counts(
    ask: Ask<'_>,
    definition: &Definition,
    board: &[Definition],
    column: &str,
    filter: Filter,
    scope: &Scope,
) -> Result<Vec<(String, u64)>> {
    let (window, limit) = (scope.window, VALUES + 1);
    let is_alike = |other: &&Definition| other.kind == Kind::Top && other.filter == definition.filter;
    let mut columns: Vec<String> = board.iter().filter(is_alike).map(Definition::column).collect();
    columns.retain(|column| !column.starts_with("raw.") && column != "resource");
    columns.sort();
    columns.dedup();
    if columns.len() > 1
        && let Some(at) = columns.iter().position(|other| other == column)
    {
        match ask.facets(&Facets { columns, filter: filter.clone(), window, limit }).await {
            Ok(lists) => return Ok(lists.get(at).cloned().unwrap_or_default()),
            // One of the others is not known to the store.
            Err(StoreError::Statement(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let count = CountBy { column: column.to_owned(), filter, window, limit };
    Ok(ask.count_by(&count).await?.to_vec())
}

impl Definition {
    /// The store's name of what it counts by.
    fn column(&self) -> String {
        let by = self.by.as_deref().unwrap_or_default();
        Dimension::of(by).map_or(by, |dimension| dimension.column).to_owned()
    }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The Explorer with the same stretch of time, the same organization and this filter.
pub fn explore(scope: &Scope, filter: &str) -> String {
    let (since, until) = (scope.window.since, scope.window.until);
    let mut params = Params::default().with("q", Some(filter).filter(|text| !text.is_empty()));
    params = match scope.range {
        Some(range) => params.with("range", Some(range)),
        None => {
            let text = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
            params.with("since", text(since).as_deref()).with("until", text(until).as_deref())
        }
    };
    params.with("org", scope.org.as_deref()).url("/explore")
}
