//! How nodes are named by their parents: digests, or encodings that are shorter. It does not know what they name.

use alloy_primitives::B256;

use crate::{ChildRef, InlineNode};

/// The number of a node among all that were laid out.
pub(crate) type Id = u32;

/// References by number.
///
/// Nearly all are digests; the few that are not, as they occur only far down in a trie, are marked by a bit.
#[derive(Default)]
pub(crate) struct References {
    /// Digests, or inline encodings, whose headers tell their lengths.
    slots: Vec<[u8; 32]>,
    /// A bit for each inline encoding; no more words than the last of them needs.
    inline: Vec<u64>,
}

impl References {
    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.inline.clear();
    }

    /// Makes room for this many more.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.slots.reserve(count);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A number for a node whose reference is not known yet.
    #[inline]
    pub(crate) fn blank(&mut self) -> Id {
        self.slots.push([0; 32]);
        (self.slots.len() - 1) as Id
    }

    /// A number for a node that is known by its reference only.
    pub(crate) fn known(&mut self, child: &ChildRef) -> Id {
        let id = self.blank();
        match child {
            ChildRef::Hash(hash) => self.set_digest(id, hash),
            ChildRef::Inline(node) => self.set_inline(id, node.as_slice()),
        }
        id
    }

    /// Whether all references are digests.
    #[inline]
    pub(crate) fn are_digests(&self) -> bool {
        self.inline.is_empty()
    }

    /// What the slot of `id` holds: its digest, if it has one.
    #[inline]
    pub(crate) fn digest(&self, id: Id) -> &[u8; 32] {
        &self.slots[id as usize]
    }

    #[inline]
    pub(crate) fn set_digest(&mut self, id: Id, digest: &B256) {
        self.slots[id as usize] = digest.0;
    }

    /// Names a node by its encoding, which is a list of at most 31 bytes.
    pub(crate) fn set_inline(&mut self, id: Id, encoding: &[u8]) {
        self.slots[id as usize][..encoding.len()].copy_from_slice(encoding);
        let word = id as usize / 64;
        if self.inline.len() <= word {
            self.inline.resize(word + 1, 0);
        }
        self.inline[word] |= 1 << (id % 64);
    }

    /// The encoding of `id`, if it is named by that.
    #[inline]
    pub(crate) fn inline(&self, id: Id) -> Option<&[u8]> {
        if self.inline.get(id as usize / 64).is_none_or(|word| word >> (id % 64) & 1 == 0) {
            return None;
        }
        let slot = &self.slots[id as usize];
        Some(&slot[..usize::from(slot[0] - crate::rlp::LIST_PREFIX) + 1])
    }

    /// The reference to `id`, once it is known.
    pub(crate) fn child(&self, id: Id) -> ChildRef {
        self.inline(id).map_or(ChildRef::Hash(B256::new(*self.digest(id))), |encoding| {
            ChildRef::Inline(InlineNode::new(encoding).expect("a short node is a list of its length"))
        })
    }

    /// Forgets all but these, which get new numbers.
    pub(crate) fn keep<'a>(&mut self, ids: impl Iterator<Item = &'a mut Id>) {
        let mut kept = Self::default();
        for id in ids {
            *id = kept.known(&self.child(*id));
        }
        self.slots.clear();
        self.slots.extend(kept.slots);
        self.inline = kept.inline;
    }
}
