//! The planner changes to another version of snap: who speaks it is connected with anew, and all rows stay.
//!
//! `versions.rs` says when. What is in flight is lost with its connections, and asked again.

use snapsync_stream::Needs;

use crate::{Event, planner::FetchSnapState, versions::Speakers};

impl FetchSnapState {
    /// Looks whether another version is to be spoken from now on.
    pub(crate) fn look_at_versions(&mut self) {
        if self.needs() != Needs::State || self.ended.is_some() {
            return self.versions.rest();
        }
        let from = self.versions.speaks();
        let speakers = Speakers { ours: self.people.snap_count(), other: self.people.other_count() };
        let Some(to) = self.versions.look(self.now(), speakers) else { return };
        tracing::info!(%from, %to, "another version of snap is spoken");
        self.outlets.event(Event::SnapChanged { from, to });
        self.outlets.snap = to;
        self.disk.speak(to);
        self.people.speak(to);
    }
}
