//! How the labels of a metric are told under its dotted name, where a predecessor had others.

use std::borrow::Cow;

use crate::model::labels::Labels;

/// Takes one label out of the set that goes with a dotted name; what it says may move to the end of another one.
///
/// A page can say `queue="mail", state="dead"` where the predecessor said `queue:mail.XQ`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fold {
    /// The label that is left out.
    pub label: Cow<'static, str>,
    /// The label that takes an ending in its place; empty for none.
    pub into: Cow<'static, str>,
    /// Which value of `label` gives which ending; any other one gives none.
    pub endings: Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>,
}

impl Fold {
    /// Leaves the label out.
    pub const fn without(label: &'static str) -> Self {
        Self {
            label: Cow::Borrowed(label),
            into: Cow::Borrowed(""),
            endings: Cow::Borrowed(&[]),
        }
    }

    /// Leaves the label out, and appends the ending that its value has to the label `into`.
    pub const fn into_label(
        label: &'static str,
        into: &'static str,
        endings: &'static [(Cow<'static, str>, Cow<'static, str>)],
    ) -> Self {
        Self {
            label: Cow::Borrowed(label),
            into: Cow::Borrowed(into),
            endings: Cow::Borrowed(endings),
        }
    }

    /// The ending that goes to the label `into`; empty for none.
    fn ending(&self, labels: &Labels) -> &str {
        let Some(value) = labels.get(&self.label) else {
            return "";
        };
        let found = self.endings.iter().find(|(of, _)| **of == *value);
        found.map_or("", |(_, ending)| ending)
    }
}

/// The labels as they stand with the dotted name.
pub fn folded(labels: &Labels, folds: &[Fold]) -> Labels {
    if folds.is_empty() {
        return labels.clone();
    }
    let kept = labels
        .iter()
        .filter(|(key, _)| !folds.iter().any(|fold| fold.label == *key));
    Labels::new(kept.map(|(key, value)| {
        let mut value = value.into_owned();
        for fold in folds.iter().filter(|fold| fold.into == key) {
            value.push_str(fold.ending(labels));
        }
        (key, value)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    static ENDINGS: [(Cow<'static, str>, Cow<'static, str>); 1] =
        [(Cow::Borrowed("dead"), Cow::Borrowed(".XQ"))];

    #[test]
    fn a_label_is_left_out_and_its_value_can_end_another() {
        let folds = [
            Fold::without("machine"),
            Fold::into_label("state", "queue", &ENDINGS),
        ];
        let labels = |state| Labels::new([("machine", "m"), ("queue", "mail"), ("state", state), ("x", "y")]);
        assert_eq!(folded(&labels("dead"), &folds).text(), r#"queue="mail.XQ",x="y""#);
        assert_eq!(folded(&labels("ready"), &folds).text(), r#"queue="mail",x="y""#);
        assert_eq!(folded(&labels(""), &folds).text(), r#"queue="mail",x="y""#);
        assert_eq!(folded(&labels("dead"), &[]), labels("dead"));
    }
}
