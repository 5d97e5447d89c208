//! `auditlake catalog`: what is known of the activity types.

use std::process::ExitCode;

use activity::{catalog, classify};
use anyhow::Result;
use serde_json::{Value, json};

use crate::{cli::Catalog, log, output};

pub fn run(words: &Catalog) -> Result<ExitCode> {
    let Some(name) = &words.name else {
        let list = catalog::types().iter().map(entry).collect::<Vec<_>>();
        output::write_list(&list, &["type", "category", "surface", "outcome", "read_only", "summary"], words.format)?;
        return Ok(ExitCode::SUCCESS);
    };
    let found = match catalog::get(name) {
        Some(info) => serde_json::to_value(info)?,
        None => {
            log::say(format!("{name} is not in the catalogue; what follows is guessed from its name"));
            guess(name)
        }
    };
    match words.format {
        // One type is told in full: a line for each thing that is known of it.
        None | Some(crate::cli::ListFormat::Table)
            if output::choose(words.format.map(Into::into), None) == crate::cli::QueryFormat::Table =>
        {
            let rows: Vec<Value> =
                found.as_object().into_iter().flatten().flat_map(|(key, value)| rows(key, value)).collect();
            output::write_list(&rows, &["what", "value"], Some(crate::cli::ListFormat::Table))?;
        }
        _ => output::write_list(
            &[found],
            &["type", "category", "surface", "outcome", "read_only", "summary"],
            words.format,
        )?,
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(key: &str, value: &Value) -> Vec<Value> {
    match (key, value) {
        ("fields", Value::Array(fields)) => fields
            .iter()
            .map(|field| {
                let mut about = field["type"].as_str().unwrap_or_default().to_owned();
                for mark in ["required", "nullable", "deprecated"] {
                    if field[mark] == true {
                        about = format!("{about}, {mark}");
                    }
                }
                if let Some(values) = field["values"].as_array() {
                    let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
                    about = format!("{about}: {}", values.join(" "));
                }
                json!({"what": format!("field {}", field["name"].as_str().unwrap_or_default()), "value": about})
            })
            .collect(),
        (key, value) => vec![json!({"what": key, "value": value})],
    }
}

fn entry(info: &catalog::TypeInfo) -> Value {
    json!({
        "type": info.name,
        "category": info.category,
        "surface": info.surface,
        "outcome": info.outcome.to_string(),
        "read_only": info.read_only.to_string(),
        "summary": info.summary,
    })
}

fn guess(name: &str) -> Value {
    let class = classify::classify(name, &Vec::new());
    json!({
        "type": name,
        "category": class.category,
        "surface": class.surface,
        "outcome": class.outcome.to_string(),
        "read_only": class.read_only,
        "summary": classify::guess_summary(name),
        "target": classify::guess_target(name),
        "resources": [classify::guess_resources()],
        "guessed": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_tells_by_which_rules() {
        let guess = guess("claude_teapot_created");
        assert_eq!(
            guess["target"],
            "the first of claude_teapot_id, claude_teapot_uuid, teapot_id, teapot_uuid, target_id, user_id, principal_id, \
             resource_id, invited_email, invitee_email that is there"
        );
        let resources = guess["resources"][0].as_str().unwrap();
        assert!(resources.starts_with("every field, however deep, that ends in _id, _ids,"), "{resources}");
        let info = serde_json::to_value(catalog::get("sso_login_failed").unwrap()).unwrap();
        let known = ["category", "surface", "outcome", "read_only", "summary", "target", "resources"];
        assert!(
            known.iter().all(|name| info.get(name).is_some() && guess.get(name).is_some()),
            "the same is told of both"
        );
    }
}
