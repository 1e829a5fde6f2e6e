//! Blocks that are brought by their access lists together: those that lie too deep to be taken back.
//!
//! ```text
//!   state          stretch              undo rows are kept from here on            head
//!   ──┤├──────────────────────────────┤├────────────────────────────────────────────┤
//!                                      └──────────── UNDO_BLOCKS_MAX ───────────────┘
//! ```
//!
//! It holds the blocks whose lists and bodies are here, behind one another, up to what the memory allows. Where one of them is not in order, the stretch ends
//! before it; where the root is not the last one's, the blocks are taken one by one instead, until the bad one shows.

use std::time::{Duration, Instant};

use snapsync_execute::Error as ExecuteError;
use snapsync_storage::{HistorySnapshot, StateSnapshot, UNDO_BLOCKS_MAX};
use snapsync_wire::Header;

use crate::{
    blocks_above::BlockFollower,
    events::TakenBy,
    taking::{TakenBlock, Told},
};

impl BlockFollower {
    /// Takes the blocks above `base` that may be brought together, if there are any; the state is `base`'s.
    pub(crate) fn take_stretch(
        &mut self,
        state: &StateSnapshot,
        history: &HistorySnapshot,
        base: &Header,
    ) -> snapsync_storage::Result<Option<TakenBlock>> {
        let (began, first) = (Instant::now(), base.number.saturating_add(1));
        if !self.follower.wants_list(self.started.elapsed()) || first < self.singly_below {
            return Ok(None);
        }
        let top = history.highest()?.map_or(0, |(number, _)| number);
        let deep = top.saturating_sub(UNDO_BLOCKS_MAX);
        let (mut stretch, mut told) = (self.follower.stretch(base, state), Vec::new());
        for number in first..=deep {
            let Some(hash) = history.canonical(number)? else { break };
            let Some(list) = self.outbox.lists_above.of(&hash) else { break };
            let Some(body) = history.body(&hash)? else { break };
            let header = self.readers.header(history, &hash)?;
            let Ok(block) = self.read(header, body)? else { break };
            match stretch.push(&block, &list) {
                Ok(()) => told.push(Told::of(&block, TakenBy::Lists, Duration::ZERO)),
                Err(ExecuteError::Disk(error)) => return Err(error),
                // Why is told when it comes alone.
                Err(_) => break,
            }
            if stretch.is_full(self.stretch_bytes_max) {
                break;
            }
        }
        if told.len() < 2 {
            return Ok(None);
        }
        let last = first + told.len() as u64 - 1;
        let derived = match stretch.derive() {
            Ok(derived) => Box::new(derived),
            Err(ExecuteError::Disk(error)) => return Err(error),
            Err(error) => {
                tracing::debug!(first, last, %error, "blocks that do not come to their root together are taken one by one");
                self.singly_below = last.saturating_add(1);
                return Ok(None);
            }
        };
        // Each has its part of the time that all took.
        let took = began.elapsed() / u32::try_from(told.len()).unwrap_or(u32::MAX);
        told.iter_mut().for_each(|told| told.took = took);
        Ok(Some(TakenBlock { derived, receipts: None, told }))
    }
}
