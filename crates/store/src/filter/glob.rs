//! `value*`: texts with gaps.

/// A pattern in which `*` stands for any text, the empty one too. ASCII letters match in upper and lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    /// At least two; only the first and the last may be empty, and never all.
    pieces: Vec<String>,
}

impl Glob {
    /// The pattern of these literal texts with a `*` between each two. `None` without a `*`, or if nothing but `*` is
    /// left.
    pub fn new(pieces: impl IntoIterator<Item = String>) -> Option<Glob> {
        let mut all: Vec<String> = pieces.into_iter().collect();
        let last = all.len().checked_sub(1)?;
        let mut at = 0;
        // `**` is `*`.
        all.retain(|piece| {
            at += 1;
            !piece.is_empty() || at == 1 || at == last + 1
        });
        (all.len() > 1 && all.iter().any(|piece| !piece.is_empty())).then_some(Glob { pieces: all })
    }

    /// The literal texts between the `*`.
    pub fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// The pattern for SQL's `LIKE … ESCAPE '\'`, letters as written.
    pub fn like(&self) -> String {
        let mut like = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 {
                like.push('%');
            }
            for char in piece.chars() {
                if matches!(char, '%' | '_' | '\\') {
                    like.push('\\');
                }
                like.push(char);
            }
        }
        like
    }

    /// Whether `text` has this form.
    pub fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.pieces.first(), self.pieces.last()) else { return false };
        let (text, first, last) = (text.as_bytes(), first.as_bytes(), last.as_bytes());
        if text.len() < first.len() + last.len() {
            return false;
        }
        let (head, rest) = text.split_at(first.len());
        let (mut middle, tail) = rest.split_at(rest.len() - last.len());
        if !head.eq_ignore_ascii_case(first) || !tail.eq_ignore_ascii_case(last) {
            return false;
        }
        // The leftmost place for each piece leaves the most room for the next, so no way back is needed.
        for piece in &self.pieces[1..self.pieces.len() - 1] {
            match find_ignoring_case(middle, piece.as_bytes()) {
                Some(at) => middle = &middle[at + piece.len()..],
                None => return false,
            }
        }
        true
    }
}

/// Where `needle` first stands in `text`, upper and lower case of ASCII letters being the same.
pub(super) fn find_ignoring_case(text: &[u8], needle: &[u8]) -> Option<usize> {
    let Some(first) = needle.first() else { return Some(0) };
    let starts = text.len().checked_sub(needle.len())? + 1;
    (0..starts)
        .find(|&at| text[at].eq_ignore_ascii_case(first) && text[at..at + needle.len()].eq_ignore_ascii_case(needle))
}
