//! User agents that differ in version numbers only are read once.
//!
//! The form of a user agent is its text with every digit of a version (what follows a slash, outside parentheses) replaced. What is
//! read of one user agent holds for all of its form, but for the versions themselves, of which is kept where they stand. So a new
//! version of a known program costs a look at its bytes, not a run of the parser.

use std::collections::HashMap;

use activity::join_parts;

use super::{Parts, parts_of, telling};
use crate::cache::Seeded;

/// So many forms are remembered; then all are forgotten. Real ones are some hundred.
const REMEMBERED: usize = 4_096;
/// So many versions are told apart in a user agent.
const MOST_SLOTS: usize = 12;
/// A version has at most so many bytes.
const MOST_BYTES: usize = 24;
/// What is read out of versions in other ways than as they stand.
const APART: [&str; 5] = ["BlackBerry", "BB10", "Trident", "YaBrowser", "rogerbot"];

/// The forms that were met, and what was read of each.
#[derive(Default)]
pub(crate) struct Forms {
    known: HashMap<Box<str>, Option<Form>, Seeded>,
    key: String,
    slots: Vec<(usize, usize)>,
}

/// What a form stands for.
struct Form {
    client: &'static str,
    version: Version,
    browser: Box<str>,
    browser_version: Version,
    os: Box<str>,
    os_version: Box<str>,
    device: &'static str,
}

/// A version of a form.
enum Version {
    /// The same in all user agents of the form.
    Fixed(Box<str>),
    /// The slot with this number and so many bytes after it.
    Slot(usize, usize),
}

impl Forms {
    /// What a user agent stands for, as the text that is stored; `None` if it tells nothing.
    pub(crate) fn look_up(&mut self, agent: &str) -> Option<String> {
        let agent = telling(agent)?;
        if !self.measure(agent) {
            return parts_of(agent).join();
        }
        if let Some(form) = self.known.get(self.key.as_str()) {
            return match form {
                Some(form) => form.join(agent, &self.slots),
                None => parts_of(agent).join(),
            };
        }
        let parts = parts_of(agent);
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(self.key.as_str().into(), Form::of(&parts, agent, &self.slots));
        parts.join()
    }

    /// Finds the versions and writes the form; `false` if it has none that could be used.
    fn measure(&mut self, agent: &str) -> bool {
        self.key.clear();
        self.slots.clear();
        let bytes = agent.as_bytes();
        let (mut at, mut copied, mut depth) = (0, 0, 0_usize);
        while at < bytes.len() {
            let byte = bytes[at];
            at += 1;
            match byte {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                b'/' if depth == 0 => {
                    let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
                    if length == 0 || !bytes[at].is_ascii_digit() {
                        continue;
                    }
                    if length > MOST_BYTES || self.slots.len() == MOST_SLOTS {
                        return false;
                    }
                    self.key.push_str(&agent[copied..at]);
                    // The number of its parts stays, as it may tell something; how long they are does not.
                    let mut was_digit = false;
                    for byte in &bytes[at..at + length] {
                        if *byte == b'.' {
                            self.key.push('.');
                        } else if !was_digit {
                            self.key.push('\u{1}');
                        }
                        was_digit = *byte != b'.';
                    }
                    self.slots.push((at, length));
                    at += length;
                    copied = at;
                }
                // What stands for a version stands for nothing else.
                1 => return false,
                _ => {}
            }
        }
        self.key.push_str(&agent[copied..]);
        !self.slots.is_empty()
    }
}

impl Form {
    /// `None` if what was read does not hold for others of the form.
    fn of(parts: &Parts, agent: &str, slots: &[(usize, usize)]) -> Option<Form> {
        if APART.iter().any(|word| agent.contains(word)) {
            return None;
        }
        Some(Form {
            client: parts.client,
            version: Version::of(parts.version, agent, slots)?,
            browser: parts.browser.into(),
            browser_version: Version::of(parts.browser_version, agent, slots)?,
            os: parts.os.into(),
            os_version: (*parts.os_version).into(),
            device: parts.device,
        })
    }

    fn join(&self, agent: &str, slots: &[(usize, usize)]) -> Option<String> {
        let (version, browser_version) = (self.version.text(agent, slots), self.browser_version.text(agent, slots));
        join_parts([self.client, version, &self.browser, browser_version, &self.os, &self.os_version, self.device])
    }
}

