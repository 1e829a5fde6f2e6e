//! Slots of one account or of many, out of one snapshot.
//!
//! Trusts our disk and believes no number of the request. It leaves out accounts that we lack or that have no slot, as the protocol
//! wants: whose set is whose is for the asker to prove.

use alloy_primitives::{B256, Bytes};
use snapsync_storage::{KeptState, StateSnapshot};
use snapsync_trie::{HashRange, prove};
use snapsync_wire::snap::{GetStorageRanges, RowSets, StorageRanges};

use crate::{
    accounts::{edges, slices},
    error::Result,
    limits::{Allowance, Limits},
};

/// The slots that fitted, and whether the account has more behind them.
struct Set {
    slots: Vec<(B256, Bytes)>,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The last slot is the account's last.
    Whole,
    /// Stopped at the byte limit or at the range's, and slots are left.
    Cut,
}

/// Answers with whole storages, one after the other, as many as fit; the last one may be cut. The range concerns the first account
/// only. A proof comes with an answer whose last set is not a whole storage.
///
/// # Errors
/// When our disk fails.
pub fn answer_storage_ranges(
    snapshot: &StateSnapshot,
    request: &GetStorageRanges,
    limits: &Limits,
) -> Result<StorageRanges> {
    let mut answer = StorageRanges { id: request.id, sets: RowSets::default(), proof: Vec::new() };
    let Some(state) = snapshot.kept(request.root)? else { return Ok(answer) };
    let mut allowance = Allowance::new(limits.bytes(request.response_bytes));
    let mut asked = HashRange::new(request.origin, request.limit);
    let mut sets = Vec::new();
    for account in request.accounts.iter().take(limits.accounts_max) {
        if !allowance.is_open() {
            break;
        }
        // A range that ends before it begins holds nothing: it is the asker's mistake, and answering it with nothing tells.
        let Some(range) = asked.replace(HashRange::FULL) else {
            return Ok(answer);
        };
        let set = storage_set(&state, *account, range, &mut allowance)?;
        let last = set.slots.last().map(|(key, _)| *key);
        if last.is_some() {
            sets.push(set.slots);
        }
        // SPEC: a set that is cut at the limit is proved even from origin zero, unlike elsewhere, since nobody could check it otherwise.
        if range.start() != B256::ZERO || set.end == End::Cut {
            answer.proof = prove(&mut state.storage_trie(*account)?, &edges(range.start(), last))?;
            break;
        }
    }
    answer.sets = sets.into_iter().collect();
    Ok(answer)
}

/// The slots of one account from the range's start up to the first one at or after its end.
fn storage_set(
    state: &KeptState<'_>,
    account: B256,
    range: HashRange,
    allowance: &mut Allowance,
) -> Result<Set> {
    let mut bytes = Vec::new();
    let mut ends: Vec<(B256, usize)> = Vec::new();
    let mut end = End::Whole;
    for slot in state.slots_from(account, range.start())? {
        let slot = slot?;
        let is_past = ends.last().is_some_and(|(key, _)| *key >= range.last());
        if is_past || !allowance.is_open() {
            end = End::Cut;
            break;
        }
        let start = bytes.len();
        alloy_rlp::Encodable::encode(&slot.value, &mut bytes);
        ends.push((slot.key, bytes.len()));
        allowance.take(slot.key.len() + bytes.len() - start);
    }
    Ok(Set { slots: slices(bytes, ends), end })
}

#[cfg(test)]
mod tests {
    use snapsync_trie::{More, StorageClaim, StorageQuery, VerifiedStorages, verify_storages};

    use super::*;
    use crate::sample::Sample;

    fn ask(sample: &Sample, claims: &[StorageClaim], range: HashRange, response_bytes: u64) -> StorageRanges {
        let request = GetStorageRanges {
            id: 9,
            root: sample.root,
            accounts: claims.iter().map(|claim| claim.account).collect(),
            origin: range.start(),
            limit: range.last(),
            response_bytes,
        };
        answer_storage_ranges(&sample.snapshot(), &request, &Limits::mainnet()).expect("our own disk")
    }

    fn verified(claims: &[StorageClaim], range: HashRange, answer: &StorageRanges) -> VerifiedStorages {
        verify_storages(StorageQuery { claims, range }, &answer.sets, &answer.proof).expect("it is true")
    }

