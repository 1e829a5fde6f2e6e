//! The state of block 0 as the state's writer takes it: rows that are proved against the root in its header.
//!
//! It goes through the doors that a sync uses, since there are no others. It writes nothing itself.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_storage::{StateProgress, TargetRecord, Ticket, Write};
use snapsync_sync::Phase;
use snapsync_trie::{
    Fault, HashRange, StorageClaim, StorageQuery, TargetId, rows_of, verify_accounts, verify_codes,
    verify_storages,
};

use super::{account::rows, file::Genesis};

/// The one target of a state that begins with its chain.
const TARGET: TargetId = TargetId(0);
/// The absence of a proof, which is enough for a whole trie.
const NO_PROOF: &[Bytes] = &[];

impl Genesis {
    /// Block 0 as the target that its rows are recorded under.
    pub fn target(&self) -> TargetRecord {
        TargetRecord { id: TARGET, number: 0, hash: self.hash(), root: self.state_root() }
    }

    /// What the state's writer is given, in this order, into a directory that holds nothing: afterwards the state is whole, and block 0's.
    ///
    /// # Errors
    /// Never, unless an allocation does not give its own root.
    pub fn state_writes(&self, ticket: Ticket) -> Result<Vec<Write>, Fault> {
        let target = self.target();
        let root = target.root;
        let progress = |phase: Phase, rebuilt| Write::Progress {
            ticket,
            progress: StateProgress { pin: Some(target), phase: phase.number(), rebuilt },
        };
        let mut writes = vec![progress(Phase::Download, None)];
        let given = rows(&self.alloc);
        let slim: Vec<(B256, Vec<u8>)> =
            given.iter().map(|(key, row)| (*key, row.account.to_slim())).collect();
        let accounts = verify_accounts(root, HashRange::FULL, rows_of(&slim), NO_PROOF)?.into();
        writes.push(Write::Accounts { ticket, target: TARGET, accounts, response_bytes: 0 });
        for (key, row) in given {
            if row.slots.is_empty() {
                continue;
            }
            let slots: Vec<(B256, Vec<u8>)> = row.slots.into_iter().collect();
            let claim = StorageClaim { account: key, root: row.account.storage_root };
            let query = StorageQuery { claims: &[claim], range: HashRange::FULL };
            let storages = verify_storages(query, [rows_of(&slots)], NO_PROOF)?.into();
            writes.push(Write::Storages { ticket, target: TARGET, storages, response_bytes: 0 });
        }
        let codes = self.alloc.values().filter(|account| !account.code.is_empty());
        let codes: BTreeMap<B256, Bytes> =
            codes.map(|account| (keccak256(&account.code), Bytes::from(account.code.clone()))).collect();
        if !codes.is_empty() {
            let hashes: Vec<B256> = codes.keys().copied().collect();
            let codes = verify_codes(&hashes, codes.into_values().collect())?;
            writes.push(Write::Codes { ticket, codes, response_bytes: 0 });
        }
        writes.push(progress(Phase::Complete, Some(root)));
        Ok(writes)
    }
}
