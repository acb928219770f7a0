//! An interned, sorted label set, kept as the text that a page shows.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A sorted label set, cheap to clone.
///
/// It is held as exposition text without braces, `key="value",other="value"`, values escaped (`\\`, `\"`, `\n`),
/// so that a scrape copies it as it is. A key that is no legacy Prometheus label name (`[a-zA-Z_][a-zA-Z0-9_]*`)
/// stands in quotes, escaped the same way, as the UTF-8 text formats write it. Keys are unique and sorted as
/// bytes; empty values are absent labels and are left out, as Prometheus defines it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// The set without labels.
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// Takes pairs in any order. Of two pairs with one key the later one wins; empty values are left out.
    pub fn new<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        pairs.sort_by(|left, right| left.0.as_ref().cmp(right.0.as_ref()));
        let mut kept: Vec<(&str, &str)> = Vec::with_capacity(pairs.len());
        for (key, value) in &pairs {
            let pair = (key.as_ref(), value.as_ref());
            match kept.last_mut() {
                Some(last) if last.0 == pair.0 => *last = pair,
                _ => kept.push(pair),
            }
        }
        kept.retain(|pair| !pair.1.is_empty());
        Self::from_sorted(&kept)
    }

    /// Takes pairs that are sorted by key, unique, and without empty values; anything else is a bug of the caller.
    pub fn from_sorted(pairs: &[(&str, &str)]) -> Self {
        debug_assert!(
            pairs.is_sorted_by(|left, right| left.0 < right.0),
            "labels must be sorted and unique"
        );
        let mut text = String::with_capacity(pairs.iter().map(|(k, v)| k.len() + v.len() + 4).sum());
        for (index, (key, value)) in pairs.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            if is_legacy_label_name(key) {
                text.push_str(key);
            } else {
                text.push('"');
                escape_into(key, &mut text);
                text.push('"');
            }
            text.push_str("=\"");
            escape_into(value, &mut text);
            text.push('"');
        }
        Self(text.into())
    }

    /// The text as described at the type.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every key is a legacy Prometheus label name and none is reserved (begins with `__`), so that the text
    /// stands in any format.
    pub fn is_legacy(&self) -> bool {
        self.iter()
            .all(|(key, _)| is_legacy_label_name(&key) && !key.starts_with("__"))
    }

    /// The pairs, sorted by key, unescaped.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0 }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        self.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Whether this set is the one of `pairs`, which are as [`Labels::from_sorted`] wants them. Allocates nothing.
    pub fn matches(&self, pairs: &[(&str, &str)]) -> bool {
        let mut rest: &[u8] = self.0.as_bytes();
        for (index, (key, value)) in pairs.iter().enumerate() {
            if index > 0 && !take(&mut rest, b",") {
                return false;
            }
            // The plain spelling first: it is nearly always the one.
            let plain = take(&mut rest, key.as_bytes());
            let key_matches = if plain {
                take(&mut rest, b"=\"")
            } else {
                take(&mut rest, b"\"") && take_escaped(&mut rest, key) && take(&mut rest, b"\"=\"")
            };
            if !key_matches {
                return false;
            }
            if !(take_escaped(&mut rest, value) && take(&mut rest, b"\"")) {
                return false;
            }
        }
        rest.is_empty()
    }

    /// Where the shared text lies: equal for clones of one set. A key for dictionaries that hold a clone.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<u8>().addr()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{{{}}}", self.0)
    }
}

/// Iterates over the pairs of [`Labels`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        let (key, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unescape_until_quote(quoted)?,
            None => {
                let (key, rest) = rest.split_once('=')?;
                return self.value_of(Cow::Borrowed(key), rest);
            }
        };
        self.value_of(key, rest.strip_prefix('=')?)
    }
}

impl<'a> Iter<'a> {
    fn value_of(&mut self, key: Cow<'a, str>, rest: &'a str) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        let (value, rest) = unescape_until_quote(rest.strip_prefix('"')?)?;
        self.rest = rest;
        Some((key, value))
    }
}

/// Whether `name` is a label name of the classic data model: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Appends `text` with `\`, `"` and line feeds escaped, as every exposition format wants label values.
pub fn escape_into(text: &str, out: &mut String) {
    let mut from = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            b'\n' => "\\n",
            _ => continue,
        };
        out.push_str(&text[from..index]);
        out.push_str(escaped);
        from = index + 1;
    }
    out.push_str(&text[from..]);
}

fn unescape_until_quote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let plain = text.find(['"', '\\'])?;
    if text.as_bytes()[plain] == b'"' {
        return Some((Cow::Borrowed(&text[..plain]), &text[plain + 1..]));
    }
    let mut out = String::from(&text[..plain]);
    let mut chars = text[plain..].char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return Some((Cow::Owned(out), &text[plain + index + 1..])),
            '\\' => out.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => out.push(other),
        }
    }
    None
}

fn take(rest: &mut &[u8], expected: &[u8]) -> bool {
    match rest.strip_prefix(expected) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn take_escaped(rest: &mut &[u8], raw: &str) -> bool {
    let plain = raw.len();
    if rest.get(..plain) == Some(raw.as_bytes())
        && rest.get(plain) == Some(&b'"')
        && !raw.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n'))
    {
        *rest = &rest[plain..];
        return true;
    }
    for byte in raw.bytes() {
        let same = match byte {
            b'\\' => take(rest, b"\\\\"),
            b'"' => take(rest, b"\\\""),
            b'\n' => take(rest, b"\\n"),
            other => take(rest, &[other]),
        };
        if !same {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_sorted_escaped_and_reads_back() {
        let labels = Labels::new([
            ("path", "C:\\a\n\"b\""),
            ("app.name", "x"),
            ("empty", ""),
            ("path2", "ü"),
        ]);
        assert_eq!(labels.text(), r#""app.name"="x",path="C:\\a\n\"b\"",path2="ü""#);
        let pairs: Vec<_> = labels
            .iter()
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect();
        let expected = [("app.name", "x"), ("path", "C:\\a\n\"b\""), ("path2", "ü")];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_string(), v.to_string())));
        assert!(labels.matches(&expected));
        assert!(!labels.is_legacy());
    }

    #[test]
    fn a_reserved_key_is_not_for_any_format() {
        assert!(Labels::new([("_a", "1")]).is_legacy());
        assert!(!Labels::new([("__name__", "1")]).is_legacy());
    }

    #[test]
    fn only_the_same_pairs_match() {
        let labels = Labels::new([("a", "1"), ("b", "2")]);
        assert!(labels.matches(&[("a", "1"), ("b", "2")]));
        for other in [
            &[("a", "1")][..],
            &[("a", "1"), ("b", "22")],
            &[("a", "1"), ("b", "2"), ("c", "3")],
            &[("a", "1\",b=\"2")],
            &[("a", "")],
            &[],
        ] {
            assert!(!labels.matches(other), "{other:?}");
        }
        assert!(Labels::empty().matches(&[]));
    }

    #[test]
    fn a_key_that_begins_another_does_not_match_it() {
        assert!(!Labels::new([("ab", "1")]).matches(&[("a", "1")]));
        assert!(!Labels::new([("a", "1")]).matches(&[("ab", "1")]));
        assert!(Labels::new([("a\"b", "1")]).matches(&[("a\"b", "1")]));
    }

    #[test]
    fn of_two_pairs_with_one_key_the_later_wins() {
        assert_eq!(Labels::new([("a", "1"), ("a", "2")]).text(), "a=\"2\"");
        assert_eq!(Labels::new([("a", "1"), ("a", "")]).text(), "");
    }
}
