//! What is final, and what may go for it: once the chain that is held has that block, and the state is not below it, blocks beside the chain go.
//!
//! It trusts whoever names the block no more than the chain: one that is not canonical prunes nothing, and is told once. The writer knows which
//! blocks are held, takes some away at a time, and says whether there are more.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::Head;

/// What the disk says of a block that was named as final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finality {
    /// It is not canonical, as far as is known.
    Beside,
    /// It is above the state.
    Ahead {
        /// Its number.
        number: u64,
    },
    /// It is canonical, and not above the state.
    Reached {
        /// Its number.
        number: u64,
        /// Blocks beside the chain that went.
        pruned: u64,
        /// Whether there are more up to it.
        more: bool,
    },
}

/// How far it has come with the block that was named last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    /// Nothing was named, or nothing is left to do.
    #[default]
    Done,
    /// The writer is to look.
    Due,
    /// The writer looks.
    Asked,
    /// It is to look again once the state is of this block or a later one.
    Ahead { number: u64 },
    /// It is to look again once the chain ends elsewhere than here.
    Beside { top: Option<Head> },
}

/// What follows from an answer of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// All that is beside the chain is gone, up to this block: so many blocks.
    Finalized { block: Head, pruned: u64 },
    /// The block is not canonical.
    Refused { hash: B256 },
}

/// The planner.
#[derive(Debug, Default)]
pub(crate) struct Pruning {
    named: Option<B256>,
    step: Step,
    /// Blocks that went for this one so far.
    pruned: u64,
    /// Whether it was told that it is not canonical.
    is_refused: bool,
}

impl Pruning {
    /// A block was named as final.
    pub(crate) fn name(&mut self, hash: B256) {
        if self.named == Some(hash) {
            return;
        }
        // What the writer still says is of the one before.
        *self = Self { named: Some(hash), step: Step::Due, ..Self::default() };
    }

    /// The block that the writer is to look at, if it is; `state`: the number of the block whose state is verified.
    pub(crate) fn plan(&mut self, state: u64, top: Option<Head>) -> Option<B256> {
        let is_due = match self.step {
            Step::Done | Step::Asked => false,
            Step::Due => true,
            Step::Ahead { number } => number <= state,
            Step::Beside { top: before } => before != top,
        };
        let named = self.named.filter(|_| is_due)?;
        self.step = Step::Asked;
        Some(named)
    }

    /// The writer has looked, under a chain that ends here.
    pub(crate) fn looked(&mut self, hash: B256, finality: Finality, top: Option<Head>) -> Option<News> {
        if self.named != Some(hash) {
            return None;
        }
        match finality {
            Finality::Beside => {
                self.step = Step::Beside { top };
                let is_news = !std::mem::replace(&mut self.is_refused, true);
                is_news.then_some(News::Refused { hash })
            }
            Finality::Ahead { number } => {
                self.step = Step::Ahead { number };
                None
            }
            Finality::Reached { number, pruned, more } => {
                self.pruned += pruned;
                self.step = if more { Step::Due } else { Step::Done };
                let block = Head { number, hash };
                (!more).then_some(News::Finalized { block, pruned: self.pruned })
            }
        }
    }
}
