//! Receipts that execution makes: above which block peers are not asked for any.

use crate::{ReceiptsFrom, machine::Engine};

impl Engine {
    /// The block above which receipts come of execution: that of the state, or the one where the chain has left it.
    pub(crate) fn receipts_made_above(&self) -> Option<u64> {
        let are_made = self.may_follow() && self.config.receipts_above == ReceiptsFrom::Execution;
        let state = self.verified().filter(|_| are_made)?.number;
        Some(self.left_above.map_or(state, |fork| fork.min(state)))
    }

    /// The chain is another one above a block. Where the state's is above it, it is to be taken back.
    pub(crate) fn leave_above(&mut self, fork: u64) {
        if self.verified().is_some_and(|state| fork < state.number) {
            self.left_above = Some(self.left_above.map_or(fork, |lower| lower.min(fork)));
        }
    }
}
