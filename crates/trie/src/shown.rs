//! What a range of theirs shows beside ours: the rows that it proves, and the nodes along its edges with all that hangs from them.
//!
//! ```text
//!   wanted: the node at 4        ┌──┬── 4 ──┬──┐          the range asked for is all below it, the answer small
//!                             4.0 ≠   4.1 =  4.7 ≠
//!   rows of the answer       ████┊                        compared with our rows: what differs is put, or gone
//!   the right edge's path     └──┴┊┬──┐                   its nodes are compared with ours as if asked for by path
//!   left                          4.0.9 ≠   4.7 ≠         nodes to the right of the rows, of which only digests are known
//! ```
//!
//! So what differs is found without asking for nodes by their paths, which not every peer answers (snap/2 has no such request): each answer shows
//! at least the node that was wanted, and leads a level down or to rows. It believes what [`compare`] believes, and rows that were
//! verified.

use alloy_primitives::{B256, Bytes, U256};

use crate::compare::{Differences, compare};
use crate::verify::ProofNodes;
use crate::{Fault, HashRange, NodeClaim, TrieSource, VerifiedAccounts, VerifiedStorage, rlp};

/// How ours differs from theirs below one node, as far as one range with its proof shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    differences: Vec<Differences>,
    left: Vec<NodeClaim>,
}

impl Shown {
    /// Rows that differ, and where rows are gone.
    pub fn differences(&self) -> &[Differences] {
        &self.differences
    }

    /// Nodes of theirs that ours has not, and that are neither shown nor all covered by rows; in order.
    pub fn left(&self) -> &[NodeClaim] {
        &self.left
    }
}

/// Compares accounts of theirs, and the nodes of their proof from the wanted one on, with ours.
///
/// # Errors
/// The outer one when the source fails; the inner one when the rows are of another root than the wanted node's, or a node is no node: then the
/// root itself is a lie.
pub fn compare_accounts<S: TrieSource>(
    source: &mut S,
    wanted: NodeClaim,
    theirs: &VerifiedAccounts,
    proof: &[Bytes],
) -> Result<Result<Shown, Fault>, S::Error> {
    let rows = theirs.rows().iter().map(|row| (row.key, row.account.to_rlp()));
    let range = Range { root: theirs.root(), covered: theirs.covered() };
    range.compare(source, wanted, rows, proof)
}

/// The same with slots. A range that begins at key 1 counts as one that begins at zero, where no slot is: its key would be the digest of
/// a position.
///
/// # Errors
/// As [`compare_accounts`].
pub fn compare_storage<S: TrieSource>(
    source: &mut S,
    wanted: NodeClaim,
    theirs: VerifiedStorage<'_>,
    proof: &[Bytes],
) -> Result<Result<Shown, Fault>, S::Error> {
    let rows = theirs.rows().iter().map(|row| (row.key, number(&row.value)));
    let range = Range { root: theirs.claim().root, covered: theirs.covered() };
    range.compare(source, wanted, rows, proof)
}

/// The RLP of a number, as a storage trie holds it.
fn number(value: &U256) -> Vec<u8> {
    let mut out = Vec::new();
    rlp::write_string(&value.to_be_bytes_trimmed_vec(), &mut out);
    out
}

/// The first key at which a row may be.
const FIRST_KEY: B256 = B256::with_last_byte(1);

/// Where theirs is known by rows.
struct Range {
    root: B256,
    covered: HashRange,
}

impl Range {
    fn compare<S: TrieSource>(
        mut self,
        source: &mut S,
        wanted: NodeClaim,
        rows: impl Iterator<Item = (B256, Vec<u8>)>,
        proof: &[Bytes],
    ) -> Result<Result<Shown, Fault>, S::Error> {
        if self.root != wanted.root() {
            return Ok(Err(Fault::ProofForAnotherRoot { root: self.root }));
        }
        if self.covered.start() == FIRST_KEY {
            self.covered = HashRange::new(B256::ZERO, self.covered.last()).unwrap_or(self.covered);
        }
        let proof = ProofNodes::new(proof);
        let mut shown = Shown::default();
        let mut open = vec![wanted];
        while let Some(claim) = open.pop() {
            if self.covered.covers(&claim.path().range()) {
                continue;
            }
            let Some(node) = proof.find(claim) else {
                shown.left.push(claim);
                continue;
            };
            let found = match compare(source, &node)? {
                Ok(found) => found,
                Err(fault) => return Ok(Err(fault)),
            };
            open.extend(found.nodes().iter().rev());
            shown.add(found);
        }
        if let Some(range) = self.covered.intersection(&wanted.path().range()) {
            shown.add(self.rows(source, range, rows)?);
        }
        Ok(Ok(shown))
    }

    /// Rows of theirs in a range, all there are, beside ours.
    fn rows<S: TrieSource>(
        &self,
        source: &mut S,
        range: HashRange,
        theirs: impl Iterator<Item = (B256, Vec<u8>)>,
    ) -> Result<Differences, S::Error> {
        let mut found = Differences::none(self.root);
        let mut value = Vec::new();
        let mut start = Some(range.start());
        for (key, leaf) in theirs.filter(|(key, _)| range.contains(key)) {
            value.clear();
            let mut ours = source.next_row(start.unwrap_or(key), &mut value)?;
            if ours.is_some_and(|ours| ours < key) {
                let before = HashRange::before(key).zip(start);
                found.gone.extend(before.and_then(|(last, start)| HashRange::new(start, last)));
                value.clear();
                ours = source.next_row(key, &mut value)?;
            }
            if ours != Some(key) || value != leaf {
                found.rows.push((key, leaf.into()));
            }
            start = HashRange::after(key);
        }
        if let Some(rest) = start.and_then(|start| HashRange::new(start, range.last())) {
            value.clear();
            let ours = source.next_row(rest.start(), &mut value)?;
            found.gone.extend(ours.is_some_and(|ours| rest.contains(&ours)).then_some(rest));
        }
        Ok(found)
    }
}

impl Shown {
    fn add(&mut self, found: Differences) {
        if !(found.rows().is_empty() && found.gone().is_empty()) {
            self.differences.push(found);
        }
    }
}
