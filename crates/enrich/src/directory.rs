//! Who the people are: a CSV file of the company's directory.
//!
//! The first line names the columns, in the usual spellings and any order. Whatever else stands there is left alone. What is wrong with
//! one line costs no other line, and is told with its number.

use std::{collections::HashMap, path::Path, sync::Arc};

use activity::{
    Record,
    identity::{is_placeholder, key_identity},
    join_parts,
};

use crate::{EnrichError, Result, cache::Seeded};

/// People by what names them.
pub struct Directory {
    /// By e-mail address in lower case and by id; the place in `texts`.
    by_name: HashMap<Box<str>, u32, Seeded>,
    texts: Vec<Arc<str>>,
    /// Lines that are of no use, or only in part.
    pub problems: Vec<Problem>,
    /// How many lines are of no use, or only in part.
    pub problem_count: usize,
}

/// A line that is of no use, or only in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// So many problems are kept to be shown; all are counted.
const MOST_PROBLEMS: usize = 20;
/// A field of the file is cut after so many characters.
const MOST_CHARS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Email,
    UserId,
    Name,
    Department,
    Manager,
    ServiceAccount,
}

const COLUMNS: [(Column, &[&str]); 6] = [
    (Column::Email, &["email", "emailaddress", "mail", "primaryemail", "workemail", "userprincipalname", "upn"]),
    (Column::UserId, &["userid", "id", "claudeuserid", "actorid", "actoruserid"]),
    (Column::Name, &["name", "fullname", "displayname", "personname"]),
    (Column::Department, &["department", "dept", "team", "orgunit", "division"]),
    (Column::Manager, &["manager", "manageremail", "managername", "reportsto"]),
    (Column::ServiceAccount, &["serviceaccount", "isserviceaccount", "service", "robot", "nonhuman"]),
];

impl Directory {
    /// Reads a directory; `path` is for messages.
    ///
    /// # Errors
    /// If it has no header that names an address or an id, or is no text.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Directory> {
        let bad = |message: String| EnrichError::Directory { path: path.to_owned(), message };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            bad(format!("line {line} is not UTF-8; save the file as UTF-8"))
        })?;
        let first = text.lines().next().unwrap_or_default();
        let delimiter = [b',', b';', b'\t']
            .into_iter()
            .max_by_key(|&sign| (first.bytes().filter(|&byte| byte == sign).count(), sign == b','))
            .unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| bad(error.to_string()))?.clone();
        let columns = columns(&header).map_err(bad)?;
        let mut directory =
            Directory { by_name: HashMap::default(), texts: Vec::new(), problems: Vec::new(), problem_count: 0 };
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    directory.add(line, &record, &columns);
                }
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    directory.problem(line, error.to_string());
                }
            }
        }
        Ok(directory)
    }

    /// The number of people and machines.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    fn add(&mut self, line: u64, record: &csv::StringRecord, columns: &[(Column, usize)]) {
        let get = |wanted: Column| {
            let at = columns.iter().find(|(column, _)| *column == wanted)?.1;
            let text = record.get(at)?;
            Some(text.char_indices().nth(MOST_CHARS).map_or(text, |(end, _)| &text[..end]))
                .filter(|text| !text.is_empty())
        };
        let (email, id) = (get(Column::Email), get(Column::UserId));
        let names: Vec<String> = email
            .map(str::to_ascii_lowercase)
            .into_iter()
            .chain(id.map(|id| key_identity(id).into_owned()))
            .filter(|name| !is_placeholder(name))
            .collect();
        if names.is_empty() {
            return self.problem(line, "neither an e-mail address nor a user id".to_owned());
        }
        let service = get(Column::ServiceAccount).map(|text| (text, truth(text)));
        if let Some((text, None)) = service {
            self.problem(line, format!("service account: {text:?} is neither yes nor no"));
        }
        let service = match service.and_then(|(_, truth)| truth) {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        };
        let or_none = |text: Option<&'_ str>| text.unwrap_or_default().to_owned();
        let texts = [id, get(Column::Name), get(Column::Department), get(Column::Manager)].map(or_none);
        let [id, name, department, manager] = &texts;
        // Somebody of whom nothing but the address is known is known, too.
        let name = if texts.iter().all(String::is_empty) { email.unwrap_or_default() } else { name };
        let Some(text) = join_parts([id, name, department, manager, service]) else { return };
        let at = self.texts.len() as u32;
        self.texts.push(text.into());
        for name in names {
            if self.by_name.contains_key(name.as_str()) {
                self.problem(line, format!("{name:?} stands on an earlier line, too, which counts"));
            } else {
                self.by_name.insert(name.into(), at);
            }
        }
    }

    fn problem(&mut self, line: u64, message: String) {
        self.problem_count += 1;
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { line, message });
        }
    }

    /// Whom this name names.
    fn find(&self, name: &str) -> Option<&Arc<str>> {
        let at = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            // Ids count as they are written, addresses in lower case.
            true => self.by_name.get(name).or_else(|| self.by_name.get(name.to_ascii_lowercase().as_str())),
            false => self.by_name.get(name),
        }?;
        self.texts.get(*at as usize)
    }

    /// Who acted, by user id, e-mail address, key or service account.
    pub fn look_up(&self, record: &Record) -> Option<Arc<str>> {
        let actor = &record.activity.actor;
        let other = |wanted: &str| Some(&*record.actor_other.iter().find(|(name, _)| name == wanted)?.1);
        let by = |name: &str| self.find(name).cloned();
        actor
            .text("user_id")
            .and_then(by)
            .or_else(|| actor.text("email_address").and_then(by))
            .or_else(|| other("unauthenticated_email_address").and_then(by))
            .or_else(|| other("service_account_id").and_then(by))
            .or_else(|| {
                let key = actor.text("admin_api_key_id").or_else(|| actor.text("api_key_id"))?;
                by(&key_identity(key))
            })
    }
}

