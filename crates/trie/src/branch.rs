//! A branch: the only kind of node that is ever stored. Leaves are derived from rows, extensions from the gap
//! between the paths of two branches. It trusts its maker that the references are true.

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
                out.push(rlp::HASH_PREFIX);
                out.extend_from_slice(hash.as_slice());
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

/// A branch with its references to its children, and which of them may be out of date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branch {
    children: [Option<ChildRef>; 16],
    dirty: u16,
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
    #[error("masks of a stored branch: present {present:#06x}, hashed {hashed:#06x}")]
    Masks {
        /// Children that are there.
        present: u16,
        /// Children that are named by digest.
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
    /// A branch without children, to be filled.
    pub fn new() -> Self {
        Self::default()
    }

    /// The reference to a child.
    ///
    /// # Panics
    /// When `nibble` is above 15.
    pub fn child(&self, nibble: u8) -> Option<&ChildRef> {
        self.children[usize::from(nibble)].as_ref()
    }

    /// Names a child.
    ///
    /// # Panics
    /// When `nibble` is above 15.
    pub fn set_child(&mut self, nibble: u8, child: ChildRef) {
        self.children[usize::from(nibble)] = Some(child);
    }

    /// The children that are there, by rising nibble.
    pub fn children(&self) -> impl Iterator<Item = (u8, &ChildRef)> {
        (0u8..).zip(&self.children).filter_map(|(nibble, child)| Some((nibble, child.as_ref()?)))
    }

    /// A bit for each child that is there.
    pub fn present(&self) -> u16 {
        self.children().fold(0, |mask, (nibble, _)| mask | 1 << nibble)
    }

    /// A bit for each nibble below which rows have changed since the references were derived.
    pub fn dirty(&self) -> u16 {
        self.dirty
    }

    /// Whether all references are up to date.
    pub fn is_clean(&self) -> bool {
        self.dirty == 0
    }

    /// Notes that rows below `nibble` have changed, appeared or gone.
    ///
    /// # Panics
    /// When `nibble` is above 15.
    pub fn mark_dirty(&mut self, nibble: u8) {
        assert!(nibble < 16, "a branch has 16 children");
        self.dirty |= 1 << nibble;
    }

    /// Appends the disk form: the masks `present`, `hashed` and `dirty` as big-endian u16, then the references of
    /// the children that are there by rising nibble, 32 bytes of digest or the inline encoding (whose own header
    /// tells its length).
    pub fn write(&self, out: &mut Vec<u8>) {
        let hashed = self.children().fold(0u16, |mask, (nibble, child)| match child {
            ChildRef::Hash(_) => mask | 1 << nibble,
            ChildRef::Inline(_) => mask,
        });
        for mask in [self.present(), hashed, self.dirty] {
            out.extend_from_slice(&mask.to_be_bytes());
        }
        for (_, child) in self.children() {
            match child {
                ChildRef::Hash(hash) => out.extend_from_slice(hash.as_slice()),
                ChildRef::Inline(node) => out.extend_from_slice(node.as_slice()),
            }
        }
    }

    /// The disk form, see [`Branch::write`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(6 + 16 * 32);
        self.write(&mut out);
        out
    }

    /// Reads the disk form.
    ///
    /// # Errors
    /// When the bytes are no branch, which means a damaged disk.
    pub fn decode(bytes: &[u8]) -> Result<Self, BranchError> {
        let Some((masks, mut rest)) = bytes.split_first_chunk::<6>() else {
            return Err(BranchError::Short { len: bytes.len() });
        };
        let mask = |at: usize| u16::from_be_bytes([masks[at], masks[at + 1]]);
        let (present, hashed, dirty) = (mask(0), mask(2), mask(4));
        if hashed & !present != 0 || present.count_ones() < 2 {
            return Err(BranchError::Masks { present, hashed });
        }
        let mut branch = Self { dirty, ..Self::default() };
        for nibble in (0..16u8).filter(|nibble| present >> nibble & 1 == 1) {
            let cut = BranchError::Reference { nibble };
            let (child, len) = if hashed >> nibble & 1 == 1 {
                let hash = rest.first_chunk::<32>().ok_or(cut)?;
                (ChildRef::Hash(B256::new(*hash)), 32)
            } else {
                let header = *rest.first().ok_or(cut)?;
                let len = usize::from(header.checked_sub(rlp::LIST_PREFIX).ok_or(cut)?) + 1;
                let node = rest.get(..len).and_then(InlineNode::new).ok_or(cut)?;
                (ChildRef::Inline(node), len)
            };
            branch.set_child(nibble, child);
            rest = &rest[len..];
        }
        if !rest.is_empty() {
            return Err(BranchError::Trailing { len: rest.len() });
        }
        Ok(branch)
    }

    /// Appends the node as the trie hashes it: a list of 16 references and an empty value.
    pub(crate) fn write_rlp(&self, out: &mut Vec<u8>) {
        let payload: usize =
            self.children.iter().map(|child| child.as_ref().map_or(1, ChildRef::rlp_len)).sum::<usize>() + 1;
        rlp::write_list_header(payload, out);
        for child in &self.children {
            match child {
                Some(child) => child.write_rlp(out),
                None => out.push(rlp::EMPTY_STRING),
            }
        }
        out.push(rlp::EMPTY_STRING);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn child() -> impl Strategy<Value = Option<ChildRef>> {
        prop_oneof![
            Just(None),
            any::<[u8; 32]>().prop_map(|hash| Some(ChildRef::Hash(B256::new(hash)))),
            prop::collection::vec(any::<u8>(), 0..=30).prop_map(|payload| {
                let mut encoding = vec![0xc0 + payload.len() as u8];
                encoding.extend(payload);
                InlineNode::new(&encoding).map(ChildRef::Inline)
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_disk_form_reads_back(children in prop::array::uniform16(child()), dirty in any::<u16>()) {
            let branch = Branch { children, dirty };
            prop_assume!(branch.present().count_ones() >= 2);
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
        branch.set_child(1, ChildRef::Hash(B256::repeat_byte(0xab)));
        branch.set_child(15, ChildRef::Inline(InlineNode::new(&[0xc2, 0x20, 0x05]).unwrap()));
        branch.mark_dirty(3);
        let mut expected = vec![0x80, 0x02, 0x00, 0x02, 0x00, 0x08];
        expected.extend([0xab; 32]);
        expected.extend([0xc2, 0x20, 0x05]);
        assert_eq!(branch.encode(), expected);
        assert_eq!(Branch::decode(&expected[..20]), Err(BranchError::Reference { nibble: 1 }));
        expected.push(0);
        assert_eq!(Branch::decode(&expected), Err(BranchError::Trailing { len: 1 }));
    }
}
