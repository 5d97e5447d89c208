//! What really happened, and whether a lake holds exactly that.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;

use crate::place::Place;

/// Every activity: its id and its bytes.
pub struct Truth {
    activities: HashMap<String, String>,
    /// In the order of time.
    order: Vec<String>,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    created_at: String,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "eventID")]
    id: String,
    #[serde(rename = "rawLog")]
    raw: String,
}

impl Truth {
    /// Reads a truth file. A last line that is being written is left out.
    pub fn read(path: &Path) -> Truth {
        let text = std::fs::read_to_string(path).unwrap();
        let (mut activities, mut order) = (HashMap::new(), Vec::new());
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let rest = line.strip_prefix(r#"{"activity":"#).unwrap();
            let raw = &rest[..rest.rfind(r#","scenario":"#).unwrap()];
            let id = serde_json::from_str::<Head>(raw).unwrap().id;
            assert!(activities.insert(id.clone(), raw.to_owned()).is_none(), "the truth has {id} twice");
            order.push(id);
        }
        Truth { activities, order }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The raw activities, a line each, in their order.
    pub fn lines(&self) -> String {
        self.order.iter().flat_map(|id| [&self.activities[id], "\n"]).collect()
    }

    /// The time of the newest activity.
    pub fn newest(&self) -> String {
        self.activities.values().map(|raw| created_at(raw)).max().unwrap()
    }

    /// Without what happened after this time.
    pub fn until(&self, time: &str) -> Truth {
        let order: Vec<String> =
            self.order.iter().filter(|id| created_at(&self.activities[*id]).as_str() <= time).cloned().collect();
        let activities = order.iter().map(|id| (id.clone(), self.activities[id].clone())).collect();
        Truth { activities, order }
    }

    /// The lake holds every activity of this truth, once, with the same bytes, and nothing that is not in `most`.
    #[track_caller]
    pub fn holds_up_to(&self, most: &Truth, place: &Place) {
        let rows = rows(place);
        let (mut twice, mut foreign, mut other) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = HashMap::with_capacity(rows.len());
        for row in &rows {
            if seen.insert(&row.id, ()).is_some() {
                twice.push(&row.id);
            }
            match most.activities.get(&row.id) {
                None => foreign.push(&row.id),
                Some(raw) if *raw != row.raw => other.push(&row.id),
                Some(_) => {}
            }
        }
        let lost: Vec<_> = self.order.iter().filter(|id| !seen.contains_key(id)).collect();
        let some = |ids: &[&String]| {
            (
                ids.len(),
                ids.iter().take(3).map(|id| most.activities.get(*id).unwrap_or(id)).cloned().collect::<Vec<_>>(),
            )
        };
        assert!(
            twice.is_empty() && foreign.is_empty() && other.is_empty() && lost.is_empty(),
            "of {} activities, the lake's {} rows: lost {:?}, twice {:?}, from nowhere {:?}, with other bytes {:?}",
            self.len(),
            rows.len(),
            some(&lost),
            some(&twice),
            some(&foreign),
            some(&other),
        );
    }

    /// The lake holds exactly this.
    #[track_caller]
    pub fn holds(&self, place: &Place) {
        self.holds_up_to(self, place);
    }
}

fn rows(place: &Place) -> Vec<Row> {
    let text = place.run(&["query", "select eventID, rawLog from anthropic_logs", "--format", "jsonl"]).ok();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Its time: the simulation writes all in one form, so that texts order as times do.
fn created_at(raw: &str) -> String {
    serde_json::from_str::<Head>(raw).unwrap().created_at
}
