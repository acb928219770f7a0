//! How a record, or half of one, lies in a write-ahead file.
//!
//! ```text
//! file:  magic "TAWNYW" │ version u16 │ receipt u128 │ CRC-32C u32 │ frames…
//! frame: marker │ length u32 │ CRC-32C u32 of receipt, length and payload │ payload
//! payload: what u8 │ queue u8 │ time i64 ms │ score f64 │ length of the key u32 │ key │ content
//! ```
//!
//! Numbers are little-endian. The checksum covers the file's receipt, so that what lies inside a record's content is never
//! taken for a frame.

use std::io::{self, Read};

use crate::component::journal::ReceiptId;
use crate::feeds::resp::write::Queue;
use crate::model::time::Timestamp;

const MAGIC: &[u8; 6] = b"TAWNYW";
const VERSION: u16 = 1;
/// Bytes of a file's header.
pub(super) const HEADER: usize = 28;
const MARKER: u8 = 0xb7;
/// Bytes of a frame before its payload.
const FRAME: usize = 9;
/// Bytes of a payload before its key.
const FIXED: usize = 22;
/// The longest payload: a key and a content, each as long as the protocol lets it be.
const MOST: usize = FIXED + (2 << 20);
/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A whole record.
    Record,
    /// A key with its time, whose content has not come.
    Time,
    /// A content whose key has not come.
    Value,
    /// What was kept as a half is one no longer.
    Gone,
}

/// A frame's content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame<'a> {
    /// What it says.
    pub(super) what: What,
    /// Of which queue.
    pub(super) queue: Queue,
    /// The time by which the record is counted; of a half, when it came.
    pub(super) time: Timestamp,
    /// The score, in seconds.
    pub(super) score: f64,
    /// The record's key.
    pub(super) key: &'a [u8],
    /// Its content; empty where it has not come.
    pub(super) json: &'a [u8],
}

/// What reading a file came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Bytes up to the end of the last good frame.
    pub(super) good: u64,
    /// Stretches before that end that hold no good frame.
    pub(super) damaged: u64,
    /// Whether something lies behind that end.
    pub(super) torn: bool,
}

/// The header of a file.
pub(super) fn header(receipt: ReceiptId) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&receipt.0.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out
}

/// Whether a newer version wrote this header; not by damage, since its checksum holds.
fn is_newer(head: &[u8]) -> bool {
    let (said, sum) = head.split_at(HEADER - 4);
    said.starts_with(MAGIC)
        && crc32c::crc32c(said).to_le_bytes() == *sum
        && u16::from_le_bytes([said[6], said[7]]) > VERSION
}

fn checksum(receipt: ReceiptId, length: [u8; 4], payload: &[u8]) -> [u8; 4] {
    let sum = crc32c::crc32c(&receipt.0.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, &length), payload).to_le_bytes()
}

impl Frame<'_> {
    /// Bytes that it takes in a file.
    pub(super) fn size(&self) -> usize {
        FRAME + FIXED + self.key.len() + self.json.len()
    }

    /// Appends it. The protocol's limits keep keys and contents below 4 GiB by far.
    pub(super) fn put(&self, receipt: ReceiptId, out: &mut Vec<u8>) {
        let mut payload = Vec::with_capacity(FIXED + self.key.len() + self.json.len());
        payload.push(match self.what {
            What::Record => 0,
            What::Time => 1,
            What::Value => 2,
            What::Gone => 3,
        });
        payload.push(match self.queue {
            Queue::Metrics => 0,
            Queue::Logs => 1,
        });
        payload.extend_from_slice(&self.time.millis().to_le_bytes());
        payload.extend_from_slice(&self.score.to_le_bytes());
        payload.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        payload.extend_from_slice(self.key);
        payload.extend_from_slice(self.json);
        let length = (payload.len() as u32).to_le_bytes();
        out.push(MARKER);
        out.extend_from_slice(&length);
        out.extend_from_slice(&checksum(receipt, length, &payload));
        out.extend_from_slice(&payload);
    }
}

fn read_payload(payload: &[u8]) -> Option<Frame<'_>> {
    let (fixed, rest) = payload.split_at_checked(FIXED)?;
    let key = u32::from_le_bytes(fixed[18..22].try_into().ok()?);
    let (key, json) = rest.split_at_checked(usize::try_from(key).ok()?)?;
    Some(Frame {
        what: match fixed[0] {
            0 => What::Record,
            1 => What::Time,
            2 => What::Value,
            3 => What::Gone,
            _ => return None,
        },
        queue: match fixed[1] {
            0 => Queue::Metrics,
            1 => Queue::Logs,
            _ => return None,
        },
        time: Timestamp::from_millis(i64::from_le_bytes(fixed[2..10].try_into().ok()?)),
        score: f64::from_le_bytes(fixed[10..18].try_into().ok()?),
        key,
        json,
    })
}

/// What begins at the start of `bytes`.
enum Found<'a> {
    Frame(Frame<'a>, usize),
    /// A frame may begin here, of which this many bytes are wanted.
    Short(usize),
    Nothing,
}

fn find(receipt: ReceiptId, bytes: &[u8]) -> Found<'_> {
    if bytes.first().is_none_or(|first| *first != MARKER) {
        return if bytes.is_empty() {
            Found::Short(FRAME)
        } else {
            Found::Nothing
        };
    }
    let Some((head, rest)) = bytes.split_at_checked(FRAME) else {
        return Found::Short(FRAME);
    };
    let length = [head[1], head[2], head[3], head[4]];
    let size = u32::from_le_bytes(length) as usize;
    if !(FIXED..=MOST).contains(&size) {
        return Found::Nothing;
    }
    let Some(payload) = rest.get(..size) else {
        return Found::Short(FRAME + size);
    };
    if checksum(receipt, length, payload) != head[5..9] {
        return Found::Nothing;
    }
    read_payload(payload).map_or(Found::Nothing, |frame| Found::Frame(frame, FRAME + size))
}

