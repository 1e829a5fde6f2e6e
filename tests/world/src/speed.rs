//! How fast the machine under test is: its provers, its disk, and the rooms before them.
//!
//! Most machines keep up with their peers. Some do not: then answers wait before a busy prover, provers before a full writer, and
//! only the budget stops the requests. Nothing here decides anything; the numbers are drawn by seed like all of a story.

use std::time::Duration;

use crate::chance::Chance;

/// The speeds of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speed {
    /// Provers for accounts, and as many for storages; all other kinds have one.
    pub provers: usize,
    /// Bytes of answers that one prover proves in a millisecond.
    pub prove_bytes_per_ms: u64,
    /// Bytes that a commit takes to the disk in a millisecond, beside the time that each commit takes.
    pub write_bytes_per_ms: u64,
    /// What deriving a trie takes for each row, in microseconds, beside the proving.
    pub derive_us_per_row: u64,
    /// Writes that find room before a writer; whoever has one more waits with it.
    pub queue_writes_max: usize,
    /// A transaction takes no further write once it holds so many bytes.
    pub batch_max_bytes: u64,
}

/// As fast as what the product was measured with.
const PROVE_BYTES_PER_MS: u64 = 100_000;
const WRITE_BYTES_PER_MS: u64 = 200_000;

impl Speed {
    /// The machine of a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x0510_77e5);
        let prove_bytes_per_ms = match chance.below(10) {
            0 => chance.between(30, 300),
            1 | 2 => chance.between(300, 5_000),
            _ => PROVE_BYTES_PER_MS,
        };
        let write_bytes_per_ms = match chance.below(10) {
            0 => chance.between(30, 300),
            1 | 2 => chance.between(300, 5_000),
            _ => WRITE_BYTES_PER_MS,
        };
        Self {
            provers: 1 + chance.index(4),
            prove_bytes_per_ms,
            write_bytes_per_ms,
            derive_us_per_row: 0,
            queue_writes_max: [1, 4, 16, 64][chance.index(4)],
            batch_max_bytes: [64 << 10, 1 << 20, 6 << 20][chance.index(3)],
        }
    }

    /// Of four machines one derives slowly: a state of hundreds of rows takes it longer than a pivot stands. Drawn apart from all else.
    pub(crate) fn draw_derivations(&mut self, seed: u64) {
        let mut chance = Chance::new(seed ^ 0x0de_7154);
        if chance.hits(250) {
            self.derive_us_per_row = chance.between(500, 60_000);
        }
    }

    /// One that nobody waits for.
    #[must_use]
    pub fn ample() -> Self {
        Self {
            provers: 4,
            prove_bytes_per_ms: PROVE_BYTES_PER_MS,
            write_bytes_per_ms: WRITE_BYTES_PER_MS,
            derive_us_per_row: 0,
            queue_writes_max: 64,
            batch_max_bytes: 6 << 20,
        }
    }

    /// Whether the peers may have to wait for it for hours.
    pub(crate) fn is_slow(&self) -> bool {
        self.prove_bytes_per_ms.min(self.write_bytes_per_ms) < 300
    }

    /// How long a prover takes for an answer.
    pub(crate) fn proving(&self, bytes: u64) -> Duration {
        Duration::from_micros(bytes * 1000 / self.prove_bytes_per_ms)
    }

    /// How long the rows of a trie take to be derived.
    pub(crate) fn deriving(&self, rows: usize) -> Duration {
        Duration::from_micros(self.derive_us_per_row.saturating_mul(rows as u64))
    }

    /// How long the bytes of a transaction take to the disk.
    pub(crate) fn writing(&self, bytes: u64) -> Duration {
        Duration::from_micros(bytes * 1000 / self.write_bytes_per_ms)
    }
}
