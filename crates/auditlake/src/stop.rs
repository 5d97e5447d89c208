//! How the program ends: the message of a failure, its hint, its exit code; and the signal that asks it to end.

use std::{io::ErrorKind, process::ExitCode};

use auditlake_store::StoreError;
use collect::CollectError;

use crate::log;

/// A failure in words, with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
    /// Whether the words of the command line are at fault.
    pub is_usage: bool,
}

/// Exit code of wrong words on the command line, as of the parser of the command line itself.
const USAGE: u8 = 2;

/// An error with its causes, each told once.
pub fn told(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // A cause that the text before it told already is told once.
        if !message.ends_with(&text) {
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&text);
        }
    }
    message
}

/// What to do about an error, if anybody knows.
pub fn hint_of(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(hint)
}

/// Writes an error and its hint to stderr.
pub fn report(error: &anyhow::Error) -> ExitCode {
    log::fail(&told(error), hint_of(error));
    let is_usage = error.chain().any(|cause| cause.downcast_ref::<Failure>().is_some_and(|failure| failure.is_usage));
    if is_usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}

fn hint<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e str> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return failure.hint.as_deref();
    }
    if let Some(error) = cause.downcast_ref::<CollectError>() {
        return error.hint();
    }
    cause.downcast_ref::<StoreError>().and_then(StoreError::hint)
}

/// Whether whoever read our output has gone (`| head`), which is no failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
            || cause.to_string().contains("Broken pipe")
    })
}

/// Ready when the program is asked to end: Ctrl-C or SIGTERM.
pub async fn asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
