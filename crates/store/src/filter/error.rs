//! Why a text is no filter: what is wrong, where, and what to write instead.

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {at})")]
pub struct FilterError {
    /// Where the spot starts, in bytes from 0. It may be the end of the text.
    pub at: usize,
    /// The length of the spot in bytes. 0 where something is missing.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// So many characters of the text stand on each side of the spot in [`FilterError::pointer`].
const CONTEXT_CHARS: usize = 60;

impl FilterError {
    pub(super) fn new(
        spot: std::ops::Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> FilterError {
        FilterError { at: spot.start, length: spot.len(), message: message.into(), hint: hint.into() }
    }

    /// Two lines for a terminal: the part of `text` around the spot, and carets below the spot.
    ///
    /// `text` is what was parsed. Control characters are shown as spaces, so that the two lines stay in step.
    pub fn pointer(&self, text: &str) -> String {
        let start = floor(text, self.at);
        let end = floor(text, self.at.saturating_add(self.length)).max(start);
        let (before, spot, after) = (&text[..start], &text[start..end], &text[end..]);
        let skipped = before.chars().count().saturating_sub(CONTEXT_CHARS);
        let mut line: String = if skipped > 0 { "…".into() } else { String::new() };
        line.extend(before.chars().skip(skipped));
        let indent = line.chars().count();
        let mut shown = spot.chars().take(CONTEXT_CHARS);
        let carets = shown.by_ref().count().max(1);
        line.extend(spot.chars().take(CONTEXT_CHARS));
        let rest = if spot.chars().count() > CONTEXT_CHARS { "" } else { after };
        line.extend(rest.chars().take(CONTEXT_CHARS));
        if rest.chars().count() > CONTEXT_CHARS || (rest.is_empty() && !after.is_empty()) {
            line.push('…');
        }
        let line: String = line.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        format!("{line}\n{}{}", " ".repeat(indent), "^".repeat(carets))
    }
}

/// The last place not beyond `at` where a character starts.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}
