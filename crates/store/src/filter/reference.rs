//! The reference page of the language, for `docs/`.

use std::fmt::Write;

use super::{MAX_BYTES, MAX_DEPTH, MAX_TERMS, fields};

const TEXT: &str = r#"# Filters

`search`, `tail`, `export`, the Explorer and the exceptions of rules share one small language. A filter is a list of terms;
an activity is found if all of them are true of it. The empty filter finds everything.

```text
type:sso_login_failed ip:192.0.2.0/24
category:authentication -actor:alice@example.com time:>24h
type:(claude_chat_viewed OR claude_file_viewed) "quarterly report"
updates.type:name OR new_role:*admin*
```

## Terms

| Term | Finds activities |
| --- | --- |
| `refund` | whose raw log contains the word, anywhere and in any case |
| `"quarterly report"` | whose raw log contains the phrase; between quotes nothing is special but `\"` and `\\` |
| `sso_*failed` | whose raw log contains `sso_` and, somewhere behind it, `failed` |
| `field:value` | in which the field is that value |
| `field:"a value"` | the same, taken literally: no wildcard, no network |
| `field:val*` | in which the field starts so; `*` may stand anywhere and stands for any text |
| `field:*` | in which the field is there and not `null` |
| `ip:192.0.2.0/24`, `ip:2001:db8::/32` | in which the address is in the network; `ip:192.0.2.7` knows every spelling of the address |
| `field:>400`, `>=`, `<`, `<=` | in which the number is greater, … |
| `time:>2026-01-31`, `expires_at:<2026-02-01T08:00:00+01:00` | in which the time is later, … |
| `time:>7d` | of the last seven days. An age is the point in time that long ago: `s`, `m`, `h`, `d`, `w`, `y`; `now` is one, too |
| `time:2026-01-31` | of that day (UTC); a time of day stands for its second |
| `field:(a OR b)`, `field:(>=400 <500)` | in which the terms between the parentheses are true of the field |

## Together

| Written | Means |
| --- | --- |
| `a b`, `a AND b` | both |
| `a OR b` | at least one |
| `-a`, `NOT a` | not that one |
| `(a OR b) c` | parentheses go first, then `NOT`, then `AND`, then `OR` |

`AND`, `OR` and `NOT` are operators in upper case only; `"OR"` is the word. A backslash makes the next sign an ordinary
one: `\*`, `\:`, `\(`, `\ `, `\-`, `\\`.

## What a test means

- Upper and lower case of the letters A to Z are the same in values and words. Field names are exact, and so is an activity's `id`.
- A field may have several values: every element of a list, every id of `actor`. One that passes is enough.
- A test of a field that is missing is false. So `-email:alice@example.com` also finds activities without an email
  address; add `email:*` to leave them out. `null` and an empty list are missing.
- Numbers are compared as numbers: `amount:1.50` finds `1.5`. In a text, `1.50` and `1.5` are different.
- A date alone is its first moment, midnight in UTC: `time:>2026-01-31` includes that day, and `time:<=2026-01-31` ends with its
  first moment.
- A text that is no address is in no network. `::ffff:192.0.2.7` is the address `192.0.2.7`.
- A network finds the text of that network, too, as it stands in a logged allow list.
- Words are looked for in the JSON as it was received. A letter that is written there as `\u00e9` is found only so.

## Fields

Every name that is not in the table below is a path into the raw log: `status_code`, `updates.type`, `actor.provider.issuer`.
Lists on the way are walked by themselves, so `updates.type:name` finds any update of that type (`updates[].type` is the same).
A dot inside a key is written `\.`. Where a member of the raw log has a name of the table, write `raw.` before it:
`outcome` is the record's outcome, `raw.outcome` the member that some activities carry. `tags.NAME` is one tag of the record.

What has no colon is a word, and so is what starts with a digit, a URL, or an IPv6 address: `10:30`, `https://example.com`, `2001:db8::1`.

"#;

/// The reference page of the language as Markdown.
pub fn markdown() -> String {
    let mut page = TEXT.to_owned();
    page.push_str("| Names | Values | Holds |\n| --- | --- | --- |\n");
    for info in fields() {
        let names: Vec<String> = info.names.iter().map(|name| format!("`{name}`")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| {} | {} | {} |", names.join(", "), info.kind.as_str(), info.description);
    }
    let _ = writeln!(
        page,
        "\n## Limits\n\nA filter has at most {MAX_BYTES} bytes and {MAX_TERMS} terms, with parentheses and negations at most {MAX_DEPTH} deep."
    );
    page
}
