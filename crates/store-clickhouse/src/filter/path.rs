//! Tests of paths into the raw log as SQL, where the server's reading of JSON leaves no room for another answer.

use auditlake_store::filter::Test;

/// Whether a key is written in JSON in one way only, apart from `\u` for its letters.
pub(super) fn is_plain_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The condition, if SQL can make the test.
pub(super) fn condition(_path: &[String], _test: &Test) -> Option<String> {
    None
}
