//! The demo's state, proved: the same types that a sync makes of a peer's answers.
//!
//! Roots are derived from the rows, then the rows are proved against them, because the store accepts nothing else and because the
//! proof leaves the nodes that serving needs. It writes nothing itself.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256_batch;
use snapsync_trie::{
    Account, Builder, EMPTY_CODE, EMPTY_ROOT, Fault, HashRange, StorageClaim, StorageQuery, VerifiedAccounts,
    VerifiedCodes, VerifiedStorages, rows_of, verify_accounts, verify_codes, verify_storages,
};

use super::{
    plan::{StatePlan, StorageSeed},
    rows,
};

/// Slots that are proved together: some hundred small contracts, so that their leaves are hashed in long batches.
const STORAGE_BATCH_SLOTS: usize = 32_768;
/// Bytes of codes that are checked together.
const CODE_BATCH_BYTES: usize = 4 << 20;

/// All rows of accounts, and what is needed to make the rest piece by piece.
#[derive(Debug)]
pub(crate) struct MadeState<'a> {
    plan: &'a StatePlan,
    /// By rising key; the storage root that each contract claims is already in its row.
    accounts: Vec<(B256, Account)>,
    /// The contracts that have slots, by rising key.
    storages: Vec<(StorageClaim, StorageSeed)>,
    root: B256,
}

impl<'a> MadeState<'a> {
    /// Derives every storage root, then the state root.
    pub(crate) fn new(plan: &'a StatePlan) -> Self {
        let code_hashes = code_hashes(plan);
        let mut roots = BTreeMap::new();
        let mut accounts = Vec::with_capacity(plan.params().accounts as usize);
        let mut storages = Vec::new();
        let mut builder = Builder::new();
        let mut leaf = Vec::new();
        for (key, index) in rows::account_keys(plan) {
            let (nonce, balance) = plan.purse(index);
            let mut account = Account { nonce, balance, storage_root: EMPTY_ROOT, code_hash: EMPTY_CODE };
            if index < plan.params().contracts {
                account.code_hash = code_hashes[plan.code_of(index) as usize];
                if let Some(storage) = plan.storage(index) {
                    account.storage_root =
                        *roots.entry(storage).or_insert_with(|| storage_root(plan, storage));
                    storages.push((StorageClaim { account: key, root: account.storage_root }, storage));
                }
            }
            leaf.clear();
            account.write_rlp(&mut leaf);
            builder.push_leaf(key, &leaf);
            // The nodes come again with the proof; here only the root is wanted.
            drop(builder.take_nodes());
            accounts.push((key, account));
        }
        Self { plan, accounts, storages, root: builder.finish().root }
    }

    /// The state root.
    pub(crate) fn root(&self) -> B256 {
        self.root
    }

    /// All accounts, proved.
    pub(crate) fn accounts(&self) -> Result<VerifiedAccounts, Fault> {
        let mut bytes = Vec::with_capacity(self.accounts.len() * 64);
        let ends: Vec<usize> = self
            .accounts
            .iter()
            .map(|(_, account)| {
                account.write_slim(&mut bytes);
                bytes.len()
            })
            .collect();
        let starts = std::iter::once(&0).chain(&ends);
        let rows: Vec<(B256, &[u8])> = self
            .accounts
            .iter()
            .zip(starts.zip(&ends))
            .map(|((key, _), (start, end))| (*key, &bytes[*start..*end]))
            .collect();
        verify_accounts(self.root, HashRange::FULL, rows_of(&rows), NO_PROOF)
    }

    /// All slots, proved, some hundred contracts at a time.
    pub(crate) fn storages(&self) -> impl Iterator<Item = Result<VerifiedStorages, Fault>> + '_ {
        let mut rest = self.storages.as_slice();
        std::iter::from_fn(move || {
            let mut slots = 0;
            let mut count = 0;
            while count < rest.len()
                && (count == 0 || slots + rest[count].1.slots as usize <= STORAGE_BATCH_SLOTS)
            {
                slots += rest[count].1.slots as usize;
                count += 1;
            }
            let (batch, behind) = rest.split_at(count);
            rest = behind;
            (count > 0).then(|| self.storage_batch(batch))
        })
    }

    fn storage_batch(&self, batch: &[(StorageClaim, StorageSeed)]) -> Result<VerifiedStorages, Fault> {
        let claims: Vec<StorageClaim> = batch.iter().map(|(claim, _)| *claim).collect();
        let sets: Vec<Vec<(B256, Bytes)>> =
            batch.iter().map(|(_, seed)| rows::slots(self.plan, *seed)).collect();
        let query = StorageQuery { claims: &claims, range: HashRange::FULL };
        verify_storages(query, sets.iter().map(|set| rows_of(set)), NO_PROOF)
    }

    /// All codes, checked, some megabytes at a time.
    pub(crate) fn codes(&self) -> impl Iterator<Item = Result<VerifiedCodes, Fault>> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let mut codes = Vec::new();
            let mut bytes = 0;
            while next < self.plan.codes() && bytes < CODE_BATCH_BYTES {
                codes.push(Bytes::from(self.plan.code(next)));
                bytes += codes[codes.len() - 1].len();
                next += 1;
            }
            (!codes.is_empty()).then(|| verify_codes(&hashes(&codes), codes))
        })
    }
}

/// The absence of a proof, which is enough for a whole trie.
const NO_PROOF: &[&[u8]] = &[];

fn storage_root(plan: &StatePlan, storage: StorageSeed) -> B256 {
    let mut builder = Builder::new();
    for (key, value) in rows::slots(plan, storage) {
        builder.push_leaf(key, &value);
        drop(builder.take_nodes());
    }
    builder.finish().root
}

fn code_hashes(plan: &StatePlan) -> Vec<B256> {
    // One at a time: a code is 24 KiB at most, and there may be very many.
    (0..plan.codes()).map(|code| snapsync_keccak::keccak256(&plan.code(code))).collect()
}

fn hashes(codes: &[Bytes]) -> Vec<B256> {
    let messages: Vec<&[u8]> = codes.iter().map(AsRef::as_ref).collect();
    let mut hashes = vec![B256::ZERO; messages.len()];
    keccak256_batch(&messages, &mut hashes);
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::plan::DemoParams;

    #[test]
    fn the_state_proves_itself_and_is_alloy_s() {
        let plan = StatePlan::new(DemoParams {
            accounts: 3_000,
            contracts: 200,
            slots: 2_000,
            ..DemoParams::demo()
        });
        let state = MadeState::new(&plan);
        let accounts = state.accounts().expect("our own accounts");
        assert_eq!(accounts.rows().len(), 3_000);
        let mut reference = alloy_trie::HashBuilder::default();
        for row in accounts.rows() {
            reference.add_leaf(alloy_trie::Nibbles::unpack(row.key), &row.account.to_rlp());
        }
        assert_eq!(reference.root(), state.root());
        let slots: usize = state.storages().map(|batch| batch.expect("our own slots").rows_len()).sum();
        assert_eq!(slots, 2_000);
        let codes: usize = state.codes().map(|batch| batch.expect("our own codes").len()).sum();
        assert_eq!(codes as u64, plan.codes());
    }

    #[test]
    fn the_seed_decides_the_root() {
        let root = |seed| {
            MadeState::new(&StatePlan::new(DemoParams {
                accounts: 500,
                contracts: 20,
                slots: 50,
                seed,
                ..DemoParams::demo()
            }))
            .root()
        };
        assert_eq!(root(1), root(1));
        assert_ne!(root(1), root(2));
    }
}
