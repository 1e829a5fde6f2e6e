//! Block access lists: none is kept yet, and each is answered as unavailable.

use alloy_primitives::B256;
use snapsync_wire::eth::BlockAccessLists;

use crate::limits::Limits;

/// Answers with "unavailable" for each block, up to our limit; eth/71 and snap/2 share the form.
pub fn answer_block_access_lists(id: u64, hashes: &[B256], limits: &Limits) -> BlockAccessLists {
    BlockAccessLists::unavailable(id, hashes.len().min(limits.blocks_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_list_is_unavailable_in_its_place() {
        let answer = answer_block_access_lists(1, &[B256::ZERO; 2_000], &Limits::mainnet());
        assert_eq!(answer.lists, vec![None; 1_024]);
    }
}
