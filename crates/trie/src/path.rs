//! Where in a trie something stands: up to 64 nibbles. It says nothing about what stands there.

use std::fmt;

use alloy_primitives::B256;

use crate::{HashRange, rlp};

/// A path from the root of a trie.
///
/// Paths order as a walk from the root meets them: a path comes before everything below it, and everything below
/// it before its right neighbour.
///
/// Invariant: nibbles behind `len` are zero, so that the derived order and equality are those of the paths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    packed: [u8; 32],
    /// A whole word, although a byte would do: a copy is then words only, which a processor need not piece together.
    len: usize,
}

impl Path {
    /// The longest path, that of a leaf: a key of 32 bytes.
    pub const NIBBLES_MAX: usize = 64;

    /// The path of the root node.
    pub const ROOT: Self = Self { packed: [0; 32], len: 0 };

    /// The whole path of a leaf.
    #[inline]
    pub fn of_key(key: &B256) -> Self {
        Self { packed: key.0, len: Self::NIBBLES_MAX }
    }

    /// The first `len` nibbles of a key.
    ///
    /// # Panics
    /// When `len` is more than 64.
    pub fn prefix_of(key: &B256, len: usize) -> Self {
        Self::of_key(key).truncated(len)
    }

    /// A path from nibbles, a byte each; `None` when they are more than 64 or one of them is above 15.
    pub fn from_nibbles(nibbles: &[u8]) -> Option<Self> {
        if nibbles.len() > Self::NIBBLES_MAX || nibbles.iter().any(|nibble| *nibble > 15) {
            return None;
        }
        let mut path = Self::ROOT;
        for nibble in nibbles {
            path = path.child(*nibble);
        }
        Some(path)
    }

    /// The path of the bytes of a short key, as in tries whose keys are list positions.
    pub(crate) fn of_short_key(key: &[u8]) -> Self {
        let mut path = Self { packed: [0; 32], len: key.len() * 2 };
        path.packed[..key.len()].copy_from_slice(key);
        path
    }

    /// How many nibbles there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether this is the root's path.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The nibble at `index`.
    ///
    /// # Panics
    /// When the path is not longer than `index`.
    pub fn nibble(&self, index: usize) -> u8 {
        assert!(index < self.len(), "nibble {index} of a path of {}", self.len);
        nibble_of(&self.packed, index)
    }

    /// The path one nibble further down.
    ///
    /// # Panics
    /// When the path has 64 nibbles already or `nibble` is above 15.
    pub fn child(&self, nibble: u8) -> Self {
        assert!(self.len() < Self::NIBBLES_MAX && nibble < 16, "a path has 64 nibbles below 16");
        let mut child = *self;
        let shift = if self.len.is_multiple_of(2) { 4 } else { 0 };
        child.packed[self.len() / 2] |= nibble << shift;
        child.len += 1;
        child
    }

    /// The first `len` nibbles.
    ///
    /// # Panics
    /// When the path is shorter.
    pub fn truncated(&self, len: usize) -> Self {
        assert!(len <= self.len(), "{len} nibbles of a path of {}", self.len);
        let mut packed = [0; 32];
        for (word, (to, from)) in packed.chunks_exact_mut(8).zip(self.packed.chunks_exact(8)).enumerate() {
            let (mut bytes, kept) = ([0; 8], (4 * len).saturating_sub(64 * word).min(64));
            bytes.copy_from_slice(from);
            // Ones for the nibbles that stay; a shift by all 64 bits is none.
            let mask = u64::MAX.checked_shl(64 - kept as u32).unwrap_or(0);
            to.copy_from_slice(&(u64::from_be_bytes(bytes) & mask).to_be_bytes());
        }
        Self { packed, len }
    }

    /// Whether `other` is this path or lies below it.
    pub fn is_prefix_of(&self, other: &Self) -> bool {
        self.len <= other.len && self.common_prefix(other) == self.len()
    }

    /// How many leading nibbles the two share.
    pub fn common_prefix(&self, other: &Self) -> usize {
        common_nibbles(&self.packed, &other.packed).min(self.len()).min(other.len())
    }

    /// The first key below this path.
    pub fn first_key(&self) -> B256 {
        B256::new(self.packed)
    }

