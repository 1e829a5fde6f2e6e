//! How much one answer may cost us, whatever the request says.
//!
//! A request's own numbers are wishes. A peer that asks for `u64::MAX` bytes gets what a modest one gets.

use snapsync_wire::limits;

/// The most that one answer holds and one request makes us look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes after which an answer takes no further item; the item that passes it is still sent.
    pub response_bytes_soft: u64,
    /// Headers of an answer.
    pub headers_max: u64,
    /// Blocks whose bodies, receipts or access lists are looked up for one request; those that we lack count.
    pub blocks_max: usize,
    /// Codes looked up for one request; those that we lack count.
    pub codes_max: usize,
    /// Accounts whose slots are looked up for one request; those that we lack, or that have none, count.
    pub accounts_max: usize,
    /// Trie nodes looked up for one request; those that we lack count.
    pub nodes_max: usize,
    /// Bytes of all items that one message can carry.
    pub message_bytes_max: usize,
}

impl Limits {
    /// What every node of mainnet grants: 2 MiB, and as many look-ups as are read of a request.
    pub const fn mainnet() -> Self {
        Self {
            response_bytes_soft: 2 * 1024 * 1024,
            headers_max: limits::LOOKUPS_MAX as u64,
            blocks_max: limits::LOOKUPS_MAX,
            codes_max: limits::LOOKUPS_MAX,
            accounts_max: limits::LOOKUPS_MAX,
            nodes_max: limits::LOOKUPS_MAX,
            // The id, the list heads and the flag around the items take far less than a KiB.
            message_bytes_max: limits::MESSAGE_BYTES_MAX - 1024,
        }
    }

    /// Whether an item of so many bytes can be sent behind what an answer holds already.
    pub(crate) fn carries(&self, allowance: &Allowance, bytes: usize) -> bool {
        allowance.bytes.saturating_add(bytes as u64) <= self.message_bytes_max as u64
    }

    /// The byte limit of a request that wishes for `response_bytes`.
    pub fn bytes(&self, response_bytes: u64) -> u64 {
        response_bytes.min(self.response_bytes_soft)
    }
}

/// Counts an answer's bytes. It says no only once it holds something, so that the first item always fits and a peer that asks for
/// too little still comes forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    bytes_max: u64,
    bytes: u64,
    is_empty: bool,
}

impl Allowance {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, bytes: 0, is_empty: true }
    }

    /// Whether one more item may be taken.
    pub(crate) fn is_open(&self) -> bool {
        self.is_empty || self.bytes < self.bytes_max
    }

    /// Whether an item of so many bytes may be taken without passing the limit: for items so large that one too many could pass the
    /// size of a message.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.is_empty || self.bytes.saturating_add(bytes as u64) <= self.bytes_max
    }

    /// Takes an item of so many bytes.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.is_empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_clamped() {
        let limits = Limits::mainnet();
        assert_eq!(limits.bytes(u64::MAX), 2 * 1024 * 1024);
        assert_eq!(limits.bytes(500), 500);
    }

    #[test]
    fn the_first_item_always_fits_and_the_second_does_not() {
        for bytes_max in [0, 1, 40] {
            let mut allowance = Allowance::new(bytes_max);
            assert!(allowance.is_open());
            allowance.take(40);
            assert!(!allowance.is_open(), "{bytes_max} bytes");
        }
    }
}
