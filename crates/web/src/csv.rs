//! Comma-separated values, as RFC 4180 has them, for people who open them in a spreadsheet.

/// Adds a row. A text that a spreadsheet would take for a formula gets an apostrophe in front.
pub fn row<T: AsRef<str>>(values: impl IntoIterator<Item = T>, out: &mut String) {
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        field(value.as_ref(), out);
    }
    out.push_str("\r\n");
}

fn field(value: &str, out: &mut String) {
    let is_number = value.parse::<f64>().is_ok();
    let guard = if !is_number && value.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if value.contains(['"', ',', '\n', '\r']) || value.starts_with(' ') || value.ends_with(' ') {
        out.push('"');
        out.push_str(guard);
        out.push_str(&value.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(guard);
        out.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_guards() {
        let mut text = String::new();
        row(["a", "b,c", "say \"x\"", "=1+1", "-5", "-a", ""], &mut text);
        assert_eq!(text, "a,\"b,c\",\"say \"\"x\"\"\",'=1+1,-5,'-a,\r\n");
    }
}