impl Version {
    fn of(version: &str, agent: &str, slots: &[(usize, usize)]) -> Option<Version> {
        // Where it stands in the user agent, if it is a piece of that.
        let Some(start) = (version.as_ptr() as usize)
            .checked_sub(agent.as_ptr() as usize)
            .filter(|start| !version.is_empty() && start + version.len() <= agent.len())
        else {
            return Some(Version::Fixed(version.into()));
        };
        let end = start + version.len();
        match slots.iter().position(|(at, length)| start < at + length && *at < end) {
            None => Some(Version::Fixed(version.into())),
            Some(number) => {
                let (at, length) = slots[number];
                let is_whole = start == at && end >= at + length;
                let is_alone = slots.get(number + 1).is_none_or(|(next, _)| *next >= end);
                // A long one is cut, which another of the form may not be.
                (is_whole && is_alone && version.len() <= MOST_BYTES).then(|| Version::Slot(number, end - at - length))
            }
        }
    }

    fn text<'a>(&'a self, agent: &'a str, slots: &[(usize, usize)]) -> &'a str {
        match self {
            Version::Fixed(text) => text,
            Version::Slot(number, more) => {
                slots.get(*number).and_then(|(at, length)| agent.get(*at..at + length + more)).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agents::look_up;

    /// `#` stands for a number.
    const AGENTS: [&str; 28] = [
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/#.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/#.0.0.0 Safari/537.36 Edg/#.0.#.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/#.#",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/#.1 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/#.0.#.# Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/#.0 Mobile/15E148 Safari/605.1.15",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/#.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 14; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/#.0 Chrome/#.0.0.0 Safari/537.36",
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/#.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Claude/#.2.0 Chrome/138.0.#.251 Electron/37.6.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/#.0.6367.78 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:#.0) like Gecko",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/#.0.0.0 Safari/537.36 OPR/#.0.0.0",
        "Mozilla/5.0 (BB10; Touch) AppleWebKit/537.10+ (KHTML, like Gecko) Version/#.0.9.2372 Mobile Safari/537.10+",
        "BlackBerry9700/5.0.#.862 Profile/MIDP-2.1 Configuration/CLDC-1.1 VendorID/120",
        "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/#.18",
        "Mozilla/5.0 (compatible; Googlebot/#.1; +http://www.google.com/bot.html)",
        "Claude/#.240.3 (iPhone; iOS 19.1; Scale/3.00)",
        "Claude/#.240.1 (Android 16; Pixel 9; okhttp/5.1.0)",
        "claude-cli/#.0.17 (external, cli, darwin-arm64)",
        "claude-cli/2.0.#-beta.1 (external, cli, win32-x64)",
        "claude-code/#.1",
        "curl/#.4.1",
        "Go-http-client/#.1",
        "acme-sync/#.1 (internal)",
        "acme-sync/#rc2 Windows",
        "PowerShell/#.4 Microsoft Windows 10.0.#",
        "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8) okhttp/#.9.3",
    ];

    fn with(agent: &str, numbers: &[u32]) -> String {
        let mut text = String::new();
        for (at, part) in agent.split('#').enumerate() {
            if at > 0 {
                text.push_str(&numbers[at % numbers.len()].to_string());
            }
            text.push_str(part);
        }
        text
    }

    #[test]
    fn is_read_once() {
        let mut forms = Forms::default();
        for number in 0..1_000 {
            for agent in &AGENTS[..11] {
                assert!(forms.look_up(&with(agent, &[number])).is_some(), "{agent}");
            }
        }
        assert!(forms.known.len() <= 11, "{}", forms.known.len());
        assert!(forms.known.values().all(Option::is_some));
    }

    #[test]
    fn forgets_when_there_are_too_many() {
        let mut forms = Forms::default();
        for number in 0..2 * REMEMBERED {
            let agent = format!("acme{number}x/1.0");
            assert_eq!(forms.look_up(&agent), look_up(&agent));
            assert!(forms.known.len() <= REMEMBERED);
        }
    }

    proptest! {
        #[test]
        fn says_what_the_parser_says(
            numbers in prop::collection::vec((0..AGENTS.len(), prop::collection::vec(any::<u32>(), 3)), 1..40),
        ) {
            let mut forms = Forms::default();
            for (at, numbers) in numbers {
                let agent = with(AGENTS[at], &numbers);
                prop_assert_eq!(forms.look_up(&agent), look_up(&agent), "{}", agent);
            }
        }

        #[test]
        fn says_what_the_parser_says_of_any_text(
            texts in prop::collection::vec(
                "(Mozilla/5.0 |Claude/|Chrome/|Version/|Safari/|Firefox/|Mac OS X |\\(|\\)|[0-9]{1,3}|\\.|/| |\u{1}|\\PC){0,16}", 1..30,
            ),
        ) {
            let mut forms = Forms::default();
            for text in texts {
                prop_assert_eq!(forms.look_up(&text), look_up(&text), "{}", text);
            }
        }
    }
}
