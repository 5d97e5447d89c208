//! What a user agent stands for: the program, the browser, the operating system, the class of device.
//!
//! Programs that are no browsers come from `data/clients.txt`, browsers and operating systems from `woothee`. User agents are
//! written by strangers: no more than [`MAX_BYTES`] of one are looked at.

mod forms;

use std::{borrow::Cow, sync::LazyLock};

use activity::join_parts;
use woothee::parser::{Parser, WootheeResult};

pub(crate) use forms::Forms;

/// So much of a user agent is looked at. Real ones are shorter.
pub const MAX_BYTES: usize = 512;

/// A line of `data/clients.txt`.
struct Client {
    name: &'static str,
    device: &'static str,
    is_start: bool,
    texts: Vec<String>,
    /// What stands before the version.
    version: Option<String>,
}

static CLIENTS: LazyLock<Vec<Client>> =
    LazyLock::new(|| include_str!("../data/clients.txt").lines().filter_map(client).collect());

fn client(line: &'static str) -> Option<Client> {
    let line = line.split_once('#').map_or(line, |(line, _)| line);
    let mut words = line.split_whitespace();
    let (name, device) = (words.next()?, words.next()?);
    let blank = |text: &str| text.replace('_', " ");
    let (versions, texts): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with("version="));
    let is_start = texts.first()?.starts_with('^');
    let texts: Vec<String> = texts.iter().map(|text| blank(text.trim_start_matches('^'))).collect();
    let version = match versions.first() {
        Some(version) => Some(blank(&version["version=".len()..])),
        None => texts.first().filter(|text| text.ends_with('/')).cloned(),
    };
    Some(Client { name, device, is_start, texts, version })
}

/// The part of a user agent that is looked at.
pub fn head(agent: &str) -> &str {
    &agent[..agent.floor_char_boundary(MAX_BYTES)]
}

/// What a user agent stands for.
struct Parts<'a> {
    client: &'static str,
    version: &'a str,
    browser: &'a str,
    browser_version: &'a str,
    os: &'a str,
    os_version: Cow<'a, str>,
    device: &'static str,
}

impl Parts<'_> {
    /// The text that is stored.
    fn join(&self) -> Option<String> {
        let Parts { client, version, browser, browser_version, os, os_version, device } = self;
        join_parts([client, version, browser, browser_version, os, os_version, device])
    }
}

/// The part of a user agent that tells something; `None` if nothing does.
fn telling(agent: &str) -> Option<&str> {
    let agent = head(agent).trim();
    (!agent.is_empty() && agent != "-" && !agent.eq_ignore_ascii_case("unknown")).then_some(agent)
}

/// What a user agent stands for, as the text that is stored; `None` if it tells nothing.
#[cfg(test)]
fn look_up(agent: &str) -> Option<String> {
    parts_of(telling(agent)?).join()
}

fn parts_of(agent: &str) -> Parts<'_> {
    let lower = agent.to_ascii_lowercase();
    let found = CLIENTS.iter().find(|client| client.is(&lower));
    let parsed = Parser::new().parse(agent).unwrap_or_default();
    let is_browser = parsed.browser_type == "browser" && matches!(parsed.category, "pc" | "smartphone" | "mobilephone");
    let os = system(&parsed, &lower);
    let by_system = device(&parsed, os, &lower);
    let (client, device) = match found {
        Some(client) if client.device == "auto" => (client.name, by_system),
        Some(client) => (client.name, client.device),
        None if parsed.category == "crawler" => ("bot", "bot"),
        None if is_browser => ("claude-web", by_system),
        None => ("other", if by_system.is_empty() { "program" } else { by_system }),
    };
    // A program made of a browser is not one to the person who uses it.
    let (browser, browser_version) = match is_browser && matches!(client, "claude-web" | "headless-browser") {
        true => (known(parsed.name), known(parsed.version)),
        false => ("", ""),
    };
    let version = match found {
        Some(client) => client.version(agent, &lower),
        None if client == "other" => first_version(agent),
        None => "",
    };
    Parts { client, version, browser, browser_version, os, os_version: system_version(parsed), device }
}

impl Client {
    fn is(&self, lower: &str) -> bool {
        self.texts.iter().enumerate().all(|(at, text)| match at == 0 && self.is_start {
            true => lower.starts_with(text.as_str()),
            false => lower.contains(text.as_str()),
        })
    }

    fn version<'a>(&self, agent: &'a str, lower: &str) -> &'a str {
        let Some(before) = &self.version else { return "" };
        // ASCII letters in lower case stand at the same place.
        lower.find(before.as_str()).map_or("", |at| version(&agent[at + before.len()..]))
    }
}

/// The version at the beginning of a text.
fn version(text: &str) -> &str {
    let end = text.find(|sign: char| !(sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '+')));
    let version = &text[..end.unwrap_or(text.len()).min(32)];
    if version.starts_with(|sign: char| sign.is_ascii_digit()) { version } else { "" }
}

/// The version of `name/version` at the beginning.
fn first_version(agent: &str) -> &str {
    agent.split(' ').next().and_then(|word| word.split_once('/')).map_or("", |(_, rest)| version(rest))
}

fn known(text: &str) -> &str {
    if text == "UNKNOWN" { "" } else { text }
}

