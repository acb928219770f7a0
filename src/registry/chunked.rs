//! A list that grows in chunks: nothing is moved when it grows, and no half of it lies empty.

use std::ops::{Index, IndexMut};

/// Items of a full chunk.
pub(super) const CHUNK: usize = 1024;

/// A list of chunks. The first one grows by doubling, so that a short list stays small.
#[derive(Debug)]
pub(super) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Chunked<T> {
    /// Appends an item and returns its index.
    pub(super) fn push(&mut self, item: T) -> u32 {
        let before = self.chunks.len().saturating_sub(1) * CHUNK;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => {
                chunk.push(item);
                (before + chunk.len() - 1) as u32
            }
            last => {
                let first = last.is_none();
                let mut chunk = Vec::with_capacity(if first { 4 } else { CHUNK });
                chunk.push(item);
                self.chunks.push(chunk);
                ((self.chunks.len() - 1) * CHUNK) as u32
            }
        }
    }

    /// The item at an index that may be none.
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.chunks
            .get(index as usize / CHUNK)?
            .get(index as usize % CHUNK)
    }

    /// The item at an index that may be none, to change.
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.chunks
            .get_mut(index as usize / CHUNK)?
            .get_mut(index as usize % CHUNK)
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        match self.chunks.last() {
            Some(last) => (self.chunks.len() - 1) * CHUNK + last.len(),
            None => 0,
        }
    }

    /// How many bytes the chunks take.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum::<usize>() * size_of::<T>()
    }

    /// All items in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// All items in order, to change.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }

    /// The items in one piece; chunks are freed on the way.
    pub(super) fn into_vec(self) -> Vec<T> {
        let mut all = Vec::with_capacity(self.len());
        self.chunks.into_iter().for_each(|chunk| all.extend(chunk));
        all
    }
}

impl<T> Index<u32> for Chunked<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Chunked<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

impl<T> FromIterator<T> for Chunked<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut list = Self::default();
        items.into_iter().for_each(|item| {
            list.push(item);
        });
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_count_across_chunks() {
        let list: Chunked<usize> = (0..2500).collect();
        assert_eq!(list.len(), 2500);
        assert_eq!(
            [list[0], list[1023], list[1024], list[2499]],
            [0, 1023, 1024, 2499]
        );
        assert_eq!(list.bytes(), 3 * CHUNK * size_of::<usize>());
        assert_eq!(list.into_vec(), (0..2500).collect::<Vec<_>>());
    }
}
