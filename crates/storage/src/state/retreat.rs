//! The access list of a block that the chain has left, with the block before it: what is not known of rows when they count as of that one.
//!
//! A list has no old values. It names the keys that the block changed: all others are as true before it as after it. Both headers are trusted
//! as far as whoever looked them up is; a list that is not the block's becomes no [`CheckedList`] and so none of these.

use alloy_primitives::B256;
use snapsync_trie::TargetId;
use snapsync_wire::Header;

use crate::state::{
    claim::BlockClaim,
    list::{CheckedList, ListedAccount},
    progress::TargetRecord,
};

/// What a block changed, and its parent.
///
/// Invariant: made by [`Retreat::new`] only.
#[derive(Clone, Debug)]
pub struct Retreat {
    list: CheckedList,
    number: u64,
    root: B256,
}

impl Retreat {
    /// From a block to its parent; nothing, if the header is another block's.
    pub fn new(list: CheckedList, parent: &Header) -> Option<Self> {
        let is_parent = list.claim().parent == parent.hash();
        is_parent.then_some(Self { list, number: parent.number, root: parent.state_root })
    }

    /// The block that is left.
    pub const fn claim(&self) -> BlockClaim {
        self.list.claim()
    }

    /// Its parent, under no name yet.
    pub(crate) fn parent(&self) -> TargetRecord {
        let Self { number, root, .. } = *self;
        TargetRecord { id: TargetId::default(), number, hash: self.claim().parent, root }
    }

    /// The accounts that the block changed, rising; not those that it only looked at.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (&B256, &ListedAccount)> {
        self.list.accounts().filter(|(_, listed)| listed.has_changed())
    }

    /// Bytes in memory, about.
    pub(crate) const fn bytes_held(&self) -> usize {
        self.list.bytes_held()
    }
}
