//! Which items of a block are meant.

/// A set of item indexes in a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemSet {
    bits: Vec<u8>,
}

impl ItemSet {
    /// Adds an index.
    pub fn insert(&mut self, index: u32) {
        let byte = (index / 8) as usize;
        if byte >= self.bits.len() {
            self.bits.resize(byte + 1, 0);
        }
        self.bits[byte] |= 1 << (index % 8);
    }

    /// Whether an index is in it.
    pub fn contains(&self, index: u32) -> bool {
        self.bits
            .get((index / 8) as usize)
            .is_some_and(|bits| bits & (1 << (index % 8)) != 0)
    }

    /// How many indexes are in it.
    pub fn len(&self) -> u32 {
        self.bits.iter().map(|bits| bits.count_ones()).sum()
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As bytes, least index in the lowest bit of the first one, without trailing zero bytes.
    pub fn as_bytes(&self) -> &[u8] {
        let used = self
            .bits
            .iter()
            .rposition(|bits| *bits != 0)
            .map_or(0, |last| last + 1);
        &self.bits[..used]
    }

    /// From what [`ItemSet::as_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { bits: bytes.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_set_reads_back_from_its_bytes() {
        let mut set = ItemSet::default();
        for index in [0, 9, 4095] {
            set.insert(index);
        }
        let back = ItemSet::from_bytes(set.as_bytes());
        assert_eq!(
            (back.len(), back.contains(9), back.contains(10)),
            (3, true, false)
        );
        assert_eq!(back.as_bytes().len(), 512);
    }
}
