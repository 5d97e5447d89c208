//! What an activity is in the words of other schemas: the OCSF class and activity, the ECS category and type.
//!
//! The data is `data/mapping.json`. A type's name tells what was done, its category to what kind of thing; single types say
//! it otherwise. Types that no catalogue has go the same way. Every known type is worked out once.

use std::{collections::HashMap, sync::LazyLock};

use serde::Deserialize;

/// The data file, as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    #[serde(rename = "about")]
    _about: String,
    /// Operations, each with the last words of names that say it.
    operations: HashMap<String, Vec<String>>,
    classes: HashMap<u32, ClassData>,
    /// For each ECS category, the type of each operation; `default` holds for all, `*` for the operations not named.
    ecs: HashMap<String, HashMap<String, String>>,
    categories: HashMap<String, Entry>,
    types: HashMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassData {
    caption: String,
    category: (u32, String),
    activities: HashMap<String, (u32, String)>,
    /// The class of operations that this one has no activity for.
    otherwise: Option<u32>,
}

/// What is said of a category or of a type; a type's words go before its category's.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Entry {
    class: Option<u32>,
    #[serde(rename = "do")]
    operation: Option<String>,
    thing: Option<String>,
    /// OCSF's `entity.type_id`.
    entity: Option<u32>,
    ecs: Option<String>,
    ecs_type: Option<String>,
    /// In ECS category `iam`: whom it is about.
    subject: Option<String>,
    severity: Option<u32>,
}

/// What an activity is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// What was done, in our own words: `create`, `read`, `logon`, …
    pub operation: &'static str,
    /// What it was done to, such as `API Key`.
    pub thing: &'static str,
    /// OCSF's `class_uid`.
    pub class: u32,
    /// OCSF's `class_name`.
    pub class_name: &'static str,
    /// OCSF's `category_uid`.
    pub category: u32,
    /// OCSF's `category_name`.
    pub category_name: &'static str,
    /// OCSF's `activity_id`.
    pub activity: u32,
    /// OCSF's `activity_name`.
    pub activity_name: &'static str,
    /// OCSF's `severity_id`; `None` if it follows from the outcome.
    pub severity: Option<u32>,
    /// OCSF's `entity.type_id`.
    pub entity: u32,
    /// ECS' `event.category`.
    pub ecs_category: &'static str,
    /// ECS' `event.type`: one or two.
    pub ecs_types: [Option<&'static str>; 2],
}

/// OCSF's number for an activity that a class has no number for.
const OTHER: u32 = 99;

static DATA: LazyLock<Data> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    serde_json::from_str(include_str!("../data/mapping.json")).expect("data/mapping.json")
});

static WORDS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let operations = DATA.operations.iter();
    operations.flat_map(|(name, words)| words.iter().map(move |word| (word.as_str(), name.as_str()))).collect()
});

static KNOWN: LazyLock<HashMap<&'static str, Meaning>> = LazyLock::new(|| {
    activity::catalog::types().iter().map(|info| (info.name.as_str(), work_out(&info.name, &info.category))).collect()
});

/// What an activity of this type and category means.
pub fn of(name: &str, category: &str) -> Meaning {
    match KNOWN.get(name) {
        Some(meaning) => *meaning,
        None => work_out(name, category),
    }
}

fn work_out(name: &str, category: &str) -> Meaning {
    let data = &*DATA;
    static NOTHING: LazyLock<Entry> = LazyLock::new(Entry::default);
    let of_category =
        data.categories.get(category).or_else(|| data.categories.get(activity::classify::OTHER)).unwrap_or(&NOTHING);
    let of_type = data.types.get(name).unwrap_or(&NOTHING);
    let operation = of_type.operation.as_deref().unwrap_or_else(|| operation(name));
    let mut uid = of_type.class.or(of_category.class).unwrap_or(6003);
    #[expect(clippy::expect_used, reason = "a test looks at every class that the file names")]
    let class_of = |uid: u32| data.classes.get(&uid).expect("a class of the file");
    if let Some(other) = class_of(uid).otherwise.filter(|_| !class_of(uid).activities.contains_key(operation)) {
        uid = other;
    }
    let class = class_of(uid);
    let (activity, activity_name) = match class.activities.get(operation) {
        Some((number, name)) => (*number, name.as_str()),
        None => (OTHER, operation),
    };
    let ecs_category = of_type.ecs.as_deref().or(of_category.ecs.as_deref()).unwrap_or("api");
    let ecs_type = of_type.ecs_type.as_deref().unwrap_or_else(|| ecs_type(ecs_category, operation));
    let subject = of_type.subject.as_deref().or(of_category.subject.as_deref()).filter(|_| ecs_category == "iam");
    Meaning {
        operation,
        thing: of_type.thing.as_deref().or(of_category.thing.as_deref()).unwrap_or("Claude"),
        class: uid,
        class_name: &class.caption,
        category: class.category.0,
        category_name: &class.category.1,
        activity,
        activity_name,
        severity: of_type.severity.or(of_category.severity),
        entity: of_type.entity.or(of_category.entity).unwrap_or(OTHER),
        ecs_category,
        ecs_types: [subject, Some(ecs_type)],
    }
}

