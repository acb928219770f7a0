//! How what stands in a block is framed and compressed.

use std::io::Read;
use std::ops::RangeInclusive;

use crate::component::journal::JournalError;

/// A good ratio for its time, on some kilobytes.
const LEVEL: i32 = 3;
/// 2^24 bytes, beyond any window of [`LEVEL`]; bounds what a decompressor allocates.
const WINDOW_LOG_MAX: u32 = 24;

/// What follows the version at the front of a payload; `kind` is what such a block holds.
///
/// # Errors
/// [`JournalError::Undecodable`]: the version is newer than any of `versions`, or none.
pub(super) fn unversioned<'a>(
    payload: &'a [u8],
    versions: RangeInclusive<u8>,
    kind: &str,
) -> Result<&'a [u8], JournalError> {
    let reason = match payload.split_first() {
        Some((found, rest)) if versions.contains(found) => return Ok(rest),
        Some((newer, _)) if newer > versions.end() => {
            format!("its format {newer} is newer than this agent's {}", versions.end())
        }
        _ => format!("it is no block of {kind}"),
    };
    Err(JournalError::Undecodable { reason })
}

/// Compresses bytes.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    // Compressing into memory fails for lack of memory only, and then there is none for the error either.
    #[allow(clippy::expect_used)]
    zstd::bulk::compress(bytes, LEVEL).expect("compressing into memory cannot fail")
}

/// Decompresses what [`pack`] made of `length` bytes; never more than these, whatever the bytes are.
pub(super) fn unpack(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
    decoder.window_log_max(WINDOW_LOG_MAX).ok()?;
    let mut bytes = Vec::with_capacity(length.min(1 << 16));
    decoder.take(length as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() == length).then_some(bytes)
}
