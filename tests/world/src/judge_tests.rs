//! The judge under test: the truth passes, each lie gets its name, and the two judges agree.

use std::collections::BTreeMap;

use snapsync_peers::{Outcome, PeerId};
use snapsync_storage::Descent;
use snapsync_stream::{Judgement, RequestId, What};
use snapsync_sync::{JobId, StorageClaim, TargetId};
use snapsync_trie::{EMPTY_ROOT, HashRange};

use super::{Asked, Ruling, rule};
use crate::{
    answer::{Library, Payload, Question},
    chain::{Flavour, Line, Size, State},
    chance::Chance,
    disk::Chunk,
    keys::Keys,
    poison,
    states::States,
    tamper::tamper,
    zoo::Kind,
};

/// The fault that no story raises here: nodes are judged beside a disk.
const UNASKED: &str = "wrong_node";

/// Only the state is asked for here.
const NO_BLOCKS: Asked = Asked { blocks: Vec::new(), descent: Descent::GoesOn, held: None };

fn size(flavour: Flavour) -> Size {
    Size { flavour, accounts: 90, contracts_per_mille: 300, huge_slots: 70, row_weight: 100, blocks: 40 }
}

fn judgement(what: What) -> Judgement {
    Judgement { request: RequestId(1), peer: PeerId(1), job: JobId(1), what, expected: None }
}

/// A random question about the state, in both vocabularies.
fn ask(state: &State, chance: &mut Chance) -> (Question, Judgement) {
    let (target, root, bytes) = (TargetId(0), state.root, chance.between(1, 12_000));
    let claims: Vec<StorageClaim> = state
        .accounts
        .iter()
        .filter(|(_, account)| account.storage_root != EMPTY_ROOT)
        .map(|(key, account)| StorageClaim { account: *key, root: account.storage_root })
        .collect();
    let mut ends = [chance.hash(), chance.hash()];
    ends.sort();
    let range = if chance.hits(300) { HashRange::FULL } else { HashRange::new(ends[0], ends[1]).unwrap() };
    let names = |claims: &[StorageClaim]| claims.iter().map(|claim| (claim.account, claim.root)).collect();
    match chance.below(4) {
        0 => (Question::Accounts { root, range, bytes }, judgement(What::Accounts { target, root, range })),
        1 => {
            let hashes: Vec<_> = state.codes.keys().copied().collect();
            (Question::Codes { hashes: hashes.clone(), bytes }, judgement(What::Codes { hashes }))
        }
        2 if !range.start().is_zero() => {
            let claim = claims[chance.index(claims.len())];
            let asked = Question::Storages { root, claims: names(&[claim]), range, bytes };
            (asked, judgement(What::StorageRange { target, root, claim, range }))
        }
        _ => {
            let from = chance.index(claims.len());
            let claims = claims[from..].to_vec();
            let asked = Question::Storages { root, claims: names(&claims), range: HashRange::FULL, bytes };
            (asked, judgement(What::Storages { target, root, claims }))
        }
    }
}

fn is_true(state: &State, ruling: &Ruling) -> bool {
    match &ruling.chunk {
        Some(Chunk::Accounts { covered, rows, .. }) => {
            let truth = state.trie.rows.range(covered.start()..=covered.last());
            truth.eq(rows.iter().map(|(key, row)| (key, row)))
        }
        Some(Chunk::Storages { sets, .. }) => sets.iter().all(|set| {
            let rows = &state.slots(&set.claim.root).unwrap().rows;
            let truth = rows.range(set.covered.start()..=set.covered.last());
            truth.eq(set.rows.iter().map(|(key, row)| (key, row)))
        }),
        Some(Chunk::Codes { hashes, .. }) => hashes.iter().all(|hash| state.codes.contains_key(hash)),
        _ => true,
    }
}

#[test]
fn the_truth_passes_both_judges() {
    for seed in 0..40 {
        let mut chance = Chance::new(seed);
        let flavour = if seed % 2 == 0 { Flavour::Real } else { Flavour::Virtual };
        let state = State::make(&size(flavour), &mut Keys::Any, &mut chance);
        let line = Line::make(flavour, 40, state.root, &mut chance);
        let states = States::new(state.clone());
        let library = Library { states: &states, line: &line, chain: 0, cap: u64::MAX, cuts_at: None };
        for _ in 0..20 {
            let (question, judgement) = ask(&state, &mut chance);
            let ruling = rule(&state, &NO_BLOCKS, &judgement, &library.answer(&question));
            let fine = matches!(ruling.verdict.outcome, Outcome::Complete | Outcome::Partial);
            assert!(fine && is_true(&state, &ruling), "seed {seed}: {question:?}: {:?}", ruling.verdict);
        }
    }
}

#[test]
fn no_lie_gives_a_row_that_is_not_true() {
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..240 {
        let mut chance = Chance::new(seed);
        let flavour = if seed % 2 == 0 { Flavour::Real } else { Flavour::Virtual };
        let mut state = State::make(&size(flavour), &mut Keys::Any, &mut chance);
        if flavour == Flavour::Real && seed % 4 == 0 {
            poison::plant(&mut state, seed / 4, &mut chance);
        }
        let line = Line::make(flavour, 40, state.root, &mut chance);
        let states = States::new(state.clone());
        let library = Library { states: &states, line: &line, chain: 0, cap: 1 << 20, cuts_at: None };
        for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_truthful()) {
            for _ in 0..8 {
                let (question, judgement) = ask(&state, &mut chance);
                let payload = tamper(kind, &question, library.answer(&question), &library, &mut chance);
                if payload == Payload::Garbage {
                    continue;
                }
                let ruling = rule(&state, &NO_BLOCKS, &judgement, &payload);
                assert!(is_true(&state, &ruling), "seed {seed}: {kind} got {:?} past", ruling.verdict);
                if let Outcome::Invalid(fault) = ruling.verdict.outcome {
                    *faults.entry(fault.kind()).or_default() += 1;
                }
            }
        }
    }
    let asked = snapsync_trie::Fault::KINDS.iter().filter(|kind| **kind != UNASKED);
    let silent: Vec<_> = asked.filter(|kind| !faults.contains_key(*kind)).collect();
    assert!(silent.is_empty(), "never raised: {silent:?}; raised: {faults:?}");
}
