//! How much one question may cost.

use std::time::Duration;

/// What is spent on a question at most, whatever it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Gas of one `eth_call`; what asks for more is given so much. geth's `--rpc.gascap` is the same.
    pub gas_max: u64,
    /// How long one `eth_call` may read the state. geth's `--rpc.evmtimeout` is the same.
    pub call_time_max: Duration,
    /// Questions that are worked on at once; the next one waits. Each holds a thread, a reader of the disk, and an answer.
    pub questions_max: usize,
    /// Blocks of one `eth_getLogs`, from the first to the last: some 150 MB of receipts on mainnet.
    pub log_blocks_max: u64,
    /// Logs of one answer: about half a KiB each, so 10 MiB.
    pub logs_max: usize,
    /// Bytes of the logs of one answer, as they are stored: twice that in hex.
    pub log_bytes_max: usize,
    /// Blocks below the head that are looked through for a transaction's hash: 3.4 hours. The index takes some 50 bytes a transaction: 10 MiB.
    pub transaction_blocks_max: u64,
    /// Slots that one `eth_getProof` proves: geth proves as many.
    pub proof_slots_max: usize,
}

impl Limits {
    /// For a node that a few programs of its owner ask.
    pub const fn node() -> Self {
        Self {
            gas_max: 50_000_000,
            call_time_max: Duration::from_secs(5),
            questions_max: 16,
            log_blocks_max: 1_024,
            logs_max: 20_000,
            log_bytes_max: 6 << 20,
            transaction_blocks_max: 1_024,
            proof_slots_max: 1_024,
        }
    }
}
