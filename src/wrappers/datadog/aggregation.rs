//! What is told of observations beside percentiles, and what each of it is called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One number about the observations of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// The mean.
    Avg,
    /// The middle one; of an even number the mean of the two in the middle.
    Median,
    /// Their sum.
    Sum,
    /// How many there were a second.
    Count,
}

/// The word is none of max, min, avg, median, sum, count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of max, min, avg, median, sum, count")]
pub struct UnknownAggregation;

impl Aggregation {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Max,
        Self::Min,
        Self::Avg,
        Self::Median,
        Self::Sum,
        Self::Count,
    ];

    /// What is told where nothing is set.
    pub const DEFAULT: [Self; 4] = [Self::Max, Self::Median, Self::Avg, Self::Count];

    /// The word for it in settings, and after the dot in a point's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
            Self::Avg => "avg",
            Self::Median => "median",
            Self::Sum => "sum",
            Self::Count => "count",
        }
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Aggregation {
    type Err = UnknownAggregation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let same = |one: &Self| one.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(same).ok_or(UnknownAggregation)
    }
}

/// The percentiles that are told where nothing is set.
pub const DEFAULT_PERCENTILES: [f64; 1] = [0.95];

/// What a percentile (0 to 1) is called: 0.95 is `95percentile`, 0.999 is `99.9percentile`, and 0.57, which is a
/// little less than 57 hundredths in binary, is `57percentile`.
pub fn percentile_name(share: f64) -> String {
    // Six decimals tell any percentiles apart that observations can tell apart.
    format!("{}percentile", (share * 1e8).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_called_by_their_rounded_number() {
        let names: Vec<String> = [0.95, 0.999, 0.57, 0.29, 0.5, 1.0, 0.0, 0.9999, 0.07]
            .map(percentile_name)
            .into();
        let numbers = ["95", "99.9", "57", "29", "50", "100", "0", "99.99", "7"];
        assert_eq!(names, numbers.map(|number| format!("{number}percentile")));
    }

    #[test]
    fn aggregations_are_read_by_their_name() {
        for aggregation in Aggregation::ALL {
            assert_eq!(aggregation.name().parse(), Ok(aggregation));
        }
        assert_eq!("Median".parse(), Ok(Aggregation::Median));
        assert_eq!("mean".parse::<Aggregation>(), Err(UnknownAggregation));
    }
}
