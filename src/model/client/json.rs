//! JSON values looked at where they stand: what a field is, told by its text, without a copy where that can be.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// The text that a value is; `None` where it is no text, or one with half a surrogate pair.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get().strip_prefix('"')?;
    // What was read once has no quote but behind a backslash.
    if !quoted.as_bytes().contains(&b'\\') {
        return quoted.strip_suffix('"').map(Cow::Borrowed);
    }
    serde_json::from_str(raw.get()).ok().map(Cow::Owned)
}

/// The finite number that a value is.
pub(super) fn number(raw: &RawValue) -> Option<f64> {
    let text = raw.get();
    // JSON's numbers are a part of what std reads; what else std reads (`inf`) begins with a letter.
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let value: f64 = is_number.then(|| text.parse().ok())??;
    value.is_finite().then_some(value)
}

/// A value as a label or a member: a text itself; numbers, `true`, `false` and `null` as JSON writes them. `None` for
/// lists and maps.
pub(super) fn word(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first()? {
        b'"' => text(raw),
        b'{' | b'[' => None,
        _ => Some(Cow::Borrowed(raw.get())),
    }
}

/// Whether a value is `null`.
pub(super) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// The elements of a list; `None` where the value is none.
pub(super) fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    raw.get()
        .starts_with('[')
        .then(|| serde_json::from_str(raw.get()).ok())?
}

/// What takes the fields of an object, one after the other. Of a key that stands twice the later value is kept, as
/// Python reads it, because it comes last.
pub(super) trait Fields<'a>: Default {
    /// Takes the value behind `key` from `map`; a key that is not known is passed over.
    fn take<M: MapAccess<'a>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error>;
}

/// The fields of the object that `json` is; `None` where it is not UTF-8, no JSON, or no object.
pub(super) fn object<'a, F: Fields<'a>>(json: &'a str) -> Option<F> {
    serde_json::from_str::<Object<F>>(json)
        .ok()
        .map(|object| object.0)
}

struct Object<F>(F);

impl<'de, F: Fields<'de>> Deserialize<'de> for Object<F> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<F>(PhantomData<F>);

impl<'de, F: Fields<'de>> Visitor<'de> for ObjectVisitor<F> {
    type Value = F;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<F, M::Error> {
        let mut fields = F::default();
        while let Some(Key(key)) = map.next_key()? {
            fields.take(&key, &mut map)?;
        }
        Ok(fields)
    }
}

/// A key, borrowed where it has no escapes.
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(KeyVisitor).map(Self)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_string()))
    }
}

/// The pairs of a map in the order in which they stand; none where there is no value or `null`; `None` where the value
/// is no map.
pub(super) struct Pairs<'a>(pub(super) Option<SmallVec<[Pair<'a>; 8]>>);

type Pair<'a> = (Cow<'a, str>, &'a RawValue);

impl Default for Pairs<'_> {
    fn default() -> Self {
        Self(Some(SmallVec::new()))
    }
}

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("anything")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut pairs = SmallVec::new();
        while let Some(Key(key)) = map.next_key()? {
            pairs.push((key, map.next_value()?));
        }
        Ok(Pairs(Some(pairs)))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Pairs(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Pairs::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Pairs(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Pairs(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Pairs(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Pairs(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Pairs(None))
    }
}

/// The text with what Python writes beyond JSON (`NaN`, `Infinity`, `-Infinity`) replaced by `[]`, which is nowhere a
/// value that we read; `None` where there is nothing of that.
pub(super) fn without_python_numbers(json: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];
    let mut out = String::with_capacity(json.len());
    let (mut from, mut at, mut quoted) = (0, 0, false);
    let bytes = json.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'N' | b'I' | b'-' if !quoted => {
                let word = WORDS.iter().find(|word| bytes[at..].starts_with(word.as_bytes()));
                if let Some(word) = word {
                    out.push_str(&json[from..at]);
                    out.push_str("[]");
                    from = at + word.len();
                    at = from;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&json[from..]);
    (from > 0).then_some(out)
}
