//! Metric and label names under the four escaping schemes.
//!
//! The reference is `EscapeName` of Prometheus' `common/model` and the
//! [specification](https://prometheus.io/docs/instrumenting/escaping_schemes/) that belongs to it: `dots` escapes the
//! underscores of legacy names too, so that every name reads back. A colon is allowed in metric names only.

use std::borrow::Cow;
use std::fmt::Write;

use crate::model::labels::escape_into;
use crate::registry::expose::negotiate::Escaping;

/// What a name belongs to; it decides which characters are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameOf {
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`
    Metric,
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    Label,
}

impl NameOf {
    fn allows(self, char: char, first: bool) -> bool {
        char.is_ascii_alphabetic()
            || char == '_'
            || (char == ':' && self == Self::Metric)
            || (char.is_ascii_digit() && !first)
    }

    /// Whether `name` needs neither escaping nor quotes.
    pub(super) fn is_legacy(self, name: &str) -> bool {
        !name.is_empty()
            && name
                .char_indices()
                .all(|(index, char)| self.allows(char, index == 0))
    }
}

/// `name` as it is shown under `escaping`. An empty name stays empty: it cannot be shown.
pub(super) fn escape(name: &str, of: NameOf, escaping: Escaping) -> Cow<'_, str> {
    let kept = match escaping {
        Escaping::AllowUtf8 => true,
        Escaping::Underscores | Escaping::Values => name.is_empty() || of.is_legacy(name),
        Escaping::Dots => of.is_legacy(name) && !name.contains('_'),
    };
    if kept {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 16);
    if escaping == Escaping::Values {
        out.push_str("U__");
    }
    for (index, char) in name.char_indices() {
        let allowed = of.allows(char, index == 0);
        match (escaping, char) {
            (Escaping::Dots | Escaping::Values, '_') => out.push_str("__"),
            (Escaping::Dots, '.') => out.push_str("_dot_"),
            (Escaping::Values, other) if !allowed => {
                // Writing to a string cannot fail.
                let _ = write!(out, "_{:x}_", u32::from(other));
            }
            (Escaping::Dots, _) if !allowed => out.push_str("__"),
            (_, other) if allowed => out.push(other),
            _ => out.push('_'),
        }
    }
    Cow::Owned(out)
}

/// `name` in quotes, its own quotes, backslashes and line feeds escaped.
pub(super) fn quote(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    escape_into(name, &mut out);
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_are_escaped_as_prometheus_does_it() {
        // Name, underscores, dots, values.
        for (name, underscores, dots, values) in [
            ("", "", "", ""),
            (
                "no:escaping_required",
                "no:escaping_required",
                "no:escaping__required",
                "no:escaping_required",
            ),
            (
                "mysystem.prod.west.cpu.load",
                "mysystem_prod_west_cpu_load",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load",
            ),
            (
                "mysystem.prod.west.cpu.load_total",
                "mysystem_prod_west_cpu_load_total",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load__total",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load__total",
            ),
            (
                "http.status:sum",
                "http_status:sum",
                "http_dot_status:sum",
                "U__http_2e_status:sum",
            ),
            (
                "label with 😱",
                "label_with__",
                "label__with____",
                "U__label_20_with_20__1f631_",
            ),
            ("花火", "__", "____", "U___82b1__706b_"),
            ("1st", "_st", "__st", "U___31_st"),
            ("a\"b\\c\nd", "a_b_c_d", "a__b__c__d", "U__a_22_b_5c_c_a_d"),
        ] {
            assert_eq!(escape(name, NameOf::Metric, Escaping::AllowUtf8), name);
            assert_eq!(escape(name, NameOf::Metric, Escaping::Underscores), underscores);
            assert_eq!(escape(name, NameOf::Metric, Escaping::Dots), dots);
            assert_eq!(escape(name, NameOf::Metric, Escaping::Values), values);
            for scheme in [Escaping::Underscores, Escaping::Dots, Escaping::Values] {
                let escaped = escape(name, NameOf::Metric, scheme);
                assert!(name.is_empty() || NameOf::Metric.is_legacy(&escaped), "{escaped}");
            }
        }
    }

    #[test]
    fn a_label_name_has_no_colon() {
        assert_eq!(escape("a:b", NameOf::Label, Escaping::Underscores), "a_b");
        assert_eq!(escape("a:b", NameOf::Label, Escaping::Dots), "a__b");
        assert_eq!(escape("a:b", NameOf::Label, Escaping::Values), "U__a_3a_b");
        assert_eq!(escape("job_name", NameOf::Label, Escaping::Dots), "job__name");
    }

    #[test]
    fn a_quoted_name_is_escaped_like_a_label_value() {
        assert_eq!(quote("a\"b\\c\nd.é"), r#""a\"b\\c\nd.é""#);
    }
}
