//! A panel: what it asks, and what it draws.

use auditlake_store::{
    Columns, CountBy, Facets, Result, Select, StoreError, Tally,
    filter::{self, Filter},
};
use serde_json::{Value, json};

use super::{
    super::{dimension::Dimension, line::Line, stack::Stack, text},
    Definition, Kind,
    asked::Asked,
};
use crate::{ask::Ask, scope::Scope};

/// So many values has a panel.
const VALUES: u64 = 8;
/// So many activities has a list.
const LINES: u64 = 12;
/// More values than this are not counted.
const MOST_DISTINCT: u64 = 10_000;
/// The groups of a chart are bounded.
const MOST_GROUPS: u64 = 60_000;

/// A panel with its numbers.
pub struct Drawn {
    pub definition: &'static Definition,
    pub dimension: Option<&'static Dimension>,
    /// The activities that it counts, in the Explorer.
    pub explore: String,
    asked: Asked,
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
        let filter = Filter::and([scope.filter(), base.clone(), own.clone()]);
        let asked = Asked { base: base.clone(), own, written: &definition.filter, scope: scope.clone() };
        let dimension = definition.by.as_deref().and_then(Dimension::of);
        match answer(ask, definition, board, filter, &asked).await {
            Ok(answer) => Ok(Some(Drawn { definition, dimension, explore: asked.explore(Filter::All), asked, answer })),
            Err(StoreError::Statement(message)) => {
                tracing::debug!("panel {} is left out: {message}", definition.title);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The same without what the page is about: everything that is met together with it is met with it, too.
    pub fn without(mut self, id: &str) -> Drawn {
        if let Answer::Top(bars) = &mut self.answer
            && self.definition.by.as_deref() == Some("resource")
        {
            bars.retain(|bar| bar.value != id);
            let most = bars.first().map_or(1, |bar| bar.count).max(1);
            bars.iter_mut().for_each(|bar| bar.percent = 100.0 * bar.count as f64 / most as f64);
        }
        self
    }

    pub fn is_number(&self) -> bool {
        matches!(self.answer, Answer::Number(_) | Answer::Distinct(..))
    }

    pub fn is_list(&self) -> bool {
        matches!(self.answer, Answer::List(_))
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
    pub fn explore_value(&self, value: &str) -> String {
        self.asked.explore(self.definition.narrowed(value))
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
            Answer::Time(stack) => ("time", json!({ "sum": stack.sum(), "bars": stack.counts })),
            Answer::Top(bars) => ("top", bars.iter().map(|bar| json!([bar.value, bar.count])).collect()),
            Answer::List(lines) => ("list", lines.iter().map(|line| json!(line.event_id)).collect()),
        };
        let Definition { title, by, filter, .. } = self.definition;
        json!({ "title": title, "kind": kind, "by": by, "filter": filter, "answer": answer })
    }
}

async fn answer(
    ask: Ask<'_>,
    definition: &Definition,
    board: &[Definition],
    filter: Filter,
    asked: &Asked,
) -> Result<Answer> {
    let (scope, window, column) = (&asked.scope, asked.scope.window, definition.column());
    let tally = |width, limit, filter| Tally { by: vec![column.clone()], width, filter, window, limit };
    Ok(match definition.kind {
        Kind::Number => Answer::Number(ask.total(filter, window).await?.count),
        Kind::Distinct => {
            let count = CountBy { column, filter, window, limit: MOST_DISTINCT + 1 };
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
            Answer::Top(bars(definition, counts, asked))
        }
        Kind::List => {
            let select = Select { filter, window, limit: Some(LINES), columns: Columns::Summary, ..Select::default() };
            let rows = ask.rows(&select).await?;
            Answer::List(rows.iter().cloned().map(Line::of).collect::<Result<_>>()?)
        }
    })
}

/// The most frequent values, each as long as it is frequent.
fn bars(definition: &Definition, counts: Vec<(String, u64)>, asked: &Asked) -> Vec<Bar> {
    let dimension = definition.by.as_deref().and_then(Dimension::of);
    let counts: Vec<_> = counts.into_iter().filter(|(value, _)| !value.is_empty()).take(VALUES as usize).collect();
    let most = counts.first().map_or(1, |(_, count)| *count).max(1);
    let bar = |(value, count): (String, u64)| Bar {
        count,
        percent: 100.0 * count as f64 / most as f64,
        explore: asked.explore(definition.narrowed(&value)),
        page: dimension.and_then(|dimension| dimension.link(&value)),
        value,
    };
    counts.into_iter().map(bar).collect()
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
    let is_alike = |other: &&Definition| {
        other.kind == Kind::Top && other.filter == definition.filter && other.later == definition.later
    };
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
