//! Answers of real rows, in the shape of the wire, through the provers that the driver's workers run.

use alloy_primitives::{B256, Bytes};
use snapsync_driver::provers::{self, Proved};
use snapsync_storage::Write;
use snapsync_stream::{Answered, RequestId, Verdict};
use snapsync_sync::Target;
use snapsync_trie::{HashRange, StorageClaim, TargetId, Verifier};
use snapsync_wire::{
    eth::BlockAccessLists,
    snap::{AccountRange, ByteCodes, StorageRanges},
};

use crate::{
    answer::Entry,
    blocks,
    chain::Header,
    disk::{Chunk, ProvenSet},
    listed::Listed,
    ruling::Ruling,
};

/// Nothing is written here: the world's disk names ticket and target itself.
const NOBODY: (RequestId, TargetId) = (RequestId(0), TargetId(0));

/// Accounts in the shape of the wire.
pub(crate) fn account_range(set: &[Entry], proof: Vec<Bytes>) -> AccountRange {
    let accounts = set.iter().map(|(key, row)| (*key, &row.value)).collect();
    AccountRange { id: 0, accounts, proof }
}

/// Slots likewise.
pub(crate) fn storage_ranges(sets: &[Vec<Entry>], proof: Vec<Bytes>) -> StorageRanges {
    let rows = sets.iter().map(|set| set.iter().map(|(key, row)| (*key, &row.value)));
    StorageRanges { id: 0, sets: rows.collect(), proof }
}

/// Accounts of a range.
pub(crate) fn accounts(root: B256, range: HashRange, set: &[Entry], proof: Vec<Bytes>) -> Ruling {
    let (request, target) = NOBODY;
    let answer = account_range(set, proof);
    let Proved { verdict, write, .. } =
        provers::accounts(&mut Verifier::new(), request, (target, root, range), &answer);
    ruling(verdict, write, |_, write| {
        let Write::Accounts { accounts, .. } = write else { return None };
        let covered = accounts.covered();
        let rows = set.iter().filter(|(key, _)| covered.contains(key)).cloned().collect();
        Some(Chunk::Accounts { covered, rows, proven: Some(accounts) })
    })
}

/// An account that was asked again.
pub(crate) fn renewal(root: B256, account: B256, set: &[Entry], proof: Vec<Bytes>) -> Ruling {
    let (request, target) = NOBODY;
    let answer = account_range(set, proof);
    let Proved { verdict, write, .. } =
        provers::renewal(&mut Verifier::new(), request, (target, root, account), &answer);
    ruling(verdict, write, |_, write| {
        let Write::Renewal { accounts, .. } = write else { return None };
        let covered = accounts.covered();
        let rows = set.iter().filter(|(key, _)| covered.contains(key)).cloned().collect();
        Some(Chunk::Renewal { covered, rows, proven: Some(accounts) })
    })
}

/// Storages, or a part of one.
pub(crate) fn storages(
    claims: &[StorageClaim],
    range: HashRange,
    sets: &[Vec<Entry>],
    proof: Vec<Bytes>,
) -> Ruling {
    let (request, target) = NOBODY;
    let answer = storage_ranges(sets, proof);
    let Proved { verdict, write, .. } =
        provers::storages(&mut Verifier::new(), request, (target, claims, range), &answer);
    ruling(verdict, write, |answered, write| {
        let (Write::Storages { storages, .. }, Answered::Storages { settled, partial }) = (write, answered)
        else {
            return None;
        };
        // Sets are those of the first claims, and only the last may be a part.
        let covered = settled.iter().map(|_| HashRange::FULL).chain(partial.map(|part| part.covered));
        let set = |(nth, covered): (usize, HashRange)| ProvenSet {
            claim: claims[nth],
            covered,
            rows: sets
                .get(nth)
                .into_iter()
                .flatten()
                .filter(|(key, _)| covered.contains(key))
                .cloned()
                .collect(),
        };
        let sets = covered.enumerate().map(set).collect();
        Some(Chunk::Storages { sets, partial: *partial, proven: Some(storages) })
    })
}

/// Access lists, against the headers of the blocks that were asked for.
pub(crate) fn lists(asked: &[Header], lists: &[Option<Bytes>]) -> Ruling {
    let headers: Vec<snapsync_wire::Header> =
        asked.iter().map(|header| blocks::decode(&header.raw)).collect();
    let answer = BlockAccessLists { id: 0, lists: lists.to_vec() };
    let Proved { verdict, write, .. } = provers::lists(NOBODY.0, &headers, answer);
    ruling(verdict, write, |_, write| {
        let Write::Lists { lists: proven, .. } = write else { return None };
        let listed = |(header, raw): (&Header, &Option<Bytes>)| {
            raw.clone().map(|raw| Listed { header: header.clone(), raw })
        };
        let lists = asked.iter().zip(lists).map_while(listed).take(proven.len()).collect();
        Some(Chunk::Lists { lists, proven })
    })
}

/// The list of a block that the chain has left, against its header; the second of the two is the header before it.
pub(crate) fn left_list(asked: &[Header], lists: &[Option<Bytes>]) -> Ruling {
    let [block, parent] = asked else { return Ruling::nothing(Verdict::unavailable()) };
    let (header, below) = (blocks::decode(&block.raw), blocks::decode(&parent.raw));
    let answer = BlockAccessLists { id: 0, lists: lists.to_vec() };
    let Proved { verdict, write, .. } = provers::left_list(NOBODY.0, &[header], &below, answer);
    ruling(verdict, write, |_, write| {
        let Write::Retreat { retreat: proven, .. } = write else { return None };
        let listed = Listed { header: block.clone(), raw: lists.first()?.clone()? };
        let Header { number, hash, state_root: root, .. } = *parent;
        Some(Chunk::Retreat { listed, parent: Target { number, hash, root }, proven })
    })
}

/// Codes.
pub(crate) fn codes(asked: &[B256], found: &[Entry]) -> Ruling {
    let answer = ByteCodes { id: 0, codes: found.iter().map(|(_, row)| row.value.clone()).collect() };
    let Proved { verdict, write, .. } = provers::codes(NOBODY.0, asked, answer);
    ruling(verdict, write, |answered, write| match (write, answered) {
        (Write::Codes { codes, .. }, Answered::Codes { found }) => {
            Some(Chunk::Codes { hashes: found.clone(), proven: Some(codes) })
        }
        _ => None,
    })
}

fn ruling(
    verdict: Verdict,
    write: Option<Write>,
    chunk: impl FnOnce(&Answered, Write) -> Option<Chunk>,
) -> Ruling {
    let chunk = write.and_then(|write| chunk(&verdict.answered, write));
    Ruling { verdict, chunk, part: None }
}
