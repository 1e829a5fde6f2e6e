//! What the engine reports, told to whoever listens.

use snapsync_sync::Report as SyncReport;

use crate::{Event, planner::FetchSnapState};

impl FetchSnapState {
    pub(crate) fn report(&mut self, report: SyncReport) {
        let event = match report {
            SyncReport::Phase(phase) => return self.outlets.phase(phase),
            SyncReport::Pinned(pin) => {
                self.outlets.event(Event::Pinned(pin.target));
                return self.look_at_window();
            }
            SyncReport::Moved { from, to, why } => {
                self.outlets.figures.reconciled.moves += 1;
                self.leave_blocks();
                tracing::info!(from = from.target.number, to = to.target.number, %why, "the pivot moved");
                self.outlets.event(Event::PivotMoved { from: from.target, to: to.target, why });
                return self.look_at_window();
            }
            SyncReport::HeadRefused { hash, why } => Event::HeadRejected { hash, why },
            SyncReport::Finalized { block, pruned } => Event::Finalized { block, pruned },
            SyncReport::FinalRefused { hash } => Event::FinalRejected { hash },
            SyncReport::StateVerified(pin) => {
                self.look_anew();
                Event::StateVerified(pin.target)
            }
            SyncReport::Complete(pin) => {
                // The engine is ahead of the disk by the blocks that are on their way there.
                let complete = match &mut self.blocks {
                    Some(blocks) => blocks.completed(pin.target),
                    None => Some(pin.target),
                };
                return complete.into_iter().for_each(|target| self.tell_complete(target));
            }
            SyncReport::Head(head) => Event::Head(head),
            SyncReport::Lacking(lack) => Event::HistoryLacking(lack),
            SyncReport::NoLists(why) => Event::NoLists(why),
            SyncReport::Fatal(fatal) => return self.fail(fatal),
        };
        self.outlets.event(event);
    }
}
