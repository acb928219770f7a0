//! A choice by name: patterns to take and patterns to leave out.

use crate::support::pattern::matches;

/// Chooses by name.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Patterns of names to take; empty for every one.
    pub include: Vec<String>,
    /// Patterns of names to leave out.
    pub exclude: Vec<String>,
}

impl Filter {
    /// Takes what was given, and what to leave out where nothing was.
    pub fn new(include: Vec<String>, exclude: Option<Vec<String>>, default: Vec<String>) -> Self {
        let default = if include.is_empty() { default } else { Vec::new() };
        let exclude = exclude.unwrap_or(default);
        Self { include, exclude }
    }

    /// Whether a name is to be reported.
    pub fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_not_taken_even_if_it_is_named() {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(ToString::to_string).collect() };
        let filter = Filter::new(words(&["web*"]), Some(words(&["*-test"])), Vec::new());
        assert!(filter.takes("web-1") && !filter.takes("web-test") && !filter.takes("db"));
        assert!(Filter::new(Vec::new(), None, Vec::new()).takes("anything"));
    }

    #[test]
    fn nothing_is_left_out_by_default_where_something_is_named() {
        let default = || vec!["veth*".to_string()];
        assert!(!Filter::new(Vec::new(), None, default()).takes("veth0"));
        assert!(Filter::new(vec!["v*".to_string()], None, default()).takes("veth0"));
    }
}
