//! Storage ranges: many whole tries in an answer, the last of them perhaps cut.

use alloy_primitives::{B256, U256};
use serde::{Deserialize, Serialize};

use super::Verifier;
use super::edge::Proof;
use super::fence::{Fence, Layout, Part, fits};
use super::rows::Rising;
use crate::account::number;
use crate::rlp;
use crate::{Fault, HashRange, Hashed, More, Nodes, Path};

/// What an account's row says of its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StorageClaim {
    /// The digest of the account's address.
    pub account: B256,
    /// The root of its storage trie.
    pub root: B256,
}

/// What was asked: the storage of these accounts, the first of them in `range` only.
#[derive(Clone, Copy, Debug)]
pub struct StorageQuery<'a> {
    /// The accounts, in the order of the request.
    pub claims: &'a [StorageClaim],
    /// The slots of the first account that were asked for; the others were asked for whole.
    pub range: HashRange,
}

/// A slot and the key it stands under, the digest of its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRow {
    /// The digest of the slot's position.
    pub key: B256,
    /// What it holds, never zero.
    pub value: U256,
}

/// The answered sets of a storage request, each proved against the root that its account claims.
///
/// Invariant: made by [`verify_storages`] only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedStorages {
    /// Whose the sets are.
    claims: Vec<StorageClaim>,
    /// Where the rows and the nodes of each end; those of the next begin there.
    ends: Vec<SetEnds>,
    /// The sets that are no whole tries: at most the first, of which a range was asked for, and the last, which was cut.
    parts: Vec<PartialSet>,
    rows: Vec<SlotRow>,
    nodes: Nodes,
    hashed: Hashed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SetEnds {
    rows: u32,
    nodes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PartialSet {
    /// Its position among all.
    at: usize,
    part: Part,
}

impl VerifiedStorages {
    /// How many accounts were answered, from the first that was asked for on.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no account was answered.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The answered accounts, in the order of the request.
    pub fn sets(&self) -> impl ExactSizeIterator<Item = VerifiedStorage<'_>> + '_ {
        (0..self.len()).map(|at| VerifiedStorage { all: self, at })
    }

    /// How many slots there are in all sets.
    pub fn rows_len(&self) -> usize {
        self.rows.len()
    }

    /// What was hashed to prove them: rows beyond the limit and the nodes of the proof among it.
    pub fn hashed(&self) -> Hashed {
        self.hashed
    }
}

/// One account's slots in a range, proved against its storage root.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedStorage<'a> {
    all: &'a VerifiedStorages,
    at: usize,
}

impl<'a> VerifiedStorage<'a> {
    /// The account, and the root that its slots were proved against.
    pub fn claim(&self) -> StorageClaim {
        self.all.claims[self.at]
    }

    /// The range in which these are all the slots there are.
    pub fn covered(&self) -> HashRange {
        self.part().covered
    }

    /// Whether the account holds slots to the right of what is covered.
    pub fn more(&self) -> More {
        self.part().more
    }

    /// Whether these are all the slots of the account.
    pub fn is_whole(&self) -> bool {
        self.covered() == HashRange::FULL
    }

    /// The slots, by rising key.
    pub fn rows(&self) -> &'a [SlotRow] {
        let (start, end) = self.ends();
        &self.all.rows[start.rows as usize..end.rows as usize]
    }

    /// Paths and disk forms of all branches that lie strictly inside what is covered, by rising path.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (Path, &'a [u8])> + 'a {
        let (start, end) = self.ends();
        self.all.nodes.slice(start.nodes as usize..end.nodes as usize)
    }

    fn part(&self) -> Part {
        let known = self.all.parts.iter().find(|known| known.at == self.at);
        known.map_or(Part::WHOLE, |known| known.part)
    }

    fn ends(&self) -> (SetEnds, SetEnds) {
        let before = self.at.checked_sub(1).map_or(SetEnds::default(), |before| self.all.ends[before]);
        (before, self.all.ends[self.at])
    }
}

