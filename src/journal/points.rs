//! Points as the payload of a block, and back: columns, a dictionary, lossless numbers.
//!
//! # The format, version 2
//!
//! ```text
//! version (1 byte) │ bytes of the head before compression (varint) │ bytes after it (varint) │ head, zstd │ bits
//! ```
//!
//! The *head* holds texts, counts and the parameters of every list; the *bits* hold the lists themselves
//! (`bits`), too dense for a compressor. In order: the number of points; names, suffixes, label sets (`dictionary`);
//! the distinct times; the distinct sequences of times that a series' points have; then column by column, a column
//! being all series of one name, suffix, kind and interval: its label sets, its sequences of times, its values
//! (`values`).
//!
//! # The order of points
//!
//! A block is a set of points, so it keeps an order of its own: by name, dotted name, scale, folds, suffix, kind,
//! interval, label text, time, and last by the order in which they were given. That of [`decode`] is the one that item indexes
//! in settlements refer to.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use crate::component::journal::JournalError;
use crate::journal::bits::{BitReader, BitWriter, put_list, take_list};
use crate::journal::dictionary::{
    Ranks, name_key, put_names, put_sets, put_texts, take_names, take_sets, take_suffixes,
};
use crate::journal::packing::{pack, unpack, unversioned};
use crate::journal::values::{put_column, take_column};
use crate::journal::wire::{Reader, put_i64, put_len, put_u64};
use crate::model::point::{Point, PointKind};

/// The newest version that the first byte of a payload names.
pub const VERSION: u8 = 2;
/// The one before labels were folded. What has none is written so, and older agents can read it.
const UNFOLDED: u8 = 1;

/// Most points in one block. Whoever wraps more makes several blocks of them; a payload that claims more is refused.
pub const MOST_POINTS: usize = 1 << 22;

/// Most bytes of a head, decompressed.
const MOST_HEAD: usize = 256 << 20;

/// Everything that a series and its place in a block are made of, in order of significance.
fn series_key(name: u32, suffix: u32, kind: PointKind, interval: u32, labels: u32) -> u128 {
    let kind = match kind {
        PointKind::Gauge => 0u128,
        PointKind::Count => 1,
        PointKind::Rate => 2,
    };
    // There are at most 2^22 points, and so of anything in them; 22 + 23 + 2 + 32 + 22 bits.
    u128::from(name) << 79
        | u128::from(suffix) << 56
        | kind << 54
        | u128::from(interval) << 22
        | u128::from(labels)
}

const LABEL_BITS: u32 = 22;

/// Numbers equal lists once. Neighbours are mostly equal, so the last one is tried first.
struct Patterns {
    numbers: HashMap<Vec<i64>, usize>,
    list: Vec<Vec<i64>>,
    last: usize,
}

impl Patterns {
    fn new() -> Self {
        Self {
            numbers: HashMap::new(),
            list: Vec::new(),
            last: 0,
        }
    }

    /// The number of `pattern`, and whether it is new.
    fn number(&mut self, pattern: &[i64]) -> (usize, bool) {
        if self.list.get(self.last).is_some_and(|last| last == pattern) {
            return (self.last, false);
        }
        if let Some(number) = self.numbers.get(pattern) {
            self.last = *number;
            return (*number, false);
        }
        self.last = self.list.len();
        self.numbers.insert(pattern.to_vec(), self.last);
        self.list.push(pattern.to_vec());
        (self.last, true)
    }
}

/// Where a point stands in its block, and where it came from.
type Place = (u128, i64, u32);

/// Encodes points. The payload's order is described at the module; nothing but the order is lost, not even the bits
/// of a NaN. At most [`MOST_POINTS`]: the rest would be unreadable, so it is a bug of the caller to give more.
pub fn encode(points: &[Point]) -> Bytes {
    debug_assert!(points.len() <= MOST_POINTS, "the caller splits what is larger");
    let (mut head, mut bits) = (Vec::with_capacity(4096), BitWriter::default());
    put_len(&mut head, points.len());
    let places = put_dictionary(points, &mut head, &mut bits);
    let mut times: Vec<i64> = places.iter().map(|place| place.1).collect();
    times.sort_unstable();
    times.dedup();
    put_ascending(&times, &mut head, &mut bits);
    put_columns(points, &places, &times, &mut head, &mut bits);
    let bits = bits.finish();
    let packed = pack(&head);
    let mut payload = Vec::with_capacity(packed.len() + bits.len() + 8);
    let folded = points.iter().any(|point| !point.names.folds.is_empty());
    payload.push(if folded { VERSION } else { UNFOLDED });
    put_len(&mut payload, head.len());
    put_len(&mut payload, packed.len());
    payload.extend_from_slice(&packed);
    payload.extend_from_slice(&bits);
    payload.into()
}

