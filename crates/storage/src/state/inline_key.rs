//! Keys of rows that lie where they are held: comparing them follows no pointer, and keeping one allocates nothing.

use std::{borrow::Borrow, cmp::Ordering, fmt};

/// A key of at most so many bytes. Whoever reads packs goes on from one key to the next in place.
#[derive(Clone, Copy)]
pub(crate) struct InlineKey<const MAX: usize> {
    pub(super) len: u8,
    /// Those behind `len` mean nothing.
    pub(super) bytes: [u8; MAX],
}

impl<const MAX: usize> InlineKey<MAX> {
    const EMPTY: Self = Self { len: 0, bytes: [0; MAX] };

    /// A copy of a key, or nothing, if it is longer than any.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let mut copy = Self::EMPTY;
        copy.set(key).map(|()| copy)
    }

    /// A key of these bytes, of which no more count than any key has.
    pub(crate) fn of(bytes: impl Iterator<Item = u8>) -> Self {
        let mut key = Self::EMPTY;
        for (place, byte) in key.bytes.iter_mut().zip(bytes) {
            *place = byte;
            key.len += 1;
        }
        key
    }

    /// Becomes a copy of another key, if that is not longer than any.
    pub(crate) fn set(&mut self, key: &[u8]) -> Option<()> {
        self.bytes.get_mut(..key.len())?.copy_from_slice(key);
        self.len = key.len() as u8;
        Some(())
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<const MAX: usize> Default for InlineKey<MAX> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const MAX: usize> Borrow<[u8]> for InlineKey<MAX> {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<const MAX: usize> PartialEq for InlineKey<MAX> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<const MAX: usize> Eq for InlineKey<MAX> {}

impl<const MAX: usize> PartialOrd for InlineKey<MAX> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const MAX: usize> Ord for InlineKey<MAX> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl<const MAX: usize> fmt::Debug for InlineKey<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}
