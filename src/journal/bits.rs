//! Whole numbers in as few bits as their spread needs.
//!
//! A list is written as its least value, the greatest common divisor of the distances from it, and those distances
//! either in a fixed width (even spreads) or as exponential Golomb codes (few outliers). The head of a list is
//! bytes, which are compressed later; its bits are dense and stand apart, where they do not spoil the statistics of
//! the rest.

use crate::journal::wire::{Reader, put_i64, put_u64, unzigzag, zigzag};

/// Set in a list's mode where Golomb codes follow; the other bits are the width or the order.
const GOLOMB: u8 = 0x80;

/// Collects bits, lowest first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    used: u32,
}

impl BitWriter {
    /// Appends the low `width` bits of `value`, whose other bits are zero; `width` is at most 64.
    pub(super) fn put(&mut self, value: u64, width: u32) {
        if width == 0 {
            return;
        }
        self.pending |= value << self.used;
        let room = 64 - self.used;
        if width < room {
            self.used += width;
            return;
        }
        self.bytes.extend_from_slice(&self.pending.to_le_bytes());
        self.pending = if room == 64 { 0 } else { value >> room };
        self.used = width - room;
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let bytes = self.used.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.pending.to_le_bytes()[..bytes]);
        self.bytes
    }
}

/// Takes bits in the order in which they were put.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `width` bits, at most 64; `None` behind the end.
    pub(super) fn take(&mut self, width: u32) -> Option<u64> {
        if width == 0 {
            return Some(0);
        }
        let end = self.at.checked_add(width as usize)?;
        if width > 64 || end > self.bytes.len() * 8 {
            return None;
        }
        let (byte, skip) = (self.at / 8, (self.at % 8) as u32);
        let mut word = [0u8; 16];
        let have = (self.bytes.len() - byte).min(9);
        word[..have].copy_from_slice(&self.bytes[byte..byte + have]);
        self.at = end;
        let value = (u128::from_le_bytes(word) >> skip) as u64;
        Some(if width == 64 {
            value
        } else {
            value & ((1 << width) - 1)
        })
    }
}

fn bit_length(value: u64) -> u32 {
    64 - value.leading_zeros()
}

fn gcd(mut left: u64, mut right: u64) -> u64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

/// How a list is best written, and how many bits that takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    base: i64,
    divisor: u64,
    mode: u8,
    /// Bits of the values; the head comes to a few bytes more.
    pub(super) bits: u64,
}

impl Plan {
    pub(super) fn of(list: &[i64]) -> Self {
        let base = list.iter().copied().min().unwrap_or(0);
        let mut divisor = 0;
        for value in list {
            let distance = value.wrapping_sub(base) as u64;
            if divisor == 1 {
                break;
            }
            if distance != 0 && (divisor == 0 || !distance.is_multiple_of(divisor)) {
                divisor = gcd(divisor, distance);
            }
        }
        let divisor = divisor.max(1);
        let mut lengths = [0u64; 65];
        for value in list {
            let distance = value.wrapping_sub(base) as u64;
            let quotient = if divisor == 1 {
                distance
            } else {
                distance / divisor
            };
            lengths[bit_length(quotient) as usize] += 1;
        }
        let widest = lengths.iter().rposition(|count| *count > 0).unwrap_or(0);
        let mut best = Self {
            base,
            divisor,
            mode: widest as u8,
            bits: list.len() as u64 * widest as u64,
        };
        for order in 0..widest.min(62) {
            let golomb = |(length, count): (usize, &u64)| {
                if length <= order {
                    return (order as u64 + 1) * count;
                }
                // Where the sum carries it is two bits longer; so many carry if they are spread evenly.
                (2 * length - order) as u64 * count + ((2 * count) >> (length - 1 - order))
            };
            let bits = lengths.iter().enumerate().map(golomb).sum();
            if bits < best.bits {
                (best.mode, best.bits) = (order as u8 | GOLOMB, bits);
            }
        }
        best
    }

    /// Writes the list that the plan was made of.
    pub(super) fn write(self, list: &[i64], head: &mut Vec<u8>, bits: &mut BitWriter) {
        head.push(self.mode);
        put_i64(head, self.base);
        put_u64(head, self.divisor);
        let order = u32::from(self.mode & !GOLOMB);
        for value in list {
            let distance = value.wrapping_sub(self.base) as u64;
            let quotient = if self.divisor == 1 {
                distance
            } else {
                distance / self.divisor
            };
            if self.mode & GOLOMB == 0 {
                bits.put(quotient, order);
            } else {
                put_golomb(bits, quotient, order);
            }
        }
    }
}

