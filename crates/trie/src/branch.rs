//! A branch: the only kind of node that is ever stored. Leaves are derived from rows, extensions from the gap between
//! the paths of two branches; a branch whose children are all leaves is derived from those, so it is not stored either.
//! It trusts its maker that the references are true.

use alloy_primitives::B256;

use crate::rlp;

/// How a branch names a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildRef {
    /// The child's encoding is 32 bytes or longer: its digest.
    Hash(B256),
    /// The child's encoding is shorter than 32 bytes: the encoding itself.
    Inline(InlineNode),
}

impl ChildRef {
    /// The reference to a node of this encoding, given its digest when it is 32 bytes or longer.
    pub(crate) fn write_rlp(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hash(hash) => {
                let mut encoding = [rlp::HASH_PREFIX; 33];
                encoding[1..].copy_from_slice(hash.as_slice());
                out.extend_from_slice(&encoding);
            }
            Self::Inline(node) => out.extend_from_slice(node.as_slice()),
        }
    }

    /// How many bytes [`ChildRef::write_rlp`] appends.
    pub(crate) fn rlp_len(&self) -> usize {
        match self {
            Self::Hash(_) => 33,
            Self::Inline(node) => node.as_slice().len(),
        }
    }
}

/// The encoding of a node that is shorter than 32 bytes.
///
/// Invariant: it is an RLP list whose header states exactly its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlineNode {
    len: u8,
    bytes: [u8; Self::BYTES_MAX],
}

impl InlineNode {
    /// The longest encoding that is kept inline.
    pub const BYTES_MAX: usize = 31;

    /// The node of this encoding; `None` when it is no RLP list or longer than 31 bytes.
    pub fn new(encoding: &[u8]) -> Option<Self> {
        let header = *encoding.first()?;
        // A list of up to 31 bytes has a header of one byte, 0xc0 plus the length of its payload.
        let is_list =
            header >= rlp::LIST_PREFIX && usize::from(header - rlp::LIST_PREFIX) + 1 == encoding.len();
        if !is_list || encoding.len() > Self::BYTES_MAX {
            return None;
        }
        let mut bytes = [0; Self::BYTES_MAX];
        bytes[..encoding.len()].copy_from_slice(encoding);
        Some(Self { len: encoding.len() as u8, bytes })
    }

    /// The encoding.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// What a branch knows of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child<'b> {
    /// A leaf, the only one below here: its row gives the reference back.
    Leaf,
    /// A branch, or an extension above one.
    Node(&'b ChildRef),
}

/// A branch as it is stored: which children it has, and the references to those of them that are no leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branch {
    present: u16,
    /// Invariant: only of children that are present.
    nodes: [Option<ChildRef>; 16],
}

/// Why stored bytes are no branch: the disk is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BranchError {
    /// There are not even the three masks.
    #[error("a stored branch of {len} bytes has no room for its masks")]
    Short {
        /// Bytes that are there.
        len: usize,
    },
    /// The masks contradict each other.
    #[error("masks of a stored branch: present {present:#06x}, nodes {nodes:#06x}, hashed {hashed:#06x}")]
    Masks {
        /// Children that are there.
        present: u16,
        /// Children that are no leaves.
        nodes: u16,
        /// Those of them that are named by digest.
        hashed: u16,
    },
    /// The references are not those that the masks announce.
    #[error("the reference to child {nibble:#x} of a stored branch is cut off or malformed")]
    Reference {
        /// Which child.
        nibble: u8,
    },
    /// Something follows the last reference.
    #[error("{len} bytes follow the last reference of a stored branch")]
    Trailing {
        /// How many bytes.
        len: usize,
    },
}

impl Branch {
    /// The three masks of the disk form.
    pub(crate) const MASK_BYTES: usize = 6;

    /// A branch without children, to be filled.
    pub fn new() -> Self {
        Self::default()
    }

