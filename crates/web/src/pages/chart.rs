//! Activities over time as bars: the geometry. The template draws it.
//!
//! Positions and heights are percentages, so that the picture fills its place and its texts keep their size.

use std::{collections::HashMap, time::Duration};

use auditlake_store::Bucket;
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};

use super::text;
use crate::scope::floor;

/// Of the place of a bar, so much is filled.
const FILLED: f64 = 0.84;
/// A bar that stands for something is at least so high.
const LEAST: f64 = 0.9;
const DAY: i64 = 86_400;
/// At most so many labels along the time.
const MAX_TICKS: i64 = 9;

/// A chart, ready to be drawn.
pub struct Chart {
    pub bars: Vec<Column>,
    pub times: Vec<TimeTick>,
    pub counts: Vec<CountTick>,
    /// How long a bar is: `30 minutes`, `day`.
    pub unit: String,
    /// The chart in a sentence.
    pub summary: String,
}

/// A bar: all activities, of which the lower part has failed.
pub struct Column {
    pub x: f64,
    pub width: f64,
    pub slot_x: f64,
    pub slot_width: f64,
    pub y: f64,
    pub height: f64,
    pub failed_y: f64,
    pub failed_height: f64,
    pub title: String,
}

/// A label below the chart.
pub struct TimeTick {
    pub x: f64,
    pub label: String,
    /// Whether a narrow page leaves it out.
    pub is_minor: bool,
}

/// A line across the chart.
pub struct CountTick {
    pub y: f64,
    pub label: String,
}

impl Chart {
    /// The counts `all` and those of them in `failed`, from `since` until `until`.
    pub fn new(all: &[Bucket], failed: &[Bucket], since: Timestamp, until: Timestamp, width: Duration) -> Chart {
        let scale = Scale { since, until, top: nice_top(all.iter().map(|bucket| bucket.count).max().unwrap_or(0)) };
        let failed: HashMap<Timestamp, u64> = failed.iter().map(|bucket| (bucket.start, bucket.count)).collect();
        let inside = all.iter().filter(|bucket| bucket.start >= since && bucket.start < until);
        let column = |bucket: &Bucket| scale.column(*bucket, failed.get(&bucket.start).copied().unwrap_or(0), width);
        let unit = unit(width.as_secs());
        let summary = summary(all, since, until, &unit);
        Chart { bars: inside.map(column).collect(), times: scale.times(), counts: scale.counts(), unit, summary }
    }
}

struct Scale {
    since: Timestamp,
    until: Timestamp,
    top: u64,
}

impl Scale {
    fn x(&self, time: Timestamp) -> f64 {
        let whole = self.until.duration_since(self.since).as_secs_f64().max(1.0);
        100.0 * time.duration_since(self.since).as_secs_f64() / whole
    }

    fn height(&self, count: u64) -> f64 {
        if count == 0 { 0.0 } else { (100.0 * count as f64 / self.top as f64).max(LEAST) }
    }

    fn column(&self, bucket: Bucket, failed: u64, width: Duration) -> Column {
        let end = bucket.start.saturating_add(width).unwrap_or(bucket.start);
        let (slot_x, slot_width) = (self.x(bucket.start), self.x(end) - self.x(bucket.start));
        let (height, failed_height) = (self.height(bucket.count), self.height(failed));
        let mut title =
            format!("{} UTC: {}", stretch(bucket.start, end), text::count(bucket.count, "activity", "activities"));
        if failed > 0 {
            title.push_str(&format!(", {} failed", text::number(failed)));
        }
        Column {
            x: slot_x + slot_width * (1.0 - FILLED) / 2.0,
            width: slot_width * FILLED,
            slot_x,
            slot_width,
            y: 100.0 - height,
            height,
            failed_y: 100.0 - failed_height,
            failed_height,
            title,
        }
    }

    fn counts(&self) -> Vec<CountTick> {
        // As many steps as have short names, such as 1k and not 1.25k.
        let is_named = |steps: &u64| {
            let step = self.top / steps;
            let unit = if step < 1_000 { 1 } else { 10u64.pow(step.ilog10()) / 10 };
            self.top.is_multiple_of(*steps) && step.is_multiple_of(unit)
        };
        let steps = [4, 5, 3, 2].into_iter().find(is_named).unwrap_or_else(|| self.top.min(5));
        let tick = |step: u64| {
            let count = self.top * step / steps;
            CountTick { y: 100.0 - 100.0 * count as f64 / self.top as f64, label: short(count) }
        };
        (0..=steps).map(tick).collect()
    }

