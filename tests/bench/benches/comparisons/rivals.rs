//! The same works as others do them, each through the fastest way that its public interface has.

use alloy_primitives::B256;
use alloy_trie::{HashBuilder, Nibbles};
use ethereum_types::H256;
use ethrex_trie::{Node, TrieDB, TrieError, trie_sorted::trie_from_sorted_accounts_wrap, verify_range};
use snapsync_bench::{Answer, Leaves, Sets};

/// Keys and values as ethrex-trie wants them.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) keys: Vec<H256>,
    pub(crate) values: Vec<Vec<u8>>,
}

impl Owned {
    pub(crate) fn of<'a>(leaves: impl Iterator<Item = (&'a B256, &'a [u8])>) -> Self {
        let (keys, values) = leaves.map(|(key, value)| (H256(key.0), value.to_vec())).unzip();
        Self { keys, values }
    }
}

/// A database that keeps nothing: nodes are not even encoded for it.
struct Nowhere;

impl TrieDB for Nowhere {
    fn get(&self, _: ethrex_trie::Nibbles) -> Result<Option<Vec<u8>>, TrieError> {
        Ok(None)
    }

    fn put_batch(&self, _: Vec<(ethrex_trie::Nibbles, Vec<u8>)>) -> Result<(), TrieError> {
        Ok(())
    }

    fn put_batch_no_alloc(&self, _: &[(ethrex_trie::Nibbles, Node)]) -> Result<(), TrieError> {
        Ok(())
    }
}

/// The root of sorted leaves by ethrex-trie, as its snap sync derives it.
pub(crate) fn ethrex_root(leaves: Owned) -> B256 {
    let mut leaves = leaves.keys.into_iter().zip(leaves.values);
    B256::new(trie_from_sorted_accounts_wrap(&Nowhere, &mut leaves).unwrap().0)
}

/// An account answer by ethrex-trie. Says whether there are more accounts behind it.
pub(crate) fn ethrex_accounts(root: B256, origin: B256, leaves: &Owned, proof: &[Vec<u8>]) -> bool {
    verify_range(H256(root.0), &H256(origin.0), &leaves.keys, &leaves.values, proof).unwrap()
}

/// A storage answer by ethrex-trie, a set at a time, as its snap sync does.
pub(crate) fn ethrex_storages(roots: &[H256], sets: &[Owned]) -> usize {
    let wholes = roots.iter().zip(sets).map(|(root, set)| {
        let more = verify_range(*root, &H256::zero(), &set.keys, &set.values, &[]).unwrap();
        usize::from(!more)
    });
    wholes.sum()
}

/// The root of sorted leaves by HashBuilder.
pub(crate) fn hash_builder_root<'a>(leaves: impl Iterator<Item = (&'a B256, &'a [u8])>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

/// The roots of all sets by HashBuilder, compared with those claimed.
pub(crate) fn hash_builder_storages(sets: &Sets) -> usize {
    let equal = sets.sets.iter().zip(&sets.claims).map(|(set, claim)| {
        let root = hash_builder_root(set.iter().map(|(key, value)| (key, value.as_slice())));
        usize::from(root == claim.root)
    });
    equal.sum()
}

/// The leaves of a storage answer as ethrex-trie wants them, with the roots that are claimed.
pub(crate) fn ethrex_sets(sets: &Sets) -> (Vec<H256>, Vec<Owned>) {
    let roots = sets.claims.iter().map(|claim| H256(claim.root.0)).collect();
    let owned =
        |set: &Vec<(B256, Vec<u8>)>| Owned::of(set.iter().map(|(key, value)| (key, value.as_slice())));
    (roots, sets.sets.iter().map(owned).collect())
}

/// A proof as ethrex-trie wants it.
pub(crate) fn ethrex_proof(answer: &Answer) -> Vec<Vec<u8>> {
    answer.proof.iter().map(|node| node.to_vec()).collect()
}

/// The leaves as ethrex-trie wants them.
pub(crate) fn ethrex_leaves(leaves: &Leaves) -> Owned {
    Owned::of(leaves.iter())
}
