//! Rows as they come in, and the order that they must have. It does not look into their values.

use alloy_primitives::B256;

use crate::path::rises;
use crate::{Fault, HashRange};

/// Keys and values that a caller owns, as the verifications take them.
pub fn rows_of<V: AsRef<[u8]>>(rows: &[(B256, V)]) -> impl ExactSizeIterator<Item = (&B256, &[u8])> + Clone {
    rows.iter().map(|(key, value)| (key, value.as_ref()))
}

/// Checks that keys rise from an origin on.
#[derive(Debug)]
pub(super) struct Rising<'a> {
    range: &'a HashRange,
    before: Option<&'a B256>,
}

impl<'a> Rising<'a> {
    /// From where the range starts.
    pub(super) fn in_range(range: &'a HashRange) -> Self {
        Self { range, before: None }
    }

    #[inline]
    pub(super) fn next(&mut self, key: &'a B256) -> Result<(), Fault> {
        match self.before.replace(key) {
            Some(before) if rises(before, key) => Ok(()),
            Some(before) if before == key => Err(Fault::DuplicateKey { key: *key }),
            Some(before) => Err(Fault::SwappedOrder { before: *before, key: *key }),
            None if rises(key, &self.range.start()) => {
                Err(Fault::BeforeOrigin { key: *key, origin: self.range.start() })
            }
            None => Ok(()),
        }
    }
}
