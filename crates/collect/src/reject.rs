//! What could not be taken as an activity, kept with its reason: nothing that was received is lost.
//!
//! Rejects go to `rejects/<source>.jsonl`, a JSON object a line, and are on disk before the commit that moves past them. A
//! crash between the two writes them a second time; it never loses one.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde::Serialize;

use crate::{CollectError, Result};

/// Where something was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, after unpacking.
    Line {
        /// The file, as it was named.
        file: Arc<str>,
        /// The line on which the record begins, counted from 1.
        line: u64,
    },
    /// In the answer to a request.
    Request {
        /// The `request-id` of the answer.
        id: Arc<str>,
        /// The record's place in `data`, counted from 0.
        index: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Place::Line { file, line } => write!(f, "{file}:{line}"),
            Place::Request { id, index } => write!(f, "request {id}, data[{index}]"),
        }
    }
}

/// Something that is no activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where it stood.
    pub place: Place,
    /// What is wrong with it.
    pub reason: String,
    /// The bytes; only the first ones if it was too long to keep.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

impl Reject {
    /// The same without its bytes, for a report.
    pub(crate) fn brief(&self) -> Reject {
        Reject { bytes: Vec::new(), ..self.clone() }
    }
}

/// The form of a line.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    #[serde(rename = "where")]
    place: String,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl<'a> Line<'a> {
    fn of(reject: &'a Reject) -> Self {
        let text = std::str::from_utf8(&reject.bytes).ok();
        let base64 = text.is_none().then(|| BASE64_STANDARD.encode(&reject.bytes));
        Line { at: Timestamp::now(), place: reject.place.to_string(), reason: &reject.reason, text, base64 }
    }
}

/// The file that keeps a source's rejects. It is there only if there are any.
#[derive(Debug, Clone)]
pub struct RejectFile {
    path: PathBuf,
}

impl RejectFile {
    /// The reject file of a source below a directory.
    pub fn new(dir: &Path, source: &str) -> Self {
        let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
        let name: String = source.chars().map(|sign| if is_plain(sign) { sign } else { '_' }).collect();
        RejectFile { path: dir.join("rejects").join(format!("{name}.jsonl")) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends rejects; they are on disk when this returns.
    ///
    /// # Errors
    /// [`CollectError::Rejects`]; what was written of them stays.
    pub fn append(&self, rejects: &[Reject]) -> Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        self.write(rejects).map_err(|source| CollectError::Rejects { path: self.path.clone(), source })
    }

    fn write(&self, rejects: &[Reject]) -> io::Result<()> {
        let is_new = !self.path.exists();
        let dir = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir)?;
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let mut writer = io::BufWriter::new(&file);
        for reject in rejects {
            serde_json::to_writer(&mut writer, &Line::of(reject))?;
            writer.write_all(b"\n")?;
        }
        writer.flush()?;
        drop(writer);
        file.sync_all()?;
        if is_new { sync_dir(dir) } else { Ok(()) }
    }
}

/// Makes a new file's name durable, where directories can be synced.
fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir) {
        Ok(dir) if cfg!(unix) => dir.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_text_and_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let file = RejectFile::new(dir.path(), "acme/eu");
        file.append(&[]).unwrap();
        assert!(!file.path().exists());
        let place = Place::Line { file: "a.jsonl".into(), line: 7 };
        let text = Reject { place: place.clone(), reason: "`id` is missing".into(), bytes: b"{\"a\":1}".to_vec() };
        let place = Place::Request { id: "req_1".into(), index: 3 };
        let bytes = Reject { place, reason: "invalid UTF-8 at byte 0".into(), bytes: vec![0xff, 0] };
        file.append(std::slice::from_ref(&text)).unwrap();
        file.append(&[bytes]).unwrap();
        let written = std::fs::read_to_string(dir.path().join("rejects/acme_eu.jsonl")).unwrap();
        let lines: Vec<String> = written.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        "where":"a.jsonl:7","reason":"`id` is missing","text":"{\"a\":1}"}
        "where":"request req_1, data[3]","reason":"invalid UTF-8 at byte 0","base64":"/wA="}
        "#);
    }
}