fn put_dictionary(points: &[Point], head: &mut Vec<u8>, bits: &mut BitWriter) -> Vec<Place> {
    let (mut names, mut suffixes, mut sets) = (Ranks::new(), Ranks::new(), Ranks::new());
    let mut numbers = Vec::with_capacity(points.len());
    for point in points {
        let suffix = point.suffix.as_ref();
        numbers.push((
            names.number(Arc::as_ptr(&point.names).addr(), &point.names),
            suffix.map(|suffix| suffixes.number(Arc::as_ptr(suffix).cast::<u8>().addr(), suffix)),
            sets.number(point.labels.address(), &point.labels),
        ));
    }
    let (names, name_ranks) = names.sorted(name_key);
    let (suffixes, suffix_ranks) = suffixes.sorted(Arc::clone);
    let (sets, set_ranks) = sets.sorted(Clone::clone);
    put_names(&names, head);
    put_texts(&suffixes, head);
    put_sets(&sets, head, bits);
    let mut places: Vec<Place> = Vec::with_capacity(points.len());
    for ((point, (name, suffix, set)), index) in points.iter().zip(numbers).zip(0u32..) {
        let key = series_key(
            name_ranks[name as usize],
            suffix.map_or(0, |suffix| suffix_ranks[suffix as usize] + 1),
            point.kind,
            point.interval,
            set_ranks[set as usize],
        );
        places.push((key, point.time, index));
    }
    places.sort_unstable();
    places
}

/// One series in its column.
struct Row<'a> {
    places: &'a [Place],
    sequence: usize,
}

fn put_columns(points: &[Point], places: &[Place], times: &[i64], head: &mut Vec<u8>, bits: &mut BitWriter) {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut sequences = Patterns::new();
    let mut sequence = Vec::new();
    for series in places.chunk_by(|left, right| left.0 == right.0) {
        sequence.clear();
        let mut at = 0;
        for place in series {
            // Times ascend within a series, and all of them are listed.
            at += times[at..].partition_point(|time| *time < place.1);
            sequence.push(at as i64);
        }
        rows.push(Row {
            places: series,
            sequence: sequences.number(&sequence).0,
        });
    }
    put_len(head, sequences.list.len());
    for sequence in &sequences.list {
        put_ascending(sequence, head, bits);
    }
    let column_of = |row: &Row<'_>| row.places[0].0 >> LABEL_BITS;
    let columns: Vec<&[Row<'_>]> = rows
        .chunk_by(|left, right| column_of(left) == column_of(right))
        .collect();
    put_len(head, columns.len());
    let mut set_lists = Patterns::new();
    let (mut list, mut runs, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = 0;
    for column in columns {
        let key = column_of(&column[0]);
        let (name, suffix) = ((key >> 57) as u64, (key >> 34) as u64 & 0x7f_ffff);
        put_u64(head, name - before);
        before = name;
        put_u64(head, suffix);
        head.push((key >> 32) as u8 & 3);
        put_u64(head, u64::from(key as u32));
        list.clear();
        list.extend(
            column
                .iter()
                .map(|row| (row.places[0].0 & ((1 << LABEL_BITS) - 1)) as i64),
        );
        let (number, new) = set_lists.number(&list);
        put_len(head, number);
        if new {
            put_ascending(&list, head, bits);
        }
        list.clear();
        list.extend(column.iter().map(|row| row.sequence as i64));
        put_list(&list, head, bits);
        runs.clear();
        values.clear();
        for row in column {
            runs.push(row.places.len());
            values.extend(row.places.iter().map(|place| points[place.2 as usize].value));
        }
        put_column(&values, &runs, head, bits);
    }
}

/// Writes numbers that never fall: how many, and their distances.
fn put_ascending(list: &[i64], head: &mut Vec<u8>, bits: &mut BitWriter) {
    put_len(head, list.len());
    put_i64(head, list.first().copied().unwrap_or(0));
    let distances: Vec<i64> = list
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]))
        .collect();
    put_list(&distances, head, bits);
}

fn take_ascending(most: usize, head: &mut Reader<'_>, bits: &mut BitReader<'_>) -> Option<Vec<i64>> {
    let count = head.len(most)?;
    let mut last = head.i64()?;
    let distances = take_list(count.saturating_sub(1), head, bits)?;
    let mut list = Vec::with_capacity(distances.len() + 1);
    list.extend((count > 0).then_some(last));
    for distance in distances {
        last = last.wrapping_add(distance);
        list.push(last);
    }
    Some(list)
}

