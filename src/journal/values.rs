//! Columns of doubles, every bit pattern kept.
//!
//! Most values that machines report are short decimals (percentages, loads), whole numbers (bytes, counts), or
//! quotients of small ones (shares of ticks, averages). Where a column is of that sort exactly, it is written as
//! those whole numbers; else as the bits of the doubles. A value that repeats the one before in its series costs one
//! bit. Which form is smallest is computed for each column.

use crate::journal::bits::{BitReader, BitWriter, Plan, add_difference, difference, take_list};
use crate::journal::wire::{Reader, put_i64, put_len};

/// One value for the whole column, as its bits.
const CONSTANT: u8 = 0;
/// One whole number for the whole column.
const CONSTANT_WHOLE: u8 = 1;
/// The bits of the doubles.
const DOUBLES: u8 = 2;
/// `m × 10^-e`.
const DECIMALS: u8 = 3;
/// `p ÷ q`.
const QUOTIENTS: u8 = 4;

/// Set beside the form: a bit for each value but a series' first says whether it repeats the one before.
const REPEATS: u8 = 0x10;
/// Set beside the form: the numbers are a list of the series' first ones and a list of differences.
const DIFFERENCES: u8 = 0x20;

/// More digits behind the point than this cost as much as the double.
const MOST_DIGITS: usize = 12;
const POWERS: [f64; MOST_DIGITS + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];
/// Beyond this, whole numbers are no longer all doubles.
const MOST_WHOLE: f64 = 9_007_199_254_740_992.0;
const MOST_DENOMINATOR: f64 = 65_535.0;

