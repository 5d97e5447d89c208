//! JSON objects, written member by member into a buffer.
//!
//! Nothing is built first: a member costs its bytes. Keys of our own are written as they stand, everything else is escaped.

use serde::Serialize;

use crate::time;

/// An object that is being written. Members that have no value are left out.
pub(crate) struct Object<'b> {
    out: &'b mut Vec<u8>,
    is_empty: bool,
}

/// Writes an object with the members that `write` adds.
pub(crate) fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object)) {
    out.push(b'{');
    write(&mut Object { out, is_empty: true });
    out.push(b'}');
}

impl Object<'_> {
    /// Begins a member whose key needs no escape.
    fn key(&mut self, key: &str) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        text(value, self.out);
    }

    /// A text, unless there is none or it is empty.
    pub(crate) fn some(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.text(key, value);
        }
    }

    /// A text, or `null`.
    pub(crate) fn nullable(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.json(key, b"null"),
        }
    }

    /// A number, a boolean, or whatever else has a JSON form of its own.
    pub(crate) fn value(&mut self, key: &str, value: impl Serialize) {
        self.key(key);
        // Writing plain values into memory cannot fail.
        let _ = serde_json::to_writer(&mut *self.out, &value);
    }

    /// As [`Object::value`], if there is one.
    pub(crate) fn some_value(&mut self, key: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.value(key, value);
        }
    }

    /// A time as RFC 3339 to the microsecond.
    pub(crate) fn time(&mut self, key: &str, micros: i64) {
        self.key(key);
        self.out.push(b'"');
        time::write(micros, self.out);
        self.out.push(b'"');
    }

    /// A member that is JSON already.
    pub(crate) fn json(&mut self, key: &str, json: &[u8]) {
        self.key(key);
        on_one_line(json, self.out);
    }

    /// A member under a key that strangers wrote, JSON already.
    pub(crate) fn foreign(&mut self, key: &str, json: &str) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        text(key, self.out);
        self.out.push(b':');
        on_one_line(json.as_bytes(), self.out);
    }

    /// A text under a key that strangers wrote.
    pub(crate) fn foreign_text(&mut self, key: &str, value: &str) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        text(key, self.out);
        self.out.push(b':');
        text(value, self.out);
    }

    /// An object; left out if nothing is written into it.
    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object)) {
        let (start, was_empty) = (self.out.len(), self.is_empty);
        self.key(key);
        self.out.push(b'{');
        let mut inner = Object { out: &mut *self.out, is_empty: true };
        write(&mut inner);
        if inner.is_empty {
            self.out.truncate(start);
            self.is_empty = was_empty;
        } else {
            self.out.push(b'}');
        }
    }

    /// An object that is there even if it is empty.
    pub(crate) fn whole_object(&mut self, key: &str, write: impl FnOnce(&mut Object)) {
        self.key(key);
        object(self.out, write);
    }

    /// A list of texts, each once and none empty; left out if there is none.
    pub(crate) fn texts<'t>(&mut self, key: &str, values: impl IntoIterator<Item = &'t str>) {
        self.list(key, |list| {
            let mut seen: [&str; 8] = [""; 8];
            let mut count = 0;
            for value in values {
                if value.is_empty() || seen[..count].contains(&value) {
                    continue;
                }
                if count < seen.len() {
                    seen[count] = value;
                    count += 1;
                }
                list.text(value);
            }
        });
    }

    /// A list; left out if nothing is written into it.
    pub(crate) fn list(&mut self, key: &str, write: impl FnOnce(&mut List)) {
        let (start, was_empty) = (self.out.len(), self.is_empty);
        self.key(key);
        self.out.push(b'[');
        let mut inner = List { out: &mut *self.out, is_empty: true };
        write(&mut inner);
        if inner.is_empty {
            self.out.truncate(start);
            self.is_empty = was_empty;
        } else {
            self.out.push(b']');
        }
    }
}

/// A list that is being written.
pub(crate) struct List<'b> {
    out: &'b mut Vec<u8>,
    is_empty: bool,
}

impl List<'_> {
    fn next(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.next();
        text(value, self.out);
    }

    pub(crate) fn object(&mut self, write: impl FnOnce(&mut Object)) {
        self.next();
        object(self.out, write);
    }
}

/// Whether a byte stands in a JSON string only escaped.
const ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 0x20 {
        table[at] = true;
        at += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// A text between quotes.
pub(crate) fn text(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = value.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !ESCAPED[usize::from(byte)] {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(other >> 4)]);
                out.push(DIGITS[usize::from(other & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// JSON without its line ends: inside a JSON string none can stand, so that the value stays the same.
pub(crate) fn on_one_line(json: &[u8], out: &mut Vec<u8>) {
    if json.iter().any(|&byte| byte == b'\n' || byte == b'\r') {
        out.extend(json.iter().filter(|&&byte| byte != b'\n' && byte != b'\r'));
    } else {
        out.extend_from_slice(json);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_come_back(value: String) {
            let mut out = Vec::new();
            text(&value, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), value);
            prop_assert!(!out.iter().any(|byte| *byte < 0x20));
        }
    }

    #[test]
    fn leaves_out_what_is_not_there() {
        let mut out = Vec::new();
        object(&mut out, |o| {
            o.some("none", None);
            o.object("empty", |o| o.some("a", Some("")));
            o.texts("list", ["", ""]);
            o.object("full", |o| o.value("n", 1));
            o.texts("twice", ["a", "b", "a"]);
            o.whole_object("whole", |_| {});
        });
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"full":{"n":1},"twice":["a","b"],"whole":{}}"#);
    }
}
