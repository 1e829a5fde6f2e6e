//! Encoded nodes on their way to the hasher.
//!
//! Values come first and headers last: a leaf's value is put down when the leaf comes, and what stands before it is
//! written, backwards, when its right neighbour has told where its own part of the path begins.
//!
//! ```text
//! bytes    | .. list path value | .. list path value | .. .. .. value |      |
//!            ╰─── message ────╯   ╰─── message ────╯   ╰─── open ───╯  filled
//! ```
//!
//! It knows neither the shape of a trie nor what a value means.

use alloy_primitives::{B256, U256};
use snapsync_keccak::{blocks, keccak256_batch};

use crate::account::FULL_BYTES_MAX;
use crate::path::Path;
use crate::references::{Id, References};
use crate::rlp;
use crate::{Account, InlineNode};

/// Messages hashed in one call: enough that groups of equal length fill the lanes of any kernel.
const MESSAGES_MAX: usize = 128;

/// Encoded bytes after which a batch is hashed even if it is not full, so that it stays in the first cache; receipts can
/// have 100 KiB each.
const BYTES_MAX: usize = 24 << 10;

/// What may stand before a value's string in a leaf: 33 bytes of path and their header, and the header of the list. It
/// leaves room to write a whole key in one go.
const HEAD_BYTES: usize = 48;

/// A number's string in a string, and what may stand before it.
const NUMBER_SLOT: usize = HEAD_BYTES + 34;

/// An account's string, and what may stand before it.
const ACCOUNT_SLOT: usize = HEAD_BYTES + 2 + FULL_BYTES_MAX;

/// A branch of 16 digests, 532 bytes, and the blanks that are written behind each child.
const BRANCH_SLOT: usize = 560;

/// A message that waits for its digest.
#[derive(Clone, Copy)]
struct Message {
    start: u32,
    end: u32,
    id: Id,
}

/// Messages that wait for the hasher, and the value of one leaf whose head is not known yet.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Everything behind is free.
    filled: usize,
    messages: Vec<Message>,
    /// Room for theirs.
    digests: Vec<B256>,
    /// Where the string of the open leaf's value stands; empty when there is none.
    open: std::ops::Range<usize>,
    permutations: u64,
}

impl Batch {
    /// Forgets everything but its room.
    pub(crate) fn clear(&mut self) {
        (self.filled, self.open, self.permutations) = (0, 0..0, 0);
        self.messages.clear();
    }

    /// Keccak permutations spent so far.
    pub(crate) fn permutations(&self) -> u64 {
        self.permutations
    }

    /// Counts a message that was hashed beside the batches.
    pub(crate) fn count(&mut self, len: usize) {
        self.permutations += blocks(len);
    }

    /// Opens a leaf with any value.
    pub(crate) fn open(&mut self, value: &[u8]) {
        // A string's header has at most nine bytes.
        let len = HEAD_BYTES + 9 + value.len();
        let slot = self.slot(len);
        let start = len - value.len();
        slot[start..].copy_from_slice(value);
        let start = rlp::write_string_header_before(slot, start);
        self.open = self.filled + start..self.filled + len;
        self.filled += len;
    }

    /// Opens a leaf whose value is an account.
    #[inline]
    pub(crate) fn open_account(&mut self, account: &Account) {
        let slot: &mut [u8; ACCOUNT_SLOT] = self.array();
        let mut start = 0;
        if let Some(full) = slot.last_chunk_mut() {
            start = ACCOUNT_SLOT - FULL_BYTES_MAX + account.write_full_before_end(full);
        }
        slot[start - 2..start].copy_from_slice(&[rlp::LONG_STRING_PREFIX, (ACCOUNT_SLOT - start) as u8]);
        self.open = self.filled + start - 2..self.filled + ACCOUNT_SLOT;
        self.filled += ACCOUNT_SLOT;
    }

    /// Opens a leaf whose value is a number.
    #[inline]
    pub(crate) fn open_number(&mut self, number: &U256) {
        let slot: &mut [u8; NUMBER_SLOT] = self.array();
        let start = rlp::write_number_before(slot, NUMBER_SLOT, number);
        let start = rlp::write_string_header_before(slot, start);
        self.open = self.filled + start..self.filled + NUMBER_SLOT;
        self.filled += NUMBER_SLOT;
    }