/// Decodes the payload of a block of points, in the order that item indexes refer to. Whatever the bytes are, it
/// neither panics nor allocates more than some hundred megabytes.
///
/// # Errors
/// [`JournalError::Undecodable`]: the payload is of a newer version, cut, or not what [`encode`] writes.
pub fn decode(payload: &[u8]) -> Result<Vec<Point>, JournalError> {
    let undecodable = |reason: &str| JournalError::Undecodable {
        reason: reason.to_owned(),
    };
    let mut outer = Reader::new(unversioned(payload, UNFOLDED..=VERSION, "points")?);
    let lengths = (outer.len(MOST_HEAD), outer.len(payload.len()));
    let (Some(unpacked), Some(packed)) = lengths else {
        return Err(undecodable("its lengths are impossible"));
    };
    let packed = outer.bytes(packed).ok_or_else(|| undecodable("it is cut"))?;
    let head = unpack(packed, unpacked).ok_or_else(|| undecodable("its head does not decompress"))?;
    take_points(&mut Reader::new(&head), &mut BitReader::new(outer.rest()))
        .ok_or_else(|| undecodable("its columns do not fit together"))
}

fn take_points(head: &mut Reader<'_>, bits: &mut BitReader<'_>) -> Option<Vec<Point>> {
    let count = head.len(MOST_POINTS)?;
    let names = take_names(count, head)?;
    let suffixes = take_suffixes(count, head)?;
    let sets = take_sets(count, head, bits)?;
    let times = take_ascending(count, head, bits)?;
    let sequences = take_sequences(count, times.len(), head, bits)?;
    let mut set_lists: Vec<Vec<i64>> = Vec::new();
    let mut points = Vec::with_capacity(count.min(1 << 16));
    let mut name = 0usize;
    let mut listed = 0;
    for _ in 0..head.len(count)? {
        name = name.checked_add(head.len(names.len())?)?;
        let names = names.get(name)?;
        let suffix = match head.len(suffixes.len())? {
            0 => None,
            number => Some(&suffixes[number - 1]),
        };
        let kind = match head.byte()? {
            0 => PointKind::Gauge,
            1 => PointKind::Count,
            2 => PointKind::Rate,
            _ => return None,
        };
        let interval = head.u32()?;
        let number = head.len(set_lists.len())?;
        if number == set_lists.len() {
            let list = take_ascending(count - listed, head, bits)?;
            listed += list.len();
            set_lists.push(list);
        }
        let labels = &set_lists[number];
        let sequence_numbers = take_list(labels.len(), head, bits)?;
        let own: Option<Vec<&Vec<i64>>> = sequence_numbers
            .iter()
            .map(|number| sequences.get(usize::try_from(*number).ok()?))
            .collect();
        let own = own?;
        let runs: Vec<usize> = own.iter().map(|sequence| sequence.len()).collect();
        let total = runs.iter().try_fold(0usize, |sum, run| sum.checked_add(*run))?;
        if total > count - points.len() {
            return None;
        }
        let mut values = take_column(total, &runs, head, bits)?.into_iter();
        for (set, sequence) in labels.iter().zip(own) {
            let labels = sets.get(usize::try_from(*set).ok()?)?;
            for at in sequence {
                points.push(Point {
                    names: Arc::clone(names),
                    suffix: suffix.cloned(),
                    labels: labels.clone(),
                    kind,
                    interval,
                    time: times[*at as usize],
                    value: values.next()?,
                });
            }
        }
    }
    (points.len() == count).then_some(points)
}

/// The sequences of indexes into the times; none is empty, and every index is one.
fn take_sequences(
    count: usize,
    times: usize,
    head: &mut Reader<'_>,
    bits: &mut BitReader<'_>,
) -> Option<Vec<Vec<i64>>> {
    let mut room = count;
    let mut sequences = Vec::new();
    for _ in 0..head.len(count)? {
        let sequence = take_ascending(room, head, bits)?;
        room -= sequence.len();
        let possible = |at: &i64| usize::try_from(*at).is_ok_and(|at| at < times);
        if sequence.is_empty() || !sequence.iter().all(possible) {
            return None;
        }
        sequences.push(sequence);
    }
    Some(sequences)
}

#[cfg(test)]
#[path = "points_tests.rs"]
mod tests;
