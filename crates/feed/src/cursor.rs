//! The cursor that every source of this system gives out: a position in the order, not a row.
//!
//! It says `created_at` and activity id of the row that it was made from, so it stays valid across restarts, key
//! rotation, compaction and the deletion of that row, and needs no table of open cursors. To clients it is opaque: a
//! version, the position and a checksum in URL-safe base64. The checksum tells a mangled cursor from a real one; it
//! keeps no secret, and needs none, for a cursor grants nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::ApiError;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// The longest cursor that is looked at. Activity ids take some 33 bytes.
const MAX_CHARS: usize = 1_024;

/// A place in the order of all activities: by `created_at` in microseconds, ties by activity id (as bytes).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// `created_at`, microseconds since 1970, finer digits dropped.
    pub created_at_us: i64,
    /// The activity's id.
    pub id: String,
}

/// What a cursor that a client sent turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// A position, whether or not a row stands there.
    Position(Position),
    /// A bare activity id, as other feeds give them out. The source looks up where it stands, or answers
    /// [`ApiError::unknown_cursor`].
    ActivityId(String),
}

impl Position {
    /// The position of an activity.
    pub fn new(created_at: Timestamp, id: impl Into<String>) -> Position {
        Position { created_at_us: created_at.as_microsecond(), id: id.into() }
    }

    /// The cursor to give out.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(1 + 8 + self.id.len() + CHECKSUM_BYTES);
        bytes.push(VERSION);
        bytes.extend(self.created_at_us.to_be_bytes());
        bytes.extend(self.id.as_bytes());
        bytes.extend(checksum(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(cursor: &str) -> Option<Position> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
        let (VERSION, rest) = content.split_first().map(|(version, rest)| (*version, rest))? else { return None };
        if *sum != checksum(content) {
            return None;
        }
        let (created_at, id) = rest.split_first_chunk()?;
        let id = String::from_utf8(id.to_vec()).ok()?;
        Some(Position { created_at_us: i64::from_be_bytes(*created_at), id })
    }
}

impl Anchor {
    /// Reads a cursor that a client sent; anything that is none is the contract's 400.
    pub fn read(cursor: &str) -> Result<Anchor, ApiError> {
        if cursor.len() > MAX_CHARS {
            return Err(ApiError::unknown_cursor(cursor));
        }
        if cursor.starts_with("activity_") {
            return Ok(Anchor::ActivityId(cursor.to_owned()));
        }
        Position::decode(cursor).map(Anchor::Position).ok_or_else(|| ApiError::unknown_cursor(cursor))
    }
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::digest(content);
    std::array::from_fn(|index| digest[index])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn this_version_stays_readable() {
        let position =
            Position { created_at_us: 1_775_808_550_000_000, id: "activity_01XyDMpzjS89pFZXqSFUBDr6".into() };
        insta::assert_snapshot!(position.encode(), @"AQAGTxalz9WAYWN0aXZpdHlfMDFYeURNcHpqUzg5cEZaWHFTRlVCRHI2alt_hg");
    }

    #[test]
    fn a_bare_id_is_left_to_the_source() {
        assert_eq!(Anchor::read("activity_1"), Ok(Anchor::ActivityId("activity_1".into())));
    }

    #[test]
    fn a_mangled_cursor_is_unknown() {
        let cursor = Position { created_at_us: 1, id: "activity_1".into() }.encode();
        let flipped = cursor.replacen('A', "B", 1);
        for cursor in ["", "x", "AQ", &cursor[1..], &cursor[..20], &flipped, &"A".repeat(9_000)] {
            let error = Anchor::read(cursor).expect_err(cursor);
            assert_eq!((error.status, error.kind.as_str()), (400, "invalid_request_error"));
            assert!(error.message.starts_with("unknown cursor"));
        }
    }

    proptest! {
        #[test]
        fn what_is_given_out_is_read_back(created_at_us in any::<i64>(), id in ".{0,60}") {
            let position = Position { created_at_us, id };
            prop_assert_eq!(Anchor::read(&position.encode()), Ok(Anchor::Position(position)));
        }

        #[test]
        fn any_text_is_a_cursor_or_a_400(text in ".*") {
            prop_assert!(Anchor::read(&text).map_or_else(|error| error.status == 400, |_| text.starts_with("activity_")));
        }
    }
}
