//! Prints the effective settings as YAML, secrets masked, each value with where it came from.

use std::fmt::Write as _;
use std::io;

use serde_json::Value;

use crate::catalog::CATALOG;
use crate::cli::{End, print};
use crate::config::layers::Origins;
use crate::config::load::Loaded;
use crate::config::show;

/// Prints the effective settings, and warnings behind them.
pub(super) fn show(loaded: &Loaded) -> io::Result<End> {
    let file = match &loaded.file {
        Some(file) => format!("# File: {}\n", file.display()),
        None => "# File: none\n".to_string(),
    };
    let found: String = loaded
        .found
        .iter()
        .map(|found| format!("# Found: {}: {found}\n", found.collector))
        .collect();
    let settings = show::masked(&loaded.settings, &CATALOG);
    print::text(&(file + &found + &yaml(&settings, &loaded.origins)))?;
    loaded.warnings.iter().for_each(super::warn);
    Ok(End::Done)
}

fn yaml(settings: &Value, origins: &Origins) -> String {
    let mut out = String::new();
    write_map(settings, "", 0, origins, &mut out);
    out
}

// Writing to a string cannot fail.
fn write_map(value: &Value, path: &str, depth: usize, origins: &Origins, out: &mut String) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let inner = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let indent = depth * 2;
        match value {
            Value::Object(map) if !map.is_empty() => {
                let _ = writeln!(out, "{:indent$}{}:", "", scalar(key));
                write_map(value, &inner, depth + 1, origins, out);
            }
            _ => {
                let line = format!("{:indent$}{}: {}", "", scalar(key), flow(value));
                let _ = writeln!(out, "{line:<40}  # {}", origins.of(&inner));
            }
        }
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// Text that reads back as the same text: in quotes unless it is plainly a word.
fn scalar(text: &str) -> String {
    let word = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c))
    };
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let span = text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !text.contains(['e', 'E', 'x', 'o', 'b']);
    if (word(text) || span) && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_string();
    }
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config::environment::Environment;
    use crate::config::load::{Flags, load};

    #[test]
    fn what_is_printed_reads_back() {
        let environment = Environment::from_iter([
            ("HOST", "edge: 1 # not a comment"),
            ("GLOBAL_TAGS", r#"["a:b", "true", "1e3", "0x10", " x", "é"]"#),
            ("COLLECTOR_PLUGINS", "[]"),
            ("REDIS_HOST", "10.0.0.1"),
            ("AGGREGATE_INTERVAL", "20"),
        ]);
        let loaded = load(&environment, &Flags::default(), &CATALOG).unwrap();
        let text = yaml(&show::masked(&loaded.settings, &CATALOG), &loaded.origins);
        assert!(
            text.contains("\ninterval: 20s                             # environment AGGREGATE_INTERVAL\n"),
            "{text}"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.yaml");
        std::fs::write(&file, &text).unwrap();
        let flags = Flags {
            config: Some(file),
            ..Flags::default()
        };
        let again = load(&Environment::default(), &flags, &CATALOG).unwrap();
        assert_eq!(
            show::masked(&again.settings, &CATALOG),
            show::masked(&loaded.settings, &CATALOG)
        );
    }

    #[test]
    fn components_own_defaults_are_shown_with_where_each_value_came_from() {
        let environment = Environment::from_iter([("API_KEY", "hunter2"), ("CAPTURE_INTERVAL", "40")]);
        let loaded = load(&environment, &Flags::default(), &CATALOG).unwrap();
        let text = yaml(&show::masked(&loaded.settings, &CATALOG), &loaded.origins);
        for (line, origin) in [
            ("    api_key: \"********\"", "environment API_KEY"),
            ("    site: datadoghq.com", "default"),
            ("    max_age: 55m", "default"),
            ("    interval: 40s", "environment CAPTURE_INTERVAL"),
            ("    metrics: all", "default"),
            ("      exclude: [\"/dev/loop*\"]", "default"),
        ] {
            assert!(
                text.contains(&format!("{line:<40}  # {origin}\n")),
                "{line} in {text}"
            );
        }
        assert!(!text.contains("hunter2"));
    }
}
