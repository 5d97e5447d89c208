//! Randomness without state: everything that the simulation decides is a hash of who, when and what.
//!
//! Because a decision needs no history, any moment can be computed without computing what came before it. That is what
//! lets a page in the middle of a billion activities cost as much as the first.

/// Mixes two numbers into one that looks random (the finaliser of splitmix64, twice).
pub(crate) const fn mix(a: u64, b: u64) -> u64 {
    finish(a ^ finish(b.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

const fn finish(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The `b` with which `a` was mixed, from what came out: nothing of it is lost.
pub(crate) const fn unmix(a: u64, mixed: u64) -> u64 {
    unfinish(unfinish(mixed) ^ a).wrapping_sub(0x9e37_79b9_7f4a_7c15)
}

/// The `a` which was mixed with `b`, from what came out.
pub(crate) const fn unmix_with(b: u64, mixed: u64) -> u64 {
    unfinish(mixed) ^ finish(b.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

/// Undoes [`finish`], step by step: the factors are the inverses of its own.
const fn unfinish(mut x: u64) -> u64 {
    x = (x ^ (x >> 31) ^ (x >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    x = (x ^ (x >> 27) ^ (x >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    x ^ (x >> 30) ^ (x >> 60)
}

/// The hash of a name, so that data files can refer to things by word.
pub(crate) fn named(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// A number below `bound`, evenly.
pub(crate) const fn below(hash: u64, bound: u64) -> u64 {
    ((hash as u128 * bound as u128) >> 64) as u64
}

/// Whether a thing of this many in a thousand happens.
pub(crate) const fn permille(hash: u64, rate: u32) -> bool {
    below(hash, 1000) < rate as u64
}

/// Whether a thing with this probability happens.
pub(crate) fn happens(hash: u64, probability: f64) -> bool {
    // 53 bits are what a double holds without rounding.
    ((hash >> 11) as f64) < probability * (1u64 << 53) as f64
}

/// One element, evenly.
pub(crate) fn pick<T: Copy>(hash: u64, from: &[T]) -> T {
    from[below(hash, from.len() as u64) as usize]
}

/// A short run of draws that belong to one decision.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) const fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.0)
    }

    /// From `low` to `high`, both included.
    pub(crate) const fn between(&mut self, low: i64, high: i64) -> i64 {
        low + below(self.next(), (high - low + 1) as u64) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_mixed_is_told_apart_again() {
        let mut draw = Draw::new(7);
        for _ in 0..1_000 {
            let (a, b) = (draw.next(), draw.next());
            let mixed = mix(a, b);
            assert_eq!((unmix(a, mixed), unmix_with(b, mixed)), (b, a));
        }
    }
}
