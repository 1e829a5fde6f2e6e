//! Blocks behind one another that are brought by their access lists together: one root is derived for all of them.
//!
//! ```text
//!   state 7 ── 8 ── 9 ── ... ── 40        lists of 8 to 40, each checked against its header, laid over each other
//!           └──────────────────► root of 40, as its header claims: all lists together lead there
//! ```
//!
//! Each header, body and list is checked as if its block came alone; of the roots the last one alone is. It is as hard to meet by wrong changes as
//! any. Where it is not met, one of the blocks is bad, and who takes them one by one finds out which. Such blocks cannot be taken back: this is for those that
//! lie too deep for that. Writes nothing.

use alloy_primitives::{B256, Bytes};
use snapsync_storage::{BlockClaim, DerivedBlock, StateChanges, StateSnapshot};
use snapsync_wire::Header;

use crate::{
    advance::{checked_list, refused},
    block::Block,
    error::Result,
    forks::Forks,
};

/// Blocks of one stretch, at most: between two of them whoever takes blocks looks at what else there is to do.
const BLOCKS_MAX: usize = 128;

/// What an account or a slot that changes holds until it is on the disk, about: its row, its part of the branches, both once more over the disk's
/// state, and the pages that they dirty (`cargo bench --bench follow -- catch-up` shows the memory).
const BYTES_A_CHANGE: usize = 1280;

/// Blocks above a state, and what their lists change.
#[derive(Debug)]
pub struct Stretch<'s> {
    forks: &'s Forks,
    snapshot: &'s StateSnapshot,
    /// The block that the snapshot is of.
    base: B256,
    /// The newest block's header; at first the base's.
    tip: Header,
    blocks: usize,
    changes: StateChanges,
}

impl<'s> Stretch<'s> {
    pub(crate) fn above(forks: &'s Forks, base: &Header, snapshot: &'s StateSnapshot) -> Self {
        let changes = StateChanges::default();
        Self { forks, snapshot, base: base.hash(), tip: base.clone(), blocks: 0, changes }
    }

    /// Adds the block that follows the newest one.
    ///
    /// # Errors
    /// Those of [`apply_list`](crate::apply_list) but for the root. The stretch is then as it was, unless the disk failed.
    pub fn push(&mut self, block: &Block, list: &Bytes) -> Result<()> {
        let list = checked_list(self.forks, block, &self.tip, list)?;
        self.changes.follow(&list, |key| self.snapshot.account(key))?;
        self.tip = block.header().clone();
        self.blocks += 1;
        Ok(())
    }

    /// Whether no more blocks are to be added, where it may hold so many bytes until it is on the disk.
    pub fn is_full(&self, bytes_max: usize) -> bool {
        let slots = self.changes.storages.values().map(|storage| storage.slots.len());
        let changed = self.changes.accounts.len() + slots.sum::<usize>();
        self.blocks >= BLOCKS_MAX || changed * BYTES_A_CHANGE >= bytes_max
    }

    /// Derives the root that the newest block claims.
    ///
    /// # Errors
    /// [`Error::Bad`](crate::Error::Bad) when it is another: one of the blocks is bad. [`Error::NotTheParent`](crate::Error::NotTheParent) when
    /// the snapshot is not of the block that they lie above, or there is none.
    pub fn derive(self) -> Result<DerivedBlock> {
        let Self { snapshot, base, tip, changes, .. } = self;
        let claim = BlockClaim { number: tip.number, hash: tip.hash(), parent: base, root: tip.state_root };
        DerivedBlock::derive_stretch(snapshot, claim, &changes).map_err(|error| refused(error, base))
    }
}