/// `value + 2^order` behind as many zeros as it has bits more than `order + 1`. The order is below 62; a sum of
/// 65 bits is spelled as 64 zeros and the value.
fn put_golomb(bits: &mut BitWriter, value: u64, order: u32) {
    match value.checked_add(1 << order) {
        Some(sum) => {
            let length = bit_length(sum);
            bits.put(0, length - order - 1);
            bits.put(1, 1);
            // The leading one has been written as the end of the zeros.
            bits.put(sum & !(1 << (length - 1)), length - 1);
        }
        None => {
            bits.put(0, 64);
            bits.put(1, 1);
            bits.put(value, 64);
        }
    }
}

fn take_golomb(bits: &mut BitReader<'_>, order: u32) -> Option<u64> {
    let mut zeros = 0;
    while bits.take(1)? == 0 {
        zeros += 1;
        if zeros > 64 {
            return None;
        }
    }
    if zeros == 64 {
        return bits.take(64);
    }
    let length = zeros + order;
    if length > 63 {
        return None;
    }
    (bits.take(length)? | (1 << length)).checked_sub(1 << order)
}

/// Writes a list as [`Plan::of`] finds best.
pub(super) fn put_list(list: &[i64], head: &mut Vec<u8>, bits: &mut BitWriter) {
    Plan::of(list).write(list, head, bits);
}

/// Reads `count` numbers that [`put_list`] or [`Plan::write`] wrote.
pub(super) fn take_list(count: usize, head: &mut Reader<'_>, bits: &mut BitReader<'_>) -> Option<Vec<i64>> {
    let (mode, base, divisor) = (head.byte()?, head.i64()?, head.u64()?);
    let order = u32::from(mode & !GOLOMB);
    if order > 64 {
        return None;
    }
    let mut list = Vec::with_capacity(count.min(1 << 16));
    for _ in 0..count {
        let quotient = if mode & GOLOMB == 0 {
            bits.take(order)?
        } else {
            take_golomb(bits, order)?
        };
        list.push(base.wrapping_add(quotient.wrapping_mul(divisor) as i64));
    }
    Some(list)
}

/// The differences of neighbours, zigzagged, as a list for [`Plan::of`].
pub(super) fn difference(before: i64, value: i64) -> i64 {
    zigzag(value.wrapping_sub(before)) as i64
}

/// The reverse of [`difference`].
pub(super) fn add_difference(before: i64, difference: i64) -> i64 {
    before.wrapping_add(unzigzag(difference as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(list: &[i64]) -> usize {
        let (mut head, mut bits) = (Vec::new(), BitWriter::default());
        put_list(list, &mut head, &mut bits);
        let bits = bits.finish();
        let back = take_list(list.len(), &mut Reader::new(&head), &mut BitReader::new(&bits));
        assert_eq!(back.as_deref(), Some(list));
        head.len() + bits.len()
    }

    #[test]
    fn every_list_reads_back() {
        let mut seed = fastrand::Rng::with_seed(1);
        for spread in 0..64 {
            for outliers in [0, 1, 20] {
                let mut list: Vec<i64> = (0..50).map(|_| seed.i64(..) >> spread).collect();
                list.extend((0..outliers).map(|_| seed.i64(..)));
                bytes_of(&list);
            }
        }
        bytes_of(&[]);
        bytes_of(&[
            i64::MIN,
            i64::MAX,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        bytes_of(&[0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, i64::MAX, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_constant_costs_no_bits_and_multiples_cost_their_quotient() {
        assert_eq!(bytes_of(&[7; 1000]), 3);
        let pages: Vec<i64> = (0..1000).map(|page| (page * 37 % 1000) * 4096).collect();
        assert_eq!(bytes_of(&pages), 1 + 1 + 2 + 1250);
    }

    #[test]
    fn outliers_do_not_widen_the_rest() {
        let mut list = vec![0; 1000];
        list[500] = 1 << 40;
        assert!(bytes_of(&list) < 150, "{}", bytes_of(&list));
    }

    #[test]
    fn what_is_missing_is_noticed() {
        assert_eq!(
            take_list(1, &mut Reader::new(&[8, 0, 1]), &mut BitReader::new(&[])),
            None
        );
        assert_eq!(
            take_list(1, &mut Reader::new(&[65, 0, 1]), &mut BitReader::new(&[0; 99])),
            None
        );
        assert_eq!(
            take_list(1, &mut Reader::new(&[0xff, 0, 1]), &mut BitReader::new(&[0; 99])),
            None
        );
    }
}
