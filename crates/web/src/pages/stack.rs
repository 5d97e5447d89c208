//! Counts over time, told apart by a value: the geometry of stacked bars. The template draws it.

use std::{collections::BTreeMap, time::Duration};

use auditlake_store::{Bucket, Group};
use jiff::Timestamp;

use super::chart::Chart;

/// So many values have a colour of their own; the others stand together.
const SERIES: usize = 6;
/// The colour of what has failed, whatever its place.
const FAILED: usize = SERIES + 1;

/// Stacked bars over the axes of a plain chart.
pub struct Stack {
    pub chart: Chart,
    pub series: Vec<Series>,
    pub segments: Vec<Segment>,
    /// What was counted: the first moment of a bar, the value, how often; the oldest first.
    pub counts: Vec<(Timestamp, String, u64)>,
}

/// A value with its colour's number.
pub struct Series {
    /// None for all that have no colour of their own.
    pub value: Option<String>,
    pub color: usize,
    pub count: u64,
}

/// A part of a bar.
pub struct Segment {
    pub x: f64,
    pub width: f64,
    pub y: f64,
    pub height: f64,
    pub color: usize,
}

impl Stack {
    /// Groups by time and one column.
    pub fn new(groups: &[Group], since: Timestamp, until: Timestamp, width: Duration) -> Stack {
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        let mut bars: BTreeMap<Timestamp, Vec<(&str, u64)>> = BTreeMap::new();
        for group in groups {
            let value = group.values.first().and_then(Option::as_deref).unwrap_or("");
            *totals.entry(value).or_default() += group.count;
            bars.entry(group.start.unwrap_or_default()).or_default().push((value, group.count));
        }
        let mut order: Vec<(&str, u64)> = totals.into_iter().collect();
        order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let rest: u64 = order.iter().skip(SERIES).map(|(_, count)| count).sum();
        order.truncate(SERIES);
        let color_of = |value: &str| order.iter().position(|(own, _)| *own == value).unwrap_or(SERIES);
        let colors: Vec<usize> = order.iter().enumerate().map(|(at, (value, _))| color(value, at)).collect();
        let sums: Vec<Bucket> = bars
            .iter()
            .map(|(start, list)| Bucket { start: *start, count: list.iter().map(|(_, count)| count).sum() })
            .collect();
        let chart = Chart::new(&sums, &[], since, until, width);
        let inside = bars.iter().filter(|(start, _)| **start >= since && **start < until).map(|(_, list)| list);
        let mut segments = Vec::new();
        for (bar, list) in chart.bars.iter().zip(inside) {
            let whole: u64 = list.iter().map(|(_, count)| count).sum();
            let mut counts = [0; SERIES + 1];
            for (value, count) in list {
                counts[color_of(value)] += count;
            }
            let mut y = bar.y + bar.height;
            for (color, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
                let height = bar.height * count as f64 / whole.max(1) as f64;
                y -= height;
                let color = colors.get(color).copied().unwrap_or(SERIES);
                segments.push(Segment { x: bar.x, width: bar.width, y, height, color });
            }
        }
        let named = order.into_iter().enumerate();
        let mut series: Vec<Series> = named
            .map(|(at, (value, count))| Series { value: Some(value.to_owned()), color: color(value, at), count })
            .collect();
        if rest > 0 {
            series.push(Series { value: None, color: SERIES, count: rest });
        }
        let count = |(start, list): (&Timestamp, &Vec<(&str, u64)>)| {
            let start = *start;
            list.iter().map(move |(value, count)| (start, (*value).to_owned(), *count)).collect::<Vec<_>>()
        };
        let mut counts: Vec<(Timestamp, String, u64)> = bars.iter().flat_map(count).collect();
        counts.sort();
        Stack { chart, series, segments, counts }
    }
}

impl Stack {
    /// Everything that was counted.
    pub fn sum(&self) -> u64 {
        self.series.iter().map(|series| series.count).sum()
    }
}

/// The colour of the value at this place.
fn color(value: &str, at: usize) -> usize {
    if value == "failure" || value.ends_with("_failed") { FAILED } else { at }
}