    /// A child.
    ///
    /// # Panics
    /// When `nibble` is above 15.
    pub fn child(&self, nibble: u8) -> Option<Child<'_>> {
        let node = self.node(nibble);
        (self.present >> nibble & 1 == 1).then(|| node.map_or(Child::Leaf, Child::Node))
    }

    /// The reference to a child that is a branch, or an extension above one.
    ///
    /// # Panics
    /// When `nibble` is above 15.
    pub fn node(&self, nibble: u8) -> Option<&ChildRef> {
        self.nodes[usize::from(nibble)].as_ref()
    }

    /// The references, by nibble.
    pub(crate) const fn references(&self) -> &[Option<ChildRef>; 16] {
        &self.nodes
    }

    /// Names a child that is a leaf.
    ///
    /// # Panics
    /// When `nibble` is above 15.
    pub fn set_leaf(&mut self, nibble: u8) {
        self.nodes[usize::from(nibble)] = None;
        self.present |= 1 << nibble;
    }

    /// Names a child that is a branch, or an extension above one.
    ///
    /// # Panics
    /// When `nibble` is above 15.
    pub fn set_node(&mut self, nibble: u8, node: ChildRef) {
        self.nodes[usize::from(nibble)] = Some(node);
        self.present |= 1 << nibble;
    }

    /// The children that are there, by rising nibble.
    pub fn children(&self) -> impl Iterator<Item = (u8, Child<'_>)> {
        (0..16u8).filter_map(|nibble| Some((nibble, self.child(nibble)?)))
    }

    /// A bit for each child that is there.
    pub fn present(&self) -> u16 {
        self.present
    }

    /// A bit for each child that is a branch, or an extension above one.
    pub fn nodes(&self) -> u16 {
        (0..16).zip(&self.nodes).fold(0, |mask, (nibble, node)| mask | u16::from(node.is_some()) << nibble)
    }

    /// Appends the disk form: the masks `present`, `nodes` and `hashed` as big-endian u16, then the references of the
    /// children in `nodes` by rising nibble, 32 bytes of digest or the inline encoding (whose own header tells its
    /// length).
    pub fn write(&self, out: &mut Vec<u8>) {
        let nodes = || (0u8..).zip(&self.nodes).filter_map(|(nibble, node)| Some((nibble, node.as_ref()?)));
        let hashed = nodes().fold(0u16, |mask, (nibble, node)| match node {
            ChildRef::Hash(_) => mask | 1 << nibble,
            ChildRef::Inline(_) => mask,
        });
        for mask in [self.present, self.nodes(), hashed] {
            out.extend_from_slice(&mask.to_be_bytes());
        }
        for (_, node) in nodes() {
            match node {
                ChildRef::Hash(hash) => out.extend_from_slice(hash.as_slice()),
                ChildRef::Inline(node) => out.extend_from_slice(node.as_slice()),
            }
        }
    }

    /// The disk form, see [`Branch::write`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MASK_BYTES + 16 * 32);
        self.write(&mut out);
        out
    }

    /// Reads the disk form.
    ///
    /// # Errors
    /// When the bytes are no branch that is ever stored, which means a damaged disk.
    pub fn decode(bytes: &[u8]) -> Result<Self, BranchError> {
        let Some((masks, mut rest)) = bytes.split_first_chunk::<{ Self::MASK_BYTES }>() else {
            return Err(BranchError::Short { len: bytes.len() });
        };
        let mask = |at: usize| u16::from_be_bytes([masks[at], masks[at + 1]]);
        let (present, nodes, hashed) = (mask(0), mask(2), mask(4));
        // One whose children are all leaves is not stored.
        if nodes & !present != 0 || hashed & !nodes != 0 || nodes == 0 || present.count_ones() < 2 {
            return Err(BranchError::Masks { present, nodes, hashed });
        }
        let mut branch = Self { present, ..Self::default() };
        for nibble in nibbles_of(nodes) {
            let cut = BranchError::Reference { nibble };
            let (node, len) = if hashed >> nibble & 1 == 1 {
                let hash = rest.first_chunk::<32>().ok_or(cut)?;
                (ChildRef::Hash(B256::new(*hash)), 32)
            } else {
                let header = *rest.first().ok_or(cut)?;
                let len = usize::from(header.checked_sub(rlp::LIST_PREFIX).ok_or(cut)?) + 1;
                let node = rest.get(..len).and_then(InlineNode::new).ok_or(cut)?;
                (ChildRef::Inline(node), len)
            };
            branch.nodes[usize::from(nibble)] = Some(node);
            rest = &rest[len..];
        }
        if !rest.is_empty() {
            return Err(BranchError::Trailing { len: rest.len() });
        }
        Ok(branch)
    }
}

/// The nibbles of a mask's bits, rising.
pub(crate) fn nibbles_of(mut mask: u16) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let nibble = mask.trailing_zeros() as u8;
        mask &= mask.checked_sub(1)?;
        Some(nibble)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Any {
        Nothing,
        Leaf,
        Node(ChildRef),
    }

    fn child() -> impl Strategy<Value = Any> {
        prop_oneof![
            Just(Any::Nothing),
            Just(Any::Leaf),
            any::<[u8; 32]>().prop_map(|hash| Any::Node(ChildRef::Hash(B256::new(hash)))),
            prop::collection::vec(any::<u8>(), 0..=30).prop_map(|payload| {
                let mut encoding = vec![0xc0 + payload.len() as u8];
                encoding.extend(payload);
                InlineNode::new(&encoding).map_or(Any::Nothing, |node| Any::Node(ChildRef::Inline(node)))
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_disk_form_reads_back(children in prop::array::uniform16(child())) {
            let mut branch = Branch::new();
            for (nibble, child) in (0u8..).zip(children) {
                match child {
                    Any::Nothing => {}
                    Any::Leaf => branch.set_leaf(nibble),
                    Any::Node(node) => branch.set_node(nibble, node),
                }
            }
            prop_assume!(branch.present().count_ones() >= 2 && branch.nodes() != 0);
            prop_assert_eq!(Branch::decode(&branch.encode()), Ok(branch));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(branch) = Branch::decode(&bytes) {
                prop_assert_eq!(branch.encode(), bytes);
            }
        }
    }

    #[test]
    fn the_disk_form_is_pinned() {
        let mut branch = Branch::new();
        branch.set_node(1, ChildRef::Hash(B256::repeat_byte(0xab)));
        branch.set_leaf(3);
        branch.set_node(15, ChildRef::Inline(InlineNode::new(&[0xc2, 0x20, 0x05]).unwrap()));
        let mut expected = vec![0x80, 0x0a, 0x80, 0x02, 0x00, 0x02];
        expected.extend([0xab; 32]);
        expected.extend([0xc2, 0x20, 0x05]);
        assert_eq!(branch.encode(), expected);
        assert_eq!(Branch::decode(&expected[..20]), Err(BranchError::Reference { nibble: 1 }));
        expected.push(0);
        assert_eq!(Branch::decode(&expected), Err(BranchError::Trailing { len: 1 }));
    }

    #[test]
    fn a_branch_of_leaves_alone_is_never_stored() {
        let masks = BranchError::Masks { present: 3, nodes: 0, hashed: 0 };
        assert_eq!(Branch::decode(&[0, 3, 0, 0, 0, 0]), Err(masks));
    }
}
