//! What honest servers say of the truth: as many rows as an answer holds.
//!
//! Nothing here depends on who is asked, or when; which states a server keeps is said elsewhere.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_peers::Noun;
use snapsync_stream::{Answered, What};
use snapsync_sync::{BlockRange, HashRange, PartialStorage};

use super::truth::{PROOF_BYTES, Truth};

/// The most that a server answers, whatever is asked.
pub(crate) const ANSWER_BYTES_MAX: u64 = 2 << 20;

/// Bytes of a header.
pub(crate) const HEADER_BYTES: u64 = 600;

/// An honest answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) noun: Noun,
    pub(crate) answered: Answered,
    pub(crate) complete: bool,
    /// All of it.
    pub(crate) bytes: u64,
    /// Of that, proof.
    pub(crate) proof: u64,
    pub(crate) rows: u64,
    /// When it comes.
    pub(crate) arrived: Duration,
}

impl Truth {
    /// What an honest server says.
    pub(crate) fn told(&self, what: &What, limit: u64) -> Answer {
        match what {
            What::Accounts { range, .. } => {
                let covered = self.accounts(range, limit);
                let rows = self.account_bytes(&covered);
                let complete = covered.last() >= range.last();
                let count = rows / self.shape.account_bytes;
                state(Noun::Accounts, Answered::Accounts { covered }, complete, rows, count, PROOF_BYTES)
            }
            What::Storages { claims, .. } => self.storages(claims.iter().map(|claim| claim.account), limit),
            What::StorageRange { claim, range, .. } => {
                let contract = self.contract(&claim.account).expect("a claim is of a contract");
                let covered = self.cut_storage(&contract, range, limit);
                let slots = self.slots_in(&contract, &covered);
                let partial = Some(PartialStorage { account: claim.account, covered, slots });
                let answered = Answered::Storages { settled: Vec::new(), partial };
                let complete = covered.last() >= range.last();
                let bytes = slots * self.shape.slot_bytes;
                state(Noun::Storages, answered, complete, bytes, slots, PROOF_BYTES)
            }
            What::Codes { hashes } => {
                let (mut found, mut bytes) = (Vec::new(), 0);
                for hash in hashes {
                    found.push(*hash);
                    bytes += self.code_bytes(hash);
                    if bytes >= limit {
                        break;
                    }
                }
                let complete = found.len() == hashes.len();
                let rows = found.len() as u64;
                state(Noun::Codes, Answered::Codes { found }, complete, bytes, rows, 0)
            }
            What::Bodies { blocks } => {
                let count = self.block_count(blocks);
                let answered = Answered::Bodies { found: first_of(*blocks, count) };
                self.blocks(Noun::Bodies, answered, blocks, count)
            }
            What::Receipts { blocks, .. } => {
                let count = self.block_count(blocks);
                let answered = Answered::Receipts { found: first_of(*blocks, count), part: None };
                self.blocks(Noun::Receipts, answered, blocks, count)
            }
            other => unreachable!("{other:?} is answered by who knows how the state moves"),
        }
    }

    fn storages(&self, accounts: impl ExactSizeIterator<Item = B256>, limit: u64) -> Answer {
        let (mut settled, mut partial, mut slots, mut proof) = (Vec::new(), None, 0, 0);
        let asked = accounts.len();
        for account in accounts {
            let contract = self.contract(&account).expect("a claim is of a contract");
            let left = limit.saturating_sub(slots * self.shape.slot_bytes);
            if left == 0 {
                break;
            }
            let covered = self.cut_storage(&contract, &HashRange::FULL, left);
            let count = self.slots_in(&contract, &covered);
            slots += count;
            if covered == HashRange::FULL {
                settled.push(account);
                continue;
            }
            partial = Some(PartialStorage { account, covered, slots: count });
            proof = PROOF_BYTES;
            break;
        }
        let complete = settled.len() == asked;
        let bytes = slots * self.shape.slot_bytes;
        state(Noun::Storages, Answered::Storages { settled, partial }, complete, bytes, slots, proof)
    }

    fn block_count(&self, blocks: &BlockRange) -> u64 {
        blocks.count().min(ANSWER_BYTES_MAX / self.shape.block_bytes.max(1) + 1)
    }

    fn blocks(&self, noun: Noun, answered: Answered, blocks: &BlockRange, count: u64) -> Answer {
        let bytes = count * self.shape.block_bytes;
        state(noun, answered, count == blocks.count(), bytes, count, 0)
    }
}

pub(crate) fn state(
    noun: Noun,
    answered: Answered,
    complete: bool,
    row_bytes: u64,
    rows: u64,
    proof: u64,
) -> Answer {
    Answer { noun, answered, complete, bytes: row_bytes + proof, proof, rows, arrived: Duration::ZERO }
}

/// The first `count` blocks of a request.
fn first_of(blocks: BlockRange, count: u64) -> Vec<BlockRange> {
    let last = count.checked_sub(1).map(|count| blocks.first + count);
    last.and_then(|last| BlockRange::new(blocks.first, last)).into_iter().collect()
}
