//! Texts with `{field}` in them.

/// A text, cut into what stands there and what is to be put in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

/// What is known only of the alert as a whole.
pub(crate) const OF_ALERT: [&str; 3] = ["entity", "count", "values"];

impl Template {
    /// Cuts a text. A brace that is never closed is text.
    pub fn new(text: &str) -> Template {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, after)) = behind.split_once('}') else { break };
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Field(name.trim().to_owned()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Template { parts }
    }

    /// The fields that it asks for.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Puts values in. Control characters become spaces, and no value is longer than `most` characters.
    pub fn fill<'v>(&self, most: usize, value: impl Fn(&str) -> Option<std::borrow::Cow<'v, str>>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Field(name) => match value(name) {
                    Some(value) => push(&mut text, &value, most),
                    None => text.push_str("(unknown)"),
                },
            }
        }
        text
    }
}

/// Appends a stranger's text as one line of bounded length.
pub(crate) fn push(text: &mut String, value: &str, most: usize) {
    for (at, sign) in value.chars().enumerate() {
        if at == most {
            text.push('…');
            break;
        }
        text.push(if sign.is_control() { ' ' } else { sign });
    }
}