/// Proves an answer to a storage request.
///
/// The `i`th set holds the keys and values (each the RLP of a number, as the trie holds it; see
/// [`rows_of`](crate::rows_of)) of `query.claims[i]`, `proof` its nodes in any order. All sets but the last are whole tries, and so is the last when
/// there is no proof. Claims behind the last set are simply not answered. No set but a proof: the first account has no slots in the range.
///
/// # Errors
/// The lie that the answer is.
///
/// One that verifies many answers keeps a [`Verifier`].
pub fn verify_storages<'a, Set: IntoIterator<Item = (&'a B256, &'a [u8])>>(
    query: StorageQuery<'_>,
    sets: impl IntoIterator<Item = Set, IntoIter: ExactSizeIterator>,
    proof: impl IntoIterator<Item: AsRef<[u8]>>,
) -> Result<VerifiedStorages, Fault> {
    Verifier::new().storages(query, sets, proof)
}

impl Verifier {
    /// See [`verify_storages`].
    ///
    /// # Errors
    /// The lie that the answer is.
    pub fn storages<'a, Set: IntoIterator<Item = (&'a B256, &'a [u8])>>(
        &mut self,
        query: StorageQuery<'_>,
        sets: impl IntoIterator<Item = Set, IntoIter: ExactSizeIterator>,
        proof: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Result<VerifiedStorages, Fault> {
        let claims = query.claims;
        let sets = sets.into_iter();
        let count = sets.len();
        if count > claims.len() {
            return Err(Fault::ExtraStorageSets { count: count as u32, claims: claims.len() as u32 });
        }
        let proof: Vec<_> = proof.into_iter().collect();
        let proof = Proof::new(&proof)?;
        self.clear();
        let no_proof = Proof::default();
        // A proof without a set says that the first account has nothing in the range.
        let bare_proof = (count == 0 && !proof.is_empty()).then_some(None);
        let mut answer = Answer::new(self, count);
        let mut late_fault = None;
        for ((at, claim), set) in claims.iter().enumerate().zip(sets.map(Some).chain(bare_proof)) {
            let range = if at == 0 { &query.range } else { &HashRange::FULL };
            let proof = if at + 1 >= count { &proof } else { &no_proof };
            let fence = Fence { root: &claim.root, range, proof };
            let laid_out = match set {
                Some(set) => answer.lay_out(fence, set.into_iter()),
                None => answer.settle(fence),
            };
            match laid_out {
                // The proof may be of an account further on; that is told apart when the sets before it are derived.
                Err(fault @ Fault::ProofForAnotherRoot { .. }) => {
                    late_fault =
                        Some(match claims[at + 1..].iter().any(|later| proof.has_root(&later.root)) {
                            true => Fault::OmittedStorageSet { account: claim.account },
                            false => fault,
                        });
                }
                _ => laid_out?,
            }
        }
        let mut verified = answer.derive(claims)?;
        verified.hashed.add(proof.hashed());
        late_fault.map_or(Ok(verified), Err)
    }
}

/// The sets of an answer while they are being proved.
struct Answer<'a> {
    verifier: &'a mut Verifier,
    /// Nothing of it is proved yet.
    unproven: VerifiedStorages,
    /// For each set the trie that must give its root, unless the proof alone has settled it.
    layouts: Vec<Option<Layout>>,
}

impl<'v> Answer<'v> {
    fn new(verifier: &'v mut Verifier, count: usize) -> Self {
        let unproven = VerifiedStorages {
            ends: Vec::with_capacity(count),
            // A slot in each set, at least.
            rows: Vec::with_capacity(count),
            ..VerifiedStorages::default()
        };
        Self { verifier, unproven, layouts: Vec::with_capacity(count) }
    }

