//! The few rows right below a branch, between reading and hashing. It does not read them.

use alloy_primitives::B256;

/// Keys and values, in one buffer.
#[derive(Default)]
pub(crate) struct Leaves {
    /// Keys, and where their values end.
    keys: Vec<(B256, usize)>,
    values: Vec<u8>,
}

impl Leaves {
    pub(crate) fn with_capacity(leaves: usize, bytes: usize) -> Self {
        Self { keys: Vec::with_capacity(leaves), values: Vec::with_capacity(bytes) }
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
    }

    pub(crate) fn push(&mut self, key: B256, value: &[u8]) {
        self.values.extend_from_slice(value);
        self.keys.push((key, self.values.len()));
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (B256, &[u8])> {
        self.keys.iter().enumerate().map(|(at, (key, end))| {
            let start = at.checked_sub(1).map_or(0, |before| self.keys[before].1);
            (*key, &self.values[start..*end])
        })
    }
}
