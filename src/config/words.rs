//! Puts problems into the reader's words: the variable or flag that set a value instead of its path, the file's line
//! behind it, and what was expected before what was found.

use crate::component::settings::{Problem, Problems};
use crate::config::layers::{Origin, Origins};

/// The problems in order of their paths, as they are told.
pub(super) fn told(problems: &Problems, origins: &Origins) -> Vec<Problem> {
    let mut told: Vec<Problem> = problems.iter().map(|problem| tell(problem, origins)).collect();
    told.sort();
    told.dedup();
    told
}

fn tell(problem: &Problem, origins: &Origins) -> Problem {
    let (path, message) = match problem.message.strip_prefix("missing field `") {
        Some(rest) => {
            let key = rest.split('`').next().unwrap_or(rest);
            (joined(&problem.path, key), "is required, and missing".to_string())
        }
        None => (problem.path.clone(), expected_first(&problem.message)),
    };
    let (path, message) = match origins.of(&problem.path) {
        Origin::Variable(name) if *name != path => (name.clone(), format!("{message} [sets {path}]")),
        Origin::Flag(name) => ((*name).to_string(), message),
        Origin::File(file, line) => (path, format!("{message} [{}:{line}]", file.display())),
        _ => (path, message),
    };
    Problem {
        path,
        message,
        hint: problem.hint.clone(),
    }
}

/// `invalid type: X, expected Y` becomes `expected Y, found X`, in words for people.
fn expected_first(message: &str) -> String {
    let body = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|start| message.strip_prefix(start));
    let Some((found, expected)) = body.and_then(|body| body.rsplit_once(", expected ")) else {
        return message.to_string();
    };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "path string" => "text",
        "a sequence" => "a list",
        "a boolean" => "`true` or `false`",
        other if other.starts_with("struct ") || other == "a map" => "a map of settings",
        other => other,
    };
    let found = match found {
        // Where a section is expected, a text can be the secret that belongs into it; so can a number for a text.
        other if other.starts_with("string ") && expected == "a map of settings" => "text",
        "map" => "a map",
        "sequence" => "a list",
        "null" | "unit value" => "nothing",
        other => other,
    };
    format!("expected {expected}, found {found}")
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        return key.to_string();
    }
    format!("{path}.{key}")
}
