//! The catalogue: every activity type and actor type that is known, with the fields that each carries and what follows
//! from them: category, outcome, surface, whether anything changed, what was touched.
//!
//! The data is one readable file, `data/catalog.json`, compiled in and parsed once at first use. Unknown types are normal
//! (new ones ship every few weeks); [`get`] answers `None` for them and [`crate::classify`] guesses by name.

use std::{collections::HashMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

mod docs;
mod rule;
mod schema;
#[cfg(test)]
mod tests;

pub use docs::markdown;
pub use rule::{FieldRule, Outcome, OutcomeRule, ReadOnlyRule};
pub use schema::{Field, Shape, Variant};

/// What the catalogue says of one activity type.
///
/// Paths are dotted keys below the activity's top level, `[]` behind a key for each element of a list, as
/// [`crate::value::each_at`] reads them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeInfo {
    /// The wire value of the activity's `type`.
    #[serde(rename = "type")]
    pub name: String,
    /// The name of the one category that it belongs to; see [`categories`].
    pub category: String,
    /// The name of the product surface that it is about; see [`surfaces`].
    pub surface: String,
    /// What happened, in one line for somebody who has never seen the type.
    pub summary: String,
    /// How to tell whether the action succeeded.
    pub outcome: OutcomeRule,
    /// How to tell whether the action left everything as it was.
    pub read_only: ReadOnlyRule,
    /// The path of the field that names whom or what the action was done to.
    pub target: Option<String>,
    /// The paths of the fields whose values are ids of things that the action touched. Ids of requests, tokens' uses and
    /// other mere traces are left out.
    pub resources: Vec<String>,
    /// The wire values of `actor.type` that this type allows. In the file, `any` stands for all that are known.
    pub actors: Vec<String>,
    /// The type-specific fields beside the envelope.
    pub fields: Vec<Field>,
}

impl TypeInfo {
    /// The path of every scalar that the type's own fields may hold, in their order, each once.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        schema::each_path(&self.fields, "", &mut |path| {
            if !paths.iter().any(|known| known == path) {
                paths.push(path.to_owned());
            }
        });
        paths
    }
}

/// An actor type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorInfo {
    /// The wire value of `actor.type`.
    #[serde(rename = "type")]
    pub name: String,
    /// Its fields, `type` among them.
    pub fields: Vec<Field>,
}

/// A category of activity types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryInfo {
    /// What filters and records say, in `snake_case`.
    pub name: String,
    /// What pages say.
    pub title: String,
    /// What belongs here, in one line.
    pub description: String,
}

/// A product surface: what the feed's consumers call a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurfaceInfo {
    /// What filters and records say.
    pub name: String,
    /// What it stands for, in one line.
    pub description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    categories: Vec<CategoryInfo>,
    surfaces: Vec<SurfaceInfo>,
    actors: Vec<ActorInfo>,
    types: Vec<TypeInfo>,
}

/// What a type's `actors` say in the file when every actor type is allowed.
const ANY: &str = "any";

static DATA: LazyLock<Data> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    let mut data: Data = serde_json::from_str(include_str!("../data/catalog.json")).expect("data/catalog.json");
    let all: Vec<String> = data.actors.iter().map(|actor| actor.name.clone()).collect();
    for info in data.types.iter_mut().filter(|info| info.actors == [ANY]) {
        info.actors.clone_from(&all);
    }
    data
});

// The standard hash is fast enough: names are short, a look-up and all that follows from it take some 25 ns.
static BY_NAME: LazyLock<HashMap<&'static str, &'static TypeInfo>> =
    LazyLock::new(|| DATA.types.iter().map(|info| (info.name.as_str(), info)).collect());

/// All known activity types, by name.
pub fn types() -> &'static [TypeInfo] {
    &DATA.types
}

/// All known actor types, by name.
pub fn actors() -> &'static [ActorInfo] {
    &DATA.actors
}

/// All categories, by name. [`crate::classify::OTHER`] is among them, although no known type belongs to it.
pub fn categories() -> &'static [CategoryInfo] {
    &DATA.categories
}

/// All product surfaces, by name.
pub fn surfaces() -> &'static [SurfaceInfo] {
    &DATA.surfaces
}

/// What is known of the activity type with this wire name.
pub fn get(name: &str) -> Option<&'static TypeInfo> {
    BY_NAME.get(name).copied()
}

/// What is known of the actor type with this wire name.
pub fn actor(name: &str) -> Option<&'static ActorInfo> {
    DATA.actors.iter().find(|info| info.name == name)
}

/// The category with this name.
pub fn category(name: &str) -> Option<&'static CategoryInfo> {
    DATA.categories.iter().find(|info| info.name == name)
}
