//! Nodes in the form that is hashed, written front to back: the rare kinds, and those of a proof. The many leaves and
//! branches of an answer are written by [`Batch`](crate::batch::Batch).

use crate::path::nibble_of;
use crate::rlp;
use crate::{ChildRef, Path};

/// What an encoded path belongs to.
#[derive(Clone, Copy)]
enum PathOf {
    Leaf,
    Extension,
}

/// Appends a branch: a list of 16 references and an empty value.
pub(crate) fn write_branch(children: &[Option<ChildRef>; 16], out: &mut Vec<u8>) {
    let payload: usize =
        children.iter().map(|child| child.as_ref().map_or(1, ChildRef::rlp_len)).sum::<usize>() + 1;
    rlp::write_list_header(payload, out);
    for child in children {
        match child {
            Some(child) => child.write_rlp(out),
            None => out.push(rlp::EMPTY_STRING),
        }
    }
    out.push(rlp::EMPTY_STRING);
}

/// Appends a leaf whose own part of the path starts at nibble `from`.
pub(crate) fn write_leaf(path: &Path, from: usize, value: &[u8], out: &mut Vec<u8>) {
    rlp::write_list_header(path_len(from, path.len()) + rlp::string_len(value), out);
    write_path(path, from, PathOf::Leaf, out);
    rlp::write_string(value, out);
}

/// Appends an extension of the nibbles of `path` from `from` on.
pub(crate) fn write_extension(path: &Path, from: usize, child: &ChildRef, out: &mut Vec<u8>) {
    rlp::write_list_header(path_len(from, path.len()) + child.rlp_len(), out);
    write_path(path, from, PathOf::Extension, out);
    child.write_rlp(out);
}

/// How many bytes [`write_path`] appends for the nibbles from `from` to `to`.
fn path_len(from: usize, to: usize) -> usize {
    let bytes = (to - from) / 2 + 1;
    // A single byte is below 0x80, as its upper nibble is a flag of at most 3: it needs no header.
    if bytes == 1 { 1 } else { 1 + bytes }
}

/// Appends the hex-prefix form of the nibbles of `path` from `from` on, as an RLP string of at most 33 bytes.
fn write_path(path: &Path, from: usize, of: PathOf, out: &mut Vec<u8>) {
    let (packed, to) = (path.packed(), path.len());
    let flag = match of {
        PathOf::Leaf => 0x20,
        PathOf::Extension => 0x00,
    };
    let bytes = (to - from) / 2 + 1;
    if bytes > 1 {
        out.push(rlp::EMPTY_STRING + bytes as u8);
    }
    let mut at = from;
    if (to - from).is_multiple_of(2) {
        out.push(flag);
    } else {
        out.push(flag | 0x10 | nibble_of(packed, from));
        at += 1;
    }
    if at.is_multiple_of(2) {
        out.extend_from_slice(&packed[at / 2..to / 2]);
    } else {
        while at < to {
            out.push(nibble_of(packed, at) << 4 | nibble_of(packed, at + 1));
            at += 2;
        }
    }
}
