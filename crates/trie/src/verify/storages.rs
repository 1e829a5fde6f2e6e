//! Storage ranges: many whole tries in an answer, the last of them perhaps cut.

use std::ops::Range;

use alloy_primitives::{B256, U256};
use serde::{Deserialize, Serialize};

use super::Verifier;
use super::edge::Proof;
use super::fence::{Fence, Layout};
use super::rows::Rising;
use crate::account::number;
use crate::forest::Forest;
use crate::outline::Outline;
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
    sets: Vec<Set>,
    rows: Vec<SlotRow>,
    nodes: Nodes,
    hashed: Hashed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    claim: StorageClaim,
    covered: HashRange,
    more: More,
    rows: Range<usize>,
    nodes: Range<usize>,
}

impl VerifiedStorages {
    /// How many accounts were answered, from the first that was asked for on.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether no account was answered.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The answered accounts, in the order of the request.
    pub fn sets(&self) -> impl ExactSizeIterator<Item = VerifiedStorage<'_>> + '_ {
        (0..self.sets.len()).map(|at| VerifiedStorage { all: self, set: &self.sets[at] })
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
    set: &'a Set,
}

impl<'a> VerifiedStorage<'a> {
    /// The account, and the root that its slots were proved against.
    pub fn claim(&self) -> StorageClaim {
        self.set.claim
    }

    /// The range in which these are all the slots there are.
    pub fn covered(&self) -> HashRange {
        self.set.covered
    }

    /// Whether the account holds slots to the right of what is covered.
    pub fn more(&self) -> More {
        self.set.more
    }

    /// Whether these are all the slots of the account.
    pub fn is_whole(&self) -> bool {
        self.set.covered == HashRange::FULL
    }

    /// The slots, by rising key.
    pub fn rows(&self) -> &'a [SlotRow] {
        &self.all.rows[self.set.rows.clone()]
    }

    /// Paths and disk forms of all branches that lie strictly inside what is covered, by rising path.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (Path, &'a [u8])> + 'a {
        self.all.nodes.slice(self.set.nodes.clone())
    }
}

/// Proves an answer to a storage request.
///
/// The `i`th set holds the keys and values (each the RLP of a number, as the trie holds it; see
/// [`rows_of`](crate::rows_of)) of `query.claims[i]`, `proof` its nodes in any order. All sets but the last are whole tries, and so is the last when there is no proof. Claims behind the last set are simply not
/// answered. No set but a proof: the first account has no slots in the range.
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
        let mut sets = sets.into_iter();
        let count = sets.len();
        if count > claims.len() {
            return Err(Fault::ExtraStorageSets { count: count as u32, claims: claims.len() as u32 });
        }
        let proof: Vec<_> = proof.into_iter().collect();
        let proof = Proof::new(&proof)?;
        self.clear();
        let mut answer = Answer::new(self, count);
        // A proof without a set says that the first account has nothing in the range.
        let is_bare_proof = count == 0 && !proof.is_empty();
        let no_proof = Proof::default();
        let whole = count.saturating_sub(1);
        let mut late_fault = None;
        for (at, claim) in claims.iter().take(count.max(usize::from(is_bare_proof))).enumerate() {
            let set = sets.next().into_iter().flatten();
            let range = if at == 0 { query.range } else { HashRange::FULL };
            let proof = if at == whole { &proof } else { &no_proof };
            match answer.lay_out(*claim, range, set, proof) {
                // The proof may be of an account further on; that is told apart when the sets before it are derived.
                Err(fault @ Fault::ProofForAnotherRoot { .. }) => {
                    late_fault =
                        Some(match claims[at + 1..].iter().any(|later| proof.has_root(&later.root)) {
                            true => Fault::OmittedStorageSet { account: claim.account },
                            false => fault,
                        });
                }
                laid_out => laid_out?,
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
    fn new(verifier: &'v mut Verifier, sets: usize) -> Self {
        let mut unproven = VerifiedStorages::default();
        unproven.sets.reserve(sets);
        Self { verifier, unproven, layouts: Vec::with_capacity(sets) }
    }

    /// Reads a set and lays out its trie.
    fn lay_out<'a>(
        &mut self,
        claim: StorageClaim,
        range: HashRange,
        set: impl Iterator<Item = (&'a B256, &'a [u8])>,
        proof: &Proof<'_>,
    ) -> Result<(), Fault> {
        let VerifiedStorages { sets, rows, .. } = &mut self.unproven;
        let mut rising = Rising::from(range.start());
        let first = rows.len();
        for (key, value) in set {
            rising.next(key)?;
            rows.push(SlotRow { key: *key, value: read(key, value)? });
        }
        let set = &rows[first..];
        let ends = set.first().zip(set.last()).map(|(first, last)| (first.key, last.key));
        let Verifier { forest, outline } = &mut *self.verifier;
        let leaves = |forest: &mut Forest, outline: &mut Outline| {
            set.iter().try_for_each(|row| {
                outline.leaf(forest, Path::of_key(&row.key), |batch| batch.open_number(&row.value))
            })
        };
        // Most sets of most answers are whole tries, often of a slot or two: a fence around nothing would cost as much.
        let (covered, more, layout) = if Fence::is_absent(range, ends, proof) {
            (range, More::Nothing, Some(Layout::of(forest, outline, leaves)?))
        } else {
            let fence = Fence::around(claim.root, range, ends, proof)?;
            let layout = (!fence.is_settled).then(|| fence.lay_out(forest, outline, leaves)).transpose()?;
            (fence.covered, fence.more, layout)
        };
        self.layouts.push(layout);
        if ends.is_some_and(|(_, last)| last > range.last()) {
            let kept = set.partition_point(|row| row.key <= range.last());
            rows.truncate(first + kept);
        }
        sets.push(Set { claim, covered, more, rows: first..rows.len(), nodes: 0..0 });
        Ok(())
    }

    /// Hashes all tries and holds their roots against the claims.
    fn derive(self, claims: &[StorageClaim]) -> Result<VerifiedStorages, Fault> {
        let Self { verifier: Verifier { forest, .. }, unproven: mut verified, layouts } = self;
        forest.hash();
        forest.make_room(&mut verified.nodes);
        for (at, (set, layout)) in verified.sets.iter_mut().zip(layouts).enumerate() {
            let first = verified.nodes.len();
            if let Some(layout) = layout {
                let (claim, derived) = (set.claim, layout.root(forest));
                if derived != claim.root {
                    // The set of an account further on: this one was left out and the list has shifted.
                    return Err(match claims[at + 1..].iter().any(|later| later.root == derived) {
                        true => Fault::OmittedStorageSet { account: claim.account },
                        false => Fault::RootMismatch { expected: claim.root, derived },
                    });
                }
                forest.emit(layout.nodes, &set.covered, &mut verified.nodes);
            }
            set.nodes = first..verified.nodes.len();
        }
        verified.hashed = forest.hashed();
        Ok(verified)
    }
}

/// The number that a slot's value encodes: a trie holds no zero, and digits are minimal.
#[inline]
fn read(key: &B256, value: &[u8]) -> Result<U256, Fault> {
    if value.is_empty() {
        return Err(Fault::EmptyValue { key: *key });
    }
    let mut rest = value;
    // A number takes 33 bytes at most.
    let digits = rlp::take_short_string(&mut rest).filter(|digits| rest.is_empty() && !digits.is_empty());
    digits.and_then(number).ok_or(Fault::BadSlot { key: *key })
}
