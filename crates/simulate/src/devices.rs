//! What people and machines talk to Claude with: browsers, apps, the command line, SDKs, and the strangers' tools.

use crate::calendar::{DAY, Micros};

/// A client program. Its user agent carries a version that moves on every four weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Client {
    ChromeMac,
    SafariMac,
    ChromeWindows,
    EdgeWindows,
    FirefoxLinux,
    DesktopMac,
    DesktopWindows,
    Iphone,
    Android,
    CodeMac,
    CodeWindows,
    CodeLinux,
    PythonSdk,
    TypescriptSdk,
    Scim,
    Curl,
    GithubActions,
    /// The strangers' tools.
    PythonRequests,
    HeadlessChrome,
    OldFirefox,
    GoHttp,
    /// Nothing known.
    None,
}

/// What stands before the version, the version on the first of the four-week periods, and what stands after.
type Shape = (&'static str, i64, &'static str);

const SHAPES: [Shape; 22] = [
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
        130,
        ".0.0.0 Safari/537.36",
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.",
        0,
        " Safari/605.1.15",
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
        130,
        ".0.0.0 Safari/537.36",
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/",
        130,
        ".0.0.0",
    ),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/", 131, ".0"),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Claude/1.",
        2,
        ".0 Chrome/138.0.7204.251 Electron/37.6.0 Safari/537.36",
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Claude/1.",
        2,
        ".0 Chrome/138.0.7204.251 Electron/37.6.0 Safari/537.36",
    ),
    ("Claude/1.", 240, ".3 (iPhone; iOS 19.1; Scale/3.00)"),
    ("Claude/1.", 240, ".1 (Android 16; Pixel 9; okhttp/5.1.0)"),
    ("claude-cli/2.", 0, ".17 (external, cli, darwin-arm64)"),
    ("claude-cli/2.", 0, ".17 (external, cli, win32-x64)"),
    ("claude-cli/2.", 0, ".17 (external, cli, linux-x64)"),
    ("Anthropic/Python 0.", 60, ".0"),
    ("Anthropic/JS 0.", 52, ".0"),
    ("Okta SCIM Client 1.0.", 0, ""),
    ("curl/8.", 4, ".1"),
    ("github-actions-runner/2.", 320, ".0"),
    ("python-requests/2.32.", 0, ""),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/",
        124,
        ".0.6367.78 Safari/537.36",
    ),
    ("Mozilla/5.0 (Windows NT 6.1; rv:", 60, ".0) Gecko/20100101 Firefox/60.0"),
    ("Go-http-client/1.", 1, ""),
    ("", -1, ""),
];

/// The day from which versions are counted: 2026-01-01.
const FIRST_DAY: i64 = 20_454;

impl Client {
    /// Writes the user agent as it was at a moment.
    pub(crate) fn write(self, at: Micros, out: &mut Vec<u8>) {
        let (before, first, after) = SHAPES[self as usize];
        out.extend_from_slice(before.as_bytes());
        if first >= 0 {
            // What the strangers carry does not update itself.
            let moves = (self as u8) < Client::PythonRequests as u8;
            let version = if moves { first + (at / DAY - FIRST_DAY).max(0) / 28 } else { first };
            put(version, out);
        }
        out.extend_from_slice(after.as_bytes());
    }

    /// The client that the data files call by this word.
    pub(crate) fn named(word: &str) -> Option<Client> {
        Some(match word {
            "python" => Client::PythonSdk,
            "typescript" => Client::TypescriptSdk,
            "scim" => Client::Scim,
            "curl" => Client::Curl,
            "actions" => Client::GithubActions,
            "requests" => Client::PythonRequests,
            "headless" => Client::HeadlessChrome,
            "old" => Client::OldFirefox,
            "go" => Client::GoHttp,
            "none" => Client::None,
            _ => return None,
        })
    }
}

fn put(value: i64, out: &mut Vec<u8>) {
    if value >= 10 {
        put(value / 10, out);
    }
    out.push(b'0' + (value % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_move_on() {
        let text = |client: Client, day: i64| {
            let mut out = Vec::new();
            client.write(day * DAY, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(Client::CodeMac, FIRST_DAY), "claude-cli/2.0.17 (external, cli, darwin-arm64)");
        assert_eq!(text(Client::CodeMac, FIRST_DAY + 330), "claude-cli/2.11.17 (external, cli, darwin-arm64)");
        assert_eq!(text(Client::PythonRequests, FIRST_DAY + 330), "python-requests/2.32.0");
        assert_eq!(text(Client::None, FIRST_DAY), "");
    }
}
