//! Random activities and random filters, the same in every run: what is odd comes more often than in life.

pub mod activities;
pub mod filters;

use std::collections::BTreeSet;

use activity::{Activity, Enrichment, Record};
use arrow::array::AsArray;

use crate::{
    Batch, BatchBuilder, Columns, Commit, Engine, Select, SourceInfo,
    filter::{self, EnrichedView},
};

/// Numbers that look random.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of a list.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// The source of the activity at this place: every third is from another one.
pub fn source(at: usize) -> &'static str {
    if at % 3 == 2 { "Other" } else { "main" }
}

/// What is known of the activity at this place.
pub fn enrichment(at: usize) -> Enrichment {
    activities::enrichment(&mut Dice(at as u64))
}

/// Those of the activities that are from a source.
#[expect(clippy::expect_used, reason = "a test's own activities can be read")]
pub fn batch_of(raws: &[String], name: &str) -> Batch {
    let mut rows = BatchBuilder::default();
    for (at, raw) in raws.iter().enumerate().filter(|(at, _)| source(*at) == name) {
        let activity = Activity::parse_str(raw).expect("an activity");
        rows.push_enriched(&Record::of(&activity), &enrichment(at));
    }
    rows.finish()
}

/// Asks an empty store, given some hundred activities, with so many filters: it finds what the reference finds, in pages of any length.
///
/// # Panics
/// Where it does not.
#[expect(clippy::expect_used, reason = "a test's own activities can be read, and the store has to answer")]
pub async fn filters_find_what_the_reference_finds(
    store: &impl Engine,
    filters: usize,
    is_kept: impl Fn(&str) -> bool,
) {
    let mut dice = Dice(29);
    let raws: Vec<String> = (0..400).map(|at| activities::random(&mut dice, at)).filter(|raw| is_kept(raw)).collect();
    let parsed: Vec<Activity> = raws.iter().map(|raw| Activity::parse_str(raw).expect("an activity")).collect();
    let records: Vec<Record> = parsed.iter().map(Record::of).collect();
    let known: Vec<Enrichment> = (0..raws.len()).map(enrichment).collect();
    for name in ["main", "Other"] {
        let batches = vec![batch_of(&raws, name)];
        store.commit(Commit { batches, ..Commit::new(SourceInfo::new(name)) }).await.expect("commit");
    }
    let mut some = 0;
    for round in 0..filters {
        let filter = filters::random(&mut dice, 3);
        let truth: BTreeSet<&str> = records
            .iter()
            .zip(&known)
            .enumerate()
            .filter(|(at, (record, enrichment))| {
                filter::matches(&filter, &EnrichedView { record, source: source(*at), enrichment })
            })
            .map(|(_, (record, _))| &*record.activity.id)
            .collect();
        let limit = [None, Some(1 + dice.below(40) as u64)][dice.below(2)];
        let select = Select { filter: filter.clone(), limit, columns: Columns::Raw, ..Select::default() };
        let rows = store.select(&select).await.unwrap_or_else(|error| panic!("{round}: {filter:?}: {error}"));
        let rows = rows.collect().await.unwrap_or_else(|error| panic!("{round}: {filter:?}: {error}"));
        let found: Vec<&str> =
            rows.iter().flat_map(|rows| rows["eventID"].as_string::<i32>().iter().flatten()).collect();
        let wanted = limit.map_or(truth.len(), |limit| truth.len().min(usize::try_from(limit).unwrap_or(usize::MAX)));
        let wrong = found.iter().find(|id| !truth.contains(*id));
        if wrong.is_some() || found.len() != wanted {
            let missing = truth.iter().find(|id| limit.is_none() && !found.contains(id));
            panic!(
                "{round}: {filter}\n{filter:?}\nfound {} of {wanted}, wrong {wrong:?}, missing {missing:?}",
                found.len()
            );
        }
        some += usize::from(!truth.is_empty());
    }
    assert!(some > filters / 3, "filters that find something: {some}");
}
