//! Identifiers in the feed's forms: a prefix, `01`, and 22 base62 digits.
//!
//! An id is 128 bits. Its digits are fixed in width and in ASCII order, so sorting the numbers sorts the texts.

use crate::hash::{mix, unmix};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Two digits at a time halve the divisions.
static PAIRS: [[u8; 2]; 62 * 62] = {
    let mut pairs = [[0; 2]; 62 * 62];
    let mut at = 0;
    while at < pairs.len() {
        pairs[at] = [DIGITS[at / 62], DIGITS[at % 62]];
        at += 1;
    }
    pairs
};

/// The number behind an id, in the order of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) u64, pub(crate) u64);

impl Id {
    /// The smallest of all.
    pub(crate) const MIN: Id = Id(0, 0);

    /// The id that follows from a root and a number.
    pub(crate) const fn of(root: u64, what: u64) -> Id {
        let first = mix(root, what);
        Id(first, mix(first, root))
    }

    /// The root and the number that it follows from, if it was made by [`Id::of`]; two other numbers otherwise.
    pub(crate) const fn parts(self) -> (u64, u64) {
        let root = unmix(self.0, self.1);
        (root, unmix(root, self.0))
    }

    /// Writes `01` and the 22 digits.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let mut text = *b"010000000000000000000000";
        digits(self.0, &mut text[2..13]);
        digits(self.1, &mut text[13..24]);
        out.extend_from_slice(&text);
    }

    /// The 22 digits behind `prefix` and `01`.
    pub(crate) fn text(self, prefix: &str) -> String {
        let mut out = prefix.as_bytes().to_vec();
        self.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Reads what [`Id::write`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Id> {
        let digits = text.strip_prefix("01").filter(|digits| digits.len() == 22 && digits.is_ascii())?;
        Some(Id(number(&digits.as_bytes()[..11])?, number(&digits.as_bytes()[11..])?))
    }
}

/// Writes `value` in 11 base62 digits.
pub(crate) fn digits(mut value: u64, out: &mut [u8]) {
    for at in (0..5).rev() {
        out[1 + 2 * at..3 + 2 * at].copy_from_slice(&PAIRS[(value % 3844) as usize]);
        value /= 3844;
    }
    out[0] = DIGITS[(value % 62) as usize];
}

/// Reads what [`digits`] wrote.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        value.checked_mul(62)?.checked_add(u64::from(digit))
    })
}

/// Writes a UUID made from two numbers (version 4, variant 1).
pub(crate) fn uuid(high: u64, low: u64, out: &mut Vec<u8>) {
    let bits = (u128::from(high) << 64 | u128::from(low)) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    for (nibble, shift) in (0..128).step_by(4).rev().enumerate() {
        if matches!(nibble, 8 | 12 | 16 | 20) {
            out.push(b'-');
        }
        out.push(b"0123456789abcdef"[(bits >> shift & 0xf) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_as_their_texts_and_read_back() {
        let mut ids: Vec<Id> = (0..1000).map(|at| Id::of(7, at)).chain([Id::MIN, Id(u64::MAX, u64::MAX)]).collect();
        ids.sort();
        let texts: Vec<String> = ids.iter().map(|id| id.text("activity_")).collect();
        assert!(texts.is_sorted());
        assert_eq!(Id::of(7, 12).parts(), (7, 12));
        for (id, text) in ids.iter().zip(&texts) {
            assert_eq!(text.len(), "activity_01".len() + 22);
            assert_eq!(Id::parse(&text["activity_".len()..]), Some(*id));
        }
        assert_eq!(Id::parse("01zzzzzzzzzzzzzzzzzzzzzz"), None, "more than 64 bits");
    }

    #[test]
    fn a_uuid_has_its_version() {
        let mut out = Vec::new();
        uuid(u64::MAX, u64::MAX, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