    /// Reads a set and lays out its trie.
    fn lay_out<'a>(
        &mut self,
        fence: Fence<'_>,
        mut set: impl Iterator<Item = (&'a B256, &'a [u8])>,
    ) -> Result<(), Fault> {
        let VerifiedStorages { rows, .. } = &mut self.unproven;
        let Verifier { forest, outline } = &mut *self.verifier;
        let Some(slot) = set.next() else { return self.settle(fence) };
        let (first, first_node) = (rows.len(), forest.nodes_len());
        let is_whole = fence.is_absent();
        if !is_whole {
            fence.left(forest, outline)?;
        }
        let mut rising = Rising::in_range(fence.range);
        let mut next = Some(slot);
        while let Some((key, value)) = next {
            rising.next(key)?;
            let Some(number) = slot_value(value) else { return Err(unreadable(key, value)) };
            rows.push(SlotRow { key: *key, value: number });
            let row = &rows[rows.len() - 1];
            let leaf = outline.leaf(forest, Path::of_key(&row.key), |batch| batch.open_number(&row.value));
            fits(leaf, outline)?;
            next = set.next();
        }
        let part = if is_whole {
            None
        } else {
            let last = rows.last().map_or(HashRange::FULL.last(), |row| row.key);
            let part = fence.right(&last, forest, outline)?;
            let kept = rows[first..].partition_point(|row| row.key <= fence.range.last());
            rows.truncate(first + kept);
            Some(part)
        };
        let layout = Layout::since(first_node, forest, outline)?;
        self.end_set(Some(layout), part);
        Ok(())
    }

    /// Takes a set without slots.
    fn settle(&mut self, fence: Fence<'_>) -> Result<(), Fault> {
        let part = fence.without_rows()?;
        self.end_set(None, Some(part));
        Ok(())
    }

    #[inline]
    fn end_set(&mut self, layout: Option<Layout>, part: Option<Part>) {
        let VerifiedStorages { ends, parts, rows, .. } = &mut self.unproven;
        if let Some(part) = part.filter(|part| *part != Part::WHOLE) {
            parts.push(PartialSet { at: ends.len(), part });
        }
        ends.push(SetEnds { rows: rows.len() as u32, nodes: 0 });
        self.layouts.push(layout);
    }

    /// Hashes all tries and holds their roots against the claims.
    fn derive(self, claims: &[StorageClaim]) -> Result<VerifiedStorages, Fault> {
        let Self { verifier: Verifier { forest, .. }, unproven: mut verified, layouts } = self;
        forest.hash();
        forest.make_room(&mut verified.nodes);
        let mut parts = verified.parts.iter().peekable();
        let sets = claims.iter().zip(&mut verified.ends).zip(layouts);
        for (at, ((claim, ends), layout)) in sets.enumerate() {
            let part = parts.next_if(|known| known.at == at);
            if let Some(layout) = layout {
                let derived = layout.root(forest);
                if derived != claim.root {
                    // The set of an account further on: this one was left out and the list has shifted.
                    return Err(match claims[at + 1..].iter().any(|later| later.root == derived) {
                        true => Fault::OmittedStorageSet { account: claim.account },
                        false => Fault::RootMismatch { expected: claim.root, derived },
                    });
                }
                let covered = part.map_or(&HashRange::FULL, |known| &known.part.covered);
                forest.emit(layout.nodes, covered, &mut verified.nodes);
            }
            ends.nodes = verified.nodes.len() as u32;
        }
        verified.claims.extend_from_slice(&claims[..verified.ends.len()]);
        verified.hashed = forest.hashed();
        Ok(verified)
    }
}

/// The number that the value of a slot's leaf encodes: a trie holds no zero, and digits are minimal.
#[inline]
pub fn slot_value(value: &[u8]) -> Option<U256> {
    let mut rest = value;
    // A number takes 33 bytes at most.
    let digits = rlp::take_short_string(&mut rest).filter(|digits| rest.is_empty() && !digits.is_empty())?;
    number(digits)
}

/// What is wrong with a value that is none.
#[cold]
fn unreadable(key: &B256, value: &[u8]) -> Fault {
    if value.is_empty() { Fault::EmptyValue { key: *key } } else { Fault::BadSlot { key: *key } }
}
