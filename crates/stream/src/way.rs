//! How the nodes of a walk are asked for.
//!
//! ```text
//!   somebody gives trie nodes (snap/1)     by their paths, many together
//!   nobody does                            one by one: a range of the rows below, whose proof shows the node
//! ```
//!
//! It looks at the node that is next, each time: peers come and go, and who has no nodes may have the state. It does not say which is next.

use alloy_primitives::B256;
use snapsync_peers::{Ask, Noun, PeerId};
use snapsync_sync::JobId;

use crate::{
    Desk, What,
    streams::{Piece, Stream},
};

impl Desk {
    /// Has what a walk is to ask for next asked for in a way that somebody answers.
    pub(crate) fn find_way(&mut self, job: JobId) {
        let front = self.streams.get(&job).and_then(|stream| stream.todo.front());
        let Some(Piece { what: What::Nodes { root, .. }, refused, .. }) = front else { return };
        let (nodes, rows) = (state(Noun::Nodes, *root), state(Noun::Accounts, *root));
        let refused: Vec<PeerId> = refused.iter().map(|(peer, _)| *peer).collect();
        let has_nodes = self.book.is_served(&nodes) && !self.book.all_refuse(&nodes, &refused);
        if !has_nodes
            && self.book.is_served(&rows)
            && let Some(stream) = self.streams.get_mut(&job)
        {
            stream.repair_front();
        }
    }
}

fn state(noun: Noun, root: B256) -> Ask {
    Ask::State { noun, root }
}

impl Stream {
    /// The first node that waits is asked for by a range.
    fn repair_front(&mut self) {
        let Some(Piece { what: What::Nodes { target, root, nodes }, .. }) = self.todo.front_mut() else {
            return;
        };
        let (target, root) = (*target, *root);
        let rest = nodes.split_off(nodes.len().min(1));
        let first = std::mem::replace(nodes, rest);
        if nodes.is_empty() {
            self.todo.pop_front();
        }
        for node in first {
            let what = What::Repair { target, root, node };
            self.noun = what.noun();
            self.todo.push_front(Piece::new(what));
        }
    }
}
