//! How much the block queue may hold, and of which heights.

/// Limits of a queue. Each is checked after every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Blocks further above the head are refused: such a gap is fetched as a whole, by a sync.
    pub ahead_max: u64,
    /// Blocks as far below the head, or further, are refused.
    pub behind_max: u64,
    /// Blocks in the queue, those that are given out among them.
    pub blocks_max: usize,
    /// Their bytes, as their announcers' payloads weigh.
    pub bytes_max: u64,
    /// Blocks that are there because of one peer.
    pub peer_blocks_max: usize,
    /// Their bytes.
    pub peer_bytes_max: u64,
    /// Held blocks that are remembered as parents; about 150 bytes each. What was forgotten is looked up by the host.
    pub held_max: usize,
    /// Blocks that were executed and are bad, and as many again of their descendants; about 250 bytes each.
    pub bad_max: usize,
}

impl QueueLimits {
    /// For a node of mainnet.
    pub fn mainnet() -> Self {
        Self {
            // As many blocks as peers keep states of: whoever is further behind is better off with a newer pivot.
            ahead_max: 128,
            // As many blocks as can be taken back (`storage`'s undo rows).
            behind_max: 128,
            // Both windows.
            blocks_max: 256,
            // 128 blocks of 256 KiB, which is above the average.
            bytes_max: 32 << 20,
            peer_blocks_max: 64,
            // The largest block that may be (8 MiB, EIP-7934), and some of usual size.
            peer_bytes_max: 12 << 20,
            held_max: 512,
            bad_max: 256,
        }
    }
}
