//! Where activities came from: dots on a map, and a list of countries. The map is equirectangular, a unit a degree: its left
//! edge is 180 degrees west, its upper edge the north pole.

use std::collections::BTreeMap;

use auditlake_store::{Group, Result, StoreError, Tally};

use super::super::{dashboards::asked::explore, dimension::country, text};
use crate::{ask::Ask, scope::Scope};

/// So many places are asked for, and so many countries listed.
const PLACES: u64 = 400;
const COUNTRIES: usize = 9;
/// The smallest and the largest dot.
const RADII: (f64, f64) = (1.1, 5.2);

/// Places with the number of activities.
#[derive(Default)]
pub struct Places {
    /// The largest first, so that small ones lie above.
    pub dots: Vec<Dot>,
    pub countries: Vec<Country>,
    /// Activities of which no place is known.
    pub nowhere: u64,
}

/// A place on the map.
pub struct Dot {
    pub x: f64,
    pub y: f64,
    pub radius: f64,
    pub title: String,
    pub explore: String,
}

/// A country in the list.
pub struct Country {
    pub code: String,
    pub name: String,
    pub count: u64,
    pub percent: f64,
    pub explore: String,
}

impl Places {
    /// Counts by place; nothing if the store knows none.
    pub async fn load(ask: Ask<'_>, scope: &Scope) -> Result<Places> {
        let by = ["srcASCountryCode", "srcCity", "srcLatitude", "srcLongitude"].map(str::to_owned).to_vec();
        let tally = Tally { by, width: None, filter: scope.filter(), window: scope.window, limit: PLACES };
        match ask.tally(&tally).await {
            Ok(groups) => Ok(Places::of(&groups, scope)),
            Err(StoreError::Statement(message)) => {
                tracing::debug!("the map is left out: {message}");
                Ok(Places::default())
            }
            Err(error) => Err(error),
        }
    }

    fn of(groups: &[Group], scope: &Scope) -> Places {
        let value = |group: &Group, at: usize| group.values.get(at).cloned().flatten().filter(|text| !text.is_empty());
        let mut nowhere = 0;
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        let most = groups.iter().filter(|group| value(group, 2).is_some()).map(|group| group.count).max().unwrap_or(1);
        let mut dots = Vec::new();
        for group in groups {
            let Some(code) = value(group, 0) else {
                nowhere += group.count;
                continue;
            };
            let number = |at| value(group, at).and_then(|text| text.parse::<f64>().ok());
            if let (Some(north), Some(east)) = (number(2), number(3)) {
                let city = value(group, 1);
                let name = match &city {
                    Some(city) => format!("{}, {}", text::plain(city, 60), country(&code)),
                    None => text::plain(country(&code), 60),
                };
                let count = text::count(group.count, "activity", "activities");
                let filter = city.map(|city| format!(" city:{}", quoted(&city))).unwrap_or_default();
                dots.push(Dot {
                    x: east.clamp(-180.0, 180.0) + 180.0,
                    y: 90.0 - north.clamp(-58.0, 90.0),
                    radius: RADII.0 + (RADII.1 - RADII.0) * (group.count as f64 / most as f64).sqrt(),
                    title: format!("{name}: {count}"),
                    explore: explore(scope, &format!("country:{}{filter}", quoted(&code))),
                });
            }
            *totals.entry(code).or_default() += group.count;
        }
        let mut totals: Vec<(String, u64)> = totals.into_iter().collect();
        totals.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let most = totals.first().map_or(1, |(_, count)| *count).max(1);
        let country = |(code, count): (String, u64)| Country {
            name: country(&code).to_owned(),
            count,
            percent: 100.0 * count as f64 / most as f64,
            explore: explore(scope, &format!("country:{}", quoted(&code))),
            code,
        };
        Places { dots, countries: totals.into_iter().take(COUNTRIES).map(country).collect(), nowhere }
    }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use auditlake_store::Status;

    use super::*;
    use crate::scope::Params;

    #[test]
    fn places_lie_where_they_are() {
        let group = |values: [&str; 4], count| {
            let values = values.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty())).to_vec();
            Group { values, count, ..Group::default() }
        };
        let groups = [
            group(["DE", "Berlin", "52.5", "13.4"], 100),
            group(["DE", "", "", ""], 5),
            group(["XX\"<", "", "-33.9", "151.2"], 1),
            group(["", "", "", ""], 7),
        ];
        let scope = Scope::of(&Params::default(), Some("all"), &Status::default(), jiff::Timestamp::now()).unwrap();
        let places = Places::of(&groups, &scope);
        assert_eq!((places.dots[0].x, places.dots[0].y), (193.4, 37.5));
        assert!((places.dots[0].radius - RADII.1).abs() < 1e-9);
        assert_eq!(places.dots[0].title, "Berlin, Germany: 100 activities");
        assert!(places.dots[1].radius < 2.0 && places.dots[1].y > 120.0);
        assert_eq!(places.countries[0].count, 105);
        assert_eq!(places.nowhere, 7);
        assert!(places.dots.iter().all(|dot| !dot.explore.contains(['<', '"'])));
    }
}
