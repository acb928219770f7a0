//! Label sets, each held once however many families use it, and the hash by which a borrowed sample finds its series.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::model::labels::Labels;
use crate::model::metric::Kind;

/// Hashes identities with a seed of this process, so that nobody outside can make them collide.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashes {
    seed: DefaultHashBuilder,
}

impl Hashes {
    /// The hash of a series: of its name, kind and labels.
    pub(super) fn series<K, V>(&self, name: &str, kind: Kind, labels: impl Iterator<Item = (K, V)>) -> u32
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut hasher = self.seed.build_hasher();
        hasher.write(name.as_bytes());
        hasher.write_u8(kind as u8);
        for (key, value) in labels {
            hasher.write(key.as_ref().as_bytes());
            hasher.write(value.as_ref().as_bytes());
        }
        folded(hasher.finish())
    }

    /// The hash of a label set, of a family's name, or of any other one text.
    pub(super) fn text(&self, text: &str) -> u32 {
        folded(self.seed.hash_one(text))
    }
}

/// Half a hash is enough to tell series apart, and half the memory.
fn folded(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// The hash that a table wants: its highest bits must differ too.
pub(super) fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// All label sets in use.
#[derive(Debug, Default)]
pub(super) struct LabelSets {
    sets: HashTable<Shared>,
}

#[derive(Debug)]
struct Shared {
    labels: Labels,
    hash: u32,
    users: u32,
}

impl LabelSets {
    /// The one copy of `labels`, for one more user.
    pub(super) fn take(&mut self, hashes: &Hashes, labels: Labels) -> Labels {
        let hash = hashes.text(labels.text());
        let found = self.sets.find_mut(spread(hash), |shared| shared.labels == labels);
        if let Some(shared) = found {
            shared.users += 1;
            return shared.labels.clone();
        }
        let shared = Shared {
            labels: labels.clone(),
            hash,
            users: 1,
        };
        self.sets
            .insert_unique(spread(hash), shared, |shared| spread(shared.hash));
        labels
    }

    /// Takes one user away, and with the last one the set.
    pub(super) fn release(&mut self, hashes: &Hashes, labels: &Labels) {
        let hash = spread(hashes.text(labels.text()));
        if let Ok(mut entry) = self.sets.find_entry(hash, |shared| shared.labels == *labels) {
            entry.get_mut().users -= 1;
            if entry.get().users == 0 {
                entry.remove();
            }
        }
    }

    /// How many different sets there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }
}

/// Whether `text`, which holds `count` legacy pairs and no backslash, is that of `pairs`.
///
/// That makes it the fast half of [`Labels::matches`]: with as many pairs on both sides, a quote inside one of `pairs`
/// would be one quote too many, so plain comparison cannot be led astray.
pub(super) fn is_plain_text_of(text: &str, count: usize, pairs: &[(&str, &str)]) -> bool {
    if count != pairs.len() {
        return false;
    }
    let mut rest = text.as_bytes();
    for (key, value) in pairs {
        let (key, value) = (key.as_bytes(), value.as_bytes());
        let Some((pair, after)) = rest.split_at_checked(key.len() + value.len() + 3) else {
            return false;
        };
        let (left, right) = pair.split_at(key.len());
        let Some((b"=\"", right)) = right.split_first_chunk::<2>() else {
            return false;
        };
        let Some((b'"', right)) = right.split_last() else {
            return false;
        };
        if !same(left, key) || !same(right, value) {
            return false;
        }
        rest = match after.split_first() {
            Some((b',', after)) => after,
            Some(_) => return false,
            None => after,
        };
    }
    rest.is_empty()
}

/// Whether two texts are the same. Those of labels are short, and two overlapping words tell it faster than a call of
/// `memcmp`.
fn same(left: &[u8], right: &[u8]) -> bool {
    fn ends<const N: usize>(left: &[u8], right: &[u8]) -> bool {
        left.first_chunk::<N>() == right.first_chunk::<N>()
            && left.last_chunk::<N>() == right.last_chunk::<N>()
    }
    left.len() == right.len()
        && match left.len() {
            8..=16 => ends::<8>(left, right),
            4..8 => ends::<4>(left, right),
            2..4 => ends::<2>(left, right),
            _ => left == right,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_set_is_held_once_and_let_go_with_its_last_user() {
        let (hashes, mut sets) = (Hashes::default(), LabelSets::default());
        let first = sets.take(&hashes, Labels::new([("a", "1")]));
        let second = sets.take(&hashes, Labels::new([("a", "1")]));
        assert_eq!(first.address(), second.address());
        assert_eq!(sets.len(), 1);
        sets.release(&hashes, &first);
        assert_eq!(sets.len(), 1);
        sets.release(&hashes, &second);
        assert_eq!(sets.len(), 0);
    }

    #[test]
    fn plain_comparison_is_led_astray_by_nothing() {
        let labels = Labels::new([("a", "1"), ("b", "x,y")]);
        let same = |pairs: &[(&str, &str)]| is_plain_text_of(labels.text(), 2, pairs);
        assert!(same(&[("a", "1"), ("b", "x,y")]));
        for other in [
            &[("a", "1\",b=\"x,y")][..],
            &[("a", "1")],
            &[("a", "1"), ("b", "x")],
            &[("a", "1"), ("b", "x,yz")],
            &[("a", "1"), ("c", "x,y")],
            &[("a", "1"), ("b", "x,y"), ("c", "z")],
            &[],
        ] {
            assert!(!same(other), "{other:?}");
        }
        assert!(is_plain_text_of("", 0, &[]));
        assert!(!is_plain_text_of("", 0, &[("a", "1")]));
    }

    #[test]
    fn short_texts_are_compared_to_the_last_byte() {
        let text = b"abcdefghijklmnopqrst";
        for length in 0..=text.len() {
            assert!(same(&text[..length], &text[..length]));
            for changed in 0..length {
                let mut other = text[..length].to_vec();
                other[changed] = b'!';
                assert!(!same(&text[..length], &other), "{length} {changed}");
            }
            assert!(!same(&text[..length], b"abcdefghijklmnopqrstu"));
        }
    }

    #[test]
    fn borrowed_pairs_hash_as_the_label_set_does() {
        let hashes = Hashes::default();
        let pairs = [("a", "\"\\"), ("b.c", "2")];
        let borrowed = hashes.series("n", Kind::Delta, pairs.iter().copied());
        assert_eq!(
            borrowed,
            hashes.series("n", Kind::Delta, Labels::new(pairs).iter())
        );
    }
}
