//! Alerts for tests: one of everyday life, and one that is as hostile as text can be.

use auditlake_store::alert::{self, Finding, Severity, State, Step};
use jiff::Timestamp;

use crate::notice::{Event, Notice};

/// An alert as detection raises it.
pub(crate) fn alert() -> alert::Alert {
    let at = |seconds: i64| Timestamp::from_second(1_790_000_000 + seconds).expect("a time");
    alert::Alert {
        finding: Finding {
            id: "alert_01J9".into(),
            rule: "sso_disabled".into(),
            rule_title: "Single sign-on switched off".into(),
            severity: Severity::High,
            title: "alice@example.com switched single sign-on off".into(),
            entity: "alice@example.com".into(),
            count: 3,
            first: at(0),
            last: at(120),
            activities: vec!["activity_1".into(), "activity_2".into(), "activity_3".into()],
            summary: "Members can sign in without the identity provider.\nWho took an account over keeps it.".into(),
            next_steps: vec![
                Step { text: "Ask alice@example.com whether it was them".into(), search: None },
                Step { text: "Switch it on again".into(), search: Some("type:sso* actor:alice@example.com".into()) },
            ],
            false_positives: vec!["A change of the identity provider".into()],
            tags: vec!["attack.t1556".into(), "attack.persistence".into()],
            organization: Some("org_01".into()),
            source: Some("main".into()),
            historical: false,
        },
        state: State::Open,
        raised_at: at(125),
        changed_at: at(125),
        news: 7,
        history: Vec::new(),
    }
}

/// What is told when it opens.
pub(crate) fn notice() -> Notice {
    Notice::of(&alert(), Event::Opened, Some("https://auditlake.example/"))
}

/// A notice in which every text that strangers can set is hostile, and filled up to so many characters.
pub(crate) fn hostile(length: usize) -> Notice {
    let text = |what: &str| {
        let mut text = format!("{what}<!channel> <@U012ABC> @everyone <script>alert(1)</script> ");
        text.push_str("**bold** [click](https://evil.example) <https://evil.example|ours> </td>&lt;!here&gt; \u{202e}gpj.exe\u{200b}\r\n");
        text.push_str("Bcc: victim@example.com\r\n.\r\nQUIT\r\n\u{1b}[2J\0");
        while text.len() < length {
            text.push_str("<!here>&*_`");
        }
        text
    };
    let mut alert = alert();
    let found = &mut alert.finding;
    found.title = text("title");
    found.summary = text("summary");
    found.entity = text("entity");
    found.rule_title = text("rule");
    found.organization = Some(text("organization"));
    found.source = Some(text("source"));
    found.tags = vec!["attack.t1<!here>".into()];
    found.activities = vec![text("activity"); 3];
    found.next_steps = vec![Step { text: text("step"), search: Some(text("search")) }; 3];
    let mut notice = Notice::of(&alert, Event::Opened, Some("https://auditlake.example"));
    (notice.by, notice.note) = (Some(text("by")), Some(text("note")));
    notice
}
