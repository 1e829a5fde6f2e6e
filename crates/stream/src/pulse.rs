//! When something last came on, for whoever watches whether it still does.
//!
//! It draws no conclusion.

use std::time::Duration;

use snapsync_sync::Event;

use crate::Answered;

/// The last moments at which something happened; zero, if it never did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pulse {
    /// State became durable, or a walk learned of nodes.
    pub(crate) state: Duration,
    /// Headers, bodies, receipts or lists became durable.
    pub(crate) blocks: Duration,
    /// A peer answered anything.
    pub(crate) answered: Duration,
    /// A writer was done with anything.
    pub(crate) written: Duration,
}

impl Pulse {
    /// An answer was judged. A walk may learn for long that nodes differ, before it comes upon a row that does.
    pub(crate) fn judged(&mut self, now: Duration, answered: &Answered) {
        if matches!(answered, Answered::Nodes { found: 1.., .. } | Answered::Shown { .. }) {
            self.state = now;
        }
    }

    /// The engine hears of something.
    pub(crate) fn heard(&mut self, now: Duration, event: &Event) {
        match event {
            Event::HeadersDurable { .. } | Event::BodiesDurable { .. } | Event::ReceiptsDurable { .. } => {
                self.blocks = now;
            }
            // Lists are asked for as blocks are, and change rows.
            Event::ListsApplied { .. } | Event::Retreated { .. } => (self.blocks, self.state) = (now, now),
            Event::AccountsDurable { .. }
            | Event::AccountsHealed { .. }
            | Event::SlotsHealed { .. }
            | Event::AccountsRenewed { .. }
            | Event::StoragesDurable { .. }
            | Event::StoragesCopied { .. }
            | Event::StorageRebuilt { .. }
            | Event::StorageTaken { .. }
            | Event::CodesDurable { .. } => self.state = now,
            _ => return,
        }
        self.written = now;
    }
}
