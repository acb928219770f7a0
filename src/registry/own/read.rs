//! Reads back the text that `prometheus-client` writes, and nothing else.
//!
//! The crate can only write OpenMetrics text, with metadata in an order of its own, help that is not escaped and `inf`
//! for infinities. Reading it back lets one encoder write every page, in every format.

use std::borrow::Cow;

use crate::model::labels::Labels;

/// One family as it was written.
#[derive(Debug, PartialEq)]
pub(super) struct Written<'a> {
    /// Its name on the metadata lines, without `_total`.
    pub(super) name: &'a str,
    /// `counter` or `gauge`.
    pub(super) kind: &'a str,
    /// Its samples.
    pub(super) series: Vec<(Labels, f64)>,
}

/// Reads families of counters and gauges. `Err` holds the first line that is not as expected.
pub(super) fn read(text: &str) -> Result<Vec<Written<'_>>, &str> {
    let mut families: Vec<Written<'_>> = Vec::new();
    for line in text.lines() {
        if line.starts_with("# HELP ") {
            // The catalogue knows it better.
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(line)?;
            families.push(Written {
                name,
                kind,
                series: Vec::new(),
            });
        } else {
            let family = families.last_mut().ok_or(line)?;
            let suffix = if family.kind == "counter" { "_total" } else { "" };
            let rest = line
                .strip_prefix(family.name)
                .and_then(|rest| rest.strip_prefix(suffix));
            family.series.push(rest.and_then(read_sample).ok_or(line)?);
        }
    }
    Ok(families)
}

/// Reads what stands behind the name: `{key="value",…} 1` or ` 1`.
fn read_sample(rest: &str) -> Option<(Labels, f64)> {
    let mut pairs = Vec::new();
    let value = match rest.strip_prefix('{') {
        None => rest,
        Some(mut rest) => {
            while let Some((key, text)) = rest.split_once("=\"").filter(|_| !rest.starts_with('}')) {
                let (value, after) = read_quoted(text)?;
                pairs.push((key, value));
                rest = after.strip_prefix(',').unwrap_or(after);
            }
            rest.strip_prefix('}')?
        }
    };
    let value = value.strip_prefix(' ')?.parse().ok()?;
    Some((Labels::new(pairs), value))
}

fn read_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut escaped = false;
    let end = text.find(|char| {
        let ends = char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    })?;
    let (value, rest) = (&text[..end], &text[end + 1..]);
    if !value.contains('\\') {
        return Some((Cow::Borrowed(value), rest));
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next()? {
                'n' => '\n',
                other => other,
            },
            other => other,
        });
    }
    Some((Cow::Owned(plain), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_read_back_with_awkward_labels_and_values() {
        let text = "# HELP a Help.\n# TYPE a counter\na_total{x=\"1,y=\\\"}\\\\\",z=\"\\n\"} 3\na_total{x=\"2\"} 4\n\
                    # HELP b Help.\n# TYPE b gauge\nb inf\n";
        let families = read(text).unwrap();
        assert_eq!(
            families,
            [
                Written {
                    name: "a",
                    kind: "counter",
                    series: vec![
                        (Labels::new([("x", "1,y=\"}\\"), ("z", "\n")]), 3.0),
                        (Labels::new([("x", "2")]), 4.0)
                    ],
                },
                Written {
                    name: "b",
                    kind: "gauge",
                    series: vec![(Labels::empty(), f64::INFINITY)],
                },
            ]
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "a 1",
            "# TYPE a gauge\nb 1",
            "# TYPE a gauge\na{x=\"1} 1",
            "# TYPE a gauge\na one",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