    /// The last key below this path.
    pub fn last_key(&self) -> B256 {
        let mut packed = self.packed;
        let whole = self.len() / 2;
        if !self.len.is_multiple_of(2) {
            packed[whole] |= 0x0f;
        }
        packed[self.len().div_ceil(2)..].fill(0xff);
        B256::new(packed)
    }

    /// All keys below this path.
    pub fn range(&self) -> HashRange {
        HashRange::new(self.first_key(), self.last_key())
            .expect("zeros behind a path come before ones behind it")
    }

    /// The first path that comes after everything below this one; `None` when nothing does.
    pub fn after_subtree(&self) -> Option<Self> {
        let end = (0..self.len()).rev().find(|index| nibble_of(&self.packed, *index) < 15)?;
        Some(self.truncated(end).child(nibble_of(&self.packed, end) + 1))
    }

    /// Appends the path's disk key: a byte per nibble, whose byte order is the order of the paths.
    pub fn write_key(&self, out: &mut Vec<u8>) {
        out.extend((0..self.len()).map(|index| nibble_of(&self.packed, index)));
    }

    /// The path's disk key, see [`Path::write_key`].
    pub fn to_key(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        self.write_key(&mut out);
        out
    }

    /// Reads a disk key; `None` when it is none.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        Self::from_nibbles(key)
    }

    /// Reads the compact form of a path that ends at a node: a flag nibble that says whether the number of nibbles is odd, a nibble 0 if
    /// it is even, and the nibbles. `None` when it is none, or that of a leaf.
    ///
    /// See appendix C of the Yellow Paper, "hex-prefix encoding".
    pub fn from_compact(bytes: &[u8]) -> Option<Self> {
        let (&flag, pairs) = bytes.split_first()?;
        let start = match flag >> 4 {
            0 if flag == 0 => Self::ROOT,
            1 if pairs.len() < 32 => Self::ROOT.child(flag & 0x0f),
            _ => return None,
        };
        if pairs.len() > 32 {
            return None;
        }
        Some(pairs.iter().fold(start, |path, pair| path.child(pair >> 4).child(pair & 0x0f)))
    }

    /// The compact form of the path, see [`Path::from_compact`].
    pub fn to_compact(&self) -> Vec<u8> {
        let is_odd = !self.len().is_multiple_of(2);
        let mut out = vec![if is_odd { 0x10 | self.nibble(0) } else { 0 }];
        let first = usize::from(is_odd);
        out.extend((first..self.len()).step_by(2).map(|at| self.nibble(at) << 4 | self.nibble(at + 1)));
        out
    }

    /// The nibbles behind `len`, zero-filled.
    pub(crate) fn packed(&self) -> &[u8; 32] {
        &self.packed
    }

    /// After how many nibbles `right`, which must come behind this path and not below it, parts from it.
    #[inline]
    pub(crate) fn parts_from(&self, right: &Self) -> Option<usize> {
        let common = common_nibbles(&self.packed, &right.packed);
        // The nibble before is the same in both, so whole bytes compare as the nibbles do.
        let parts =
            common < self.len().min(right.len()) && self.packed[common / 2] < right.packed[common / 2];
        parts.then_some(common)
    }

    /// Whether all keys below this path lie in `range`.
    pub(crate) fn is_within(&self, range: &HashRange) -> bool {
        let (start, last) = (range.start(), range.last());
        let first = first_word(&self.packed);
        // Strictly inside by the first sixteen nibbles alone, as nearly always.
        let ones = u64::MAX.checked_shr(4 * self.len as u32).unwrap_or(0);
        if first_word(&start) < first && first | ones < first_word(&last) {
            return true;
        }
        range.covers(&self.range())
    }

    /// Writes the hex-prefix form of a leaf's nibbles from `from` on, as an RLP string that ends with the buffer: where it
    /// begins. The path is one of whole bytes; 34 bytes before the end are written over.
    #[inline]
    pub(crate) fn write_leaf_before(&self, out: &mut [u8], from: usize) -> usize {
        let (len, end) = (self.len(), out.len());
        // All of the key in one go: what lies before `from` is written over, or lies before the beginning.
        if len == Self::NIBBLES_MAX {
            out[end - 32..].copy_from_slice(&self.packed);
        } else {
            out[end - len / 2..].copy_from_slice(&self.packed[..len / 2]);
        }
        let bytes = (len - from) / 2 + 1;
        let start = end - bytes;
        out[start] = match (len - from).is_multiple_of(2) {
            true => 0x20,
            false => 0x30 | self.packed[from / 2] & 0x0f,
        };
        // A single byte is below 0x80: it needs no header.
        if bytes == 1 {
            return start;
        }
        out[start - 1] = rlp::EMPTY_STRING + bytes as u8;
        start - 1
    }
}

