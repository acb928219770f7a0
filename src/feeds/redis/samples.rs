//! Samples of what cannot be read, as they lie among the dead letters.

use std::collections::VecDeque;

use serde_json::json;

use crate::feeds::redis::keys::Queue;
use crate::feeds::redis::store::{MOST_DEAD, MOST_DEAD_BYTES};
use crate::model::time::Timestamp;

/// The longest sample, in bytes of its JSON.
pub(super) const LONGEST: usize = 4096;

/// The newest samples of one claim, within the bounds of the dead letters.
#[derive(Debug, Default)]
pub(super) struct Samples {
    kept: VecDeque<String>,
    bytes: usize,
}

impl Samples {
    /// Adds one.
    pub(super) fn add(
        &mut self,
        queue: Queue,
        reason: &str,
        key: &[u8],
        value: Option<&[u8]>,
        now: Timestamp,
    ) {
        let sample = written(queue, reason, key, value, now);
        self.bytes += sample.len();
        self.kept.push_back(sample);
        while self.kept.len() > MOST_DEAD || self.bytes > MOST_DEAD_BYTES {
            self.bytes -= self.kept.pop_front().map_or(0, |oldest| oldest.len());
        }
    }

    /// All of them, oldest first.
    pub(super) fn take(&mut self) -> Vec<String> {
        self.bytes = 0;
        std::mem::take(&mut self.kept).into()
    }
}

/// One sample: a JSON object of at most [`LONGEST`] bytes, for which key and record are cut.
fn written(queue: Queue, reason: &str, key: &[u8], value: Option<&[u8]>, now: Timestamp) -> String {
    let length = value.map(<[u8]>::len);
    let mut most = LONGEST;
    loop {
        let cut = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into_owned();
        let sample = json!({
            "reason": reason,
            "queue": queue.name(),
            "key": cut(key),
            "time": now.seconds(),
            "record": value.map(cut),
            "cut": length.is_some_and(|length| length > most) || key.len() > most,
        })
        .to_string();
        // Escapes make a text up to six times longer; then there is less of it.
        if sample.len() <= LONGEST {
            return sample;
        }
        most = most * 3 / 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_never_longer_than_4_kib() {
        let now = Timestamp::from_seconds(1000);
        for value in [
            vec![b'x'; 10_000],
            vec![0; 10_000],
            vec![0xff; 4096],
            vec![b'"'; 4000],
        ] {
            for key in [b"k".to_vec(), vec![1; 9000]] {
                let sample = written(Queue::Raw, "not_json", &key, Some(&value), now);
                assert!(sample.len() <= LONGEST, "{}", sample.len());
                let read: serde_json::Value = serde_json::from_str(&sample).unwrap();
                assert_eq!(read["cut"], true);
                assert_eq!(read["reason"], "not_json");
            }
        }
    }

    #[test]
    fn a_short_record_is_kept_whole() {
        let sample = written(
            Queue::Logs,
            "bad_time",
            b"k1",
            Some(b"{}"),
            Timestamp::from_seconds(9),
        );
        let read: serde_json::Value = serde_json::from_str(&sample).unwrap();
        let expected = json!({
            "reason": "bad_time", "queue": "logs:wrapped", "key": "k1", "time": 9, "record": "{}", "cut": false
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn only_the_newest_samples_within_the_bounds_are_kept() {
        let mut samples = Samples::default();
        for index in 0..1500u32 {
            samples.add(
                Queue::Raw,
                "not_json",
                index.to_string().as_bytes(),
                Some(b"x"),
                Timestamp::default(),
            );
        }
        let kept = samples.take();
        assert_eq!((kept.len(), kept[999].contains("\"1499\"")), (1000, true));
        for _ in 0..1000 {
            samples.add(
                Queue::Raw,
                "not_json",
                b"k",
                Some(&[b'x'; 5000]),
                Timestamp::default(),
            );
        }
        let bytes: usize = samples.take().iter().map(String::len).sum();
        assert!(
            bytes <= MOST_DEAD_BYTES && bytes > MOST_DEAD_BYTES - LONGEST,
            "{bytes}"
        );
    }
}
