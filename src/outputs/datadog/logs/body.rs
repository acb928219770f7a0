//! Packs entries into one compressed array, up to the limits of the intake.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::component::output::{Encoded, LogEntry};

/// Most bytes of a request before compression: documented as 5 MB, which is read as the smaller of its two meanings.
pub(super) const MOST_BYTES: usize = 5_000_000;
/// Most entries of a request.
pub(super) const MOST_ENTRIES: usize = 1_000;

/// Packs as many entries from the front as the limits divided by `shrink` allow, but at least one.
#[allow(clippy::expect_used, reason = "a Vec takes every write")]
pub(super) fn pack(entries: &[LogEntry], level: u32, shrink: u32) -> Encoded {
    let by = shrink.max(1) as usize;
    let (most_bytes, most_entries) = (MOST_BYTES / by, (MOST_ENTRIES / by).max(1));
    let mut body = GzEncoder::new(Vec::new(), Compression::new(level));
    let mut write = |bytes: &[u8]| {
        body.write_all(bytes)
            .expect("a compressor over a Vec takes every write");
    };
    let (mut count, mut raw) = (0, 2);
    for entry in entries.iter().take(most_entries) {
        // With the bracket or comma before it.
        let longer = raw + entry.json.len() + usize::from(count > 0);
        if count > 0 && longer > most_bytes {
            break;
        }
        write(if count == 0 { b"[" } else { b"," });
        write(entry.json.as_bytes());
        (count, raw) = (count + 1, longer);
    }
    write(b"]");
    let body = body.finish().expect("a compressor over a Vec takes every write");
    Encoded {
        body: Bytes::from(body),
        series: count,
        points_of_next: 0,
        raw_bytes: raw as u64,
    }
}

/// A body as it is.
#[allow(clippy::expect_used, reason = "a Vec takes every write")]
pub(super) fn compressed(plain: &[u8], level: u32) -> Bytes {
    let mut body = GzEncoder::new(Vec::new(), Compression::new(level));
    body.write_all(plain)
        .expect("a compressor over a Vec takes every write");
    Bytes::from(body.finish().expect("a compressor over a Vec takes every write"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn entries(number: usize, bytes: usize) -> Vec<LogEntry> {
        let json = format!("\"{}\"", "x".repeat(bytes - 2));
        let entry = LogEntry {
            time: 1,
            json: json.into(),
            cut: false,
        };
        vec![entry; number]
    }

    fn plain(encoded: &Encoded) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&encoded.body[..])
            .read_to_end(&mut plain)
            .unwrap();
        plain
    }

    #[test]
    fn a_request_holds_up_to_a_thousand_entries() {
        let encoded = pack(&entries(1200, 4), 6, 1);
        assert_eq!((encoded.series, encoded.raw_bytes), (1000, 5001));
        let read: Vec<String> = serde_json::from_slice(&plain(&encoded)).unwrap();
        assert_eq!(read, vec!["xx"; 1000]);
        assert_eq!(pack(&entries(1200, 4), 6, 4).series, 250);
        assert_eq!(pack(&entries(2, 4), 6, 1 << 16).series, 1);
    }

    #[test]
    fn a_request_is_never_longer_than_five_million_bytes() {
        // Five entries and their four commas and two brackets: five million to the byte, and one more.
        let exact = [entries(4, 999_999), entries(1, 999_998)].concat();
        let encoded = pack(&exact, 1, 1);
        assert_eq!((encoded.series, encoded.raw_bytes), (5, 5_000_000));
        assert_eq!(plain(&encoded).len(), 5_000_000);
        let encoded = pack(&entries(5, 999_999), 1, 1);
        assert_eq!((encoded.series, encoded.raw_bytes), (4, 4_000_001));
        assert_eq!(plain(&encoded).len(), 4_000_001);
        assert_eq!(pack(&entries(5, 999_999), 1, 2).series, 2);
        assert_eq!(pack(&entries(1, 6_000_000), 1, 1).series, 1);
    }
}
