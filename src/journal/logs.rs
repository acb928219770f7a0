//! Log records as the payload of a block, and back, in the order in which they were given.
//!
//! ```text
//! version (1 byte) │ bytes of the body before compression (varint) │ body, zstd
//! body: number of records │ times, each as the distance to the one before │ lengths │ texts
//! ```
//!
//! Numbers are varints. Likes stand together, because that compresses better than record after record.

use bytes::Bytes;

use crate::component::journal::JournalError;
use crate::journal::packing::{pack, unpack, unversioned};
use crate::journal::wire::{Reader, put_i64, put_len};
use crate::model::log::LogRecord;

/// The first byte of a payload.
pub const VERSION: u8 = 1;

/// Most bytes of a body, decompressed. A block of logs is about 5 MB, or one record that is larger.
pub const MOST_BODY: usize = 128 << 20;

/// Encodes records. More than [`MOST_BODY`] together would be unreadable, so it is a bug of the caller to give more.
pub fn encode(records: &[LogRecord]) -> Bytes {
    let texts: usize = records.iter().map(|record| record.json.len()).sum();
    let mut body = Vec::with_capacity(texts + 8 * records.len() + 8);
    put_len(&mut body, records.len());
    let mut before = 0i64;
    for record in records {
        put_i64(&mut body, record.time.wrapping_sub(before));
        before = record.time;
    }
    records
        .iter()
        .for_each(|record| put_len(&mut body, record.json.len()));
    records
        .iter()
        .for_each(|record| body.extend_from_slice(record.json.as_bytes()));
    debug_assert!(body.len() <= MOST_BODY, "the caller splits what is larger");
    let packed = pack(&body);
    let mut payload = Vec::with_capacity(packed.len() + 8);
    payload.push(VERSION);
    put_len(&mut payload, body.len());
    payload.extend_from_slice(&packed);
    payload.into()
}

/// Decodes the payload of a block of logs, in the order that item indexes refer to. Whatever the bytes are, it neither
/// panics nor allocates more than some hundred megabytes.
///
/// # Errors
/// [`JournalError::Undecodable`]: the payload is of a newer version, cut, or not what [`encode`] writes.
pub fn decode(payload: &[u8]) -> Result<Vec<LogRecord>, JournalError> {
    let undecodable = |reason: &str| JournalError::Undecodable {
        reason: reason.to_owned(),
    };
    let mut outer = Reader::new(unversioned(payload, VERSION..=VERSION, "logs")?);
    let length = outer
        .len(MOST_BODY)
        .ok_or_else(|| undecodable("its length is impossible"))?;
    let body = unpack(outer.rest(), length).ok_or_else(|| undecodable("its body does not decompress"))?;
    take_records(&mut Reader::new(&body)).ok_or_else(|| undecodable("its columns do not fit together"))
}

fn take_records(body: &mut Reader<'_>) -> Option<Vec<LogRecord>> {
    // A record takes two bytes at least: one of its time, one of its length.
    let count = body.len(body.rest().len() / 2)?;
    let mut time = 0i64;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        time = time.wrapping_add(body.i64()?);
        times.push(time);
    }
    let mut lengths = Vec::with_capacity(count);
    for _ in 0..count {
        lengths.push(body.len(body.rest().len())?);
    }
    let mut records = Vec::with_capacity(count);
    for (time, length) in times.into_iter().zip(lengths) {
        let json = std::str::from_utf8(body.bytes(length)?).ok()?.into();
        records.push(LogRecord { time, json });
    }
    body.rest().is_empty().then_some(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(time: i64, json: &str) -> LogRecord {
        LogRecord {
            time,
            json: json.into(),
        }
    }

    fn reason(payload: &[u8]) -> String {
        decode(payload).unwrap_err().to_string()
    }

    proptest! {
        #[test]
        fn records_read_back_whatever_they_are(
            records in prop::collection::vec((any::<i64>(), any::<String>()), 0..40)
        ) {
            let records: Vec<_> = records.iter().map(|(time, json)| record(*time, json)).collect();
            prop_assert_eq!(decode(&encode(&records)).unwrap(), records);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let mut payload = vec![VERSION];
            put_len(&mut payload, bytes.len());
            payload.extend_from_slice(&pack(&bytes));
            let _ = decode(&payload);
        }
    }

    #[test]
    fn a_payload_that_is_cut_anywhere_is_refused() {
        let lines = ["{\"message\":{\"msg\":\"naïve\"}}", "", "{}"];
        let records: Vec<_> = (0..60)
            .map(|index| record(1_800_000_000 - index * index, lines[index as usize % 3]))
            .collect();
        let payload = encode(&records);
        assert_eq!(decode(&payload).unwrap(), records);
        for cut in 0..payload.len() {
            assert!(decode(&payload[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn impossible_payloads_are_named() {
        assert_eq!(reason(b""), "a block cannot be decoded: it is no block of logs");
        assert_eq!(
            reason(&[VERSION + 1]),
            "a block cannot be decoded: its format 2 is newer than this agent's 1"
        );
        let mut huge = vec![VERSION];
        put_len(&mut huge, MOST_BODY + 1);
        assert_eq!(
            reason(&huge),
            "a block cannot be decoded: its length is impossible"
        );
        // Decompresses to more than it says.
        let mut bomb = vec![VERSION, 10];
        bomb.extend_from_slice(&pack(&vec![0; 1 << 20]));
        assert_eq!(
            reason(&bomb),
            "a block cannot be decoded: its body does not decompress"
        );
        let mut body = vec![VERSION, 2];
        body.extend_from_slice(&pack(&[0, 7]));
        assert_eq!(
            reason(&body),
            "a block cannot be decoded: its columns do not fit together"
        );
    }

    #[test]
    fn log_lines_of_one_service_take_a_tenth() {
        let line = |index: i64| {
            format!(
                "{{\"date\":\"2027-01-15T08:00:{:02}Z\",\"ddsource\":\"python\",\"ddtags\":[\"env:prod\"],\"level\":\"INFO\",\
                 \"message\":{{\"msg\":\"Order {} taken\"}},\"service\":\"shop\"}}",
                index % 60,
                index * 7919
            )
        };
        let records: Vec<_> = (0..1000)
            .map(|index| record(1_800_000_000 + index / 10, &line(index)))
            .collect();
        let raw: usize = records.iter().map(|record| record.json.len()).sum();
        let packed = encode(&records).len();
        assert!(packed * 10 < raw, "{packed} of {raw}");
    }
}