/// Whether `key` comes after `before`.
#[inline]
pub(crate) fn rises(before: &B256, key: &B256) -> bool {
    // Keys are digests: the first words tell.
    let (left, right) = (first_word(before), first_word(key));
    left < right || left == right && before < key
}

impl Default for Path {
    /// The root's.
    fn default() -> Self {
        Self::ROOT
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("root");
        }
        (0..self.len()).try_for_each(|index| write!(f, "{:x}", nibble_of(&self.packed, index)))
    }
}

impl serde::Serialize for Path {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(&self.to_key(), serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Path {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nibbles: Vec<u8> = serde::Deserialize::deserialize(deserializer)?;
        Self::from_nibbles(&nibbles).ok_or_else(|| serde::de::Error::custom("not a path of up to 64 nibbles"))
    }
}

/// The nibble at `index` of packed nibbles.
#[inline]
pub(crate) fn nibble_of(packed: &[u8; 32], index: usize) -> u8 {
    let byte = packed[index / 2];
    if index.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}

/// The first sixteen nibbles.
#[inline]
fn first_word(packed: &[u8; 32]) -> u64 {
    packed.first_chunk().map_or(0, |word| u64::from_be_bytes(*word))
}

/// How many leading nibbles two packed paths share, 64 when they are equal.
#[inline]
pub(crate) fn common_nibbles(a: &[u8; 32], b: &[u8; 32]) -> usize {
    // Eight bytes at a time: random keys differ in the first word, so this is one comparison in practice.
    for word in 0..4 {
        let at = word * 8;
        let (mut left, mut right) = ([0; 8], [0; 8]);
        left.copy_from_slice(&a[at..at + 8]);
        right.copy_from_slice(&b[at..at + 8]);
        let differing = u64::from_be_bytes(left) ^ u64::from_be_bytes(right);
        if differing != 0 {
            return word * 16 + differing.leading_zeros() as usize / 4;
        }
    }
    Path::NIBBLES_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nibbles() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0u8), Just(15u8), 0..16u8], 0..=64)
    }

    proptest! {
        #[test]
        fn paths_order_as_their_nibbles_and_their_disk_keys(a in nibbles(), b in nibbles()) {
            let (left, right) = (Path::from_nibbles(&a).unwrap(), Path::from_nibbles(&b).unwrap());
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert_eq!(left.to_key(), a.clone());
            prop_assert_eq!(Path::from_key(&left.to_key()), Some(left));
            prop_assert_eq!(Path::from_compact(&left.to_compact()), Some(left));
            let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(left.common_prefix(&right), common);
            prop_assert_eq!(left.is_prefix_of(&right), b.starts_with(&a));
            prop_assert_eq!(left.truncated(common), right.truncated(common));
            let behind = left.after_subtree().is_some_and(|after| after <= right);
            prop_assert_eq!(behind, left < right && !left.is_prefix_of(&right));
        }

        #[test]
        fn a_path_holds_exactly_the_keys_below_it(a in nibbles(), key in any::<[u8; 32]>()) {
            let (path, key) = (Path::from_nibbles(&a).unwrap(), B256::new(key));
            prop_assert_eq!(path.range().contains(&key), path.is_prefix_of(&Path::of_key(&key)));
            prop_assert!(path.is_prefix_of(&Path::of_key(&path.last_key())));
        }
    }

    #[test]
    fn more_than_64_nibbles_or_a_large_nibble_are_no_path() {
        assert_eq!(Path::from_nibbles(&[0; 65]), None);
        assert_eq!(Path::from_nibbles(&[16]), None);
        // Nothing, a flag with a nibble too many, that of a leaf, and more nibbles than a key has.
        for bytes in [&[][..], &[0x01], &[0x20], &[0x35], &[0; 34], &[0x10; 33]] {
            assert_eq!(Path::from_compact(bytes), None, "{bytes:?}");
        }
    }
}
