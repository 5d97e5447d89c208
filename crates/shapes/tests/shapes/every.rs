//! Every type of the catalogue, by every actor that it allows, through every shape.

use std::collections::HashSet;

use crate::support::{check, with_row};

#[test]
fn every_type_by_every_actor_is_valid_and_whole() {
    let samples = simulate::samples(3, "2026-03-01T09:00:00Z".parse().unwrap());
    let mut seen = HashSet::new();
    for sample in &samples {
        let raw = std::str::from_utf8(&sample.json).unwrap();
        for is_enriched in [false, true] {
            with_row(raw, is_enriched, |row| {
                seen.insert((row.name.to_owned(), row.actor_type.unwrap_or_default().to_owned()));
                check(row);
            });
        }
    }
    let allowed: HashSet<(String, String)> = activity::catalog::types()
        .iter()
        .flat_map(|info| info.actors.iter().map(|actor| (info.name.clone(), actor.clone())))
        .collect();
    let missing: Vec<_> = allowed.difference(&seen).collect();
    assert!(missing.is_empty(), "not tried: {missing:?}");
}