/// The operating system.
fn system<'a>(parsed: &WootheeResult<'a>, lower: &str) -> &'a str {
    match parsed.os {
        "Mac OSX" => "macOS",
        "iPhone" | "iPad" | "iPod" | "iOS" => "iOS",
        "Windows 10"
        | "Windows 8.1"
        | "Windows 8"
        | "Windows 7"
        | "Windows Vista"
        | "Windows XP"
        | "Windows UNKNOWN Ver" => "Windows",
        "" | "UNKNOWN" => {
            // Programs write it in their own words.
            let words = [
                ("darwin", "macOS"),
                ("macos", "macOS"),
                ("win32", "Windows"),
                ("windows", "Windows"),
                ("linux", "Linux"),
            ];
            words.into_iter().find(|(word, _)| lower.contains(word)).map_or("", |(_, os)| os)
        }
        os => os,
    }
}

/// The version of the operating system.
fn system_version<'a>(parsed: WootheeResult<'a>) -> Cow<'a, str> {
    match parsed.os {
        "" | "UNKNOWN" | "Windows UNKNOWN Ver" => Cow::Borrowed(""),
        os => match os.strip_prefix("Windows ") {
            Some(version @ ("10" | "8.1" | "8" | "7" | "Vista" | "XP")) => Cow::Borrowed(version),
            _ if parsed.os_version == "UNKNOWN" => Cow::Borrowed(""),
            _ => parsed.os_version,
        },
    }
}

fn device(parsed: &WootheeResult, os: &str, lower: &str) -> &'static str {
    let is_tablet =
        lower.contains("ipad") || (os == "Android" && parsed.browser_type == "browser" && !lower.contains("mobile"));
    match parsed.category {
        "smartphone" | "mobilephone" if is_tablet => "tablet",
        "smartphone" | "mobilephone" => "mobile",
        "appliance" => "appliance",
        "crawler" => "bot",
        "pc" => "desktop",
        _ if os == "iOS" => "mobile",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use activity::AgentPart;
    use proptest::prelude::*;

    use super::*;

    fn parts(agent: &str) -> Vec<String> {
        let text = look_up(agent).unwrap_or_default();
        AgentPart::ALL.iter().map(|part| part.of(&text).unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn tells_programs() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
                ["claude-web", "", "Chrome", "130.0.0.0", "macOS", "10.15.7", "desktop"],
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
                ["claude-web", "", "Edge", "130.0.0.0", "Windows", "10", "desktop"],
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/131.0",
                ["claude-web", "", "Firefox", "131.0", "Linux", "", "desktop"],
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                ["claude-web", "", "Safari", "18.1", "iOS", "18.1", "mobile"],
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Claude/1.2.0 Chrome/138.0.7204.251 Electron/37.6.0 Safari/537.36",
                ["claude-desktop", "1.2.0", "", "", "macOS", "10.15.7", "desktop"],
            ),
            ("Claude/1.240.3 (iPhone; iOS 19.1; Scale/3.00)", ["claude-ios", "1.240.3", "", "", "iOS", "", "mobile"]),
            (
                "Claude/1.240.1 (Android 16; Pixel 9; okhttp/5.1.0)",
                ["claude-android", "1.240.1", "", "", "Android", "16", "mobile"],
            ),
            (
                "claude-cli/2.0.17 (external, cli, darwin-arm64)",
                ["claude-code", "2.0.17", "", "", "macOS", "", "desktop"],
            ),
            (
                "claude-cli/2.0.17 (external, cli, win32-x64)",
                ["claude-code", "2.0.17", "", "", "Windows", "", "desktop"],
            ),
            ("Anthropic/Python 0.60.0", ["sdk-python", "0.60.0", "", "", "", "", "program"]),
            ("Anthropic/JS 0.52.0", ["sdk-typescript", "0.52.0", "", "", "", "", "program"]),
            ("Okta SCIM Client 1.0.0", ["scim", "1.0.0", "", "", "", "", "program"]),
            ("curl/8.4.1", ["curl", "8.4.1", "", "", "", "", "program"]),
            ("python-requests/2.32.0", ["python-requests", "2.32.0", "", "", "", "", "program"]),
            ("Go-http-client/1.1", ["go-http", "1.1", "", "", "", "", "program"]),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/124.0.6367.78 Safari/537.36",
                ["headless-browser", "124.0.6367.78", "Chrome", "124.0.6367.78", "Linux", "", "program"],
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                ["bot", "", "", "", "", "", "bot"],
            ),
            ("acme-sync/3.1 (internal)", ["other", "3.1", "", "", "", "", "program"]),
        ] {
            assert_eq!(parts(agent), expected, "{agent}");
        }
        assert_eq!(look_up(""), None);
        assert_eq!(look_up(" - "), None);
    }

    #[test]
    fn every_line_of_the_data_counts() {
        let lines =
            include_str!("../data/clients.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(lines.count(), CLIENTS.len());
        for client in CLIENTS.iter() {
            assert!(
                client.texts.iter().all(|text| *text == text.to_lowercase() && !text.is_empty()),
                "{}",
                client.name
            );
            assert!(
                ["auto", "desktop", "mobile", "program", "bot"].contains(&client.device),
                "{}: {}",
                client.name,
                client.device
            );
        }
    }

    #[test]
    fn long_ones_are_bounded() {
        let long = format!("curl/8.0 {}", "Mozilla/5.0 (".repeat(100_000));
        assert_eq!(parts(&long)[0], "curl");
        let text = look_up(&"9/".repeat(1_000_000)).unwrap();
        assert!(text.len() < 1_000);
        assert!(head(&"é".repeat(1_000)).len() <= MAX_BYTES);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(Mozilla/5.0 |Claude/|Anthropic/Python |Mac OS X |\\PC){0,20}") {
            if let Some(found) = look_up(&text) {
                prop_assert_eq!(found.split(activity::PART_SEPARATOR).count(), AgentPart::COUNT);
            }
        }
    }
}
