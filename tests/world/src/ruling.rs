//! What comes of judging an answer: for the desk, for the disk, and what is held until the rest is here.

use alloy_primitives::B256;
use snapsync_driver::parts;
use snapsync_peers::PeerId;
use snapsync_stream::Verdict;

use crate::disk::Chunk;

/// A verdict, and what it gives to the writer.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// For the desk.
    pub verdict: Verdict,
    /// For the disk, if the verdict gave something.
    pub chunk: Option<Chunk>,
    /// The number of a block that was cut, and what is held of it now.
    pub part: Option<(u64, HeldPart)>,
}

impl Ruling {
    /// A verdict that gives nothing.
    pub(crate) fn nothing(verdict: Verdict) -> Self {
        Self { verdict, chunk: None, part: None }
    }
}

/// The first receipts of a block.
#[derive(Clone, Debug)]
pub struct HeldPart {
    /// Who sent them, and knows how they go on.
    pub peer: PeerId,
    /// The block.
    pub hash: B256,
    /// How many there are.
    pub receipts: u64,
    /// Bytes that they count for.
    pub weight: u64,
    /// Whether they are those of the block.
    pub(crate) is_true: bool,
    /// What the product keeps of them, where rows are real.
    pub(crate) real: Option<parts::Part>,
}
