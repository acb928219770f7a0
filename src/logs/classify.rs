//! Tells how serious a line is by the words in it.

use aho_corasick::AhoCorasick;

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing in it says otherwise.
    Info,
    /// It has a keyword of warnings.
    Warning,
    /// It has a keyword of errors.
    Error,
}

impl Level {
    /// All levels, in the order of [`Level::index`].
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// The word for this level in labels and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Its place in [`Level::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Info => 0,
            Self::Warning => 1,
            Self::Error => 2,
        }
    }
}

/// The keywords of one kind of container. They are found anywhere in a line, as they are written: case counts. An empty
/// one is in every line.
#[derive(Clone, Debug)]
pub struct Classifier {
    errors: AhoCorasick,
    ignored: AhoCorasick,
    warnings: AhoCorasick,
}

/// Why keywords cannot be searched for: they are gigabytes.
#[derive(Debug, thiserror::Error)]
#[error("too many keywords to search for: {0}")]
pub struct TooManyKeywords(#[from] aho_corasick::BuildError);

impl Classifier {
    /// Takes the keywords.
    ///
    /// # Errors
    /// See [`TooManyKeywords`].
    pub fn new(errors: &[String], ignored: &[String], warnings: &[String]) -> Result<Self, TooManyKeywords> {
        Ok(Self {
            errors: AhoCorasick::new(errors)?,
            ignored: AhoCorasick::new(ignored)?,
            warnings: AhoCorasick::new(warnings)?,
        })
    }

    /// The level of one line. One with a keyword of errors and a text to ignore is `Info`, whatever warnings it has: so
    /// the original has it, only that it looked at many lines at once and an ignored one hid the others.
    pub fn level(&self, line: &[u8]) -> Level {
        if self.errors.is_match(line) {
            match self.ignored.is_match(line) {
                true => Level::Info,
                false => Level::Error,
            }
        } else if self.warnings.is_match(line) {
            Level::Warning
        } else {
            Level::Info
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn level(line: &[u8]) -> Level {
        let made = Classifier::new(&words(&["ERROR", "FATAL"]), &words(&["TODO"]), &words(&["WARN"]));
        made.unwrap().level(line)
    }

    #[test]
    fn an_error_goes_before_a_warning_and_case_counts() {
        assert_eq!(level(b"12:00 [WARNING] low"), Level::Warning);
        assert_eq!(level(b"WARN and ERROR"), Level::Error);
        assert_eq!(level(b"xFATALx"), Level::Error);
        assert_eq!(level(b"error warn"), Level::Info);
        assert_eq!(level(b""), Level::Info);
    }

    #[test]
    fn an_ignored_error_is_info_even_with_a_warning_in_it() {
        assert_eq!(level(b"ERROR TODO later"), Level::Info);
        assert_eq!(level(b"ERROR TODO WARN"), Level::Info);
        assert_eq!(level(b"WARN TODO"), Level::Warning);
    }

    #[test]
    fn binary_lines_are_searched_as_they_are() {
        assert_eq!(level(b"\xff\x00ERROR\xfe"), Level::Error);
        assert_eq!(level(b"\xff\xfe\x00"), Level::Info);
    }

    #[test]
    fn an_empty_keyword_is_in_every_line_and_no_keyword_in_none() {
        let made = Classifier::new(&[], &[], &words(&[""])).unwrap();
        assert_eq!(made.level(b"anything"), Level::Warning);
        let made = Classifier::new(&[], &[], &[]).unwrap();
        assert_eq!(made.level(b"ERROR"), Level::Info);
    }
}