/// What was done, by the last words of the name that say it.
fn operation(name: &str) -> &'static str {
    let mut rest = name;
    loop {
        // Two words together (`logged_out`) say more than the last one of them.
        let last = rest.rsplit_once('_').map_or(rest, |(_, last)| last);
        let two = rest.rsplit('_').nth(1).map(|word| &rest[rest.len() - last.len() - 1 - word.len()..]);
        if let Some(found) = two.and_then(|two| WORDS.get(two)).or_else(|| WORDS.get(last)) {
            return found;
        }
        match rest.rsplit_once('_') {
            Some((before, _)) => rest = before,
            None => return "other",
        }
    }
}

fn ecs_type(category: &str, operation: &str) -> &'static str {
    let own = DATA.ecs.get(category);
    let found = own
        .and_then(|types| types.get(operation).or_else(|| types.get("*")))
        .or_else(|| DATA.ecs.get("default").and_then(|types| types.get(operation).or_else(|| types.get("*"))));
    found.map_or("info", String::as_str)
}

/// OCSF's names of `severity_id`.
pub(crate) fn severity_name(severity: u32) -> &'static str {
    match severity {
        1 => "Informational",
        2 => "Low",
        3 => "Medium",
        4 => "High",
        5 => "Critical",
        _ => "Unknown",
    }
}

impl Meaning {
    /// OCSF's `type_uid`.
    pub fn type_uid(&self) -> u32 {
        self.class * 100 + self.activity
    }

    /// OCSF's `severity_id`: what the type says, and at least low where something failed.
    pub fn severity_of(&self, outcome: &str) -> u32 {
        self.severity.unwrap_or(if outcome == "failure" { 2 } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, category: &str, wanted: (u32, u32, &str)) {
        let meaning = of(name, category);
        assert_eq!((meaning.class, meaning.activity, meaning.ecs_category), wanted, "{name}");
    }

    #[test]
    fn says_what_was_done() {
        check("sso_login_failed", "authentication", (3002, 1, "authentication"));
        check("user_logged_out", "sessions", (3002, 2, "authentication"));
        check("claude_chat_viewed", "chats", (6001, 2, "api"));
        check("claude_chat_deletion_failed", "chats", (6001, 4, "api"));
        check("claude_file_exported", "files", (6006, 2, "file"));
        check("platform_api_key_created", "api_keys", (3004, 1, "iam"));
        check("group_member_added", "groups", (3006, 3, "iam"));
        check("group_viewed", "groups", (3004, 2, "iam"));
        check("rbac_role_assigned", "roles", (3005, 1, "iam"));
        check("scim_user_deleted", "directory_sync", (3001, 6, "iam"));
        check("something_new_happened", "other", (6003, 99, "api"));
        check("quantum_key_created", "api_keys", (3004, 1, "iam"));
        check("", "no such category", (6003, 99, "api"));
    }

    #[test]
    fn the_file_is_whole() {
        for category in activity::catalog::categories() {
            assert!(DATA.categories.contains_key(&category.name), "{} has no class", category.name);
        }
        let known = |name: &String| activity::catalog::get(name).is_some();
        assert_eq!(DATA.types.keys().find(|name| !known(name)), None, "an entry of a type that is not there");
        assert_eq!(DATA.categories.keys().find(|name| activity::catalog::category(name).is_none()), None);
        for entry in DATA.types.values().chain(DATA.categories.values()) {
            assert!(entry.class.is_none_or(|class| DATA.classes.contains_key(&class)));
        }
        assert!(
            DATA.classes.values().all(|class| class.otherwise.is_none_or(|other| DATA.classes.contains_key(&other)))
        );
        // A word that said two things would say one of them by chance.
        assert_eq!(WORDS.len(), DATA.operations.values().map(Vec::len).sum::<usize>());
    }

    #[test]
    fn hardly_anything_is_other() {
        let others: Vec<&str> = activity::catalog::types()
            .iter()
            .filter(|info| of(&info.name, &info.category).activity == OTHER)
            .map(|info| info.name.as_str())
            .collect();
        assert_eq!(others, ["claude_project_reported"]);
    }
}
