//! A medium in memory: it can be copied, damaged, and full.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::disk::medium::Medium;

#[derive(Debug, Default)]
pub(super) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inner {
    pub(super) segments: BTreeMap<u64, Vec<u8>>,
    reserve: u64,
    /// What fits on the medium; `None`: anything.
    pub(super) capacity: Option<u64>,
    /// Every write fails after half of its bytes.
    pub(super) broken: bool,
}

impl Inner {
    pub(super) fn bytes(&self) -> u64 {
        self.reserve
            + self
                .segments
                .values()
                .map(|bytes| bytes.len() as u64)
                .sum::<u64>()
    }
}

impl Memory {
    pub(super) fn of(segments: BTreeMap<u64, Vec<u8>>) -> Self {
        let inner = Inner {
            segments,
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Medium for Memory {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn segments(&self) -> io::Result<Vec<u64>> {
        Ok(self.inner().segments.keys().copied().collect())
    }

    fn read(&self, segment: u64) -> io::Result<Vec<u8>> {
        self.inner()
            .segments
            .get(&segment)
            .cloned()
            .ok_or(ErrorKind::NotFound.into())
    }

    fn read_at(&self, segment: u64, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let inner = self.inner();
        let bytes = inner.segments.get(&segment).ok_or(ErrorKind::NotFound)?;
        let from = offset as usize;
        Ok(bytes
            .get(from..from + length)
            .ok_or(ErrorKind::UnexpectedEof)?
            .to_vec())
    }

    fn write_at(&self, segment: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let room = inner
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(inner.bytes())) as usize;
        let fits = if inner.broken {
            bytes.len() / 2
        } else {
            room.min(bytes.len())
        };
        let broken = inner.broken;
        let file = inner.segments.entry(segment).or_default();
        assert_eq!(file.len() as u64, offset, "records follow each other");
        file.extend_from_slice(&bytes[..fits]);
        match fits < bytes.len() {
            true if broken => Err(io::Error::other("the medium is broken")),
            true => Err(ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn cut(&self, segment: u64, length: u64) -> io::Result<()> {
        let mut inner = self.inner();
        inner
            .segments
            .get_mut(&segment)
            .ok_or(ErrorKind::NotFound)?
            .truncate(length as usize);
        Ok(())
    }

    fn sync(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, segment: u64) -> io::Result<()> {
        self.inner().segments.remove(&segment);
        Ok(())
    }

    fn keep_free(&self, bytes: u64) -> io::Result<()> {
        let mut inner = self.inner();
        let others = inner.bytes() - inner.reserve;
        if inner.capacity.is_some_and(|capacity| others + bytes > capacity) {
            return Err(ErrorKind::StorageFull.into());
        }
        inner.reserve = bytes;
        Ok(())
    }
}
