//! Records in a segment file: framed, checked, and found again behind damage.
//!
//! ```text
//! segment: magic "TAWNYJ" │ version u16 │ number u64 │ CRC-32C u32 │ records…
//! record:  marker │ type │ length u32 │ CRC-32C u32 │ payload
//! ```
//!
//! Numbers are little-endian. A record's checksum covers its segment's number and its offset too, so that what lies
//! inside the payload of a block, or was left in the file by an earlier one, is never taken for a record. The payload of
//! a block's record begins with a description that has a checksum of its own: where only the items are damaged, it
//! still tells how many they were.

use bytes::Bytes;

use crate::journal::account::described::{Described, is_newer};
use crate::journal::wire::Reader;

const MAGIC: &[u8; 6] = b"TAWNYJ";
const VERSION: u16 = 1;
/// Bytes of a segment's header.
pub(super) const HEADER: usize = 20;
const MARKER: u8 = 0xb7;
/// Bytes of a record before its payload.
pub(super) const FRAME: usize = 10;

/// Bytes before a block's description: its length and checksum.
const PREFIX: usize = 8;

/// A block.
pub(super) const BLOCK: u8 = 1;
/// What became of items: settled by an output, evicted, expired, found damaged.
pub(super) const CHANGE: u8 = 2;
/// Everything that is known but the blocks themselves.
pub(super) const STATE: u8 = 3;
/// Greater types are not used, by newer versions neither; finding records behind damage relies on it.
const MOST_TYPE: u8 = 31;

/// The header of a segment.
pub(super) fn header(segment: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&segment.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out
}

fn checksum(segment: u64, offset: usize, parts: [&[u8]; 2]) -> u32 {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&segment.to_le_bytes());
    place[8..].copy_from_slice(&(offset as u64).to_le_bytes());
    let sum = crc32c::crc32c(&place);
    crc32c::crc32c_append(crc32c::crc32c_append(sum, parts[0]), parts[1])
}

/// A record as it stands at `offset` of `segment`.
pub(super) fn frame(segment: u64, offset: usize, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME + payload.len());
    out.extend_from_slice(&[MARKER, kind]);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&checksum(segment, offset, [&out[1..6], payload]).to_le_bytes());
    out.extend_from_slice(payload);
    out
}

/// A block's record, but for its frame.
pub(super) fn block_payload(segment: u64, offset: usize, described: &Described) -> Vec<u8> {
    let description = described.write();
    let payload = &described.block.payload;
    let mut out = Vec::with_capacity(PREFIX + description.len() + payload.len());
    out.extend_from_slice(&(description.len() as u32).to_le_bytes());
    out.extend_from_slice(&checksum(segment, offset, [&out[..4], &description]).to_le_bytes());
    out.extend_from_slice(&description);
    out.extend_from_slice(payload);
    out
}

/// The description of a block at `offset`, and how long its record is; its items stay behind.
fn describe(segment: u64, offset: usize, payload: &[u8]) -> Option<(Described, usize)> {
    let mut reader = Reader::new(payload);
    let length: [u8; 4] = reader.array()?;
    let sum = u32::from_le_bytes(reader.array()?);
    let description = reader.bytes(u32::from_le_bytes(length) as usize)?;
    if checksum(segment, offset, [&length, description]) != sum {
        return None;
    }
    let described = Described::read(description)?;
    let whole = (PREFIX + description.len()).checked_add(described.payload)?;
    Some((described, whole))
}

/// What stands at one place of a segment.
#[derive(Debug)]
pub(super) enum Found {
    /// A good block, without its items; `length` is that of the whole record.
    Block { described: Described, length: usize },
    /// A block whose description is good and whose items are not.
    Spoilt { described: Described },
    /// A good record of another type.
    Record {
        kind: u8,
        payload: std::ops::Range<usize>,
    },
    /// Bytes in which no record is found, with good ones behind them.
    Damaged,
    /// The same up to the end: a write that was cut short, or damage of the last record.
    Torn,
}

