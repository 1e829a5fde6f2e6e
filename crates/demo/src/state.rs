//! The demo's state, proved: the same types that a sync makes of a peer's answers.
//!
//! Roots are derived from the rows, then the rows are proved against them, because the store accepts nothing else and because the
//! proof leaves the nodes that serving needs. What is large is made piece by piece, twice: a state of any size fits into the
//! memory of its keys. It writes nothing itself.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256_batch;
use snapsync_trie::{
    Account, EMPTY_CODE, EMPTY_ROOT, Fault, HashRange, Nodes, StorageClaim, StorageQuery, VerifiedAccounts,
    VerifiedCodes, VerifiedStorages, rows_of, verify_accounts, verify_codes, verify_storages,
};

use crate::{
    pieces::{Leaves, PIECE_LEAVES, Pieces},
    plan::{StatePlan, StorageSeed},
    rows::{self, Values},
};

/// Slots that are proved together: some hundred small contracts, so that their leaves are hashed in long batches.
const STORAGE_BATCH_SLOTS: usize = 32_768;
/// Bytes of codes that are checked together.
const CODE_BATCH_BYTES: usize = 4 << 20;
/// The absence of a proof, which is enough for a whole trie.
const NO_PROOF: &[Bytes] = &[];

/// The keys and the roots of the state, and what is needed to make the rest piece by piece.
#[derive(Debug)]
pub(crate) struct MadeState<'a> {
    plan: &'a StatePlan,
    /// By rising key, with the account's index.
    keys: Vec<(B256, u64)>,
    code_hashes: Vec<B256>,
    /// Of each contract, by its index.
    storage_roots: Vec<B256>,
    accounts: Pieces,
    piece_leaves: usize,
}

/// A part of all storages, ready to be written.
#[derive(Debug)]
pub(crate) enum MadeStorages {
    /// Slots: whole storages, or a piece of a large one.
    Slots(VerifiedStorages),
    /// All pieces of a large storage have come; these are the branches above them.
    Above {
        /// Whose storage, and its root.
        claim: StorageClaim,
        /// The branches.
        nodes: Nodes,
    },
}

impl<'a> MadeState<'a> {
    /// Derives every storage root, then the state root.
    pub(crate) fn new(plan: &'a StatePlan) -> Self {
        Self::in_pieces(plan, PIECE_LEAVES)
    }

    /// The same in pieces of about this many leaves.
    fn in_pieces(plan: &'a StatePlan, piece_leaves: usize) -> Self {
        let mut state = Self {
            plan,
            keys: rows::account_keys(plan),
            code_hashes: code_hashes(plan),
            storage_roots: storage_roots(plan, piece_leaves),
            accounts: Pieces::default(),
            piece_leaves,
        };
        let write = |index, out: &mut Vec<u8>| state.account(index).write_rlp(out);
        let accounts = Pieces::cut(Leaves { keys: &state.keys, write: &write }, piece_leaves);
        state.accounts = accounts;
        state
    }

    /// The state root.
    pub(crate) fn root(&self) -> B256 {
        self.accounts.root()
    }

    fn account(&self, index: u64) -> Account {
        let (nonce, balance) = self.plan.purse(index);
        if index >= self.plan.params().contracts {
            return Account { nonce, balance, storage_root: EMPTY_ROOT, code_hash: EMPTY_CODE };
        }
        let code_hash = self.code_hashes[self.plan.code_of(index) as usize];
        Account { nonce, balance, storage_root: self.storage_roots[index as usize], code_hash }
    }

    /// Hands out all accounts, proved, by rising key.
    pub(crate) fn accounts<E: From<Fault>>(
        &self,
        mut give: impl FnMut(VerifiedAccounts) -> Result<(), E>,
    ) -> Result<(), E> {
        let write = |index, out: &mut Vec<u8>| self.account(index).write_rlp(out);
        for piece in self.accounts.each(Leaves { keys: &self.keys, write: &write }) {
            let mut values = Values::default();
            for (_, index) in piece.keys {
                values.push(|out| self.account(*index).write_slim(out));
            }
            let rows: Vec<(B256, &[u8])> =
                piece.keys.iter().map(|(key, _)| *key).zip(values.iter()).collect();
            give(verify_accounts(self.root(), piece.range, rows_of(&rows), &piece.proof)?)?;
        }
        Ok(())
    }

