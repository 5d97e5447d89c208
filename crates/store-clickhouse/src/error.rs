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
        || matches!(code(&error.to_string()), Some(209 | 210 | 225 | 242 | 289 | 319 | 999))
}

/// Whether an insert ended without anybody knowing whether it is there. It may be sent again with its token.
pub(crate) fn is_unknown(error: &Error) -> bool {
    is_away(error) || code(&error.to_string()) == Some(159)
}

/// Whether there is no such database or table.
pub(crate) fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::Engine { message, .. } if message.contains("UNKNOWN_DATABASE") || message.contains("UNKNOWN_TABLE"))
}

/// Whether the account may not do it.
pub(crate) fn is_refused(error: &StoreError) -> bool {
    matches!(error, StoreError::Server { is_away: false, .. })
}

const GRANTS: &str = "docs/operations/scale.md has the grants that the account needs";

/// The store's error for a server's error.
pub(crate) fn translate(doing: &'static str, error: &Error) -> StoreError {
    let text = error.to_string();
    let message = words(&text);
    let refused = |what: &str, hint: &'static str| StoreError::Server {
        doing,
        message: format!("{what}: {message}"),
        hint,
        is_away: false,
    };
    let away = |message: String| StoreError::Server {
        doing,
        message,
        hint: "look whether the server runs, and at the host and port of store.url; what was not stored is collected again",
        is_away: true,
    };
    match code(&text) {
        Some(241 | 307) => StoreError::Limit {
            message: format!("{doing}: the server's limits do not allow it: {message}"),
            hint: "name a time or a narrower filter, or raise max_memory_usage of the account on the server".to_owned(),
        },
        Some(159) => StoreError::Limit {
            message: format!("{doing}: it took longer than the server allows: {message}"),
            hint: "name a time or a narrower filter, or raise max_execution_time of the account on the server"
                .to_owned(),
        },
        Some(243) => StoreError::DiskFull(format!("{doing}: {message}")),
        Some(516) => refused(
            "the server refuses user or password",
            "look at the user in store.url, and at AUDITLAKE_STORE_PASSWORD or store.password_file",
        ),
        Some(497) => refused("the account may not do this", GRANTS),
        Some(164) if message.contains("setting") => refused(
            "the account may not set anything for a question",
            "give the account a profile with readonly = 2 to read, or 0 to write, instead of 1",
        ),
        Some(164) => refused("the account may only read", GRANTS),
        Some(_) if is_away(error) => away(format!("the ClickHouse server could not finish: {message}")),
        None if is_away(error) => away(format!("the ClickHouse server does not answer: {}", causes(error))),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> StoreError {
        translate("asking", &Error::BadResponse(text.to_owned()))
    }

    #[test]
    fn says_what_to_do() {
        for (answer, message, hint) in [
            (
                "Code: 241. DB::Exception: Query memory limit exceeded: would use 12 GiB (version 26.9). (MEMORY_LIMIT_EXCEEDED)",
                "the server's limits do not allow it: Query memory limit exceeded: would use 12 GiB",
                "name a time or a narrower filter",
            ),
            ("Code: 159. DB::Exception: Timeout exceeded", "longer than the server allows", "max_execution_time"),
            ("Code: 307. DB::Exception: Limit for rows or bytes to read", "limits do not allow it", "max_memory_usage"),
            ("Code: 516. DB::Exception: Authentication failed", "refuses user or password", "AUDITLAKE_STORE_PASSWORD"),
            ("Code: 497. DB::Exception: Not enough privileges", "the account may not do this", "grants"),
            (
                "Code: 164. DB::Exception: Cannot modify 'session_timezone' setting in readonly mode. (READONLY)",
                "the account may not set anything",
                "readonly = 2",
            ),
            ("Code: 164. DB::Exception: Cannot execute query in readonly mode.", "the account may only read", "grants"),
            ("Code: 210. DB::Exception: Connection refused", "could not finish", "store.url"),
        ] {
            let error = told(answer);
            assert!(error.to_string().contains(message), "{error}");
            assert!(error.hint().is_some_and(|told| told.contains(hint)), "{error:?}");
        }
        assert!(translate("asking", &Error::TimedOut).is_away() && !told("Code: 164. DB::Exception: x").is_away());
    }
}
