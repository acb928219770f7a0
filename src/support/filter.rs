//! A choice by name: patterns to take and patterns to leave out.

/// Chooses by name.
#[derive(Debug)]
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

/// Whether a name is as a pattern says, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, mut pattern)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut rest) = name.strip_prefix(start) else {
        return false;
    };
    // Between two stars the first place that fits is as good as any.
    while let Some((middle, after)) = pattern.split_once('*') {
        let Some(at) = rest.find(middle) else {
            return false;
        };
        rest = &rest[at + middle.len()..];
        pattern = after;
    }
    rest.ends_with(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth*", "eth", true),
            ("*", "", true),
            ("/dev/*p1", "/dev/mmcblk0p1", true),
            ("/dev/*p1", "/dev/mmcblk0p12", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("*a*", "bab", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
