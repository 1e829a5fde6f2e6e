//! The truth of a chain that moves, by counts: what the state is made of, what each block changes, and which roots follow.
//!
//! ```text
//!   a node with one leaf below it   is that leaf
//!   with more                       a branch; a child differs if a key below it does
//! ```
//!
//! Leaves lie evenly, so that all are at one depth or the next: a real trie's are a little deeper. It knows of no disk.

use alloy_primitives::B256;
use snapsync_stream::WantedNode;
use snapsync_sync::{StorageClaim, Target};
use snapsync_trie::HashRange;

use super::{
    drift::Drift,
    ladder::Ladder,
    truth::{Truth, last_with},
};

/// Bytes of a leaf of the account trie, and of one of a storage.
const ACCOUNT_LEAF_BYTES: u64 = 110;
const SLOT_LEAF_BYTES: u64 = 70;

/// What the chain is.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) truth: Truth,
    pub(crate) drift: Drift,
    pub(crate) ladder: Ladder,
}

/// Whose trie a node is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    Accounts,
    Contract(u32),
}

impl Ground {
    /// The nth block after the first head.
    pub(crate) fn target(&self, block: u32) -> Target {
        let number = self.truth.shape.blocks + u64::from(block);
        Target { number, hash: self.truth.block(number), root: self.state_root(block) }
    }

    /// How many blocks after the first head a block is; those below it count as it.
    pub(crate) fn block_of(&self, number: u64) -> u32 {
        u32::try_from(number.saturating_sub(self.truth.shape.blocks)).unwrap_or(u32::MAX)
    }

    pub(crate) fn state_root(&self, block: u32) -> B256 {
        self.ladder.root(name(Whose::Accounts, block))
    }

    /// What a contract's row claims at a block.
    pub(crate) fn claim(&self, contract: u32, block: u32) -> StorageClaim {
        let account = self.truth.all_contracts()[contract as usize].key;
        let version = self.drift.version(contract, block);
        StorageClaim { account, root: self.ladder.root(name(Whose::Contract(contract), version)) }
    }

    /// The contracts with these upper bits: one, or none.
    pub(crate) fn contracts_at(&self, upper: u64) -> Vec<u32> {
        let last = last_with(upper);
        let mut first = last;
        first.0[8..].fill(0);
        let within =
            HashRange::new(first, last).map(|range| self.truth.contracts(&range)).unwrap_or_default();
        within
            .iter()
            .filter_map(|contract| self.truth.place_of(&contract.key))
            .map(|nth| nth as u32)
            .collect()
    }

    pub(crate) fn whose(&self, node: &WantedNode) -> Whose {
        let contract = |account: &B256| self.truth.place_of(account).expect("a claim is of a contract");
        node.account.map_or(Whose::Accounts, |account| Whose::Contract(contract(&account) as u32))
    }

    /// Leaves below a node.
    pub(crate) fn leaves(&self, whose: Whose, range: &HashRange) -> u64 {
        match whose {
            Whose::Accounts => self.truth.accounts_in(range),
            Whose::Contract(contract) => {
                self.truth.slots_in(&self.truth.all_contracts()[contract as usize], range)
            }
        }
    }

    /// Bytes of a node.
    pub(crate) fn node_bytes(&self, node: &WantedNode) -> u64 {
        let whose = self.whose(node);
        match (self.leaves(whose, &node.claim.path().range()), whose) {
            (0 | 1, Whose::Accounts) => ACCOUNT_LEAF_BYTES,
            (0 | 1, Whose::Contract(_)) => SLOT_LEAF_BYTES,
            (leaves, _) => 20 + 32 * leaves.min(16),
        }
    }

    /// The children of a node below which something differs; nothing for a leaf.
    pub(crate) fn below(
        &self,
        node: &WantedNode,
        block: u32,
        differs: impl Fn(&HashRange) -> bool,
    ) -> Option<Vec<WantedNode>> {
        let whose = self.whose(node);
        if self.leaves(whose, &node.claim.path().range()) <= 1 {
            return None;
        }
        let version = match whose {
            Whose::Accounts => block,
            Whose::Contract(contract) => self.drift.version(contract, block),
        };
        let claims = self.ladder.below(node.claim, name(whose, version), |path| differs(&path.range()));
        Some(claims.into_iter().map(|claim| WantedNode { account: node.account, claim }).collect())
    }
}

/// The name of a trie, by which its root follows.
fn name(whose: Whose, version: u32) -> u64 {
    let trie = match whose {
        Whose::Accounts => 0,
        Whose::Contract(contract) => u64::from(contract) + 1,
    };
    let mut x = (trie << 32 | u64::from(version)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
