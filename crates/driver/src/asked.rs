//! Which blocks requests for bodies and receipts name: by hash, since a number may have another block when the answer comes.
//!
//! An answer is judged by what its peer was asked, so that nobody is charged for a chain that moved in the meantime. It knows no
//! header.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_stream::RequestId;

/// Requests that are remembered before those that are over are forgotten: as many as may be out at once. 4 KiB each at most.
const ASKED_MAX: usize = 512;

/// The hashes in each request that may still be answered.
#[derive(Debug, Default)]
pub(crate) struct Asked(BTreeMap<RequestId, Vec<B256>>);

impl Asked {
    /// Remembers what a request names. `waiting` are those that are still to be answered: nobody says when one is over.
    pub(crate) fn insert(
        &mut self,
        request: RequestId,
        hashes: Vec<B256>,
        waiting: impl FnOnce() -> BTreeSet<RequestId>,
    ) {
        if self.0.len() >= ASKED_MAX {
            let waiting = waiting();
            self.0.retain(|request, _| waiting.contains(request));
        }
        self.0.insert(request, hashes);
    }

    /// What a request named; nothing, if it named no block.
    pub(crate) fn take(&mut self, request: RequestId) -> Vec<B256> {
        self.0.remove(&request).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_forgotten_and_what_waits_is_not() {
        let mut asked = Asked::default();
        let waiting = || BTreeSet::from([RequestId(3)]);
        for request in 0..2 * ASKED_MAX as u64 {
            asked.insert(RequestId(request), vec![B256::with_last_byte(request as u8)], waiting);
            assert!(asked.0.len() <= ASKED_MAX);
        }
        assert_eq!(asked.take(RequestId(3)), [B256::with_last_byte(3)]);
        assert_eq!(asked.take(RequestId(3)), [B256::ZERO; 0], "it is answered once");
        assert_eq!(asked.take(RequestId(4)), [B256::ZERO; 0], "it was over");
    }
}
