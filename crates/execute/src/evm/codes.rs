//! Codes that were read, ready to run: a code is named by its hash, so it is the same in every block.
//!
//! Bounded in bytes: when it is full it is emptied, and what runs often is soon there again.

use alloy_primitives::{B256, Bytes};
use revm::bytecode::Bytecode;
use std::collections::HashMap;

/// Codes by their hashes.
#[derive(Debug)]
pub(super) struct Codes {
    held: HashMap<B256, Bytecode>,
    bytes: usize,
    bytes_max: usize,
}

/// What a code takes beside its bytes: an entry, and a bit for each byte that tells where one may jump to.
fn bytes_of(code: &Bytecode) -> usize {
    128 + code.len() + code.len() / 8
}

impl Codes {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { held: HashMap::new(), bytes: 0, bytes_max }
    }

    pub(super) fn find(&self, hash: &B256) -> Option<&Bytecode> {
        self.held.get(hash)
    }

    pub(super) fn keep(&mut self, hash: B256, code: Bytecode) {
        let bytes = bytes_of(&code);
        if bytes > self.bytes_max {
            return;
        }
        if self.bytes + bytes > self.bytes_max {
            self.held.clear();
            self.bytes = 0;
        }
        if self.held.insert(hash, code).is_none() {
            self.bytes += bytes;
        }
    }
}

/// Makes a code ready to run. What starts like a delegation and is none is code like any other: it may be older than EIP-3541.
pub(super) fn ready(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stay_within_their_bound() {
        let mut codes = Codes::new(1_000);
        let code = |n: u8| ready(vec![n; 300].into());
        for n in 0..20 {
            codes.keep(B256::repeat_byte(n), code(n));
            assert!(codes.bytes <= 1_000 && codes.find(&B256::repeat_byte(n)).is_some());
        }
        codes.keep(B256::ZERO, ready(vec![0; 2_000].into()));
        assert!(codes.find(&B256::ZERO).is_none(), "too long to be kept");
    }

    #[test]
    fn what_starts_like_a_delegation_and_is_none_is_code() {
        assert!(ready(vec![0xef, 1, 0, 7].into()).is_legacy());
        assert!(ready([&[0xef, 1, 0][..], &[7; 20]].concat().into()).is_eip7702());
    }
}
