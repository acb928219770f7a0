//! Which containers are followed, by their names.

/// Patterns of names, in which `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Only these; empty for all.
    pub(super) include: Vec<String>,
    /// But not these.
    pub(super) exclude: Vec<String>,
}

impl Choice {
    /// Whether a container of that name is followed.
    pub(super) fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web*", "web-1", true),
            ("*web", "my-web", true),
            ("*db*", "my-db-1", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*a", "a", false),
            ("a*b*c", "acb", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_followed_even_if_it_is_included() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let choice = Choice {
            include: words(&["web*"]),
            exclude: words(&["*-test"]),
        };
        assert!(choice.takes("web-1") && !choice.takes("web-test") && !choice.takes("db"));
        assert!(Choice::default().takes("anything"));
    }
}
