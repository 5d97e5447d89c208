//! What was said once, a thread each: bounded, whatever strangers write.
//!
//! Two halves: what is asked for moves into the young one; when that is full it becomes the old one, and what was not
//! asked for since is forgotten. So the texts in use stay, and nobody has to keep a list of them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, LazyLock},
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Texts by texts.
pub(crate) struct Cache {
    young: HashMap<Box<str>, Option<Arc<str>>, Seeded>,
    old: HashMap<Box<str>, Option<Arc<str>>, Seeded>,
    half: usize,
}

impl Cache {
    /// A cache of at most so many texts.
    pub(crate) fn new(most: usize) -> Self {
        Cache { young: HashMap::default(), old: HashMap::default(), half: (most / 2).max(1) }
    }

    /// The text to `key`, made by `make` if it is not remembered.
    pub(crate) fn get(&mut self, key: &str, make: impl FnOnce() -> Option<Arc<str>>) -> Option<Arc<str>> {
        if let Some(found) = self.young.get(key) {
            return found.clone();
        }
        let (key, found) = match self.old.remove_entry(key) {
            Some(entry) => entry,
            None => (Box::from(key), make()),
        };
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, found.clone());
        found
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// XXH3 with a seed that nobody outside knows, so that nobody can choose texts that collide.
#[derive(Clone, Copy)]
pub(crate) struct Seeded(u64);

static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));

impl Default for Seeded {
    fn default() -> Self {
        Seeded(*SEED)
    }
}

impl BuildHasher for Seeded {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash(self.0)
    }
}

/// The hash so far.
pub(crate) struct Hash(u64);

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    // The mark behind a text: texts are hashed alone, so nothing needs to be told apart.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_is_in_use_and_stays_small() {
        let mut cache = Cache::new(100);
        let mut made = 0;
        for number in 0..10_000 {
            let _ = cache.get("often", || {
                made += 1;
                Some("x".into())
            });
            assert_eq!(cache.get(&number.to_string(), || None), None);
        }
        assert_eq!(made, 1);
        assert!(cache.len() <= 100);
        cache.clear();
        assert_eq!(cache.get("often", || Some("y".into())).as_deref(), Some("y"));
    }
}
