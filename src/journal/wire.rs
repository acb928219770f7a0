//! Numbers and texts as bytes: LEB128 varints, zigzag for signed ones, texts that share a prefix with the one before.

/// Appends an unsigned varint.
pub(super) fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length or an index.
pub(super) fn put_len(out: &mut Vec<u8>, value: usize) {
    put_u64(out, value as u64);
}

/// Appends a signed varint.
pub(super) fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, zigzag(value));
}

/// Appends a text with its length.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Appends bytes with their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends what `text` has beyond the prefix that it shares with `before`.
pub(super) fn put_after(out: &mut Vec<u8>, before: &str, text: &str) {
    let mut shared = before
        .bytes()
        .zip(text.bytes())
        .take_while(|(left, right)| left == right)
        .count();
    while !text.is_char_boundary(shared) {
        shared -= 1;
    }
    put_len(out, shared);
    put_text(out, &text[shared..]);
}

/// Small numbers for small magnitudes of either sign.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The reverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Reads what the functions above wrote. `None` means that the bytes are not what they wrote.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.u64().map(unzigzag)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.u64()?.try_into().ok()
    }

    /// A count or an index that is at most `most`.
    pub(super) fn len(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.u64()?).ok().filter(|len| *len <= most)
    }

    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let count = self.len(self.rest.len())?;
        self.bytes(count)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.counted()?).ok()
    }

    /// The text that [`put_after`] wrote; takes its bytes from `budget`, because shared prefixes cost nothing here.
    pub(super) fn after(&mut self, before: &str, budget: &mut usize) -> Option<String> {
        let shared = before.get(..self.len(before.len())?)?;
        let text = [shared, self.text()?].concat();
        *budget = budget.checked_sub(text.len())?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_read_back() {
        let mut out = Vec::new();
        for value in [0, 127, 128, u64::MAX] {
            put_u64(&mut out, value);
        }
        for value in [0, -1, i64::MIN, i64::MAX] {
            put_i64(&mut out, value);
        }
        put_after(&mut out, "naïve", "naître");
        let mut reader = Reader::new(&out);
        for value in [0, 127, 128, u64::MAX] {
            assert_eq!(reader.u64(), Some(value));
        }
        for value in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(reader.i64(), Some(value));
        }
        assert_eq!(reader.after("naïve", &mut 100).as_deref(), Some("naître"));
        assert_eq!(reader.byte(), None);
    }

    #[test]
    fn an_endless_varint_and_a_text_beyond_its_budget_are_refused() {
        assert_eq!(Reader::new(&[0xff; 11]).u64(), None);
        let mut out = Vec::new();
        put_after(&mut out, "", "eleven letters");
        assert_eq!(Reader::new(&out).after("", &mut 5), None);
    }
}
