//! In which order the rows of a commit are stored: alike beside alike, within a short stretch of the order they came in.
//!
//! Texts are packed 2,048 rows at a time, and one row costs a whole pack to open. Activities that came side by side are of
//! all types, so a page of one type would open the packs of everybody. Put in order by organization, type and actor,
//! they lie in a few packs of each stretch. The stretches are short, so that a page of all types opens only some packs more.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use arrow::{
    array::{RecordBatch, StringArray},
    compute::interleave_record_batch,
    error::ArrowError,
};

use crate::bulk::PIECE_ROWS;

/// Rows in a stretch: five packs, so that the engine's row groups hold whole stretches.
const STRETCH: usize = 10_240;
/// A type with one in so many rows of a stretch is common.
const COMMON: usize = 10;
/// Fewer rows lie in two packs anyway.
const FEW: usize = 4_096;

/// Where a row lies: the batch, the row of it.
type Place = (usize, usize);

/// What decides beside which others a row is stored: hashes, as any order does that brings the same together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Key {
    organization: u32,
    kind: u32,
    actor: u32,
}

/// The rows of all batches, alike beside alike.
pub(crate) fn ordered(batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, ArrowError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows < FEW {
        return Ok(batches);
    }
    let mut places: Vec<(Key, Place)> = Vec::with_capacity(rows);
    for (at, batch) in batches.iter().enumerate() {
        places.extend(keys(batch).into_iter().enumerate().map(|(row, key)| (key, (at, row))));
    }
    places.chunks_mut(STRETCH).for_each(order);
    let sources: Vec<&RecordBatch> = batches.iter().collect();
    let piece = |places: &[(Key, Place)]| {
        let places: Vec<Place> = places.iter().map(|&(_, place)| place).collect();
        interleave_record_batch(&sources, &places)
    };
    places.chunks(PIECE_ROWS).map(piece).collect()
}

/// Orders a stretch. Types that fill packs by themselves stay together, as what one person does to one chat in a row
/// shares its id, which compresses well.
fn order(stretch: &mut [(Key, Place)]) {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for (key, _) in stretch.iter() {
        *counts.entry(key.kind).or_default() += 1;
    }
    let common = stretch.len() / COMMON;
    for (key, _) in stretch.iter_mut() {
        if counts.get(&key.kind).is_some_and(|&count| count >= common) {
            key.kind = 0;
        }
    }
    stretch.sort_unstable();
}

fn keys(batch: &RecordBatch) -> Vec<Key> {
    let mut keys = vec![Key::default(); batch.num_rows()];
    let mut fill = |name: &str, field: fn(&mut Key) -> &mut u32| {
        let texts = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<StringArray>());
        let Some(texts) = texts else { return };
        let mut known = HashMap::new();
        for (key, text) in keys.iter_mut().zip(texts) {
            *field(key) = *known.entry(text).or_insert_with(|| hash(text));
        }
    };
    fill("organization_id", |key| &mut key.organization);
    fill("event_name", |key| &mut key.kind);
    fill("actor_user_id", |key| &mut key.actor);
    keys
}

fn hash(text: Option<&str>) -> u32 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish() as u32
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use arrow::array::{ArrayRef, AsArray};

    use super::*;

    fn batch(rows: std::ops::Range<usize>) -> RecordBatch {
        let text = |value: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
            Arc::new(rows.clone().map(value).collect::<StringArray>())
        };
        RecordBatch::try_from_iter_with_nullable([
            ("event_id", text(&|row| Some(row.to_string())), true),
            ("organization_id", text(&|row| (row % 15 == 0).then(|| "org_1".to_owned())), true),
            ("event_name", text(&|row| Some(format!("type_{}", row * 7 % 50))), true),
            ("actor_user_id", text(&|row| (row % 3 > 0).then(|| format!("user_{}", row % 11))), true),
        ])
        .unwrap()
    }

    fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Vec<Option<&'a str>> {
        batch.column_by_name(name).unwrap().as_string::<i32>().iter().collect()
    }

    #[test]
    fn rows_stay_whole_near_their_place_and_lie_beside_their_like() {
        let rows = 3 * STRETCH - 777;
        let batches = vec![batch(0..1_000), batch(1_000..1_001), batch(1_001..rows)];
        let pieces = ordered(batches).unwrap();
        let stretches = pieces.iter().flat_map(|piece| {
            let cut = |from| piece.slice(from, STRETCH.min(piece.num_rows() - from));
            (0..piece.num_rows()).step_by(STRETCH).map(cut)
        });
        let mut all = HashSet::new();
        for (at, stretch) in stretches.enumerate() {
            let stretch = &stretch;
            let ids: Vec<usize> =
                texts(stretch, "event_id").into_iter().map(|id| id.unwrap().parse().unwrap()).collect();
            for (row, &id) in ids.iter().enumerate() {
                assert_eq!(id / STRETCH, at, "far from where it came");
                assert_eq!(stretch.slice(row, 1), batch(id..id + 1), "another row's value");
            }
            all.extend(ids);
            let (types, organizations) = (texts(stretch, "event_name"), texts(stretch, "organization_id"));
            let runs = |same: &dyn Fn(usize) -> bool| (1..types.len()).filter(|&row| !same(row)).count() + 1;
            assert_eq!(runs(&|row| organizations[row] == organizations[row - 1]), 2);
            assert!(
                runs(&|row| types[row] == types[row - 1] && organizations[row] == organizations[row - 1]) <= 2 * 50
            );
        }
        assert_eq!(all.len(), rows);
    }

    #[test]
    fn a_few_rows_stay_as_they_came() {
        let few = vec![batch(0..7), batch(7..9)];
        assert_eq!(ordered(few.clone()).unwrap(), few);
    }
}
