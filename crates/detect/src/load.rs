//! Rule files to rules: one file may hold several documents, and each is read or refused by itself.

use std::{fs, path::Path, path::PathBuf};

use auditlake_store::alert::Severity;
use rsigma_parser::{Level, Timespan, parse_sigma_yaml};
use serde::{Deserialize, de::DeserializeOwned};
use yaml_serde::Value;

use crate::{
    error::{Place, Problem},
    rule::{Detector, Exception, Kind, More, Override, Rule},
};

/// A length of time in seconds, written as `30d`, `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub u64);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Timespan::parse(&text).map(|span| Span(span.seconds)).map_err(|error| error.to_string())
    }
}

/// What stands in rule files.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Rules, in their order.
    pub rules: Vec<Rule>,
    /// Exceptions for rules of any file.
    pub exceptions: Vec<(Place, Exception)>,
    /// What is otherwise here.
    pub overrides: Vec<(Place, Override)>,
    /// What was refused.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Adds what another file holds.
    pub fn add(&mut self, more: Loaded) {
        self.rules.extend(more.rules);
        self.exceptions.extend(more.exceptions);
        self.overrides.extend(more.overrides);
        self.problems.extend(more.problems);
    }
}

/// Where a deployment's own rules stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// A directory or file that the operator keeps: rules, exceptions, overrides.
    pub rules: Option<PathBuf>,
    /// A file of overrides that the program keeps, which may be missing; it counts more than `rules`.
    pub switches: Option<PathBuf>,
}

impl Own {
    /// Reads all of it.
    pub fn load(&self) -> Loaded {
        let mut loaded = self.rules.as_deref().map(directory).unwrap_or_default();
        if let Some(switches) = self.switches.as_deref().filter(|path| path.exists()) {
            loaded.add(directory(switches));
        }
        loaded
    }

    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.rules.iter().chain(&self.switches).map(PathBuf::as_path)
    }
}

/// Reads every `.yml` and `.yaml` file below a directory, or one file, in the order of their names.
pub fn directory(path: &Path) -> Loaded {
    let mut files = Vec::new();
    let mut loaded = Loaded::default();
    collect(path, &mut files, &mut loaded);
    files.sort();
    for file in files {
        let shown = file.display().to_string();
        match fs::read_to_string(&file) {
            Ok(text) => loaded.add(read(&shown, &text, false)),
            Err(error) => loaded.problems.push(Problem {
                place: Place { file: shown, line: 0 },
                rule: None,
                reason: format!("cannot be read: {error}"),
            }),
        }
    }
    loaded
}

fn collect(path: &Path, files: &mut Vec<PathBuf>, loaded: &mut Loaded) {
    if path.is_file() {
        files.push(path.to_owned());
        return;
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            let place = Place { file: path.display().to_string(), line: 0 };
            loaded.problems.push(Problem { place, rule: None, reason: format!("cannot be read: {error}") });
            return;
        }
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = path.extension().is_some_and(|end| end == "yml" || end == "yaml");
        if !is_hidden && (path.is_dir() || is_yaml) {
            collect(&path, files, loaded);
        }
    }
}

/// Reads one file's text.
pub fn read(file: &str, text: &str, is_builtin: bool) -> Loaded {
    let mut loaded = Loaded::default();
    for (line, part) in documents(text) {
        let place = Place { file: file.to_owned(), line };
        if let Err(reason) = document(&place, part, is_builtin, &mut loaded) {
            let (at, reason) = reason;
            let line = if at == 0 { line } else { line + at - 1 };
            let place = Place { file: file.to_owned(), line };
            loaded.problems.push(Problem { place, rule: named(part), reason });
        }
    }
    loaded
}

/// The documents of a file with the line on which each begins.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut list = Vec::new();
    let (mut begin, mut first, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            list.push((first, &text[begin..at]));
            (begin, first) = (at + line.len(), number + 2);
        }
        at += line.len();
    }
    list.push((first, &text[begin..]));
    list.retain(|(_, part)| part.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')));
    list
}

/// The rule's name, as far as it can be told from a broken document.
fn named(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("name:"))?;
    Some(line.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned())
}

/// The line in the document, 0 if it is unknown, and the reason.
type Refused = (usize, String);

fn document(place: &Place, text: &str, is_builtin: bool, loaded: &mut Loaded) -> Result<(), Refused> {
    let value: Value = yaml_serde::from_str(text).map_err(|error| yaml(&error))?;
    let Value::Mapping(map) = &value else { return Err((0, "a rule is a mapping".to_owned())) };
    let part = |name: &str| map.get(Value::String(name.to_owned()));
    if part("exceptions").is_some() || part("overrides").is_some() {
        let exceptions: Vec<Exception> = typed("exceptions", part("exceptions"), text)?.unwrap_or_default();
        let overrides: Vec<Override> = typed("overrides", part("overrides"), text)?.unwrap_or_default();
        loaded.exceptions.extend(exceptions.into_iter().map(|one| (place.clone(), one)));
        loaded.overrides.extend(overrides.into_iter().map(|one| (place.clone(), one)));
        return Ok(());
    }
    let more: More = typed("auditlake", part("auditlake"), text)?.unwrap_or_default();
    let detector: Option<Detector> = typed("detector", part("detector"), text)?;
    if detector == Some(Detector::Silence) {
        loaded.rules.push(silence(place, text, map, more, is_builtin)?);
        return Ok(());
    }
    let mut read = parse_sigma_yaml(text).map_err(|error| (0, error.to_string()))?;
    if let Some(error) = read.errors.pop() {
        return Err((0, error));
    }
    let rule = match (read.rules.pop(), read.correlations.pop()) {
        (Some(rule), None) => sigma(place, text, rule, detector, more, is_builtin)?,
        (None, Some(rule)) if detector.is_none() => correlation(place, text, rule, more, is_builtin)?,
        (None, Some(_)) => return Err((0, "a correlation has no detector".to_owned())),
        _ => return Err((0, "neither `detection` nor `correlation`".to_owned())),
    };
    loaded.rules.push(rule);
    Ok(())
}

