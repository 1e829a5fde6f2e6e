//! The judge: what the worker that proves answers would say.
//!
//! A real answer goes through the product's own prover. A virtual one is compared with the truth and gets the fault that
//! the prover would raise. What comes out is also what may be written: rows leave here proven or not at all.

use alloy_primitives::{B256, Bytes};
use snapsync_peers::{Fault, Outcome};
use snapsync_storage::Descent;
use snapsync_stream::{Answered, HeaderStart, Judgement, Verdict, What};
use snapsync_sync::{HeaderSegment, PartialStorage, StorageClaim};
use snapsync_trie::{Fault as RangeFault, HashRange};

use crate::{
    answer::{Block, Entry, Payload, Proof},
    chain::{Flavour, Header, State},
    compare,
    disk::{Chunk, ProvenSet},
    real,
    receipts::{self, Given},
    ruling::{HeldPart, Ruling},
    states::States,
};

/// What a request was about, beside what the machine says of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The blocks whose bodies, receipts or access lists it named; behind one that the chain has left, the one before it.
    pub blocks: Vec<Header>,
    /// What its headers are to those that are held.
    pub descent: Descent,
    /// The first receipts of the block that it goes on with.
    pub held: Option<HeldPart>,
}

/// The state that a request is about; whichever, if it is about none.
#[must_use]
pub fn state_of<'a>(states: &'a States, what: &What) -> &'a State {
    let root = match what {
        What::Accounts { root, .. }
        | What::Renewal { root, .. }
        | What::Storages { root, .. }
        | What::StorageRange { root, .. }
        | What::Nodes { root, .. }
        | What::Repair { root, .. } => root,
        _ => return states.first(),
    };
    states.of(root).unwrap_or_else(|| states.first())
}

/// Rules on an answer, by the state that was asked for.
#[must_use]
pub fn rule(state: &State, asked: &Asked, judgement: &Judgement, payload: &Payload) -> Ruling {
    if payload.is_empty() {
        return Ruling::nothing(Verdict::unavailable());
    }
    let ruled = match (&judgement.what, payload) {
        (What::Accounts { range, root, .. }, Payload::Ranges { sets, proof }) => {
            accounts(state, *root, *range, sets, proof)
        }
        (What::Renewal { root, account, .. }, Payload::Ranges { sets, proof }) => {
            renewal(state, *root, *account, sets, proof)
        }
        (What::Storages { claims, .. }, Payload::Ranges { sets, proof }) => {
            storages(state, claims, HashRange::FULL, sets, proof)
        }
        (What::StorageRange { claim, range, .. }, Payload::Ranges { sets, proof }) => {
            storages(state, &[*claim], *range, sets, proof)
        }
        (What::Codes { hashes }, Payload::Codes(found)) => codes(state, hashes, found),
        (What::Lists { .. }, Payload::Lists(found)) => Ok(real::lists(&asked.blocks, found)),
        (What::LeftList { .. }, Payload::Lists(found)) => Ok(real::left_list(&asked.blocks, found)),
        (What::Headers { start, count }, Payload::Headers(found)) => {
            headers(judgement.expected.unwrap_or_default(), *start, *count, found, asked.descent)
        }
        (What::Bodies { .. }, Payload::Blocks(found)) => bodies(&asked.blocks, found),
        (What::Receipts { first_receipt, .. }, Payload::Blocks(whole)) => {
            let given = Given { peer: judgement.peer, whole, cut: None };
            receipts::rule(&asked.blocks, *first_receipt, &given, asked.held.as_ref())
        }
        (What::Receipts { first_receipt, .. }, Payload::Cut { blocks, part }) => {
            let given = Given { peer: judgement.peer, whole: blocks, cut: Some(part) };
            receipts::rule(&asked.blocks, *first_receipt, &given, asked.held.as_ref())
        }
        _ => Err(Fault::WrongKind),
    };
    let too_many = too_many(&judgement.what, payload);
    match (too_many, ruled) {
        (Some(fault), _) | (None, Err(fault)) => Ruling::nothing(Verdict::invalid(fault)),
        (None, Ok(ruling)) => ruling,
    }
}

fn ruling(complete: Completeness, answered: Answered, chunk: Chunk) -> Ruling {
    let outcome = match complete {
        Completeness::Whole => Outcome::Complete,
        Completeness::Cut => Outcome::Partial,
    };
    Ruling { verdict: Verdict { outcome, answered }, chunk: Some(chunk), part: None }
}

#[derive(Clone, Copy)]
enum Completeness {
    Whole,
    Cut,
}

impl Completeness {
    fn of(given: u64, asked: u64) -> Self {
        if given >= asked { Self::Whole } else { Self::Cut }
    }
}

fn too_many(what: &What, payload: &Payload) -> Option<Fault> {
    let (asked, found) = match (what, payload) {
        (What::Headers { count, .. }, Payload::Headers(found)) => (*count, found.len() as u64),
        (What::Bodies { blocks } | What::Receipts { blocks, .. }, Payload::Blocks(found)) => {
            (blocks.count(), found.len() as u64)
        }
        (What::Receipts { blocks, .. }, Payload::Cut { blocks: found, .. }) => {
            (blocks.count(), found.len() as u64 + 1)
        }
        _ => return None,
    };
    (found > asked).then_some(Fault::TooMany { asked, found })
}

