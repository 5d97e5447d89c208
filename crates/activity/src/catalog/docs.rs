//! The catalogue as a page of Markdown: one section a category, one entry a type.

use std::fmt::Write;

use super::{Field, OutcomeRule, ReadOnlyRule, Shape, TypeInfo, actors, categories, surfaces, types};

/// The generated page, ending in a line feed. The same catalogue always gives the same bytes.
pub fn markdown() -> String {
    let mut page = String::with_capacity(256 * 1024);
    head(&mut page);
    for category in categories() {
        let members: Vec<_> = types().iter().filter(|info| info.category == category.name).collect();
        if members.is_empty() {
            continue;
        }
        put(&mut page, format_args!("\n## {}\n\n`{}`: {}.\n", category.title, category.name, category.description));
        for info in members {
            entry(&mut page, info);
        }
    }
    page
}

fn head(page: &mut String) {
    let used = categories().iter().filter(|category| types().iter().any(|info| info.category == category.name)).count();
    put(
        page,
        format_args!(
            "# Activity types\n\n\
             <!-- Generated from the catalogue: change crates/activity/data/catalog.json, not this page. -->\n\n\
             {} types in {used} categories. Types that are not listed are collected all the same; what their name tells is \
             marked as guessed.\n\n\
             Outcome `success` means that what the type names was done, `failure` that it was refused or broke off, `attempt` \
             that it was begun or asked for, `unknown` that the activity does not say. An activity is read-only if it \
             changed nothing: something was loaded, listed or downloaded, somebody signed in, or a change was refused. In \
             a path, `[]` means each element of a list. Types ending in `_viewed` say that an app loaded something, not \
             that a person looked at it.\n",
            types().len(),
        ),
    );
    page.push_str("\n## Surfaces\n\n");
    for surface in surfaces() {
        put(page, format_args!("- `{}`: {}\n", surface.name, surface.description));
    }
    page.push_str("\n## Actors\n\n");
    for actor in actors() {
        put(page, format_args!("- `{}`: {}\n", actor.name, fields(&actor.fields)));
    }
}

fn entry(page: &mut String, info: &TypeInfo) {
    put(page, format_args!("\n### {}\n\n{}.\n\n", info.name, info.summary));
    put(page, format_args!("- Surface: {}\n- Read-only: {}", info.surface, info.read_only));
    if let ReadOnlyRule::ByField { changes, .. } = &info.read_only {
        put(page, format_args!(", no if {}", codes(changes)));
    }
    put(page, format_args!("\n- Outcome: {}", info.outcome));
    if let OutcomeRule::ByField(rule) = &info.outcome {
        if let Some(from) = rule.failure_from {
            put(page, format_args!(", failure from {from} on"));
        }
        for (word, values) in [("success", &rule.success), ("failure", &rule.failure)] {
            if !values.is_empty() {
                put(page, format_args!(", {word} if {}", codes(values)));
            }
        }
        if let Some(path) = &rule.failure_if {
            put(page, format_args!(", failure if `{path}` is there"));
        }
    }
    page.push('\n');
    if let Some(target) = &info.target {
        put(page, format_args!("- Target: `{target}`\n"));
    }
    if !info.resources.is_empty() {
        put(page, format_args!("- Resources: {}\n", codes(&info.resources)));
    }
    match info.actors.len() == actors().len() {
        true => page.push_str("- Actors: any\n"),
        false => put(page, format_args!("- Actors: {}\n", codes(&info.actors))),
    }
    match info.fields.is_empty() {
        true => page.push_str("- Fields: none of its own\n"),
        false => field_list(page, &info.fields),
    }
}

/// A line a field; the alternatives of a list's elements, of which some types have dozens, a line each below it.
fn field_list(page: &mut String, list: &[Field]) {
    page.push_str("- Fields:\n");
    for field in list {
        if let Shape::Array { items } = &field.shape
            && let Shape::Union { variants } = &**items
        {
            put(page, format_args!("  - `{}` list{}; each element one of:\n", field.name, presence(field)));
            for variant in variants {
                put(page, format_args!("    - {}\n", fields(&variant.fields)));
            }
        } else {
            put(page, format_args!("  - `{}` {}{}\n", field.name, shape(&field.shape), presence(field)));
        }
    }
}

fn fields(fields: &[Field]) -> String {
    let each = fields.iter().map(|field| format!("`{}` {}{}", field.name, shape(&field.shape), presence(field)));
    each.collect::<Vec<_>>().join("; ")
}

fn presence(field: &Field) -> String {
    let words =
        [(!field.required, ", optional"), (field.nullable, ", may be null"), (field.deprecated, ", deprecated")];
    words.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| *word).collect()
}

fn shape(shape: &Shape) -> String {
    match shape {
        Shape::String => "string".to_owned(),
        Shape::Boolean => "boolean".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Enum { values } if values.len() == 1 => codes(values),
        Shape::Enum { values } => format!("one of {}", codes(values)),
        Shape::Array { items } => format!("list of ({})", self::shape(items)),
        Shape::Object { fields, .. } if fields.is_empty() => "free map".to_owned(),
        Shape::Object { fields, .. } => format!("object ({})", self::fields(fields)),
        Shape::Union { variants } => {
            let each: Vec<_> = variants.iter().map(|variant| fields(&variant.fields)).collect();
            format!("either {}", each.iter().map(|text| format!("({text})")).collect::<Vec<_>>().join(" or "))
        }
    }
}

fn codes(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Writing to a string cannot fail.
fn put(page: &mut String, text: std::fmt::Arguments) {
    let _ = page.write_fmt(text);
}
