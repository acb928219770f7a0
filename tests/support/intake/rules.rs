//! What the intake refuses, and what it takes and forgets.

/// The largest bodies of one endpoint, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// As it comes over the wire.
    pub(crate) raw: usize,
    /// After decompression.
    pub(crate) plain: usize,
}

/// `/api/v1/series`.
pub(crate) const V1: Limits = Limits {
    raw: 3_200_000,
    plain: 62_914_560,
};
/// `/api/v2/series`.
pub(crate) const V2: Limits = Limits {
    raw: 512_000,
    plain: 5_242_880,
};

/// A point older than this many seconds is forgotten, unless its name is historical.
const PAST: i64 = 3_600;
/// A point further ahead than this many seconds is forgotten.
const AHEAD: i64 = 600;
/// The longest name and the longest tag, in characters.
const LONGEST: usize = 200;

/// What becomes of a point of a valid request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Kept,
    TooOld,
    TooFarAhead,
}

/// Judges a point's time, both in unix seconds.
pub(crate) fn age(time: i64, now: i64, historical: bool) -> Age {
    if time > now + AHEAD {
        Age::TooFarAhead
    } else if time < now - PAST && !historical {
        Age::TooOld
    } else {
        Age::Kept
    }
}

/// What is wrong with a metric's name: a letter first, then ASCII letters, digits, `_`, `.`.
pub(crate) fn name_fault(name: &str) -> Option<&'static str> {
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        Some("does not start with an ASCII letter")
    } else if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    {
        Some("has a character that is no ASCII letter, digit, _ or .")
    } else if name.chars().count() > LONGEST {
        Some("is longer than 200 characters")
    } else {
        None
    }
}

/// What is wrong with a tag: a letter first, then letters, digits, `_ - : . /`, in lower case, no colon at the end.
///
/// The real intake rewrites some of these silently; two series may become one by that, so here it is a fault.
pub(crate) fn tag_fault(tag: &str) -> Option<&'static str> {
    if !tag.starts_with(char::is_alphabetic) {
        Some("does not start with a letter")
    } else if !tag.chars().all(|c| c.is_alphanumeric() || "_-:./".contains(c)) {
        Some("has a character that is no letter, digit, _, -, :, . or /")
    } else if tag.chars().any(|c| !c.to_lowercase().eq([c])) {
        Some("is not in lower case")
    } else if tag.ends_with(':') {
        Some("ends with a colon")
    } else if tag.chars().count() > LONGEST {
        Some("is longer than 200 characters")
    } else {
        None
    }
}