fn accounts(
    state: &State,
    root: B256,
    range: HashRange,
    sets: &[Vec<Entry>],
    proof: &Proof,
) -> Result<Ruling, Fault> {
    let set = sets.first().map_or(&[][..], Vec::as_slice);
    if let (Flavour::Real, Some(nodes)) = (state.flavour, nodes(proof)) {
        return Ok(real::accounts(root, range, set, nodes));
    }
    let covered = compare::accounts(state, root, range, set, proof).map_err(Fault::Range)?;
    let rows = set.iter().filter(|(key, _)| covered.contains(key)).cloned().collect();
    let complete = if covered.last() >= range.last() { Completeness::Whole } else { Completeness::Cut };
    Ok(ruling(complete, Answered::Accounts { covered }, Chunk::Accounts { covered, rows, proven: None }))
}

fn renewal(
    state: &State,
    root: B256,
    account: B256,
    sets: &[Vec<Entry>],
    proof: &Proof,
) -> Result<Ruling, Fault> {
    let (set, asked) = (sets.first().map_or(&[][..], Vec::as_slice), HashRange::single(account));
    if let (Flavour::Real, Some(nodes)) = (state.flavour, nodes(proof)) {
        return Ok(real::renewal(root, account, set, nodes));
    }
    let covered = compare::accounts(state, root, asked, set, proof).map_err(Fault::Range)?;
    let rows = set.iter().filter(|(key, _)| covered.contains(key)).cloned().collect();
    Ok(ruling(Completeness::Whole, Answered::Renewed, Chunk::Renewal { covered, rows, proven: None }))
}

fn storages(
    state: &State,
    claims: &[StorageClaim],
    range: HashRange,
    sets: &[Vec<Entry>],
    proof: &Proof,
) -> Result<Ruling, Fault> {
    if let (Flavour::Real, Some(nodes)) = (state.flavour, nodes(proof)) {
        return Ok(real::storages(claims, range, sets, nodes));
    }
    let proven: Vec<ProvenSet> =
        compare::storages(state, claims, range, sets, proof).map_err(Fault::Range)?;
    let mut settled: Vec<B256> = Vec::new();
    let mut partial = None;
    for set in &proven {
        if set.covered == HashRange::FULL {
            settled.push(set.claim.account);
        } else {
            partial = Some(PartialStorage {
                account: set.claim.account,
                covered: set.covered,
                slots: set.rows.len() as u64,
            });
        }
    }
    let cut = match partial {
        Some(part) => part.covered.last() < range.last(),
        None => settled.len() < claims.len(),
    };
    let complete = if cut { Completeness::Cut } else { Completeness::Whole };
    Ok(ruling(
        complete,
        Answered::Storages { settled, partial },
        Chunk::Storages { sets: proven, partial, proven: None },
    ))
}

/// The nodes of a proof as the real prover takes them; none for a proof that nobody made.
pub(crate) fn nodes(proof: &Proof) -> Option<Vec<Bytes>> {
    match proof {
        Proof::Absent => Some(Vec::new()),
        Proof::Real(nodes) => Some(nodes.clone()),
        Proof::Virtual { .. } => None,
    }
}

fn codes(state: &State, asked: &[B256], found: &[Entry]) -> Result<Ruling, Fault> {
    if state.flavour == Flavour::Real {
        return Ok(real::codes(asked, found));
    }
    let mut ahead = asked.iter();
    if let Some((wrong, _)) = found.iter().find(|(hash, _)| !ahead.any(|asked| asked == hash)) {
        return Err(Fault::Range(RangeFault::WrongCode { hash: *wrong }));
    }
    let hashes: Vec<B256> = found.iter().map(|(hash, _)| *hash).collect();
    let complete = Completeness::of(hashes.len() as u64, asked.len() as u64);
    Ok(ruling(complete, Answered::Codes { found: hashes.clone() }, Chunk::Codes { hashes, proven: None }))
}

fn headers(
    expected: B256,
    start: HeaderStart,
    count: u64,
    found: &[Header],
    descent: Descent,
) -> Result<Ruling, Fault> {
    let (Some(top), Some(lowest)) = (found.first(), found.last()) else { return Err(Fault::WrongKind) };
    for pair in found.windows(2) {
        if Some(pair[1].number) != pair[0].number.checked_sub(1) {
            let expected = pair[0].number.saturating_sub(1);
            return Err(Fault::HeaderNumber { expected, found: pair[1].number });
        }
        if pair[0].parent != pair[1].hash {
            return Err(Fault::HeaderLink { number: pair[0].number });
        }
    }
    match start {
        // A chain, though not ours: the peer is on another fork.
        HeaderStart::Number(_) if top.hash != expected => return Ok(Ruling::nothing(Verdict::unavailable())),
        HeaderStart::Hash(_) | HeaderStart::Linked { .. } if top.hash != expected => {
            return Err(Fault::WrongHeader { expected, found: top.hash });
        }
        _ => {}
    }
    let segment = HeaderSegment {
        top: top.number,
        hash: top.hash,
        root: top.state_root,
        lowest: lowest.number,
        parent: lowest.parent,
    };
    let complete = Completeness::of(found.len() as u64, count);
    let headers = found.to_vec();
    Ok(ruling(complete, Answered::Headers { segment }, Chunk::Headers { segment, headers, descent }))
}

fn bodies(asked: &[Header], found: &[Block]) -> Result<Ruling, Fault> {
    let blocks = receipts::matching(asked, found, |header, block| header.body == block.digest)
        .map_err(|number| Fault::WrongBody { number })?;
    let complete = Completeness::of(blocks.len() as u64, asked.len() as u64);
    let found = receipts::spans(&blocks);
    Ok(ruling(complete, Answered::Bodies { found }, Chunk::Bodies { blocks }))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
