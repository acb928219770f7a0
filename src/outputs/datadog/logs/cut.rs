//! Cuts an entry to the longest that the intake takes: valid JSON, between two characters, and marked.
//!
//! The intake would cut it anywhere, and tell nobody.

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::outputs::datadog::logs::entry::{Fields, quoted};

/// What stands where text was cut off.
const MARK: &str = "… [cut]";
/// The quotes and the mark: no cut value is shorter.
const LEAST: usize = 2 + MARK.len();

/// Bytes of the entry.
pub(super) fn length(fields: &Fields<'_>) -> usize {
    let values: usize = fields.iter().map(|(key, value)| of_field(key, value)).sum();
    // The braces, and one comma less than there are fields.
    values + 2 - usize::from(!fields.is_empty())
}

/// A field with its colon and the comma behind it.
fn of_field(key: &str, value: &str) -> usize {
    let key: usize = key.chars().map(escaped).sum();
    key + 2 + value.len() + 2
}

/// Bytes of a character in a JSON string.
const fn escaped(char: char) -> usize {
    match char {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

/// Cuts the message, if that is enough; else the longest values, which become text by it, and leaves out those of which
/// nothing would be left. Returns whether anything is missing.
pub(super) fn fit(fields: &mut Fields<'_>, most: usize) -> bool {
    let mut excess = length(fields).saturating_sub(most);
    if excess == 0 {
        return false;
    }
    let spare = |value: &Cow<'_, str>| value.len().saturating_sub(LEAST);
    let mut keys: Vec<(usize, String)> = fields
        .iter()
        .map(|(key, value)| (of_field(key, value), key.clone()))
        .collect();
    keys.sort_by_key(|(length, _)| Reverse(*length));
    if fields
        .get("message")
        .is_some_and(|message| spare(message) >= excess)
    {
        keys.insert(0, (0, "message".to_string()));
    }
    let mut missing = false;
    for (_, key) in keys {
        if excess == 0 {
            break;
        }
        let Some(value) = fields.get_mut(&key) else {
            continue;
        };
        let before = of_field(&key, value);
        if value.len() >= LEAST + excess {
            let (cut, shorter) = shortened(value, value.len() - excess);
            missing |= shorter;
            excess = excess.saturating_sub(value.len() - cut.len());
            *value = Cow::Owned(cut);
        } else {
            missing = true;
            fields.remove(&key);
            excess = excess.saturating_sub(before);
        }
    }
    missing
}

/// The value as a JSON string of at most so many bytes, [`LEAST`] or more, and whether text is missing in it.
fn shortened(value: &str, most: usize) -> (String, bool) {
    // A value that is no text, or text with half a character, is cut as it is written.
    let text: Cow<'_, str> = serde_json::from_str(value).map_or(Cow::Borrowed(value), Cow::Owned);
    if text.chars().map(escaped).sum::<usize>() + 2 <= most {
        return (quoted(&text).into_owned(), false);
    }
    let mut room = most - LEAST;
    let mut end = 0;
    for char in text.chars() {
        let Some(left) = room.checked_sub(escaped(char)) else {
            break;
        };
        room = left;
        end += char.len_utf8();
    }
    (quoted(&format!("{}{MARK}", &text[..end])).into_owned(), true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn fields(object: &Value) -> Fields<'static> {
        let object = object.as_object().unwrap();
        object
            .iter()
            .map(|(key, value)| (key.clone(), Cow::Owned(value.to_string())))
            .collect()
    }

    fn read(fields: &Fields<'_>) -> Value {
        let read = |value: &Cow<'_, str>| serde_json::from_str::<Value>(value).unwrap();
        fields
            .iter()
            .map(|(key, value)| (key.clone(), read(value)))
            .collect()
    }

    #[test]
    fn the_message_is_cut_where_that_is_enough() {
        let mut some = fields(&json!({"message": "0123456789abcdef", "other": "0123456789abcdefgh"}));
        assert_eq!(length(&some), 59);
        assert!(fit(&mut some, 56));
        assert_eq!(
            read(&some),
            json!({"message": "0123… [cut]", "other": "0123456789abcdefgh"})
        );
        assert_eq!(length(&some), 56);
        assert!(!fit(&mut some, 56));
    }

    #[test]
    fn a_short_message_stays_and_the_longest_value_is_cut() {
        let mut some =
            fields(&json!({"message": "short", "list": ["a", "b", "cdefghijklm"], "b": "0123456789"}));
        let most = length(&some) - 6;
        assert!(fit(&mut some, most));
        assert_eq!(
            read(&some),
            json!({"message": "short", "list": "[\"a\"… [cut]", "b": "0123456789"})
        );
    }

    #[test]
    fn a_cut_never_parts_a_character_or_an_escape() {
        assert_eq!(
            shortened("\"\\n\\u0001é😀xxxxxxxxxxxx\"", LEAST + 1),
            ("\"… [cut]\"".to_string(), true)
        );
        assert_eq!(
            shortened("\"\\n\\u0001é😀xxxxxxxxxxxx\"", LEAST + 7),
            ("\"\\n… [cut]\"".to_string(), true)
        );
        assert_eq!(
            shortened("\"\\n\\u0001éééxxxxxxxxxxxx\"", LEAST + 11),
            ("\"\\n\\u0001é… [cut]\"".to_string(), true)
        );
        // Written more briefly it fits whole.
        assert_eq!(
            shortened(r#""\u0041\u0042\u0043""#, LEAST),
            ("\"ABC\"".to_string(), false)
        );
    }

    #[test]
    fn more_keys_than_fit_leave_the_longest_out() {
        let keys: BTreeMap<String, u32> = (0..1000).map(|key| (format!("key{key:04}"), 1)).collect();
        let mut some = fields(&json!(keys));
        some.insert("message".to_string(), Cow::Borrowed("\"m\""));
        some.insert("k".repeat(500), Cow::Borrowed("1"));
        assert!(fit(&mut some, 5000));
        assert!((4900..=5000).contains(&length(&some)), "{}", length(&some));
        assert_eq!(some.keys().filter(|key| key.len() > 100).count(), 0);
    }

    proptest! {
        #[test]
        fn whatever_is_cut_fits_and_is_json(
            object in prop::collection::btree_map(".{0,20}", ".{0,80}", 1..8),
            message in ".{0,200}",
            most in 2_usize..400,
        ) {
            let mut object = json!(object);
            object["message"] = json!(message);
            let mut some = fields(&object);
            let whole = length(&some) <= most;
            let cut = fit(&mut some, most);
            prop_assert_eq!(cut, !whole);
            prop_assert!(length(&some) <= most);
            let text = serde_json::to_string(&read(&some)).unwrap();
            prop_assert_eq!(text.len(), length(&some));
        }
    }
}
