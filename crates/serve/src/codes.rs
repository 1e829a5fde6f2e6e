//! Codes by their hashes, out of one snapshot.
//!
//! They belong to no root: a code is what its hash says, in whatever state it is used.

use alloy_primitives::Bytes;
use snapsync_storage::StateSnapshot;
use snapsync_trie::EMPTY_CODE;
use snapsync_wire::snap::{ByteCodes, GetByteCodes};

use crate::{
    error::Result,
    limits::{Allowance, Limits},
};

/// Answers with the codes that we hold, in the order of the request; the others are left out.
///
/// # Errors
/// When our disk fails.
pub fn answer_byte_codes(
    snapshot: &StateSnapshot,
    request: &GetByteCodes,
    limits: &Limits,
) -> Result<ByteCodes> {
    let mut allowance = Allowance::new(limits.bytes(request.response_bytes));
    let mut codes = Vec::new();
    for hash in request.hashes.iter().take(limits.codes_max) {
        if !allowance.is_open() {
            break;
        }
        // Nobody stores the code of no bytes, and everybody has it.
        let code = if *hash == EMPTY_CODE { Some(&[][..]) } else { snapshot.code(hash)? };
        if let Some(code) = code {
            // The next one may be short; yet the first that does not fit ends the answer, so that it is the first of the next.
            if !limits.carries(&allowance, code.len()) {
                break;
            }
            allowance.take(code.len());
            codes.push(Bytes::copy_from_slice(code));
        }
    }
    Ok(ByteCodes { id: request.id, codes })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use snapsync_trie::verify_codes;

    use super::*;
    use crate::sample::Sample;

    fn ask(sample: &Sample, hashes: Vec<B256>, response_bytes: u64, limits: &Limits) -> Vec<Bytes> {
        let request = GetByteCodes { id: 3, hashes, response_bytes };
        answer_byte_codes(&sample.snapshot(), &request, limits).expect("our own disk").codes
    }

    // ROW: F17
    #[test]
    fn codes_come_in_order_and_unknown_ones_are_left_out() {
        let sample = Sample::new();
        let mut hashes = sample.codes.clone();
        hashes.insert(1, B256::repeat_byte(1));
        hashes.push(EMPTY_CODE);
        let codes = ask(&sample, hashes.clone(), u64::MAX, &Limits::mainnet());
        assert_eq!(codes.len(), sample.codes.len() + 1);
        verify_codes(&hashes, codes).expect("it is true");
    }

    #[test]
    fn no_byte_or_one_byte_still_gives_the_first_code() {
        let sample = Sample::new();
        for response_bytes in [0, 1] {
            assert_eq!(ask(&sample, sample.codes.clone(), response_bytes, &Limits::mainnet()).len(), 1);
        }
    }

    #[test]
    fn no_answer_is_larger_than_a_message() {
        let sample = Sample::new();
        for (message_bytes_max, codes) in [(199, 0), (200, 1), (399, 1), (400, 2)] {
            let limits = Limits { message_bytes_max, ..Limits::mainnet() };
            assert_eq!(ask(&sample, sample.codes.clone(), u64::MAX, &limits).len(), codes);
        }
    }

    #[test]
    fn codes_that_we_lack_count_as_lookups() {
        let sample = Sample::new();
        let limits = Limits { codes_max: 2, ..Limits::mainnet() };
        let hashes = vec![B256::repeat_byte(1), B256::repeat_byte(2), sample.codes[0]];
        assert!(ask(&sample, hashes, u64::MAX, &limits).is_empty());
    }
}
