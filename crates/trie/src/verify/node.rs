//! A node of another's trie, read without a copy and believed in nothing but its digest.

use alloy_primitives::B256;

use crate::rlp::{self, Item};
use crate::{ChildRef, Fault, InlineNode, Path};

/// What a node says of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child<'a> {
    Nothing,
    Hash(B256),
    Inline(&'a [u8]),
}

impl Child<'_> {
    /// The child as a node whose inside is not looked at.
    pub(super) fn opaque(&self, path: &Path) -> Result<Option<ChildRef>, Fault> {
        match self {
            Self::Nothing => Ok(None),
            Self::Hash(hash) => Ok(Some(ChildRef::Hash(*hash))),
            Self::Inline(encoding) => match InlineNode::new(encoding) {
                Some(node) => Ok(Some(ChildRef::Inline(node))),
                None => Err(Fault::MalformedNode { path: *path }),
            },
        }
    }
}

/// A node with the paths that it leads to.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a walk holds one at a time, on the stack")]
pub(crate) enum Node<'a> {
    Branch([Child<'a>; 16]),
    /// `path` is the child's.
    Extension {
        path: Path,
        child: Child<'a>,
    },
    /// `path` is a whole key.
    Leaf {
        path: Path,
        value: &'a [u8],
    },
}

impl<'a> Node<'a> {
    /// Reads the node that stands at `at`.
    pub(crate) fn decode(at: &Path, bytes: &'a [u8]) -> Result<Self, Fault> {
        let malformed = Fault::MalformedNode { path: *at };
        let Some(payload) = rlp::whole_list(bytes) else { return Err(malformed) };
        let mut items = [Item::String(&[]); 17];
        let (mut rest, mut count) = (payload, 0);
        while !rest.is_empty() {
            let (Some(slot), Some(item)) = (items.get_mut(count), rlp::take_item(&mut rest)) else {
                return Err(malformed);
            };
            *slot = item;
            count += 1;
        }
        match count {
            17 => Self::branch(at, &items),
            2 => Self::short(at, items[0], items[1]),
            _ => Err(malformed),
        }
    }

    fn branch(at: &Path, items: &[Item<'a>; 17]) -> Result<Self, Fault> {
        if at.len() == Path::NIBBLES_MAX {
            return Err(Fault::PathTooLong { path: *at, nibbles: Path::NIBBLES_MAX as u32 + 1 });
        }
        if items[16] != Item::String(&[]) {
            return Err(Fault::ValueInBranch { path: *at });
        }
        let mut children = [Child::Nothing; 16];
        for (nibble, (child, item)) in (0u8..).zip(children.iter_mut().zip(items)) {
            *child = read_child(&at.child(nibble), *item)?;
        }
        // A branch with less than two children would have been merged with the one it has.
        if children.iter().filter(|child| **child != Child::Nothing).count() < 2 {
            return Err(Fault::MalformedNode { path: *at });
        }
        Ok(Self::Branch(children))
    }

    fn short(at: &Path, path: Item<'a>, rest: Item<'a>) -> Result<Self, Fault> {
        let malformed = Fault::MalformedNode { path: *at };
        let Item::String(encoded) = path else { return Err(malformed) };
        let Some((&flag, pairs)) = encoded.split_first() else { return Err(malformed) };
        let is_odd = flag & 0x10 != 0;
        // The flag's upper bits are zero, and so is its lower nibble when that is no part of the path.
        if flag & 0xc0 != 0 || (!is_odd && flag & 0x0f != 0) {
            return Err(malformed);
        }
        let nibbles = at.len() + pairs.len() * 2 + usize::from(is_odd);
        if nibbles > Path::NIBBLES_MAX {
            return Err(Fault::PathTooLong { path: *at, nibbles: nibbles as u32 });
        }
        let mut path = *at;
        if is_odd {
            path = path.child(flag & 0x0f);
        }
        for pair in pairs {
            path = path.child(pair >> 4).child(pair & 0x0f);
        }
        if flag & 0x20 != 0 {
            return match rest {
                Item::String(value) if !value.is_empty() && nibbles == Path::NIBBLES_MAX => {
                    Ok(Self::Leaf { path, value })
                }
                Item::String(value) if !value.is_empty() => {
                    Err(Fault::PathTooShort { path: *at, nibbles: nibbles as u32 })
                }
                _ => Err(malformed),
            };
        }
        // An extension leads at least one nibble on, to a branch, whose children are one nibble further.
        if nibbles == at.len() {
            return Err(malformed);
        }
        if nibbles == Path::NIBBLES_MAX {
            return Err(Fault::PathTooLong { path: *at, nibbles: nibbles as u32 + 1 });
        }
        match read_child(&path, rest)? {
            Child::Nothing => Err(malformed),
            child => Ok(Self::Extension { path, child }),
        }
    }
}

fn read_child<'a>(path: &Path, item: Item<'a>) -> Result<Child<'a>, Fault> {
    match item {
        Item::String([]) => Ok(Child::Nothing),
        Item::String(hash) => match <[u8; 32]>::try_from(hash) {
            Ok(hash) => Ok(Child::Hash(B256::new(hash))),
            Err(_) => Err(Fault::MalformedNode { path: *path }),
        },
        Item::List { whole, .. } if whole.len() > InlineNode::BYTES_MAX => {
            Err(Fault::InlinedLargeNode { path: *path, bytes: whole.len() as u32 })
        }
        Item::List { whole, .. } => Ok(Child::Inline(whole)),
    }
}
