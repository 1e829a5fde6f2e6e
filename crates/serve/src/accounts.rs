//! Ranges of accounts, out of one snapshot.
//!
//! Trusts our disk and believes no number of the request. It does not serve a state that is not whole: half a trie has no proofs.

use alloy_primitives::{B256, Bytes};
use snapsync_storage::StateSnapshot;
use snapsync_trie::prove;
use snapsync_wire::snap::{AccountRange, GetAccountRange, Rows};

use crate::{
    error::Result,
    limits::{Allowance, Limits},
};

/// Answers with the accounts from the origin up to the first one at or after the limit, and the proof at both edges. Without this
/// root, with neither.
///
/// # Errors
/// When our disk fails.
pub fn answer_account_range(
    snapshot: &StateSnapshot,
    request: &GetAccountRange,
    limits: &Limits,
) -> Result<AccountRange> {
    let mut answer = AccountRange { id: request.id, accounts: Rows::default(), proof: Vec::new() };
    let Some(state) = snapshot.kept(request.root)? else { return Ok(answer) };
    let mut allowance = Allowance::new(limits.bytes(request.response_bytes));
    // All accounts stand in one buffer, and each is a slice of it: no allocation an account.
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for row in state.accounts_from(request.origin)? {
        let row = row?;
        let start = bytes.len();
        row.account.write_slim(&mut bytes);
        ends.push((row.key, bytes.len()));
        allowance.take(row.key.len() + bytes.len() - start);
        // The first account at or after the limit belongs to the answer: it shows that nothing lies between.
        if row.key >= request.limit || !allowance.is_open() {
            break;
        }
    }
    let last = ends.last().map(|(key, _)| *key);
    answer.accounts = slices(bytes, ends).into_iter().collect();
    // SPEC: other clients want a proof of every range, be it the whole state.
    answer.proof = prove(&mut state.account_trie()?, &edges(request.origin, last))?;
    Ok(answer)
}

/// The keys whose paths prove a range.
pub(crate) fn edges(origin: B256, last: Option<B256>) -> Vec<B256> {
    let mut keys = vec![origin];
    keys.extend(last.filter(|last| *last != origin));
    keys
}

/// Cuts a buffer at the given ends.
pub(crate) fn slices(bytes: Vec<u8>, ends: Vec<(B256, usize)>) -> Vec<(B256, Bytes)> {
    let bytes = Bytes::from(bytes);
    let mut start = 0;
    ends.into_iter()
        .map(|(key, end)| {
            let slice = bytes.slice(start..end);
            start = end;
            (key, slice)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use snapsync_trie::{HashRange, More, verify_accounts};

    use super::*;
    use crate::sample::Sample;

    fn ask(sample: &Sample, range: HashRange, response_bytes: u64) -> AccountRange {
        let request = GetAccountRange {
            id: 7,
            root: sample.root,
            origin: range.start(),
            limit: range.last(),
            response_bytes,
        };
        let answer =
            answer_account_range(&sample.snapshot(), &request, &Limits::mainnet()).expect("our own disk");
        assert_eq!(answer.id, 7);
        answer
    }

    #[test]
    fn a_whole_state_verifies_and_carries_a_proof() {
        let sample = Sample::new();
        let answer = ask(&sample, HashRange::FULL, u64::MAX);
        assert!(!answer.proof.is_empty());
        let verified = verify_accounts(sample.root, HashRange::FULL, &answer.accounts, &answer.proof)
            .expect("it is true");
        assert_eq!(verified.rows(), sample.accounts);
        assert_eq!((verified.covered(), verified.more()), (HashRange::FULL, More::Nothing));
    }

    // ROW: F15
    #[test]
    fn ranges_verify_one_after_the_other_until_nothing_is_left() {
        let sample = Sample::new();
        let mut rows = Vec::new();
        let mut origin = Some(B256::ZERO);
        while let Some(start) = origin {
            let range = HashRange::from_start(start);
            let answer = ask(&sample, range, 1_000);
            let verified =
                verify_accounts(sample.root, range, &answer.accounts, &answer.proof).expect("it is true");
            rows.extend_from_slice(verified.rows());
            assert!(verified.rows().len() < 40);
            origin = HashRange::after(verified.covered().last());
        }
        assert_eq!(rows, sample.accounts);
    }

    #[test]
    fn the_first_account_at_or_after_the_limit_is_the_last() {
        let sample = Sample::new();
        let (first, tenth) = (sample.accounts[0].key, sample.accounts[9].key);
        let answer = ask(&sample, HashRange::new(first, tenth).expect("rising"), u64::MAX);
        assert_eq!(answer.accounts.len(), 10);
        let before = HashRange::before(tenth).expect("not the first key");
        let answer = ask(&sample, HashRange::new(first, before).expect("rising"), u64::MAX);
        assert_eq!(answer.accounts.len(), 10);
        let range = HashRange::new(first, before).expect("rising");
        let verified =
            verify_accounts(sample.root, range, &answer.accounts, &answer.proof).expect("it is true");
        assert_eq!(verified.rows().len(), 9);
    }

    #[test]
    fn no_byte_or_one_byte_still_gives_the_first_account() {
        let sample = Sample::new();
        for response_bytes in [0, 1] {
            let answer = ask(&sample, HashRange::FULL, response_bytes);
            assert_eq!(answer.accounts.len(), 1);
            verify_accounts(sample.root, HashRange::FULL, &answer.accounts, &answer.proof)
                .expect("it is true");
        }
    }

    // ROW: F18
    #[test]
    fn an_empty_end_of_the_state_is_proved() {
        let sample = Sample::new();
        let behind =
            HashRange::after(sample.accounts[sample.accounts.len() - 1].key).expect("not the last key");
        let range = HashRange::from_start(behind);
        let answer = ask(&sample, range, u64::MAX);
        assert!(answer.accounts.is_empty() && !answer.proof.is_empty());
        verify_accounts(sample.root, range, &answer.accounts, &answer.proof).expect("it is true");
    }

    // ROW: F18
    #[test]
    fn an_unknown_root_is_answered_with_nothing() {
        let mut sample = Sample::new();
        sample.root = B256::repeat_byte(1);
        let answer = ask(&sample, HashRange::FULL, u64::MAX);
        assert!(answer.accounts.is_empty() && answer.proof.is_empty());
    }
}
