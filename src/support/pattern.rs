//! Patterns of names, in which `*` stands for any text, none included.

/// Whether the whole name is of the pattern. Each text between two stars is taken where it stands first, which no later
/// one can better.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, mut pattern)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut rest) = name.strip_prefix(start) else {
        return false;
    };
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("", "a", false),
            ("*", "", true),
            ("eth*", "eth", true),
            ("*.x", "x", false),
            ("b*", "ab", false),
            ("*a*", "bab", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("ab*ba", "aba", false),
            ("a**c", "ac", true),
            ("a*b*c", "a.b.b.c", true),
            ("a*b*c", "a.c.b", false),
            ("a*b*b*c", "abc", false),
            ("/dev/*p1", "/dev/mmcblk0p1", true),
            ("/dev/*p1", "/dev/mmcblk0p12", false),
            ("*é*", "café!", true),
            ("a.b", "axb", false),
            ("A*", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_with_stars_put_in_matches_it(parts in prop::collection::vec("[a-c]{0,3}", 1..5)) {
            prop_assert!(matches(&parts.join("*"), &parts.join("ab")));
        }
    }
}
