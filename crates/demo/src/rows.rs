//! The demo's rows: the plan with its keys hashed and sorted, ready for tries and tables.

use alloy_primitives::B256;

use crate::plan::{StatePlan, StorageSeed};

/// How many keys are hashed in one batch: enough to fill any kernel's lanes, few enough to stay in the first cache.
const BATCH: u64 = 256;

/// The index of every account under its key, in the order of the keys.
pub(crate) fn account_keys(plan: &StatePlan) -> Vec<(B256, u64)> {
    hashed(plan.params().accounts, |account| plan.address(account))
}

/// The index of every slot of a storage under its key, in the order of the keys.
pub(crate) fn slot_keys(plan: &StatePlan, storage: StorageSeed) -> Vec<(B256, u64)> {
    hashed(storage.slots, |index| plan.slot(storage, index))
}

/// Appends the value of a slot as the trie holds it: an RLP integer.
pub(crate) fn write_slot(plan: &StatePlan, storage: StorageSeed, index: u64, out: &mut Vec<u8>) {
    alloy_rlp::Encodable::encode(&plan.slot_value(storage, index), out);
}

/// The hash of every preimage from 0 up to `count`, with its index, by rising hash.
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
    keys.sort_unstable_by_key(|(key, _)| *key);
    keys
}

/// Values one behind the other in one buffer: no allocation a row.
#[derive(Debug, Default)]
pub(crate) struct Values {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Values {
    /// Adds the value that `write` appends.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// The values, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::DemoParams;

    #[test]
    fn rows_rise_strictly_and_none_is_missing() {
        let plan =
            StatePlan::new(DemoParams { accounts: 1_000, contracts: 50, slots: 700, ..DemoParams::demo() });
        let accounts = account_keys(&plan);
        assert_eq!(accounts.len(), 1_000);
        assert!(accounts.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let storage = plan.storage(0).expect("contract 0 has storage");
        let slots = slot_keys(&plan, storage);
        assert_eq!(slots.len() as u64, storage.slots);
        assert!(slots.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn values_come_back_as_they_went_in() {
        let mut values = Values::default();
        for value in [&b"ab"[..], b"", b"c"] {
            values.push(|out| out.extend_from_slice(value));
        }
        assert_eq!(values.iter().collect::<Vec<_>>(), [&b"ab"[..], b"", b"c"]);
    }
}
