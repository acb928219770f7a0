//! Doubles as whole numbers that give back every bit of them: decimals and quotients.

/// More digits behind the point than this cost as much as the double.
const MOST_DIGITS: usize = 12;
pub(super) const POWERS: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];
/// Beyond this, whole numbers are no longer all doubles.
const MOST_WHOLE: f64 = 9_007_199_254_740_992.0;
const MOST_DENOMINATOR: f64 = 65_535.0;

/// Whole numbers that stand for a column, and where they do not.
pub(super) struct Fitted {
    pub(super) numbers: Vec<i64>,
    pub(super) denominators: Vec<i64>,
    pub(super) digits: usize,
    pub(super) exceptions: Vec<usize>,
}

impl Fitted {
    /// So many exceptions show that the column is not of this sort; the first values decide early.
    fn is_hopeless(&self) -> bool {
        self.exceptions.len() > 3 + self.numbers.len() / 8
    }

    /// Notes that the value at the end of `numbers` is an exception; its number repeats the one before, which is cheap.
    fn except(&mut self) {
        self.exceptions.push(self.numbers.len());
        self.numbers.push(self.numbers.last().copied().unwrap_or(0));
    }
}

pub(super) fn decimal(value: f64, digits: usize) -> Option<i64> {
    let scaled = (value * POWERS[digits]).round();
    let number = scaled as i64;
    // Back by way of the whole number, which knows no negative zero.
    let exact = scaled.abs() < MOST_WHOLE && (number as f64 / POWERS[digits]).to_bits() == value.to_bits();
    exact.then_some(number)
}

pub(super) fn fit_decimals(values: &[f64]) -> Option<Fitted> {
    let mut digits = 0;
    let mut misses = 0;
    for (index, value) in values.iter().enumerate() {
        if decimal(*value, digits).is_none() {
            match (digits + 1..=MOST_DIGITS).find(|digits| decimal(*value, *digits).is_some()) {
                Some(more) => digits = more,
                None => misses += 1,
            }
        }
        if misses > 3 + index / 8 {
            return None;
        }
    }
    let mut fitted = Fitted {
        numbers: Vec::with_capacity(values.len()),
        denominators: Vec::new(),
        digits,
        exceptions: Vec::new(),
    };
    for value in values {
        match decimal(*value, digits) {
            Some(number) => fitted.numbers.push(number),
            None => fitted.except(),
        }
        if fitted.is_hopeless() {
            return None;
        }
    }
    Some(fitted)
}

/// The least quotient that rounds to `value`, by its continued fraction.
fn quotient(value: f64) -> Option<(i64, i64)> {
    let magnitude = value.abs();
    let possible = magnitude < MOST_WHOLE && value.to_bits() != (-0.0f64).to_bits();
    if !possible {
        return None;
    }
    let (mut p, mut q, mut p_before, mut q_before) = (1.0, 0.0, 0.0, 1.0);
    let mut rest = magnitude;
    for _ in 0..24 {
        let whole = rest.floor();
        (p, p_before) = (whole * p + p_before, p);
        (q, q_before) = (whole * q + q_before, q);
        if !(q <= MOST_DENOMINATOR && p < MOST_WHOLE) {
            return None;
        }
        if (p / q).to_bits() == magnitude.to_bits() {
            let signed = if value < 0.0 { -p } else { p };
            return Some((signed as i64, q as i64));
        }
        rest = 1.0 / (rest - whole);
    }
    None
}

pub(super) fn fit_quotients(values: &[f64]) -> Option<Fitted> {
    let mut fitted = Fitted {
        numbers: Vec::with_capacity(values.len()),
        denominators: Vec::with_capacity(values.len()),
        digits: 0,
        exceptions: Vec::new(),
    };
    for value in values {
        match quotient(*value) {
            Some((p, q)) => {
                fitted.numbers.push(p);
                fitted.denominators.push(q);
            }
            None => {
                fitted
                    .denominators
                    .push(fitted.denominators.last().copied().unwrap_or(1));
                fitted.except();
            }
        }
        if fitted.is_hopeless() {
            return None;
        }
    }
    share_denominator(&mut fitted);
    Some(fitted)
}

/// Shares of one whole (ticks of one CPU) have denominators that divide it: writes them all over their least
/// common multiple where that is small.
fn share_denominator(fitted: &mut Fitted) {
    let mut common: i64 = 1;
    for q in &fitted.denominators {
        let (mut a, mut b) = (common, *q);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        common = common / a * q;
        if common as f64 > MOST_DENOMINATOR {
            return;
        }
    }
    let scaled = |(p, q): (&i64, &i64)| {
        p.checked_mul(common / q)
            .filter(|p| (*p as f64).abs() < MOST_WHOLE)
    };
    let numbers: Option<Vec<i64>> = fitted
        .numbers
        .iter()
        .zip(&fitted.denominators)
        .map(scaled)
        .collect();
    // (p × c) ÷ (q × c) is the same number, so it rounds to the same double.
    if let Some(numbers) = numbers {
        fitted.numbers = numbers;
        fitted.denominators.fill(common);
    }
}