    /// The branches above the pieces in which the accounts come; nothing if they come in one.
    pub(crate) fn above_accounts(&self) -> Option<&Nodes> {
        (!self.accounts.is_whole()).then(|| self.accounts.above())
    }

    /// Hands out all storages by rising account: some hundred small ones at a time, large ones in pieces.
    pub(crate) fn storages<E: From<Fault>>(
        &self,
        mut give: impl FnMut(MadeStorages) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut batch, mut slots) = (Vec::new(), 0);
        for (key, index) in &self.keys {
            let Some(storage) = self.storage(*index) else { continue };
            let claim = StorageClaim { account: *key, root: self.storage_roots[*index as usize] };
            let more = storage.slots as usize;
            if !batch.is_empty() && slots + more > STORAGE_BATCH_SLOTS.min(self.piece_leaves) {
                give(MadeStorages::Slots(self.whole_storages(&std::mem::take(&mut batch))?))?;
                slots = 0;
            }
            if more > self.piece_leaves {
                self.large_storage(claim, storage, &mut give)?;
            } else {
                batch.push((claim, storage));
                slots += more;
            }
        }
        if batch.is_empty() { Ok(()) } else { give(MadeStorages::Slots(self.whole_storages(&batch)?)) }
    }

    fn storage(&self, index: u64) -> Option<StorageSeed> {
        if index < self.plan.params().contracts { self.plan.storage(index) } else { None }
    }

    fn whole_storages(&self, batch: &[(StorageClaim, StorageSeed)]) -> Result<VerifiedStorages, Fault> {
        let claims: Vec<StorageClaim> = batch.iter().map(|(claim, _)| *claim).collect();
        let keys: Vec<_> = batch.iter().map(|(_, storage)| rows::slot_keys(self.plan, *storage)).collect();
        let values: Vec<Values> =
            batch.iter().zip(&keys).map(|((_, storage), keys)| self.values(*storage, keys)).collect();
        let sets: Vec<_> = keys.iter().zip(&values).map(|(keys, values)| set(keys, values)).collect();
        let query = StorageQuery { claims: &claims, range: HashRange::FULL };
        verify_storages(query, sets.iter().map(|set| rows_of(set)), NO_PROOF)
    }

    fn large_storage<E: From<Fault>>(
        &self,
        claim: StorageClaim,
        storage: StorageSeed,
        give: &mut impl FnMut(MadeStorages) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys = rows::slot_keys(self.plan, storage);
        let write = |index, out: &mut Vec<u8>| rows::write_slot(self.plan, storage, index, out);
        let leaves = Leaves { keys: &keys, write: &write };
        let pieces = Pieces::cut(leaves, self.piece_leaves);
        for piece in pieces.each(leaves) {
            let values = self.values(storage, piece.keys);
            let query = StorageQuery { claims: &[claim], range: piece.range };
            // A piece without a slot is said by the proof alone.
            let sets: Vec<_> =
                (!piece.keys.is_empty()).then(|| set(piece.keys, &values)).into_iter().collect();
            let sets = sets.iter().map(|set| rows_of(set));
            give(MadeStorages::Slots(verify_storages(query, sets, &piece.proof)?))?;
        }
        give(MadeStorages::Above { claim, nodes: pieces.above().clone() })
    }

    fn values(&self, storage: StorageSeed, keys: &[(B256, u64)]) -> Values {
        let mut values = Values::default();
        for (_, index) in keys {
            values.push(|out| rows::write_slot(self.plan, storage, *index, out));
        }
        values
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

fn set<'a>(keys: &[(B256, u64)], values: &'a Values) -> Vec<(B256, &'a [u8])> {
    keys.iter().map(|(key, _)| *key).zip(values.iter()).collect()
}