/// Reads a file from its beginning, a piece at a time, and gives every good frame to `each`; damage is passed over, in
/// the header too. `None`: a newer version wrote it, and nothing of it is understood.
///
/// # Errors
/// The medium fails.
pub(super) fn scan(
    mut file: impl Read,
    receipt: ReceiptId,
    mut each: impl FnMut(&Frame<'_>),
) -> io::Result<Option<Scan>> {
    let mut head = Vec::with_capacity(HEADER);
    (&mut file).take(HEADER as u64).read_to_end(&mut head)?;
    if head.len() < HEADER {
        let torn = !head.is_empty();
        return Ok(Some(Scan {
            good: 0,
            damaged: 0,
            torn,
        }));
    }
    if is_newer(&head) {
        return Ok(None);
    }
    let mut scan = Scan {
        good: HEADER as u64,
        damaged: u64::from(head != header(receipt)),
        torn: false,
    };
    let mut held: Vec<u8> = Vec::new();
    let (mut at, mut offset, mut ended) = (0, HEADER as u64, false);
    loop {
        match find(receipt, &held[at..]) {
            Found::Frame(frame, size) => {
                each(&frame);
                scan.damaged += u64::from(offset > scan.good);
                at += size;
                offset += size as u64;
                scan.good = offset;
            }
            Found::Short(wanted) if !ended => {
                held.drain(..at);
                at = 0;
                let most = (wanted.max(PIECE) - held.len().min(wanted)) as u64;
                ended = (&mut file).take(most).read_to_end(&mut held)? == 0;
            }
            Found::Short(_) if held.len() == at => break,
            // Behind a good beginning of a frame that never ends, another one may lie.
            Found::Short(_) | Found::Nothing => {
                let skipped = held[at + 1..]
                    .iter()
                    .position(|byte| *byte == MARKER)
                    .map_or(held.len() - at, |next| next + 1);
                at += skipped;
                offset += skipped as u64;
            }
        }
    }
    scan.torn = offset > scan.good;
    Ok(Some(scan))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIPT: ReceiptId = ReceiptId(7);

    fn frame<'a>(key: &'a [u8], json: &'a [u8]) -> Frame<'a> {
        Frame {
            what: What::Record,
            queue: Queue::Logs,
            time: Timestamp::from_millis(-5),
            score: 1.5,
            key,
            json,
        }
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<Scan>) {
        let mut keys = Vec::new();
        let scanned = scan(bytes, RECEIPT, |read| {
            assert_eq!(*read, frame(read.key, read.json));
            keys.push(read.key.to_vec());
        });
        (keys, scanned.unwrap())
    }

    fn file() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header(RECEIPT);
        let mut ends = vec![bytes.len()];
        for key in ["one", "two", "three"] {
            frame(key.as_bytes(), b"{\xb7\xb7}").put(RECEIPT, &mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn a_file_that_was_cut_anywhere_holds_the_frames_before_the_cut() {
        let (bytes, ends) = file();
        for cut in 0..=bytes.len() {
            let (keys, scanned) = read(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let good = whole.checked_sub(1).map_or(0, |last| ends[last]);
            assert_eq!(keys.len(), whole.saturating_sub(1));
            let expected = Scan {
                good: good as u64,
                damaged: 0,
                torn: cut > good,
            };
            assert_eq!(scanned, Some(expected));
        }
    }

    #[test]
    fn damage_costs_the_frame_that_it_is_in() {
        let (bytes, ends) = file();
        for at in HEADER..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let (keys, scanned) = read(&damaged);
            let lost = ends.iter().position(|end| at < *end).unwrap() - 1;
            let kept: Vec<&str> = ["one", "two", "three"]
                .into_iter()
                .enumerate()
                .filter_map(|(index, key)| (index != lost).then_some(key))
                .collect();
            assert_eq!(
                keys,
                kept.iter().map(|key| key.as_bytes()).collect::<Vec<_>>(),
                "at {at}"
            );
            let scanned = scanned.unwrap();
            assert_eq!((scanned.damaged, scanned.torn), (u64::from(lost < 2), lost == 2));
        }
    }

    #[test]
    fn frames_of_another_file_are_none_of_this_one() {
        let mut bytes = header(RECEIPT);
        frame(b"one", b"{}").put(ReceiptId(8), &mut bytes);
        assert_eq!(read(&bytes).0, Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_damaged_header_costs_nothing_and_a_newer_one_is_left_alone() {
        let (mut bytes, _) = file();
        bytes[3] ^= 1;
        let (keys, scanned) = read(&bytes);
        assert_eq!((keys.len(), scanned.unwrap().damaged), (3, 1));
        bytes[3] ^= 1;
        bytes[6] += 1;
        let sum = crc32c::crc32c(&bytes[..HEADER - 4]);
        bytes[HEADER - 4..HEADER].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(read(&bytes), (Vec::new(), None));
    }

    #[test]
    fn frames_larger_than_a_piece_are_read() {
        let json = vec![b'x'; 3 * PIECE + 5];
        let mut bytes = header(RECEIPT);
        for key in ["one", "two"] {
            frame(key.as_bytes(), &json).put(RECEIPT, &mut bytes);
        }
        let (keys, scanned) = read(&bytes);
        assert_eq!((keys.len(), scanned.unwrap().good), (2, bytes.len() as u64));
    }
}
