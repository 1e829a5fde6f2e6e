//! The judge of virtual answers: a comparison with the truth that names the fault as the real prover would.
//!
//! It follows the prover's rules (rising keys, edges, the last item beyond the range is legal) without its hashes. It is
//! never used on real bytes.

use alloy_primitives::B256;
use snapsync_sync::StorageClaim;
use snapsync_trie::{Fault, HashRange, Path};

use crate::{
    answer::{Entry, Proof},
    chain::State,
    disk::ProvenSet,
    tries::Trie,
};

/// What a range answer covers, or which lie it is.
///
/// # Errors
/// The lie.
pub fn range(
    truth: &Trie,
    root: B256,
    range: HashRange,
    set: &[Entry],
    proof: &Proof,
) -> Result<HashRange, Fault> {
    let origin = range.start();
    rising(set, origin)?;
    let last = set.last().map(|(key, _)| *key);
    match proof {
        Proof::Absent if origin != B256::ZERO => return Err(Fault::Unproven { origin }),
        Proof::Absent => {
            let whole = set.len() == truth.rows.len() && holds(truth, HashRange::FULL, set);
            return if whole && truth.root == root { Ok(range) } else { Err(mismatch(root)) };
        }
        Proof::Virtual { root: shown, .. } if *shown != root || truth.root != root => {
            return Err(Fault::ProofForAnotherRoot { root });
        }
        Proof::Virtual { last: shown, .. } if *shown != last => {
            return Err(match last {
                None => Fault::NotEmpty { origin },
                Some(key) => Fault::MissingNode { path: Path::of_key(&key), hash: B256::ZERO },
            });
        }
        Proof::Virtual { .. } => {}
        Proof::Real(_) => return Err(Fault::ProofForAnotherRoot { root }),
    }
    let Some(last) = last else {
        let empty = truth.rows.range(origin..).next().is_none();
        return if empty { Ok(range) } else { Err(Fault::NotEmpty { origin }) };
    };
    let shown = HashRange::new(origin, last).expect("rising from the origin");
    if !holds(truth, shown, set) {
        return Err(mismatch(root));
    }
    let next = truth.rows.range(last..).nth(1).map(|(key, _)| *key);
    let reaches = last >= range.last() || next.is_none();
    let end = if reaches { range.last() } else { last };
    Ok(HashRange::new(origin, end).expect("an end at or after the origin"))
}

/// What an answer of accounts covers under a name of the state's root, or which lie it is.
///
/// # Errors
/// The lie.
pub fn accounts(
    state: &State,
    root: B256,
    asked: HashRange,
    set: &[Entry],
    proof: &Proof,
) -> Result<HashRange, Fault> {
    // The truth knows itself by one name. A proof of any other than the one asked for is of another root.
    let proof = match proof {
        Proof::Virtual { root: shown, last } if *shown == root => {
            Proof::Virtual { root: state.root, last: *last }
        }
        Proof::Virtual { last, .. } => Proof::Virtual { root: B256::ZERO, last: *last },
        proof => proof.clone(),
    };
    range(&state.trie, state.root, asked, set, &proof)
}

/// What a storage answer covers, set by set, or which lie it is.
///
/// # Errors
/// The lie.
pub fn storages(
    state: &State,
    claims: &[StorageClaim],
    asked: HashRange,
    sets: &[Vec<Entry>],
    proof: &Proof,
) -> Result<Vec<ProvenSet>, Fault> {
    if sets.len() > claims.len() {
        return Err(Fault::ExtraStorageSets { count: sets.len() as u32, claims: claims.len() as u32 });
    }
    let mut proven = Vec::new();
    // A proof without a set is about the first account.
    let shown = if sets.is_empty() { &[Vec::new()][..] } else { sets };
    for (nth, (set, claim)) in shown.iter().zip(claims).enumerate() {
        let is_last = nth + 1 == shown.len();
        let asked = if nth == 0 { asked } else { HashRange::FULL };
        let proof = if is_last { proof } else { &Proof::Absent };
        let covered = state
            .slots(&claim.root)
            .ok_or_else(|| mismatch(claim.root))
            .and_then(|truth| range(truth, claim.root, asked, set, proof))
            .map_err(|fault| later(state, &claims[nth..], set).unwrap_or(fault))?;
        let rows = set.iter().filter(|(key, _)| covered.contains(key)).cloned().collect();
        proven.push(ProvenSet { claim: *claim, covered, rows });
    }
    Ok(proven)
}

/// A set that is the whole storage of a later account: this one was left out.
fn later(state: &State, claims: &[StorageClaim], set: &[Entry]) -> Option<Fault> {
    let (skipped, rest) = claims.split_first()?;
    let fits = |claim: &StorageClaim| {
        state
            .slots(&claim.root)
            .is_some_and(|truth| truth.rows.len() == set.len() && holds(truth, HashRange::FULL, set))
    };
    rest.iter().any(fits).then_some(Fault::OmittedStorageSet { account: skipped.account })
}

fn rising(set: &[Entry], origin: B256) -> Result<(), Fault> {
    for pair in set.windows(2) {
        let (before, key) = (pair[0].0, pair[1].0);
        if before == key {
            return Err(Fault::DuplicateKey { key });
        }
        if before > key {
            return Err(Fault::SwappedOrder { before, key });
        }
    }
    if let Some((key, _)) = set.first().filter(|(key, _)| *key < origin) {
        return Err(Fault::BeforeOrigin { key: *key, origin });
    }
    match set.iter().find(|(_, row)| row.value.is_empty()) {
        Some((key, _)) => Err(Fault::EmptyValue { key: *key }),
        None => Ok(()),
    }
}

fn holds(truth: &Trie, range: HashRange, set: &[Entry]) -> bool {
    let rows = truth.rows.range(range.start()..=range.last());
    rows.eq(set.iter().map(|(key, row)| (key, row)))
}

fn mismatch(root: B256) -> Fault {
    Fault::RootMismatch { expected: root, derived: B256::ZERO }
}