/// The storage root of each contract, by its index, on all cores: they do not depend on each other.
fn storage_roots(plan: &StatePlan, piece_leaves: usize) -> Vec<B256> {
    let next = AtomicU64::new(0);
    let contracts = plan.params().contracts;
    let job = || {
        let mut shared = BTreeMap::new();
        let mut roots = Vec::new();
        loop {
            let contract = next.fetch_add(1, Ordering::Relaxed);
            if contract >= contracts {
                return roots;
            }
            let Some(storage) = plan.storage(contract) else { continue };
            let root = match storage.is_shared() {
                true => *shared.entry(storage).or_insert_with(|| storage_root(plan, storage, piece_leaves)),
                false => storage_root(plan, storage, piece_leaves),
            };
            roots.push((contract, root));
        }
    };
    let mut all = vec![EMPTY_ROOT; contracts as usize];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..cores).map(|_| scope.spawn(job)).collect();
        for job in jobs {
            let roots = job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            for (contract, root) in roots {
                all[contract as usize] = root;
            }
        }
    });
    all
}

fn storage_root(plan: &StatePlan, storage: StorageSeed, piece_leaves: usize) -> B256 {
    let keys = rows::slot_keys(plan, storage);
    let write = |index, out: &mut Vec<u8>| rows::write_slot(plan, storage, index, out);
    Pieces::cut(Leaves { keys: &keys, write: &write }, piece_leaves).root()
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
    use crate::plan::DemoParams;

    fn plan() -> StatePlan {
        StatePlan::new(DemoParams { accounts: 3_000, contracts: 200, slots: 2_000, ..DemoParams::demo() })
    }

    fn all_accounts(state: &MadeState<'_>) -> Vec<VerifiedAccounts> {
        let mut all = Vec::new();
        let take = |accounts| {
            all.push(accounts);
            Ok::<_, Fault>(())
        };
        state.accounts(take).expect("our own accounts");
        all
    }

    fn all_storages(state: &MadeState<'_>) -> Vec<MadeStorages> {
        let mut all = Vec::new();
        let take = |storages| {
            all.push(storages);
            Ok::<_, Fault>(())
        };
        state.storages(take).expect("our own slots");
        all
    }

    fn slots(storages: &[MadeStorages]) -> usize {
        let slots = |made: &MadeStorages| match made {
            MadeStorages::Slots(slots) => slots.rows_len(),
            MadeStorages::Above { .. } => 0,
        };
        storages.iter().map(slots).sum()
    }

    #[test]
    fn the_state_proves_itself_and_is_alloy_s() {
        let plan = plan();
        let state = MadeState::new(&plan);
        let accounts = all_accounts(&state);
        assert_eq!((accounts.len(), accounts[0].rows().len()), (1, 3_000));
        let mut reference = alloy_trie::HashBuilder::default();
        for row in accounts[0].rows() {
            reference.add_leaf(alloy_trie::Nibbles::unpack(row.key), &row.account.to_rlp());
        }
        assert_eq!(reference.root(), state.root());
        assert_eq!(slots(&all_storages(&state)), 2_000);
        let codes: usize = state.codes().map(|batch| batch.expect("our own codes").len()).sum();
        assert_eq!(codes as u64, plan.codes());
    }

    #[test]
    fn pieces_hold_the_same_rows_and_all_nodes() {
        let plan = plan();
        let (whole, pieces) = (MadeState::new(&plan), MadeState::in_pieces(&plan, 100));
        assert_eq!(pieces.root(), whole.root());
        let (one, many) = (all_accounts(&whole), all_accounts(&pieces));
        let rows = |all: &[VerifiedAccounts]| all.iter().map(|piece| piece.rows().len()).sum::<usize>();
        assert_eq!((rows(&many), many.len()), (rows(&one), 256));
        let above = pieces.above_accounts().map_or(0, Nodes::len);
        let inside: usize = many.iter().map(|piece| piece.nodes().len()).sum();
        assert_eq!(inside + above, one[0].nodes().len());
        assert_eq!(slots(&all_storages(&pieces)), 2_000);
        assert!(all_storages(&pieces).iter().any(|made| matches!(made, MadeStorages::Above { .. })));
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