/// Which column stands where.
fn columns(header: &csv::StringRecord) -> std::result::Result<Vec<(Column, usize)>, String> {
    let mut found: Vec<(Column, usize)> = Vec::new();
    for (at, name) in header.iter().enumerate() {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let Some((column, _)) = COLUMNS.iter().find(|(_, names)| names.contains(&plain.as_str())) else { continue };
        if found.iter().any(|(other, _)| other == column) {
            return Err(format!("line 1: two columns are {column:?}, the second one is {name:?}"));
        }
        found.push((*column, at));
    }
    match found.iter().any(|(column, _)| matches!(column, Column::Email | Column::UserId)) {
        true => Ok(found),
        false => Err("line 1 names no column `email` or `user_id`".to_owned()),
    }
}

fn truth(text: &str) -> Option<bool> {
    Some(match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "t" | "1" | "x" => true,
        "no" | "n" | "false" | "f" | "0" | "-" => false,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use activity::{Activity, PersonPart};

    use super::*;

    fn read(text: &str) -> Result<Directory> {
        Directory::read(Path::new("people.csv"), text.as_bytes())
    }

    fn of(directory: &Directory, actor: &str) -> Option<Arc<str>> {
        let text = format!(r#"{{"id":"a","created_at":"2026-01-01T00:00:00Z","type":"t","actor":{actor}}}"#);
        directory.look_up(&Record::of(&Activity::parse_str(&text).unwrap()))
    }

    #[test]
    fn finds_people_and_machines() {
        let directory = read(
            "\u{feff}Name;E-Mail;Office;User ID;Department;Manager;Service account\n\
             \"Lovelace; Ada\";Ada@Example.com;3;user_1;Engines;boss@example.com;no\n\
             Robot;;;apikey_01A;;;yes\n;nobody@example.com\n",
        )
        .unwrap();
        assert_eq!((directory.len(), directory.problems.as_slice()), (3, [].as_slice()));
        let ada = of(&directory, r#"{"email_address":"ADA@example.COM"}"#).unwrap();
        assert_eq!(PersonPart::Name.of(&ada), Some("Lovelace; Ada"));
        assert_eq!(PersonPart::Manager.of(&ada), Some("boss@example.com"));
        assert_eq!(PersonPart::ServiceAccount.of(&ada), Some("false"));
        for actor in [
            r#"{"user_id":"user_1","email_address":"unknown@invalid.internal"}"#,
            r#"{"unauthenticated_email_address":"ada@example.com"}"#,
        ] {
            assert_eq!(of(&directory, actor).as_ref(), Some(&ada), "{actor}");
        }
        let robot = of(&directory, r#"{"api_key_id":"apikey_01A"}"#).unwrap();
        assert_eq!(of(&directory, r#"{"admin_api_key_id":"admin_api_key_01A"}"#), Some(robot.clone()));
        assert_eq!(PersonPart::ServiceAccount.of(&robot), Some("true"));
        assert_eq!(of(&directory, r#"{"user_id":"user_2"}"#), None);
        let bare = of(&directory, r#"{"email_address":"nobody@example.com"}"#).unwrap();
        assert_eq!(PersonPart::Name.of(&bare), Some("nobody@example.com"));
    }

    #[test]
    fn tells_what_is_wrong_and_where() {
        let directory = read(
            "email,name,service_account\na@example.com,A,perhaps\n,Nobody,\n\"multi\nline@example.com\",M,1\nA@EXAMPLE.com,Twice,no\nunknown@invalid.internal,Ghost,no\n",
        )
        .unwrap();
        let problems: Vec<String> = directory.problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            problems,
            [
                "line 2: service account: \"perhaps\" is neither yes nor no",
                "line 3: neither an e-mail address nor a user id",
                "line 6: \"a@example.com\" stands on an earlier line, too, which counts",
                "line 7: neither an e-mail address nor a user id",
            ]
        );
        for (text, message) in [
            ("", "people.csv: line 1 names no column `email` or `user_id`"),
            ("name,department\nA,B\n", "people.csv: line 1 names no column `email` or `user_id`"),
            ("email,mail\n", "people.csv: line 1: two columns are Email, the second one is \"mail\""),
        ] {
            assert_eq!(read(text).err().unwrap().to_string(), message);
        }
        let error = Directory::read(Path::new("p"), b"email\na@b.c\n\xff\n").err().unwrap();
        assert_eq!(error.to_string(), "p: line 3 is not UTF-8; save the file as UTF-8");
    }
}
