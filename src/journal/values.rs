//! Columns of doubles, every bit pattern kept.
//!
//! Most values that machines report are short decimals (percentages, loads), whole numbers (bytes, counts), or
//! quotients of small ones (shares of ticks, averages). Where a column is of that sort exactly, it is written as
//! those whole numbers; else as the bits of the doubles. A value that repeats the one before in its series costs one
//! bit. Which form is smallest is computed for each column.

use crate::journal::bits::{BitReader, BitWriter, Plan, add_difference, difference, take_list};
use crate::journal::fits::{POWERS, decimal, fit_decimals, fit_quotients};
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
#[path = "values_tests.rs"]
mod tests;