/// The record at `offset`, if it is good, or a block of which at least the description is, with its whole length.
fn found_at(segment: u64, bytes: &[u8], offset: usize) -> Option<(Found, usize)> {
    let rest = bytes.get(offset..)?;
    let frame = rest.get(..FRAME)?;
    let kind = frame[1];
    if frame[0] != MARKER || kind == 0 || kind > MOST_TYPE {
        return None;
    }
    let length = u32::from_le_bytes([frame[2], frame[3], frame[4], frame[5]]) as usize;
    let sum = u32::from_le_bytes([frame[6], frame[7], frame[8], frame[9]]);
    let payload = rest[FRAME..].get(..length);
    let good = payload.filter(|payload| checksum(segment, offset, [&frame[1..6], payload]) == sum);
    let description = (kind == BLOCK)
        .then(|| describe(segment, offset, &rest[FRAME..]))
        .flatten();
    match (good, description) {
        (Some(payload), Some((mut described, whole))) if whole == payload.len() => {
            described.foreign |= is_newer(described.block.kind, &payload[whole - items_length(payload)..]);
            let length = FRAME + whole;
            Some((Found::Block { described, length }, length))
        }
        (Some(_), _) => Some((
            Found::Record {
                kind,
                payload: offset + FRAME..offset + FRAME + length,
            },
            FRAME + length,
        )),
        (None, Some((described, whole))) => Some((Found::Spoilt { described }, FRAME + whole)),
        (None, None) => None,
    }
}

/// Bytes of items behind the description in a good block's payload.
fn items_length(payload: &[u8]) -> usize {
    let description = u32::from_le_bytes([payload[0], payload[1], payload[2], payload[3]]) as usize;
    payload.len().saturating_sub(PREFIX + description)
}

/// Reads the block whose whole record is `bytes`; `None` if it is damaged.
pub(super) fn read_block(segment: u64, offset: u64, bytes: &[u8]) -> Option<Described> {
    let frame = bytes.get(..FRAME)?;
    let payload = &bytes[FRAME..];
    let offset = usize::try_from(offset).ok()?;
    let sum = u32::from_le_bytes([frame[6], frame[7], frame[8], frame[9]]);
    if frame[0] != MARKER || frame[1] != BLOCK || checksum(segment, offset, [&frame[1..6], payload]) != sum {
        return None;
    }
    let (mut described, whole) = describe(segment, offset, payload)?;
    let from = whole.checked_sub(items_length(payload))?;
    described.block.payload = Bytes::copy_from_slice(payload.get(from..)?);
    (whole == payload.len()).then_some(described)
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// This version.
    Good,
    /// A newer version: the segment is left alone.
    Newer,
    /// Damaged; the records may be readable all the same.
    Damaged,
}

/// Reads the header.
pub(super) fn read_header(segment: u64, bytes: &[u8]) -> Header {
    let Some(found) = bytes.get(..HEADER) else {
        return Header::Damaged;
    };
    let sum = u32::from_le_bytes([found[16], found[17], found[18], found[19]]);
    let whole = found.starts_with(MAGIC) && crc32c::crc32c(&found[..16]) == sum;
    match u16::from_le_bytes([found[6], found[7]]) {
        _ if !whole => Header::Damaged,
        version if version > VERSION => Header::Newer,
        _ if found[8..16] == segment.to_le_bytes() => Header::Good,
        _ => Header::Damaged,
    }
}

/// Walks over a segment, calling `each` with what is found and where, in order.
pub(super) fn scan(segment: u64, bytes: &[u8], mut each: impl FnMut(usize, Found)) {
    let mut offset = match read_header(segment, bytes) {
        Header::Good => HEADER,
        Header::Newer => return,
        // Searching from the start finds the first record by itself.
        Header::Damaged => 0,
    };
    while offset < bytes.len() {
        let fits = |length: usize| offset.checked_add(length).filter(|end| *end <= bytes.len());
        let end = match found_at(segment, bytes, offset) {
            Some((found, length)) if fits(length).is_some() => {
                each(offset, found);
                offset + length
            }
            _ => {
                let good = |at: &usize| {
                    found_at(segment, bytes, *at).is_some_and(|(_, length)| {
                        at.checked_add(length).is_some_and(|end| end <= bytes.len())
                    })
                };
                let Some(next) = (offset + 1..bytes.len()).find(good) else {
                    each(offset, Found::Torn);
                    return;
                };
                each(offset, Found::Damaged);
                next
            }
        };
        offset = end;
    }
}
