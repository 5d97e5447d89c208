//! The page `docs/shapes.md`, out of the data: the columns of each shape, and what each type is in OCSF and ECS.

use std::fmt::Write as _;

use crate::{Shape, meaning};

const HEAD: &str = include_str!("docs/head.md");

/// The page as Markdown.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for shape in Shape::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "\n### {}\n\n| Column | Type | Holds |\n| --- | --- | --- |", shape.name());
        for field in shape.fields() {
            let _ = writeln!(page, "| `{}` | {} | {} |", field.path, field.kind.name(), field.about);
        }
    }
    page.push_str(
        "\n## Types\n\nTypes that are not listed go by their name, in the category that the name suggests. Severity 2 stands for every \
         failure beside what is listed.\n\n\
         | Type | Category | OCSF class | OCSF activity | Severity | ECS category | ECS type |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for info in activity::catalog::types() {
        let meaning = meaning::of(&info.name, &info.category);
        let types: Vec<&str> = meaning.ecs_types.into_iter().flatten().collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} {} | {} {} | {} | {} | {} |",
            info.name,
            info.category,
            meaning.class,
            meaning.class_name,
            meaning.activity,
            if meaning.activity == 99 { "Other" } else { meaning.activity_name },
            meaning.severity_of("success"),
            meaning.ecs_category,
            types.join(", "),
        );
    }
    page
}
