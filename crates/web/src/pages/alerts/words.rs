//! What alerts are called on pages.

use auditlake_store::alert::{ChangeKind, State as AlertState};

/// The state as pages call it.
pub fn state_title(state: AlertState) -> &'static str {
    match state {
        AlertState::Open => "Open",
        AlertState::Acknowledged => "Acknowledged",
        AlertState::Closed => "Closed",
    }
}

/// What somebody did, in a word.
pub fn deed(what: ChangeKind) -> &'static str {
    match what {
        ChangeKind::Raised => "raised it",
        ChangeKind::Acknowledged => "acknowledged it",
        ChangeKind::Closed => "closed it",
        ChangeKind::Reopened => "opened it again",
        ChangeKind::Noted => "wrote a note",
        ChangeKind::Withdrawn => "took it back: later activities explain it",
    }
}
