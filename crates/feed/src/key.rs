//! The kinds of keys there are, told by their beginning. Which of them a key is says nothing about whether it is good.

/// What a key is by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `sk-ant-api01-`: a Compliance Access Key.
    ComplianceAccess,
    /// `sk-ant-admin01-`: an Admin API key; carries the scope only if the Compliance API was enabled when it was made.
    Admin,
    /// `sk-ant-api03-`: a Claude API key, which never works here.
    ClaudeApi,
    /// Anything else.
    Unknown,
}

impl KeyKind {
    /// The kind that `key` begins like.
    pub fn of(key: &str) -> KeyKind {
        let kinds = [
            ("sk-ant-api01-", KeyKind::ComplianceAccess),
            ("sk-ant-admin01-", KeyKind::Admin),
            ("sk-ant-api03-", KeyKind::ClaudeApi),
        ];
        kinds
            .into_iter()
            .find(|(prefix, _)| key.trim_start().starts_with(prefix))
            .map_or(KeyKind::Unknown, |(_, kind)| kind)
    }

    /// Its name in the field's words.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::ComplianceAccess => "Compliance Access Key",
            KeyKind::Admin => "Admin API key",
            KeyKind::ClaudeApi => "Claude API key",
            KeyKind::Unknown => "key of unknown kind",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_keys_by_their_prefix() {
        assert_eq!(KeyKind::of("sk-ant-api01-x"), KeyKind::ComplianceAccess);
        assert_eq!(KeyKind::of("sk-ant-admin01-x\n"), KeyKind::Admin);
        assert_eq!(KeyKind::of("sk-ant-api03-x"), KeyKind::ClaudeApi);
        assert_eq!(KeyKind::of("sk-ant-api02-x"), KeyKind::Unknown);
        assert_eq!(KeyKind::of(""), KeyKind::Unknown);
    }
}
