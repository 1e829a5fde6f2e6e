//! A block that is final: when those beside the chain go, and what is told of it. Which blocks these are the history's writer knows.

use alloy_primitives::B256;

use crate::{Effect, Finality, Report, machine::Engine, pruning::News};

impl Engine {
    /// While rows are of several blocks, those beside the chain may still lead some of them back, and so they may while the state is that of a block
    /// which the chain has left; and a head that is on its way may have the final block below it.
    pub(crate) fn plan_pruning(&mut self) {
        let is_canonical = self.left_above.is_none() && !self.pivot.is_orphaned && !self.pivot.is_stranded;
        let may_go = is_canonical && self.chain.heads.are_exhausted();
        let state = self.verified().filter(|_| may_go).map(|target| target.number);
        let Some(state) = state else { return };
        let due = self.pruning.plan(state, self.chain.heads.top());
        self.effects.extend(due.map(|hash| Effect::Prune { hash, state }));
    }

    pub(crate) fn on_pruned(&mut self, hash: B256, finality: Finality) {
        match self.pruning.looked(hash, finality, self.chain.heads.top()) {
            Some(News::Finalized { block, pruned }) => self.tell(Report::Finalized { block, pruned }),
            Some(News::Refused { hash }) => self.tell(Report::FinalRefused { hash }),
            None => {}
        }
    }
}
