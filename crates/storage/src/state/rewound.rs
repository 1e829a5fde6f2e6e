//! The state after an older block, as something that lies over the newest one: for whoever takes a block beside those that came behind it.
//!
//! ```text
//!   older 7   before 8   before 9   newest 9
//!                 └─────────┴──> laid over it, the lower block last: what was before 8 is what 7 has left
//! ```
//!
//! It reads what the blocks behind the older one have kept to be taken back, and changes nothing.

use crate::{
    error::Result,
    state::{ahead::BlocksAhead, claim::BlockClaim, snapshot::StateSnapshot, undo},
};

impl StateSnapshot {
    /// What [`StateSnapshot::under`] needs to show the state after the block of this number, which lies below the newest. Blocks that are derived
    /// over it can be pushed. It fits this state, and that which is left once the blocks behind
    /// that one are taken back.
    ///
    /// `None`: not all blocks down to that one can be taken back, or some count here that are not written yet, or what they have changed takes more
    /// than so many bytes.
    ///
    /// # Errors
    /// When the disk fails, or is damaged.
    pub fn rewound(&self, number: u64, bytes_max: usize) -> Result<Option<BlocksAhead>> {
        let newest = self.whole()?;
        let Some(newest) = newest.filter(|newest| number < newest.number && !self.is_ahead()) else {
            return Ok(None);
        };
        let (mut at, mut blocks) = (newest, BlocksAhead::default());
        while at.number > number {
            let Some((parent, rows)) = undo::before(&self.txn, &at)? else { return Ok(None) };
            rows.into_iter().for_each(|row| blocks.set(row.kind, row.key, row.old, number));
            at = parent;
            if blocks.bytes_held() > bytes_max {
                return Ok(None);
            }
        }
        // It is said to follow the newest block: over that state alone its rows mean what they say.
        let claim = BlockClaim { number: at.number, hash: at.hash, parent: newest.hash, root: at.root };
        let bytes = blocks.bytes_held();
        Ok(blocks.begin(claim, bytes).then_some(blocks))
    }
}
