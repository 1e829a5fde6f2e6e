//! The figures, and what is told with them: to whoever hears of an end they must be the last ones.

use snapsync_sync::Target;

use crate::{Event, planner::FetchSnapState};

impl FetchSnapState {
    /// A target is complete, and so it is on the disk.
    pub(crate) fn tell_complete(&mut self, target: Target) {
        // Whoever hears of the end looks at the figures next: they must be the last ones.
        self.publish();
        self.outlets.event(Event::Complete(target));
    }

    pub(crate) fn publish(&mut self) {
        self.outlets.figures.hashed = self.workers.hashed();
        let (stalled, waiting_for) = (self.stalled(), self.waiting_for());
        let elapsed = self.started.elapsed();
        self.outlets.publish(&self.desk, self.people.count(), elapsed, stalled, waiting_for);
    }
}
