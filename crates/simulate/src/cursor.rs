//! A cursor is a position (time, id, which of two deliveries), never a row, so it stays right while time moves on.

use feed::ApiError;

use crate::{
    calendar::Micros,
    hash::named,
    ids::{Id, digits, number},
};

/// A position in the feed: time, id, and which delivery of a duplicate.
pub(crate) type Key = (Micros, Id, u8);

/// The cursor's text. Four digits of a hash tell a mistyped one from a real one.
pub(crate) fn write((at, id, copy): Key) -> String {
    let mut text = [0; 34];
    digits(at as u64, &mut text[..11]);
    digits(id.0, &mut text[11..22]);
    digits(id.1, &mut text[22..33]);
    text[33] = b'0' + copy;
    let text = String::from_utf8_lossy(&text);
    format!("at_{text}{:04x}", named(&text) & 0xffff)
}

/// Reads what [`write`] wrote; anything else is the client's mistake.
pub(crate) fn parse(text: &str) -> Result<Key, ApiError> {
    let read = || {
        let (position, check) = text.strip_prefix("at_")?.split_at_checked(34)?;
        let bytes = position.as_bytes();
        let copy = bytes[33].checked_sub(b'0').filter(|copy| *copy < 2)?;
        (format!("{:04x}", named(position) & 0xffff) == check).then_some(())?;
        Some((number(&bytes[..11])? as Micros, Id(number(&bytes[11..22])?, number(&bytes[22..33])?), copy))
    };
    read().ok_or_else(|| ApiError::unknown_cursor(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote_and_nothing_else() {
        let key = (1_795_000_000_123_456, Id::of(3, 4), 1);
        let text = write(key);
        assert_eq!(parse(&text), Ok(key));
        for wrong in
            ["", "at_", &text[..text.len() - 1], &text.replace('1', "2"), "activity_01J8o21jIINvm1V7Da3sYWrZ", "at_é"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