    #[test]
    fn whole_storages_come_without_a_proof() {
        let sample = Sample::new();
        let answer = ask(&sample, &sample.storages, HashRange::FULL, u64::MAX);
        assert!(answer.proof.is_empty());
        let verified = verified(&sample.storages, HashRange::FULL, &answer);
        assert_eq!(verified.len(), sample.storages.len());
        assert!(verified.sets().all(|set| set.is_whole()));
    }

    // ROW: F16
    #[test]
    fn a_large_storage_comes_in_pieces_each_with_its_proof() {
        let sample = Sample::new();
        let huge = &sample.storages[sample.huge..=sample.huge];
        let mut slots = 0;
        let mut origin = Some(B256::ZERO);
        while let Some(start) = origin {
            let range = HashRange::from_start(start);
            let answer = ask(&sample, huge, range, 2_000);
            assert!(!answer.proof.is_empty());
            let verified = verified(huge, range, &answer);
            let set = verified.sets().next().expect("one set");
            slots += set.rows().len();
            origin = HashRange::after(set.covered().last());
            assert_eq!(set.more() == More::Nothing, origin.is_none());
        }
        assert_eq!(slots, Sample::HUGE_SLOTS);
    }

    // ROW: F16
    #[test]
    fn a_cut_in_the_middle_of_many_is_proved_and_ends_the_answer() {
        let sample = Sample::new();
        let answer = ask(&sample, &sample.storages[sample.huge..], HashRange::FULL, 2_000);
        assert_eq!(answer.sets.len(), 1);
        assert!(!answer.proof.is_empty());
        verified(&sample.storages[sample.huge..], HashRange::FULL, &answer);
    }

    #[test]
    fn the_first_slot_at_or_after_the_limit_is_the_last_and_the_cut_is_proved() {
        let sample = Sample::new();
        let huge = &sample.storages[sample.huge..=sample.huge];
        let middle = HashRange::FULL.split(2)[0];
        let answer = ask(&sample, huge, middle, u64::MAX);
        let slots: Vec<B256> = answer.sets.rows().iter().map(|(key, _)| *key).collect();
        assert!(slots[slots.len() - 1] > middle.last() && slots[slots.len() - 2] <= middle.last());
        assert!(!answer.proof.is_empty());
        assert_eq!(verified(huge, middle, &answer).rows_len(), slots.len() - 1);
    }

    #[test]
    fn no_byte_or_one_byte_still_gives_the_first_slot() {
        let sample = Sample::new();
        let huge = &sample.storages[sample.huge..=sample.huge];
        for response_bytes in [0, 1] {
            let answer = ask(&sample, huge, HashRange::FULL, response_bytes);
            assert_eq!((answer.sets.len(), answer.sets.rows().len()), (1, 1));
            verified(huge, HashRange::FULL, &answer);
        }
    }

    #[test]
    fn an_account_without_storage_is_left_out() {
        let sample = Sample::new();
        let poor = StorageClaim { account: B256::repeat_byte(3), root: snapsync_trie::EMPTY_ROOT };
        let answer = ask(&sample, &[poor, sample.storages[0]], HashRange::FULL, u64::MAX);
        assert_eq!(answer.sets.len(), 1);
    }

    // ROW: F18
    #[test]
    fn an_end_without_slots_is_proved() {
        let sample = Sample::new();
        let last = HashRange::single(HashRange::FULL.last());
        let answer = ask(&sample, &sample.storages[..1], last, u64::MAX);
        assert!(answer.sets.is_empty() && !answer.proof.is_empty());
        verified(&sample.storages[..1], last, &answer);
    }

    #[test]
    fn an_unknown_root_or_a_reversed_range_is_answered_with_nothing() {
        let mut sample = Sample::new();
        let request = GetStorageRanges {
            id: 1,
            root: sample.root,
            accounts: vec![sample.storages[0].account],
            origin: B256::repeat_byte(2),
            limit: B256::repeat_byte(1),
            response_bytes: 1_000,
        };
        let answer =
            answer_storage_ranges(&sample.snapshot(), &request, &Limits::mainnet()).expect("our own disk");
        assert!(answer.sets.is_empty() && answer.proof.is_empty());
        sample.root = B256::repeat_byte(1);
        let answer = ask(&sample, &sample.storages, HashRange::FULL, u64::MAX);
        assert!(answer.sets.is_empty() && answer.proof.is_empty());
    }
}
