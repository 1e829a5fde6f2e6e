//! A walk down another's trie: which of its nodes are to be asked for next.
//!
//! ```text
//!   asked   the root                      it differs from ours at 3 and 7
//!   asked   3, 7                          below 3: 3a, 3f   below 7: rows, which go to the disk
//!   asked   3a, 3f                        ...
//! ```
//!
//! The deepest are asked for first, so that what a walk knows of stays bounded by what is on its way: a request's nodes have sixteen
//! children each at most, and there are few levels. What answers bring together is asked for together. It keeps no path that was walked.

use crate::{
    WantedNode, What,
    streams::{Piece, Stream},
};

impl Stream {
    /// Nodes below those of an answer are asked for before all else, with others that nobody was asked for yet.
    pub(crate) fn go_down(&mut self, above: &What, below: &[WantedNode]) {
        let (What::Nodes { target, root, .. } | What::Repair { target, root, .. }) = above else { return };
        if below.is_empty() {
            return;
        }
        if let Some(Piece { what: What::Nodes { nodes, .. }, .. }) =
            self.todo.front_mut().filter(|piece| piece.is_fresh())
            && nodes.len() + below.len() <= self.width.together
        {
            nodes.splice(..0, below.iter().copied());
            return;
        }
        let what = What::Nodes { target: *target, root: *root, nodes: below.to_vec() };
        self.todo.push_front(Piece::new(what));
    }
}
