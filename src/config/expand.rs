//! Puts variables into the text of a settings file: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar sign.

use crate::config::environment::Environment;

/// Text with its variables put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The text.
    pub(super) text: String,
    /// Whether any variable was named.
    pub(super) from_variables: bool,
}

/// Puts in the variables. A default stands in for a variable that is unset or empty, as in a shell.
///
/// # Errors
/// Says which variable is not set, or what cannot be read.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<Expanded, String> {
    let mut expanded = Expanded {
        text: String::with_capacity(text.len()),
        from_variables: false,
    };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.text.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let Some(end) = inside.find('}') else {
                return Err("`${` without `}`; write `$$` for a dollar sign".to_string());
            };
            expanded.text.push_str(value(&inside[..end], environment)?);
            expanded.from_variables = true;
            rest = &inside[end + 1..];
        } else {
            expanded.text.push('$');
        }
    }
    expanded.text.push_str(rest);
    Ok(expanded)
}

fn value<'a>(reference: &'a str, environment: &'a Environment) -> Result<&'a str, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(legal) {
        return Err(format!(
            "`${{{reference}}}` names no variable; expected `${{NAME}}` or `${{NAME:-default}}`"
        ));
    }
    environment
        .exact(name)
        .or(default)
        .ok_or_else(|| format!("the variable {name} is not set; set it, or write `${{{name}:-default}}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let environment = Environment::from_iter([("KEY", "abc"), ("EMPTY", "")]);
        expand(text, &environment).map(|expanded| expanded.text)
    }

    #[test]
    fn variables_defaults_and_dollar_signs() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${KEY}", "abc"),
            ("x-${KEY}-${KEY}", "x-abc-abc"),
            ("${NONE:-fallback}", "fallback"),
            ("${EMPTY:-fallback}", "fallback"),
            ("${NONE:-}", ""),
            ("${KEY:-fallback}", "abc"),
            ("$${KEY}", "${KEY}"),
            ("a$b$", "a$b$"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_put_in_is_an_error() {
        assert_eq!(
            expanded("${NONE}").unwrap_err(),
            "the variable NONE is not set; set it, or write `${NONE:-default}`"
        );
        assert!(expanded("${KEY").unwrap_err().contains("without `}`"));
        assert!(expanded("${a b}").unwrap_err().contains("names no variable"));
        assert!(expanded("${}").unwrap_err().contains("names no variable"));
    }
}