/// Whole numbers that stand for a column, and where they do not.
struct Fitted {
    numbers: Vec<i64>,
    denominators: Vec<i64>,
    digits: usize,
    exceptions: Vec<usize>,
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

fn decimal(value: f64, digits: usize) -> Option<i64> {
    let scaled = (value * POWERS[digits]).round();
    let number = scaled as i64;
    // Back by way of the whole number, which knows no negative zero.
    let exact = scaled.abs() < MOST_WHOLE && (number as f64 / POWERS[digits]).to_bits() == value.to_bits();
    exact.then_some(number)
}

fn fit_decimals(values: &[f64]) -> Option<Fitted> {
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
    if !(magnitude < MOST_WHOLE) || value.to_bits() == (-0.0f64).to_bits() {
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

fn fit_quotients(values: &[f64]) -> Option<Fitted> {
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

/// One list, whole or as first ones and differences, whichever is smaller.
enum Lists {
    Plain(Plan, Vec<i64>),
    Split([(Plan, Vec<i64>); 2]),
}

impl Lists {
    /// `runs` are the counts of neighbours that belong to one series.
    fn of(numbers: Vec<i64>, runs: &[usize]) -> Self {
        let plain = Plan::of(&numbers);
        if runs.len() == numbers.len() {
            return Self::Plain(plain, numbers);
        }
        let (mut firsts, mut differences) =
            (Vec::with_capacity(runs.len()), Vec::with_capacity(numbers.len()));
        let mut rest = numbers.as_slice();
        for run in runs {
            let (series, others) = rest.split_at(*run);
            rest = others;
            firsts.extend(series.first());
            differences.extend(series.windows(2).map(|pair| difference(pair[0], pair[1])));
        }
        let split = [(Plan::of(&firsts), firsts), (Plan::of(&differences), differences)];
        // The second head.
        let split_bits = split[0].0.bits + split[1].0.bits + 24;
        if split_bits < plain.bits {
            Self::Split(split)
        } else {
            Self::Plain(plain, numbers)
        }
    }

    fn bits(&self) -> u64 {
        match self {
            Self::Plain(plan, _) => plan.bits,
            Self::Split([firsts, differences]) => firsts.0.bits + differences.0.bits + 24,
        }
    }

    fn flag(&self) -> u8 {
        if matches!(self, Self::Split(_)) {
            DIFFERENCES
        } else {
            0
        }
    }

    fn write(&self, head: &mut Vec<u8>, bits: &mut BitWriter) {
        match self {
            Self::Plain(plan, list) => plan.write(list, head, bits),
            Self::Split(lists) => lists.iter().for_each(|(plan, list)| plan.write(list, head, bits)),
        }
    }
}

/// Writes a column. `runs` are the counts of its neighbouring values that belong to one series; they sum up to the
/// column's length, and none is zero.
pub(super) fn put_column(values: &[f64], runs: &[usize], head: &mut Vec<u8>, bits: &mut BitWriter) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        match decimal(*first, 0) {
            Some(whole) => {
                head.push(CONSTANT_WHOLE);
                put_i64(head, whole);
            }
            None => {
                head.push(CONSTANT);
                head.extend_from_slice(&first.to_le_bytes());
            }
        }
        return;
    }
    let at = head.len();
    head.push(0);
    let (kept, kept_runs);
    let mut flags = 0;
    let (values, runs) = if repeats(values, runs) * 6 > values.len() {
        flags |= REPEATS;
        (kept, kept_runs) = without_repeats(values, runs, bits);
        (kept.as_slice(), kept_runs.as_slice())
    } else {
        (values, runs)
    };
    head[at] = flags | put_numbers(values, runs, head, bits);
}

fn put_numbers(values: &[f64], runs: &[usize], head: &mut Vec<u8>, bits: &mut BitWriter) -> u8 {
    let mut fitted = fit_decimals(values).map(|fitted| (DECIMALS, fitted));
    if fitted.is_none() {
        fitted = fit_quotients(values).map(|fitted| (QUOTIENTS, fitted));
    }
    let raw = Lists::of(values.iter().map(|value| value.to_bits() as i64).collect(), runs);
    if let Some((form, fitted)) = fitted {
        let lists = Lists::of(fitted.numbers, runs);
        let denominators = Plan::of(&fitted.denominators);
        let cost = lists.bits() + denominators.bits + 80 * fitted.exceptions.len() as u64;
        if cost < raw.bits() {
            put_len(head, fitted.exceptions.len());
            for index in fitted.exceptions {
                put_len(head, index);
                head.extend_from_slice(&values[index].to_le_bytes());
            }
            if form == DECIMALS {
                head.push(fitted.digits as u8);
            } else {
                denominators.write(&fitted.denominators, head, bits);
            }
            lists.write(head, bits);
            return form | lists.flag();
        }
    }
    raw.write(head, bits);
    DOUBLES | raw.flag()
}

fn repeats(values: &[f64], runs: &[usize]) -> usize {
    if runs.len() == values.len() {
        return 0;
    }
    series_of(values, runs)
        .map(|series| {
            series
                .windows(2)
                .filter(|pair| pair[0].to_bits() == pair[1].to_bits())
                .count()
        })
        .sum()
}

fn series_of<'a>(mut rest: &'a [f64], runs: &'a [usize]) -> impl Iterator<Item = &'a [f64]> {
    runs.iter().map(move |run| {
        let (series, others) = rest.split_at(*run);
        rest = others;
        series
    })
}

fn without_repeats(values: &[f64], runs: &[usize], bits: &mut BitWriter) -> (Vec<f64>, Vec<usize>) {
    let (mut kept, mut kept_runs) = (Vec::with_capacity(values.len()), Vec::with_capacity(runs.len()));
    for series in series_of(values, runs) {
        let from = kept.len();
        kept.extend(series.first());
        for pair in series.windows(2) {
            let repeats = pair[0].to_bits() == pair[1].to_bits();
            bits.put(u64::from(repeats), 1);
            if !repeats {
                kept.push(pair[1]);
            }
        }
        kept_runs.push(kept.len() - from);
    }
    (kept, kept_runs)
}

/// Reads a column that [`put_column`] wrote for the same `runs`, `count` values in all.
pub(super) fn take_column(
    count: usize,
    runs: &[usize],
    head: &mut Reader<'_>,
    bits: &mut BitReader<'_>,
) -> Option<Vec<f64>> {
    let form = head.byte()?;
    match form {
        CONSTANT => return Some(vec![f64::from_le_bytes(head.array()?); count]),
        CONSTANT_WHOLE => return Some(vec![head.i64()? as f64; count]),
        _ => {}
    }
    if form & REPEATS == 0 {
        return take_numbers(form, count, runs, head, bits);
    }
    let mut repeated = Vec::with_capacity(count);
    let mut kept_runs = Vec::with_capacity(runs.len());
    for run in runs {
        let mut kept = 1;
        repeated.push(false);
        for _ in 1..*run {
            let again = bits.take(1)? == 1;
            kept += usize::from(!again);
            repeated.push(again);
        }
        kept_runs.push(kept);
    }
    let kept = take_numbers(form & !REPEATS, kept_runs.iter().sum(), &kept_runs, head, bits)?;
    let mut kept = kept.into_iter();
    let mut last = 0.0;
    let mut values = Vec::with_capacity(count);
    for again in repeated {
        if !again {
            last = kept.next()?;
        }
        values.push(last);
    }
    Some(values)
}

fn take_numbers(
    form: u8,
    count: usize,
    runs: &[usize],
    head: &mut Reader<'_>,
    bits: &mut BitReader<'_>,
) -> Option<Vec<f64>> {
    let (split, form) = (form & DIFFERENCES != 0, form & !DIFFERENCES);
    if form == DOUBLES {
        let raw = take_lists(split, count, runs, head, bits)?;
        return Some(raw.into_iter().map(|bits| f64::from_bits(bits as u64)).collect());
    }
    let mut exceptions = Vec::new();
    for _ in 0..head.len(count)? {
        exceptions.push((head.len(count)?, f64::from_le_bytes(head.array()?)));
    }
    let mut values: Vec<f64> = match form {
        DECIMALS => {
            let power = POWERS.get(usize::from(head.byte()?))?;
            let numbers = take_lists(split, count, runs, head, bits)?;
            numbers.into_iter().map(|number| number as f64 / power).collect()
        }
        QUOTIENTS => {
            let denominators = take_list(count, head, bits)?;
            let numbers = take_lists(split, count, runs, head, bits)?;
            numbers
                .into_iter()
                .zip(denominators)
                .map(|(p, q)| p as f64 / q as f64)
                .collect()
        }
        _ => return None,
    };
    for (index, value) in exceptions {
        *values.get_mut(index)? = value;
    }
    Some(values)
}

fn take_lists(
    split: bool,
    count: usize,
    runs: &[usize],
    head: &mut Reader<'_>,
    bits: &mut BitReader<'_>,
) -> Option<Vec<i64>> {
    if !split {
        return take_list(count, head, bits);
    }
    let firsts = take_list(runs.len(), head, bits)?;
    let mut differences = take_list(count.checked_sub(runs.len())?, head, bits)?.into_iter();
    let mut numbers = Vec::with_capacity(count);
    for (run, first) in runs.iter().zip(firsts) {
        let mut last = first;
        numbers.push(last);
        for _ in 1..*run {
            last = add_difference(last, differences.next()?);
            numbers.push(last);
        }
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(values: &[f64], runs: &[usize]) -> usize {
        let (mut head, mut bits) = (Vec::new(), BitWriter::default());
        put_column(values, runs, &mut head, &mut bits);
        let bits = bits.finish();
        let back = take_column(
            values.len(),
            runs,
            &mut Reader::new(&head),
            &mut BitReader::new(&bits),
        )
        .unwrap();
        let pattern = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(pattern(&back), pattern(values));
        head.len() + bits.len()
    }

    const ODD: [f64; 12] = [
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        5e-324,
        f64::MIN_POSITIVE / 2.0,
        f64::MAX,
        f64::MIN,
        9_007_199_254_740_993.0,
        0.1 + 0.2,
    ];

    #[test]
    fn every_bit_pattern_reads_back() {
        let mut seed = fastrand::Rng::with_seed(3);
        bytes_of(&ODD, &[1; 12]);
        bytes_of(&ODD, &[6, 6]);
        for value in ODD {
            bytes_of(&[value; 9], &[9]);
            let mut column: Vec<f64> = (0..90).map(f64::from).collect();
            column[40] = value;
            bytes_of(&column, &[1; 90]);
            bytes_of(&column, &[30, 60]);
        }
        let random: Vec<f64> = (0..1000).map(|_| f64::from_bits(seed.u64(..))).collect();
        bytes_of(&random, &[10; 100]);
    }

    #[test]
    fn decimals_quotients_and_repeats_are_cheap() {
        let mut seed = fastrand::Rng::with_seed(3);
        let mut column = |make: &mut dyn FnMut(u32) -> f64| -> Vec<f64> {
            (0..1000).map(|_| make(seed.u32(..))).collect()
        };
        let ones = [1; 1000];
        let percentages = column(&mut |random| f64::from(random % 10_000) / 100.0);
        assert!(bytes_of(&percentages, &ones) < 1_770);
        let ticks = column(&mut |random| f64::from(random % 999) / 998.0);
        assert!(bytes_of(&ticks, &ones) < 1_270);
        let singles = column(&mut |random| f64::from(f32::from_bits(0x4200_0000 | (random % (1 << 22)))));
        assert!(bytes_of(&singles, &ones) < 2_790);
        let mut last = 0.0;
        let steady = column(&mut |random| {
            if random % 10 == 0 {
                last = f64::from(random).sqrt();
            }
            last
        });
        assert!(bytes_of(&steady, &[100; 10]) < 950);
    }
}