    /// Whether a leaf is open.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes the open leaf's value out.
    pub(crate) fn take_value(&mut self) -> Vec<u8> {
        let string = std::mem::take(&mut self.open);
        rlp::whole_string(&self.bytes[string]).unwrap_or_default().to_vec()
    }

    /// Writes what stands before the open leaf's value, its own part of the path starting at nibble `from`, and takes
    /// it in as the encoding of `id`.
    #[inline]
    pub(crate) fn close_leaf(&mut self, path: &Path, from: usize, id: Id, references: &mut References) {
        let value = std::mem::take(&mut self.open);
        let start = path.write_leaf_before(&mut self.bytes[..value.start], from);
        let start = rlp::write_list_header_before(&mut self.bytes, start, value.end);
        self.take_in(start, value.end, id, references);
    }

    /// Takes in a branch all of whose children are named by digests; as many as `present` has bits.
    pub(crate) fn branch(&mut self, present: u16, children: &[Id], id: Id, references: &mut References) {
        let start = self.filled;
        let payload = 17 + 32 * children.len();
        let slot: &mut [u8; BRANCH_SLOT] = self.array();
        let header = if payload < 256 {
            [slot[0], slot[1]] = [0xf8, payload as u8];
            2
        } else {
            [slot[0], slot[1], slot[2]] = [0xf9, (payload >> 8) as u8, payload as u8];
            3
        };
        // Sixteen blanks at the start and behind each child: the next child is written over those that are too many.
        slot[header..header + 16].fill(rlp::EMPTY_STRING);
        let (mut base, mut left) = (header, present);
        for child in children {
            let at = base + left.trailing_zeros() as usize;
            left &= left.saturating_sub(1);
            base += 32;
            if let Some(place) = slot[at..].first_chunk_mut::<49>() {
                place[0] = rlp::HASH_PREFIX;
                place[1..33].copy_from_slice(references.digest(*child));
                place[33..].fill(rlp::EMPTY_STRING);
            }
        }
        let end = start + header + payload;
        self.filled = end;
        self.take_in(start, end, id, references);
    }

    /// Takes in an encoding that was made elsewhere.
    pub(crate) fn message(&mut self, encoding: &[u8], id: Id, references: &mut References) {
        let start = self.filled;
        self.slot(encoding.len()).copy_from_slice(encoding);
        self.filled += encoding.len();
        self.take_in(start, self.filled, id, references);
    }

    /// Hashes what waits.
    pub(crate) fn hash(&mut self, references: &mut References) {
        if self.messages.is_empty() {
            return;
        }
        let count = self.messages.len();
        let mut messages: [&[u8]; MESSAGES_MAX] = [&[]; MESSAGES_MAX];
        self.digests.resize(MESSAGES_MAX, B256::ZERO);
        for (slot, message) in messages.iter_mut().zip(&self.messages) {
            *slot = &self.bytes[message.start as usize..message.end as usize];
            self.permutations += blocks(slot.len());
        }
        keccak256_batch(&messages[..count], &mut self.digests[..count]);
        for (digest, message) in self.digests.iter().zip(&self.messages) {
            references.set_digest(message.id, digest);
        }
        self.messages.clear();
        self.empty();
    }

    /// Forgets all bytes but those of the open leaf's value.
    fn empty(&mut self) {
        self.filled = 0;
        if self.is_open() {
            let to = HEAD_BYTES..HEAD_BYTES + self.open.len();
            self.bytes.copy_within(self.open.clone(), to.start);
            self.filled = to.end;
            self.open = to;
        }
    }

    #[inline]
    fn take_in(&mut self, start: usize, end: usize, id: Id, references: &mut References) {
        if end - start <= InlineNode::BYTES_MAX {
            references.set_inline(id, &self.bytes[start..end]);
            return;
        }
        self.messages.push(Message { start: start as u32, end: end as u32, id });
        if self.messages.len() == MESSAGES_MAX || self.filled >= BYTES_MAX {
            self.hash(references);
        }
    }

    /// Free bytes, so many.
    #[inline]
    fn slot(&mut self, len: usize) -> &mut [u8] {
        let end = self.filled + len;
        if self.bytes.len() < end {
            self.bytes.resize(end.max(BYTES_MAX + BRANCH_SLOT), 0);
        }
        &mut self.bytes[self.filled..end]
    }

    #[inline]
    fn array<const LEN: usize>(&mut self) -> &mut [u8; LEN] {
        self.slot(LEN).first_chunk_mut().expect("a slot has the length that it was asked for")
    }
}
