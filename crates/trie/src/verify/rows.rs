//! Rows as they come in, and the order that they must have. It does not look into their values.

use alloy_primitives::B256;

use crate::Fault;
use crate::path::rises;

/// Keys and values that a caller owns, as the verifications take them.
pub fn rows_of<V: AsRef<[u8]>>(rows: &[(B256, V)]) -> impl ExactSizeIterator<Item = (&B256, &[u8])> + Clone {
    rows.iter().map(|(key, value)| (key, value.as_ref()))
}

/// Checks that keys rise from an origin on.
#[derive(Debug)]
pub(super) struct Rising<'a> {
    origin: B256,
    before: Option<&'a B256>,
}

impl<'a> Rising<'a> {
    pub(super) fn from(origin: B256) -> Self {
        Self { origin, before: None }
    }

    #[inline]
    pub(super) fn next(&mut self, key: &'a B256) -> Result<(), Fault> {
        match self.before.replace(key) {
            Some(before) if rises(before, key) => Ok(()),
            Some(before) if before == key => Err(Fault::DuplicateKey { key: *key }),
            Some(before) => Err(Fault::SwappedOrder { before: *before, key: *key }),
            None if *key < self.origin => Err(Fault::BeforeOrigin { key: *key, origin: self.origin }),
            None => Ok(()),
        }
    }
}
