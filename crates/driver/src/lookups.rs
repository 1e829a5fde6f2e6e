//! What the engine wants looked up among the headers on our disk: each is a short read, and its answer the next input.
//!
//! It decides nothing, and looks at no row of the state.

use snapsync_stream::Input;
use snapsync_sync::{Event, Head};

use crate::planner::FetchSnapState;

impl FetchSnapState {
    /// BLOCKING: a short read of one header.
    pub(crate) fn find_pivot(&mut self, number: u64) {
        let target = self.disk.readers.target(number);
        self.look_up(target.map(|target| target.map(|target| Event::PivotMoved { target })));
    }

    /// BLOCKING: likewise.
    pub(crate) fn find_list(&mut self, number: u64) {
        let header = self.disk.readers.canonical(number);
        self.look_up(header.map(|header| {
            let (parent, list) = header.map(|header| (header.parent_hash, header.block_access_list_hash))?;
            Some(Event::ListFound { number, parent, has_list: list.is_some() })
        }));
    }

    /// BLOCKING: short reads of headers, as many as the chain has left.
    pub(crate) fn find_left(&mut self, blocks: &[Head]) {
        let found = self.disk.readers.left(blocks);
        self.look_up(found.map(|(left, unheld)| Some(Event::LeftFound { left, unheld })));
    }

    /// Where the chain ends below what was looked for, the engine hears of that next.
    fn look_up(&mut self, found: snapsync_storage::Result<Option<Event>>) {
        match found {
            Ok(event) => self.pending.extend(event.map(Input::Sync)),
            Err(error) => self.ended = Some(Err(error.into())),
        }
    }
}