fn typed<T: DeserializeOwned>(name: &str, value: Option<&Value>, text: &str) -> Result<Option<T>, Refused> {
    let Some(value) = value else { return Ok(None) };
    let line = text.lines().position(|line| line.starts_with(&format!("{name}:"))).map_or(0, |at| at + 1);
    yaml_serde::from_value(value.clone()).map(Some).map_err(|error| (line, format!("{name}: {error}")))
}

fn yaml(error: &yaml_serde::Error) -> Refused {
    (error.location().map_or(0, |location| location.line()), error.to_string())
}

fn sigma(
    place: &Place,
    text: &str,
    rule: rsigma_parser::SigmaRule,
    detector: Option<Detector>,
    more: More,
    is_builtin: bool,
) -> Result<Rule, Refused> {
    let source = &rule.logsource;
    let is_ours = |name: &Option<String>, ours: &str| name.as_deref().is_none_or(|name| name == ours);
    if !is_ours(&source.product, "anthropic") || !is_ours(&source.service, "compliance") {
        return Err((0, "logsource is not `product: anthropic, service: compliance`".to_owned()));
    }
    Ok(Rule {
        id: identifier(rule.name.as_deref(), rule.id.as_deref(), &rule.title)?,
        uuid: rule.id.clone(),
        title: rule.title.clone(),
        description: rule.description.clone().unwrap_or_default(),
        severity: severity(rule.level),
        tags: rule.tags.clone(),
        false_positives: rule.falsepositives.clone(),
        place: place.clone(),
        text: text.to_owned(),
        is_builtin,
        enabled: more.enabled,
        kind: match detector {
            Some(detector) => Kind::Detector(Box::new(rule), detector),
            None => Kind::Sigma(Box::new(rule)),
        },
        more,
    })
}

fn correlation(
    place: &Place,
    text: &str,
    rule: rsigma_parser::CorrelationRule,
    more: More,
    is_builtin: bool,
) -> Result<Rule, Refused> {
    Ok(Rule {
        id: identifier(rule.name.as_deref(), rule.id.as_deref(), &rule.title)?,
        uuid: rule.id.clone(),
        title: rule.title.clone(),
        description: rule.description.clone().unwrap_or_default(),
        severity: severity(rule.level),
        tags: rule.tags.clone(),
        false_positives: rule.falsepositives.clone(),
        place: place.clone(),
        text: text.to_owned(),
        is_builtin,
        enabled: more.enabled,
        kind: Kind::Correlation(Box::new(rule)),
        more,
    })
}

/// A silence rule has no condition, so that it is no Sigma.
fn silence(
    place: &Place,
    text: &str,
    map: &yaml_serde::Mapping,
    more: More,
    is_builtin: bool,
) -> Result<Rule, Refused> {
    let word = |name: &str| map.get(Value::String(name.to_owned())).and_then(Value::as_str).map(str::to_owned);
    let words = |name: &str| match map.get(Value::String(name.to_owned())) {
        Some(Value::Sequence(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let title = word("title").ok_or((0, "title is missing".to_owned()))?;
    let level = word("level").unwrap_or_else(|| "high".to_owned());
    Ok(Rule {
        id: identifier(word("name").as_deref(), None, &title)?,
        uuid: word("id"),
        title,
        description: word("description").unwrap_or_default(),
        severity: level.parse().map_err(|error: String| (0, format!("level: {error}")))?,
        tags: words("tags"),
        false_positives: words("falsepositives"),
        place: place.clone(),
        text: text.to_owned(),
        is_builtin,
        enabled: more.enabled,
        kind: Kind::Silence,
        more,
    })
}

fn severity(level: Option<Level>) -> Severity {
    match level {
        Some(Level::Informational) => Severity::Informational,
        Some(Level::Low) => Severity::Low,
        Some(Level::High) => Severity::High,
        Some(Level::Critical) => Severity::Critical,
        Some(Level::Medium) | None => Severity::Medium,
    }
}

/// The rule's ID: its name, else Sigma's id, else its title in the form of a name.
fn identifier(name: Option<&str>, id: Option<&str>, title: &str) -> Result<String, Refused> {
    let id = match name.or(id) {
        Some(id) => id.to_owned(),
        None => {
            let words: Vec<String> = title
                .split(|sign: char| !sign.is_ascii_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect();
            words.join("-")
        }
    };
    let is_fine = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
    match !id.is_empty() && id.len() <= 100 && id.chars().all(is_fine) {
        true => Ok(id),
        false => Err((0, format!("name: {id:?} is more than letters, digits, hyphens, dots and underscores"))),
    }
}
