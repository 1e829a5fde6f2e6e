//! Nodes asked for by their paths: a node is what its digest says.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256_batch;

use crate::{Fault, Path};

/// A node that the trie of a root must have: where, and with which digest.
///
/// Invariant: the root claims itself, and all else is claimed by a node that was proved ([`compare`](crate::compare)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeClaim {
    root: B256,
    path: Path,
    hash: B256,
}

impl NodeClaim {
    /// What a root claims: the node at the top.
    pub fn of_root(root: B256) -> Self {
        Self { root, path: Path::ROOT, hash: root }
    }

    /// What the node claims further down.
    pub(crate) fn below(&self, path: Path, hash: B256) -> Self {
        Self { root: self.root, path, hash }
    }

    /// The root of the trie.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Where the node stands.
    pub fn path(&self) -> Path {
        self.path
    }

    /// The digest of its encoding.
    pub fn hash(&self) -> B256 {
        self.hash
    }
}

/// A node that is what its claim says.
///
/// Invariant: made in this file only, where digests are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedNode {
    claim: NodeClaim,
    encoding: Bytes,
}

impl VerifiedNode {
    /// Where it stands, and its digest.
    pub fn claim(&self) -> NodeClaim {
        self.claim
    }

    /// Its encoding.
    pub fn encoding(&self) -> &Bytes {
        &self.encoding
    }
}

/// Checks an answer to a request for nodes: those that the peer has, in the order of the request. Servers send an empty string for a node
/// that they have not.
///
/// # Errors
/// [`Fault::WrongNode`] for a node that was not asked for, comes twice or out of order.
pub fn verify_nodes(asked: &[NodeClaim], nodes: Vec<Bytes>) -> Result<Vec<VerifiedNode>, Fault> {
    let nodes: Vec<Bytes> = nodes.into_iter().filter(|node| !node.is_empty()).collect();
    let hashes = digests(&nodes);
    let mut asked = asked.iter();
    nodes
        .into_iter()
        .zip(hashes)
        .map(|(encoding, hash)| match asked.find(|claim| claim.hash == hash) {
            Some(claim) => Ok(VerifiedNode { claim: *claim, encoding }),
            None => Err(Fault::WrongNode { hash }),
        })
        .collect()
}

/// The nodes of a range's proof, by their digests: those that somebody claims are nodes of the trie, wherever the proof has them.
#[derive(Debug)]
pub(crate) struct ProofNodes<'a>(BTreeMap<B256, &'a Bytes>);

impl<'a> ProofNodes<'a> {
    pub(crate) fn new(proof: &'a [Bytes]) -> Self {
        Self(digests(proof).into_iter().zip(proof).collect())
    }

    /// The node that is claimed, if the proof has it.
    pub(crate) fn find(&self, claim: NodeClaim) -> Option<VerifiedNode> {
        self.0.get(&claim.hash).map(|encoding| VerifiedNode { claim, encoding: (*encoding).clone() })
    }
}

fn digests(nodes: &[Bytes]) -> Vec<B256> {
    let messages: Vec<&[u8]> = nodes.iter().map(AsRef::as_ref).collect();
    let mut hashes = vec![B256::ZERO; messages.len()];
    keccak256_batch(&messages, &mut hashes);
    hashes
}

#[cfg(test)]
mod tests {
    use snapsync_keccak::keccak256;

    use super::*;

    #[test]
    fn nodes_may_be_missing_but_not_others_nor_reordered() {
        let nodes: Vec<Bytes> =
            [&b"a"[..], b"bb", b"ccc"].iter().map(|node| Bytes::from_static(node)).collect();
        let root = NodeClaim::of_root(B256::ZERO);
        let claim = |nibble: u8| root.below(Path::ROOT.child(nibble), keccak256(&nodes[usize::from(nibble)]));
        let asked = [0, 1, 2].map(claim);
        let claims = |answer: &[usize]| {
            let answer = answer.iter().map(|at| nodes.get(*at).cloned().unwrap_or_default()).collect();
            verify_nodes(&asked, answer)
                .map(|nodes| nodes.iter().map(VerifiedNode::claim).collect::<Vec<NodeClaim>>())
        };
        let wrong = |at: usize| Err(Fault::WrongNode { hash: asked[at].hash });
        assert_eq!(claims(&[0, 1, 2]), Ok(asked.to_vec()));
        // The third is none: an empty string.
        assert_eq!(claims(&[0, 3, 2]), Ok(vec![asked[0], asked[2]]));
        assert_eq!(claims(&[]), Ok(Vec::new()));
        assert_eq!(claims(&[1, 0]), wrong(0));
        assert_eq!(claims(&[1, 1]), wrong(1));
        assert_eq!(
            verify_nodes(&asked[..1], vec![nodes[1].clone()]),
            Err(Fault::WrongNode { hash: asked[1].hash })
        );
    }
}
