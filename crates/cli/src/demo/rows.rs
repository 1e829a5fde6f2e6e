//! The demo's rows: the plan with its keys hashed and sorted, ready for tries and tables.

use alloy_primitives::{B256, Bytes};

use super::plan::{StatePlan, StorageSeed};

/// How many keys are hashed in one batch: enough to fill any kernel's lanes, few enough to stay in the first cache.
const BATCH: u64 = 256;

/// The index of every account under its key, in the order of the keys.
pub(crate) fn account_keys(plan: &StatePlan) -> Vec<(B256, u64)> {
    let mut keys = hashed(plan.params().accounts, |account| plan.address(account));
    keys.sort_unstable_by_key(|(key, _)| *key);
    keys
}

/// The slots of a storage, in the order of their keys, each value as the trie holds it: an RLP integer.
pub(crate) fn slots(plan: &StatePlan, storage: StorageSeed) -> Vec<(B256, Bytes)> {
    let mut slots: Vec<(B256, Bytes)> = hashed(storage.slots, |index| plan.slot(storage, index))
        .into_iter()
        .map(|(key, index)| (key, Bytes::from(alloy_rlp::encode(plan.slot_value(storage, index)))))
        .collect();
    slots.sort_unstable_by_key(|(key, _)| *key);
    slots
}

/// The hash of every preimage from 0 up to `count`, with its index.
fn hashed<P: AsRef<[u8]>>(count: u64, preimage: impl Fn(u64) -> P) -> Vec<(B256, u64)> {
    let mut keys = Vec::with_capacity(count as usize);
    let mut hashes = [B256::ZERO; BATCH as usize];
    for first in (0..count).step_by(BATCH as usize) {
        let preimages: Vec<P> = (first..count.min(first + BATCH)).map(&preimage).collect();
        let messages: Vec<&[u8]> = preimages.iter().map(AsRef::as_ref).collect();
        let hashes = &mut hashes[..messages.len()];
        snapsync_keccak::keccak256_batch(&messages, hashes);
        keys.extend(hashes.iter().copied().zip(first..));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::plan::DemoParams;

    #[test]
    fn rows_rise_strictly_and_none_is_missing() {
        let plan =
            StatePlan::new(DemoParams { accounts: 1_000, contracts: 50, slots: 700, ..DemoParams::demo() });
        let accounts = account_keys(&plan);
        assert_eq!(accounts.len(), 1_000);
        assert!(accounts.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let storage = plan.storage(0).expect("contract 0 has storage");
        let slots = slots(&plan, storage);
        assert_eq!(slots.len() as u64, storage.slots);
        assert!(slots.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
