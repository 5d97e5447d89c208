//! The server's errors in the store's words.

use auditlake_store::StoreError;
use clickhouse::error::Error;

/// The number that the server gives to a kind of error, if the text names one: `Code: 60. DB::Exception: …`.
fn code(text: &str) -> Option<u32> {
    let rest = &text[text.find("Code: ")? + 6..];
    rest.split(|sign: char| !sign.is_ascii_digit()).next()?.parse().ok()
}

/// What the server said, without the frame around it.
fn words(text: &str) -> String {
    let text = text.strip_prefix("bad response: ").unwrap_or(text);
    let text = match text.find("DB::Exception: ") {
        Some(at) => &text[at + 15..],
        None => text,
    };
    // The server adds its version, and a backtrace where it was built so.
    let end = text.find(" (version ").or_else(|| text.find("\nStack trace")).unwrap_or(text.len());
    text[..end].trim().to_owned()
}

/// Whether the server could not be reached or did not answer, so that nobody knows what became of the statement.
pub(crate) fn is_away(error: &Error) -> bool {
    matches!(error, Error::Network(_) | Error::TimedOut | Error::NotEnoughData)
        || matches!(code(&error.to_string()), Some(159 | 209 | 210 | 242 | 319 | 999 | 225))
}

/// Whether there is no such database or table.
pub(crate) fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::Engine { message, .. } if message.contains("UNKNOWN_DATABASE") || message.contains("UNKNOWN_TABLE"))
}

/// Whether the account may not do it.
pub(crate) fn is_refused(error: &StoreError) -> bool {
    matches!(error, StoreError::Engine { message, .. } if message.contains("ACCESS_DENIED") || message.contains("(READONLY)"))
}

/// The store's error for a server's error.
pub(crate) fn translate(doing: &'static str, error: &Error) -> StoreError {
    let text = error.to_string();
    let message = words(&text);
    match code(&text) {
        Some(243) => StoreError::DiskFull(format!("{doing}: {message}")),
        Some(516) => StoreError::Engine { doing, message: format!("the server refuses user or password: {message}") },
        Some(497) => StoreError::Engine { doing, message: format!("the account may not do this: {message}") },
        _ if matches!(error, Error::Network(_)) => {
            StoreError::Engine { doing, message: format!("the ClickHouse server does not answer: {}", causes(error)) }
        }
        _ => StoreError::Engine { doing, message },
    }
}

/// The store's error for an error in a statement that a person wrote.
pub(crate) fn of_statement(error: &Error) -> StoreError {
    let text = error.to_string();
    let message = words(&text);
    match code(&text) {
        Some(241 | 307 | 158 | 160 | 396) => StoreError::Limit {
            message,
            hint: "narrow the query: a time range, fewer columns, fewer groups".to_owned(),
        },
        Some(159) => StoreError::Limit {
            message: "the query took longer than it may".to_owned(),
            hint: "narrow the query, or give it more time".to_owned(),
        },
        _ if matches!(error, Error::Network(_)) => translate("asking the engine", error),
        _ => StoreError::Statement(message),
    }
}

/// An error with everything behind it, as a line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = error.source();
    }
    text
}