    fn times(&self) -> Vec<TimeTick> {
        let seconds = self.until.duration_since(self.since).as_secs();
        let times = if seconds > 126 * DAY { self.months(seconds / DAY) } else { self.steps(seconds) };
        let places = times.into_iter().map(|(time, label)| (self.x(time), label));
        let inside = places.filter(|(x, _)| (2.5..97.5).contains(x)).enumerate();
        inside.map(|(at, (x, label))| TimeTick { x, label, is_minor: at % 2 == 1 }).collect()
    }

    /// Labels at equal steps: of minutes, hours, days, or weeks, which begin on Monday.
    fn steps(&self, seconds: i64) -> Vec<(Timestamp, String)> {
        let sizes = [60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, DAY, 2 * DAY, 7 * DAY];
        let step = sizes.into_iter().find(|step| seconds / step <= MAX_TICKS).unwrap_or(14 * DAY);
        let shift = SignedDuration::from_secs(if step % (7 * DAY) == 0 { 4 * DAY } else { 0 });
        let width = Duration::from_secs(step.unsigned_abs());
        let first = floor(self.since - shift, width) + shift;
        let label = |time: Timestamp| {
            let is_day = step >= DAY || time.as_second() % DAY == 0;
            text::utc(time, if is_day { "%-d %b" } else { "%H:%M" })
        };
        (0..=MAX_TICKS + 4)
            .map(|count| first + SignedDuration::from_secs(step * count))
            .filter(|time| *time >= self.since && *time < self.until)
            .map(|time| (time, label(time)))
            .collect()
    }

    /// Labels at the beginnings of months or years.
    fn months(&self, days: i64) -> Vec<(Timestamp, String)> {
        let step = [1, 2, 3, 6, 12, 24, 60, 120].into_iter().find(|step| days / 30 / step <= MAX_TICKS).unwrap_or(240);
        let start = self.since.to_zoned(TimeZone::UTC).date();
        let months = i64::from(start.year()) * 12 + i64::from(start.month()) - 1;
        let Ok(january) = Date::new(start.year(), 1, 1) else { return Vec::new() };
        let first = january.saturating_add((months.rem_euclid(12) / step * step).months());
        let times = (0..=MAX_TICKS + 4).map(|count| first.saturating_add((count * step).months()));
        let times = times.filter_map(|date| date.to_zoned(TimeZone::UTC).ok()).map(|time| time.timestamp());
        times.map(|time| (time, text::utc(time, if step < 12 { "%b %Y" } else { "%Y" }))).collect()
    }
}

/// The length of a bar in words.
fn unit(seconds: u64) -> String {
    let (count, unit) = match seconds {
        ..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { unit.to_owned() } else { format!("{count} {unit}s") }
}

/// The stretch of time in words.
fn stretch(start: Timestamp, end: Timestamp) -> String {
    let seconds = end.duration_since(start).as_secs();
    let date = |time| text::utc(time, "%a %-d %b %Y");
    match seconds {
        ..DAY => format!("{}, {}–{}", date(start), text::utc(start, "%H:%M"), text::utc(end, "%H:%M")),
        DAY => date(start),
        _ => format!("{} to {}", date(start), date(end - SignedDuration::from_secs(1))),
    }
}

fn summary(all: &[Bucket], since: Timestamp, until: Timestamp, unit: &str) -> String {
    let Some(most) = all.iter().max_by_key(|bucket| bucket.count) else {
        return "No activity in this stretch of time".to_owned();
    };
    let (from, to) = (text::utc(since, "%-d %b %Y"), text::utc(until - SignedDuration::from_secs(1), "%-d %b %Y"));
    let peak = text::utc(most.start, "%-d %b %Y, %H:%M");
    format!(
        "Activities in each {unit} from {from} to {to}; the most are {} from {peak} UTC on",
        text::number(most.count)
    )
}

/// The least number not below `most` that is easy to divide.
fn nice_top(most: u64) -> u64 {
    let most = most.max(4);
    let power = 10u64.saturating_pow(most.ilog10());
    let half = |tenths: u64| (power.saturating_mul(tenths)).div_ceil(10);
    let candidates = [10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100].map(half);
    candidates.into_iter().find(|top| *top >= most).unwrap_or(most)
}

/// `950`, `1.2k`, `40k`, `3M`
fn short(count: u64) -> String {
    let scaled = |divisor: u64, unit: &str| {
        let tenths = count / (divisor / 10);
        if tenths.is_multiple_of(10) {
            format!("{}{unit}", tenths / 10)
        } else {
            format!("{}.{}{unit}", tenths / 10, tenths % 10)
        }
    };
    match count {
        ..1_000 => count.to_string(),
        1_000..1_000_000 => scaled(1_000, "k"),
        _ => scaled(1_000_000, "M"),
    }
}
