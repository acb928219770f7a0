//! Datadog's rules for metric names and tags, as pure functions.
//!
//! Source: Datadog's documentation of custom metrics ("Naming custom metrics") and of tags ("Define tags"). What the
//! intake would silently rewrite is rewritten here, so that two series that become one there are merged here.

/// Longest metric name, in characters.
const METRIC_MOST: usize = 200;
/// Longest tag, in characters.
const TAG_MOST: usize = 200;

/// A metric's name as Datadog keeps it: ASCII letters, digits, `_` and `.`, everything else `_`; what stands before
/// the first letter is cut, as Datadog's own agent does; at most 200 characters. `None` where no letter is in it.
pub fn metric(name: &str) -> Option<String> {
    let from = name.find(|char: char| char.is_ascii_alphabetic())?;
    let kept = |char: char| match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' => char,
        _ => '_',
    };
    Some(name[from..].chars().take(METRIC_MOST).map(kept).collect())
}

/// A tag as Datadog keeps it: lower-cased; letters and digits of any script, `_`, `-`, `:`, `.` and `/`, everything
/// else `_`; what stands before the first letter is cut; at most 200 characters; no `:` at the end. `None` where
/// nothing is left.
pub fn tag(text: &str) -> Option<String> {
    let kept = |char: char| match char {
        '_' | '-' | ':' | '.' | '/' => char,
        char if char.is_alphanumeric() => char,
        _ => '_',
    };
    // A letter's lower case can be several characters, so it comes before the count.
    let lowered = text.chars().flat_map(char::to_lowercase);
    let mut tag: String = lowered
        .skip_while(|char| !char.is_alphabetic())
        .take(TAG_MOST)
        .map(kept)
        .collect();
    tag.truncate(tag.trim_end_matches(':').len());
    (!tag.is_empty()).then_some(tag)
}

/// A series' tags: its labels as `key:value` and the global tags, each as Datadog keeps it, sorted, each once.
pub fn tags<'a, K, V>(
    labels: impl IntoIterator<Item = (K, V)>,
    global: impl IntoIterator<Item = &'a String>,
) -> Vec<String>
where
    K: AsRef<str>,
    V: AsRef<str>,
{
    let pair = |(key, value): (K, V)| tag(&format!("{}:{}", key.as_ref(), value.as_ref()));
    let mut tags: Vec<String> = labels.into_iter().filter_map(pair).collect();
    tags.extend(global.into_iter().filter_map(|text| tag(text)));
    tags.sort_unstable();
    tags.dedup();
    tags
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_ascii_character_of_a_metric_name_has_its_fate() {
        for byte in 0_u8..128 {
            let char = char::from(byte);
            let stays = char.is_ascii_alphanumeric() || char == '_' || char == '.';
            let expected = format!("a{}b", if stays { char } else { '_' });
            assert_eq!(metric(&format!("a{char}b")), Some(expected), "{byte}");
        }
    }

    #[test]
    fn metric_names_start_with_a_letter_keep_their_case_and_end_at_200() {
        let cases = [
            (
                "Chouette.host.cpu.percentage",
                Some("Chouette.host.cpu.percentage"),
            ),
            ("_private.5xx", Some("private.5xx")),
            ("5xx.count", Some("xx.count")),
            ("héat-1 %", Some("h_at_1__")),
            ("température", Some("temp_rature")),
            ("éa", Some("a")),
            ("", None),
            ("123._", None),
            ("温度", None),
        ];
        for (given, expected) in cases {
            assert_eq!(metric(given).as_deref(), expected, "{given}");
        }
        let long = format!("1{}", "é".repeat(3) + &"ab".repeat(200));
        assert_eq!(metric(&long), Some("ab".repeat(100)));
    }

    #[test]
    fn every_ascii_character_of_a_tag_has_its_fate() {
        for byte in 0_u8..128 {
            let char = char::from(byte);
            let stays = char.is_ascii_alphanumeric() || "_-:./".contains(char);
            let expected = format!("a{}b", if stays { char.to_ascii_lowercase() } else { '_' });
            assert_eq!(tag(&format!("a{char}b")), Some(expected), "{byte}");
        }
    }

    #[test]
    fn tags_are_lower_case_keep_letters_of_any_script_and_end_at_200() {
        let cases = [
            ("Env:Prod", Some("env:prod")),
            ("période:1m", Some("période:1m")),
            ("ÄÖ:温度", Some("äö:温度")),
            ("a b\u{301}:c", Some("a_b_:c")),
            ("key:", Some("key")),
            ("key:::", Some("key")),
            ("key:a:b", Some("key:a:b")),
            ("device:/dev/sda1", Some("device:/dev/sda1")),
            ("1st:x", Some("st:x")),
            (":x", Some("x")),
            ("", None),
            ("12:34", None),
        ];
        for (given, expected) in cases {
            assert_eq!(tag(given).as_deref(), expected, "{given}");
        }
        assert_eq!(tag(&"é".repeat(300)).map(|tag| tag.chars().count()), Some(200));
        assert_eq!(tag(&format!("{}:b", "a".repeat(199))), Some("a".repeat(199)));
        // One capital letter whose lower case is two characters, one of them no letter.
        assert_eq!(tag("İx").as_deref(), Some("i_x"));
    }

    #[test]
    fn labels_and_global_tags_are_sorted_and_each_stands_once() {
        let global = [
            "env:prod".to_string(),
            "Site:Berlin 1".to_string(),
            "!".to_string(),
        ];
        assert_eq!(
            tags([("zone", "CPU"), ("env", "prod"), ("mount", "/")], &global),
            ["env:prod", "mount:/", "site:berlin_1", "zone:cpu"]
        );
    }

    proptest! {
        #[test]
        fn a_name_that_was_made_fit_stays_as_it_is(text in "\\PC{0,260}") {
            if let Some(name) = metric(&text) {
                prop_assert!(name.len() <= 200 && name.as_bytes()[0].is_ascii_alphabetic());
                prop_assert_eq!(metric(&name), Some(name));
            }
            if let Some(tagged) = tag(&text) {
                prop_assert!(tagged.chars().count() <= 200 && !tagged.ends_with(':'));
                prop_assert_eq!(tag(&tagged), Some(tagged));
            }
        }
    }
}
