//! Who or what is met together with one thing: other people at the same addresses, other addresses of the same people.

use askama::Template;
use auditlake_store::{Result, StoreError, Tally, filter::Filter};

use super::Entity;
use crate::{
    ask::Ask,
    pages::{dimension::Dimension, picker::organizations},
    scope::Scope,
    text::{self, Count as _},
};

/// So many of what is shared are looked at, and so many neighbours are named.
const SHARED: u64 = 12;
const NAMED: usize = 10;

/// How the neighbours of a kind of thing are found.
struct Way {
    entities: &'static [&'static str],
    /// What is shared, as pages count by it.
    by: &'static str,
    /// What the neighbours are.
    find: &'static str,
    title: &'static str,
    note: &'static str,
}

const WAYS: [Way; 4] = [
    Way {
        entities: &["person", "key"],
        by: "ip",
        find: "actor",
        title: "Others at the same addresses",
        note: "who came from the 12 addresses used most",
    },
    Way {
        entities: &["address"],
        by: "actor",
        find: "ip",
        title: "Other addresses of the same actors",
        note: "of the 12 who came from here most",
    },
    Way {
        entities: &["organization"],
        by: "actor",
        find: "org",
        title: "Other organisations of the same actors",
        note: "of the 12 who act here most",
    },
    Way {
        entities: &["resource"],
        by: "actor",
        find: "resource",
        title: "What else the same actors touched",
        note: "of the 12 who touched it most",
    },
];

/// What is met together with something.
#[derive(Default, Template)]
#[template(path = "entity/neighbours.html")]
pub struct Neighbours {
    pub title: &'static str,
    pub note: &'static str,
    pub list: Vec<Neighbour>,
}

/// One of them.
pub struct Neighbour {
    pub value: String,
    pub count: u64,
    pub page: Option<String>,
}

impl Neighbours {
    /// Whether things of this kind have any.
    pub fn are_of(entity: &Entity) -> bool {
        WAYS.iter().any(|way| way.entities.contains(&entity.name.as_str()))
    }

    /// Those of the thing that `filter` finds.
    pub async fn load(ask: Ask<'_>, entity: &Entity, id: &str, filter: &Filter, scope: &Scope) -> Result<Neighbours> {
        let Some(way) = WAYS.iter().find(|way| way.entities.contains(&entity.name.as_str())) else {
            return Ok(Neighbours::default());
        };
        let (Some(by), Some(find)) = (Dimension::of(way.by), Dimension::of(way.find)) else {
            return Ok(Neighbours::default());
        };
        if find.name == "org" && organizations(ask).await?.len() < 2 {
            return Ok(Neighbours::default());
        }
        let window = scope.window;
        let count = async |by: &Dimension, filter: Filter, limit| {
            let tally = Tally { by: vec![by.column.to_owned()], width: None, filter, window, limit };
            let groups = ask.tally(&tally).await?;
            let named = groups.iter().filter_map(|group| Some((group.values.first()?.clone()?, group.count)));
            Ok::<_, StoreError>(named.filter(|(value, _)| !value.is_empty()).collect::<Vec<_>>())
        };
        let shared = count(by, Filter::and([scope.filter(), filter.clone()]), SHARED).await?;
        // Actors that nothing names are no one.
        let shared = shared.iter().filter(|(value, _)| by.name != "actor" || !value.ends_with("_actor"));
        let shared: Vec<Filter> = shared.map(|(value, _)| by.filter(value)).collect();
        if shared.is_empty() {
            return Ok(Neighbours::default());
        }
        // An activity may touch several things, so what stands beside this one counts.
        let others = if find.name == "resource" { Filter::All } else { Filter::negated(filter.clone()) };
        let others = Filter::and([scope.filter(), Filter::or(shared), others]);
        let others = count(find, others, NAMED as u64 + 1).await?;
        let others = others.into_iter().filter(|(value, _)| value != id).take(NAMED);
        let list = others.map(|(value, count)| Neighbour { page: find.link(&value), value, count }).collect();
        Ok(Neighbours { title: way.title, note: way.note, list })
    }
}
