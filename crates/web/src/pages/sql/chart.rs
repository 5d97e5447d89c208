//! An answer as bars: the first column that is no number names them, the first one that is a number measures them.

use crate::text::Count as _;

/// More rows than this are no picture.
const MOST: usize = 120;

/// An answer as bars.
pub struct Bars {
    pub name_at: usize,
    pub value_at: usize,
    pub bars: Vec<Bar>,
    /// Whether they stand in the order of time.
    pub is_time: bool,
}

/// A row as a bar.
pub struct Bar {
    pub name: String,
    pub value: String,
    pub percent: f64,
    pub x: f64,
    pub width: f64,
}

impl Bars {
    /// The picture of an answer, if it has one. `numbers` says which columns are numbers.
    pub fn of(numbers: &[bool], rows: &[Vec<Option<String>>]) -> Option<Bars> {
        let value_at = numbers.iter().position(|is_number| *is_number)?;
        let name_at = numbers.iter().position(|is_number| !*is_number)?;
        if rows.len() < 2 || rows.len() > MOST {
            return None;
        }
        let measure = |row: &Vec<Option<String>>| row.get(value_at)?.as_ref()?.parse::<f64>().ok();
        let most = rows.iter().filter_map(measure).fold(0.0, f64::max);
        if most <= 0.0 || rows.iter().filter_map(measure).any(|value| value < 0.0) {
            return None;
        }
        let text = |row: &Vec<Option<String>>, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let is_time = rows.iter().all(|row| text(row, name_at).parse::<jiff::Timestamp>().is_ok());
        let slot = 100.0 / rows.len() as f64;
        let bar = |(at, row): (usize, &Vec<Option<String>>)| Bar {
            name: text(row, name_at),
            value: grouped(text(row, value_at)),
            percent: 100.0 * measure(row).unwrap_or(0.0) / most,
            x: slot * at as f64 + slot * 0.08,
            width: slot * 0.84,
        };
        Some(Bars { name_at, value_at, bars: rows.iter().enumerate().map(bar).collect(), is_time })
    }
}

/// A whole number with its digits in threes; anything else as it is.
fn grouped(value: String) -> String {
    value.parse::<u64>().map_or(value, |number| number.grouped())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_name_and_a_number_is_drawn() {
        let row = |name: &str, value: &str| vec![Some(name.to_owned()), Some(value.to_owned())];
        let rows = [row("a", "4"), row("b", "1")];
        let bars = Bars::of(&[false, true], &rows);
        assert_eq!(bars.map(|bars| (bars.bars[1].percent, bars.is_time)), Some((25.0, false)));
        assert!(Bars::of(&[true, true], &rows).is_none());
        assert!(Bars::of(&[false, true], &rows[..1]).is_none());
        let times = [row("2026-01-01T00:00:00Z", "4"), row("2026-01-02T00:00:00Z", "1")];
        assert!(Bars::of(&[false, true], &times).is_some_and(|bars| bars.is_time));
    }
}
