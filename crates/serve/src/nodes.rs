//! Trie nodes by their paths, out of one snapshot (snap/1 only).
//!
//! Trusts our disk and believes no number of the request. A node that we lack is answered with an empty string in its place, as others do,
//! and counts like one that we have; so is a path that is none.

use alloy_primitives::{B256, Bytes};
use snapsync_storage::StateSnapshot;
use snapsync_trie::{Path, TrieSource, prove_node};
use snapsync_wire::snap::{GetTrieNodes, TrieNodes, TriePaths};

use crate::{
    error::Result,
    limits::{Allowance, Limits},
};

/// Answers with the nodes of the account trie and of storage tries, in the order asked for, as many as fit.
///
/// # Errors
/// When our disk fails.
pub fn answer_trie_nodes(
    snapshot: &StateSnapshot,
    request: &GetTrieNodes,
    limits: &Limits,
) -> Result<TrieNodes> {
    let mut answer = TrieNodes { id: request.id, nodes: Vec::new() };
    let Some(state) = snapshot.kept(request.root)? else { return Ok(answer) };
    let mut allowance = Allowance::new(limits.bytes(request.response_bytes));
    let mut accounts = state.account_trie()?;
    for set in &request.paths {
        match set {
            TriePaths::Account(path) => {
                let paths = std::slice::from_ref(path);
                put(&mut accounts, paths, limits, &mut allowance, &mut answer.nodes)?;
            }
            TriePaths::Storage { account, paths } => {
                // No trie has a node of what is no account.
                let account = B256::try_from(account.as_ref()).unwrap_or_default();
                let mut slots = state.storage_trie(account)?;
                put(&mut slots, paths, limits, &mut allowance, &mut answer.nodes)?;
            }
        }
    }
    Ok(answer)
}

/// Appends the nodes of one trie.
fn put<S: TrieSource>(
    trie: &mut S,
    paths: &[Bytes],
    limits: &Limits,
    allowance: &mut Allowance,
    nodes: &mut Vec<Bytes>,
) -> std::result::Result<(), S::Error> {
    for path in paths {
        if !allowance.is_open() || nodes.len() == limits.nodes_max {
            return Ok(());
        }
        let node = match Path::from_compact(path) {
            Some(path) => prove_node(trie, &path)?,
            None => None,
        };
        let node = node.unwrap_or_default();
        allowance.take(node.len());
        nodes.push(node);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use snapsync_trie::{EMPTY_ROOT, NodeClaim, VerifiedNode, compare, verify_nodes};

    use super::*;
    use crate::sample::Sample;

    /// A trie without anything.
    struct Empty;

    impl TrieSource for Empty {
        type Error = std::convert::Infallible;

        fn next_row(&mut self, _: B256, _: &mut Vec<u8>) -> std::result::Result<Option<B256>, Self::Error> {
            Ok(None)
        }

        fn next_branch(
            &mut self,
            _: &Path,
        ) -> std::result::Result<Option<(Path, snapsync_trie::Branch)>, Self::Error> {
            Ok(None)
        }
    }

    fn ask(sample: &Sample, paths: Vec<TriePaths>, response_bytes: u64) -> Vec<Bytes> {
        let request = GetTrieNodes { id: 9, root: sample.root, paths, response_bytes };
        let answer =
            answer_trie_nodes(&sample.snapshot(), &request, &Limits::mainnet()).expect("our own disk");
        assert_eq!(answer.id, 9);
        answer.nodes
    }

    fn set(account: Option<B256>, claims: &[NodeClaim]) -> Vec<TriePaths> {
        let paths = claims.iter().map(|claim| Bytes::from(claim.path().to_compact()));
        match account {
            None => paths.map(TriePaths::Account).collect(),
            Some(account) => {
                let account = Bytes::copy_from_slice(account.as_slice());
                vec![TriePaths::Storage { account, paths: paths.collect() }]
            }
        }
    }

    /// All rows of a trie, by nodes alone, level by level.
    fn walk(sample: &Sample, account: Option<B256>, root: B256) -> BTreeMap<B256, Bytes> {
        let (mut open, mut rows) = (vec![NodeClaim::of_root(root)], BTreeMap::new());
        while !open.is_empty() {
            let asked: Vec<NodeClaim> = open.drain(..open.len().min(100)).collect();
            let answer = ask(sample, set(account, &asked), u64::MAX);
            assert_eq!(answer.len(), asked.len());
            let nodes = verify_nodes(&asked, answer).expect("what is claimed is there");
            assert_eq!(nodes.iter().map(VerifiedNode::claim).collect::<Vec<NodeClaim>>(), asked);
            for node in nodes {
                let told = compare(&mut Empty, &node).expect("nothing fails").expect("a node");
                open.extend(told.nodes());
                rows.extend(told.rows().iter().cloned());
            }
        }
        rows
    }

    #[test]
    fn every_row_is_reached_through_nodes() {
        let sample = Sample::new();
        let snapshot = sample.snapshot();
        let accounts = walk(&sample, None, sample.root);
        let held = snapshot.accounts_from(B256::ZERO).expect("our own disk");
        let held: Vec<B256> = held.map(|account| account.expect("our own disk").key).collect();
        assert!(accounts.keys().eq(held.iter()));
        for claim in sample.storages.iter().filter(|claim| claim.root != EMPTY_ROOT) {
            let slots = walk(&sample, Some(claim.account), claim.root);
            let held = snapshot.slots_from(claim.account, B256::ZERO).expect("our own disk");
            assert!(slots.keys().copied().eq(held.map(|slot| slot.expect("our own disk").key)));
        }
    }

    #[test]
    fn what_is_not_there_leaves_its_place_empty() {
        let sample = Sample::new();
        let nowhere = Path::prefix_of(&B256::repeat_byte(0x5a), 40);
        let root = NodeClaim::of_root(sample.root);
        let mut paths = vec![TriePaths::Account(nowhere.to_compact().into())];
        paths.push(TriePaths::Account(Bytes::from_static(b"\xff no path")));
        paths.push(TriePaths::Storage { account: Bytes::from_static(b"short"), paths: vec![Bytes::new()] });
        paths.extend(set(Some(B256::repeat_byte(9)), &[root]));
        paths.extend(set(None, &[root]));
        let answer = ask(&sample, paths, u64::MAX);
        assert_eq!(answer.iter().filter(|node| !node.is_empty()).count(), 1);
        assert_eq!(answer.len(), 5);
        assert!(verify_nodes(&[root], answer).is_ok());
    }

    #[test]
    fn the_first_node_always_fits_and_no_number_of_the_request_is_believed() {
        let sample = Sample::new();
        let root = NodeClaim::of_root(sample.root);
        assert_eq!(ask(&sample, set(None, &[root; 3]), 0).len(), 1);
        assert_eq!(ask(&sample, set(None, &[root; 3]), u64::MAX).len(), 3);
        let many = ask(&sample, set(None, &vec![root; 5_000]), u64::MAX);
        assert_eq!(many.len(), Limits::mainnet().nodes_max);
        let absent = TriePaths::Account(Bytes::from_static(&[0x1f, 0xff, 0xff]));
        assert_eq!(ask(&sample, vec![absent; 5_000], u64::MAX).len(), Limits::mainnet().nodes_max);
    }

    #[test]
    fn an_unknown_root_is_answered_with_nothing() {
        let mut sample = Sample::new();
        let root = NodeClaim::of_root(sample.root);
        sample.root = B256::repeat_byte(1);
        assert!(ask(&sample, set(None, &[root]), u64::MAX).is_empty());
    }
}
