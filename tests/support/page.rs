//! A reader of the two text formats of metrics, for comparing pages; it knows no more than the agent writes.

use std::collections::{BTreeMap, BTreeSet};

/// A sample's name and its labels in order.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// A page of metrics in text 0.0.4 or OpenMetrics.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Every sample's value.
    pub(crate) samples: BTreeMap<Series, f64>,
    /// Every family's type, by the name that stands in its `TYPE` line.
    pub(crate) types: BTreeMap<String, String>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    ///
    /// With the line, when it is no sample, and when a sample stands twice.
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.rsplit_once(' ').expect("a TYPE line has a type");
                let before = page.types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "two TYPE lines for {name}");
            } else if !line.is_empty() && !line.starts_with('#') {
                let (series, value) = sample(line).unwrap_or_else(|| panic!("not a sample: {line}"));
                let before = page.samples.insert(series, value);
                assert_eq!(before, None, "twice on the page: {line}");
            }
        }
        page
    }

    /// The names of the samples.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.samples.keys().map(|(name, _)| name.as_str()).collect()
    }

    /// The samples of this name.
    pub(crate) fn of(&self, name: &str) -> BTreeMap<&BTreeMap<String, String>, f64> {
        let named = self.samples.iter().filter(|((known, _), _)| known == name);
        named.map(|((_, labels), value)| (labels, *value)).collect()
    }
}

fn sample(line: &str) -> Option<(Series, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?;
    Some(((name.to_owned(), labels), value.parse().ok()?))
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.strip_prefix(',').unwrap_or(rest);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        rest = loop {
            match chars.next()? {
                (at, '"') => break &quoted[at + 1..],
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
    }
}

#[test]
fn a_page_is_read_with_its_labels_escapes_and_types() {
    let page = Page::parse(
        "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"1\",y=\"q\\\"b\\\\n\\n}\"} 2\nb 1e+09 1700000000\n# EOF\n",
    );
    assert_eq!(
        page.types,
        BTreeMap::from([("a_total".to_owned(), "counter".to_owned())])
    );
    let labels = BTreeMap::from([
        ("x".to_owned(), "1".to_owned()),
        ("y".to_owned(), "q\"b\\n\n}".to_owned()),
    ]);
    assert_eq!(
        page.samples,
        BTreeMap::from([
            (("a_total".to_owned(), labels), 2.0),
            (("b".to_owned(), BTreeMap::new()), 1e9)
        ])
    );
}
