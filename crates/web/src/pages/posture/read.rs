//! Reads the changes of settings out of the log: the newest of each type, and of the types that have more all the older
//! ones, as one type may tell of many settings and each counts for itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use activity::{Activity, Record};
use auditlake_store::{
    Columns, Engine, Latest, Result, Rows, Select, StoreError, Tally, Window,
    filter::{self, Filter, Known, Test},
};
use futures::TryStreamExt;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Posture, Setting, setting};
use crate::answer::json_objects;

/// So many changes of a type in an organization are looked at first, and so many in all.
const EACH: u64 = 200;
const CHANGES: u64 = 5_000;
/// Of the types that have more, so many are looked at.
const OLDER: u64 = 20_000;
/// Types in organizations are counted; there are not so many.
const GROUPS: u64 = 10_000;
/// So many changes of a setting are kept, beside their number.
const KEPT: usize = 16;

/// The categories whose changes say how an organization is set.
const CATEGORIES: &str = "category:(organization_settings OR sso OR domains OR directory_sync OR members OR invites OR join_requests OR \
     network_access OR data_protection OR encryption_keys OR inference_hooks OR cowork OR compliance OR claude_code OR code_review OR \
     code_security OR usage_reports OR github OR google_drive OR slack OR mcp OR plugins OR billing) read_only:false -outcome:failure \
     -type:*_user_* -type:*_vulnerability_* -type:*_onboarding_guide_*";

/// A setting's name, its subject, and whose it is.
type Key = (String, Option<String>, Option<String>);

#[derive(Default)]
struct Reading {
    found: BTreeMap<Key, Setting>,
    /// The activities that were looked at, by type: how many, and whether any told of a setting.
    types: HashMap<String, (u64, bool)>,
    seen: HashSet<String>,
    /// The time of the oldest one.
    oldest: Option<Timestamp>,
}

/// All changes that were read.
pub struct History {
    settings: Vec<Setting>,
    /// As in a [`Posture`].
    pub unread: Option<(Timestamp, Vec<String>)>,
}

impl History {
    /// Every setting as it was at a time, or is at the end.
    pub fn until(&self, at: Option<Timestamp>) -> Posture {
        let as_it_was = |setting: &Setting| {
            let before = |change: &&setting::Change| at.is_none_or(|at| change.at < at);
            let changes = setting.changes.iter().filter(before);
            let count = changes.clone().count();
            let changes: Vec<_> = changes.take(KEPT).cloned().collect();
            let mut setting = Setting {
                changes,
                count,
                name: setting.name.clone(),
                subject: setting.subject.clone(),
                org: setting.org.clone(),
                category: setting.category.clone(),
            };
            setting.tidy();
            (count > 0).then_some(setting)
        };
        Posture { settings: self.settings.iter().filter_map(as_it_was).collect(), unread: self.unread.clone() }
    }
}

/// The changes of every setting, up to a time or all.
pub async fn read(engine: &dyn Engine, at: Option<Timestamp>) -> Result<History> {
    let filter = filter::parse(CATEGORIES).unwrap_or(Filter::All);
    let window = Window { since: None, until: at };
    let (each, limit) = (EACH, CHANGES);
    let mut reading = Reading::default();
    reading.take(engine.latest(&Latest { filter: filter.clone(), window, each, limit }).await?).await?;
    let by = vec!["eventName".to_owned()];
    let counts = engine.tally(&Tally { by, width: None, filter: filter.clone(), window, limit: GROUPS }).await?;
    let one = |group: &auditlake_store::Group| Some((group.values.first()?.clone()?, group.count));
    let more: Vec<String> = counts.iter().filter_map(one).filter_map(|one| reading.has_more(one)).collect();
    let mut unread = None;
    if !more.is_empty() {
        let types = Filter::or(more.iter().map(|name| Filter::test(Known::Type, Test::Equals(name.clone()))));
        let filter = Filter::and([filter, types]);
        let select = Select { filter, window, limit: Some(OLDER), columns: Columns::Raw, ..Select::default() };
        reading.oldest = None;
        let count = reading.take(engine.select(&select).await?).await?;
        unread = reading.oldest.filter(|_| count == OLDER);
    }
    Ok(History { settings: reading.found.into_values().collect(), unread: unread.map(|since| (since, more)) })
}

impl Reading {
    /// Takes changes in. Says how many there were.
    async fn take(&mut self, rows: Rows) -> Result<u64> {
        let (mut batches, mut count) = (rows.batches, 0);
        while let Some(batch) = batches.try_next().await? {
            for row in json_objects(&batch)? {
                count += 1;
                self.take_one(&row)?;
            }
        }
        Ok(count)
    }

    fn take_one(&mut self, row: &Map<String, Value>) -> Result<()> {
        let raw = row.get("rawLog").and_then(Value::as_str).unwrap_or_default();
        let Ok(activity) = Activity::parse_str(raw) else { return Ok(()) };
        self.oldest = Some(self.oldest.map_or(activity.created_at, |oldest| oldest.min(activity.created_at)));
        if !self.seen.insert(activity.id.to_string()) {
            return Ok(());
        }
        let record = Record::of(&activity);
        let body: Value = serde_json::from_str(raw).map_err(unreadable)?;
        let told = setting::changes(&record, &body);
        let (looked_at, tells) = self.types.entry(activity.kind.to_string()).or_default();
        *looked_at += 1;
        *tells |= !told.is_empty();
        for named in told {
            let org = activity.organization_id.as_deref().map(str::to_owned);
            let setting =
                self.found.entry((named.name.clone(), named.subject.clone(), org.clone())).or_insert_with(|| Setting {
                    name: named.name,
                    subject: named.subject,
                    org,
                    category: record.category.to_string(),
                    changes: Vec::new(),
                    count: 0,
                });
            setting.add(named.change);
        }
        Ok(())
    }

    /// The type, if there are older ones of it that may tell of other settings.
    fn has_more(&self, (name, count): (String, u64)) -> Option<String> {
        let (looked_at, tells) = self.types.get(&name).copied().unwrap_or_default();
        (looked_at < count && (tells || looked_at == 0)).then_some(name)
    }
}

impl Setting {
    fn add(&mut self, change: setting::Change) {
        self.count += 1;
        // Several types tell of one setting, so what comes next may be newer.
        let at = self.changes.partition_point(|other| (other.at, &other.id) > (change.at, &change.id));
        self.changes.insert(at, change);
    }

    /// Where a record does not say what was before, the change before it does. What was the same before is not worth a word.
    fn tidy(&mut self) {
        for at in 0..self.changes.len() {
            let earlier = self.changes.get(at + 1).map(|change| change.after.clone());
            let change = &mut self.changes[at];
            change.before = change.before.take().or(earlier).filter(|before| *before != change.after);
        }
    }
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Engine { doing: "reading a raw log", message: error.to_string() }
}
