//! Answers written straight into the bytes that go out: each row once, and no move of what was written.
//!
//! Heads of RLP lists stand in front of what they measure. So room for the outer ones is left at the start and filled from
//! its end when all is written. What the rows say is the server's matter.

use alloy_primitives::{B256, Bytes};

use crate::rlp::{self, Head};

/// The messages that are written here.
pub(super) const ACCOUNT_RANGE: u8 = 0x01;
pub(super) const STORAGE_RANGES: u8 = 0x03;

/// Room in front of the rows: the message's head, its id, the head of the list of rows.
const FRONT: usize = 3 * Head::BYTES_MAX;

/// A key as a string: its head, and 32 bytes.
const KEY_HEAD: u8 = 0x80 + 32;
const KEY_ITEM: usize = 1 + 32;

/// An answer of snap as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    message: u8,
    id: u64,
    body: Bytes,
}

impl Encoded {
    /// The message's id, relative to the base of snap.
    pub const fn message(&self) -> u8 {
        self.message
    }

    /// The request's id.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The message's body.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn into_body(self) -> Bytes {
        self.body
    }
}

/// Writes an [`AccountRange`](super::AccountRange).
#[derive(Clone, Debug)]
pub struct AccountRangeWriter {
    id: u64,
    out: Vec<u8>,
}

impl AccountRangeWriter {
    /// An answer to the request of this id, without rows yet.
    pub fn new(id: u64) -> Self {
        Self::with_capacity(id, 0)
    }

    /// The same with room for rows of so many bytes in all, heads included.
    pub fn with_capacity(id: u64, bytes: usize) -> Self {
        Self { id, out: front(bytes) }
    }

    /// Appends an account: its key and its RLP in slim form.
    pub fn push(&mut self, key: &B256, account: &[u8]) {
        put_row_head(&mut self.out, key, account.len());
        self.out.extend_from_slice(account);
    }

    /// Bytes of the rows so far, their heads included.
    pub fn bytes(&self) -> usize {
        self.out.len() - FRONT
    }

    /// The whole message, with the nodes that prove it.
    pub fn finish(self, proof: &[impl AsRef<[u8]>]) -> Encoded {
        Encoded { message: ACCOUNT_RANGE, id: self.id, body: finish(self.id, self.out, proof) }
    }
}

/// Writes a [`StorageRanges`](super::StorageRanges).
#[derive(Clone, Debug)]
pub struct StorageRangesWriter {
    id: u64,
    out: Vec<u8>,
    /// Where the set begins that is being written: the room for its head.
    set: usize,
}

/// Room for the head of a set: enough for 16 MiB, so that only the large sets, which need all of it, stand where they are
/// written, and the small ones move by three bytes.
const SET_HEAD: usize = 4;

impl StorageRangesWriter {
    /// An answer to the request of this id, without sets yet.
    pub fn new(id: u64) -> Self {
        Self::with_capacity(id, 0)
    }

    /// The same with room for sets of so many bytes in all, heads included.
    pub fn with_capacity(id: u64, bytes: usize) -> Self {
        let mut out = front(bytes + SET_HEAD);
        let set = out.len();
        out.extend_from_slice(&[0; SET_HEAD]);
        Self { id, out, set }
    }

    /// Appends a slot to the set that is being written: its key and the RLP of its value.
    pub fn push(&mut self, key: &B256, value: &[u8]) {
        let is_bare = matches!(value, [0x00..=0x7f]);
        let head = Head::string(value.len());
        let head = if is_bare { &[][..] } else { head.bytes() };
        put_row_head(&mut self.out, key, head.len() + value.len());
        self.out.extend_from_slice(head);
        self.out.extend_from_slice(value);
    }

    /// Ends the set that is being written; the next slot begins another one.
    pub fn end_set(&mut self) {
        let start = self.set + SET_HEAD;
        let head = Head::list(self.out.len() - start);
        let head = head.bytes();
        match SET_HEAD.checked_sub(head.len()) {
            Some(room) => {
                self.out.copy_within(start.., start - room);
                self.out.truncate(self.out.len() - room);
                self.out[self.set..][..head.len()].copy_from_slice(head);
            }
            None => drop(self.out.splice(self.set..start, head.iter().copied())),
        }
        self.set = self.out.len();
        self.out.extend_from_slice(&[0; SET_HEAD]);
    }

    /// Bytes of the slots in the set that is being written, their heads included.
    pub fn set_bytes(&self) -> usize {
        self.out.len() - self.set - SET_HEAD
    }

    /// Bytes of all sets so far, their heads included.
    pub fn bytes(&self) -> usize {
        self.out.len() - FRONT - SET_HEAD
    }

    /// The whole message, with the nodes that prove the last set if it is not whole. A set that was not ended is ended.
    pub fn finish(mut self, proof: &[impl AsRef<[u8]>]) -> Encoded {
        if self.set_bytes() > 0 {
            self.end_set();
        }
        self.out.truncate(self.set);
        Encoded { message: STORAGE_RANGES, id: self.id, body: finish(self.id, self.out, proof) }
    }
}

fn front(bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRONT + bytes);
    out.resize(FRONT, 0);
    out
}

/// Writes the heads of a row and its key; a value of `value` bytes, its own head included, is to follow.
fn put_row_head(out: &mut Vec<u8>, key: &B256, value: usize) {
    out.extend_from_slice(Head::list(KEY_ITEM + value).bytes());
    let mut item = [KEY_HEAD; KEY_ITEM];
    item[1..].copy_from_slice(key.as_slice());
    out.extend_from_slice(&item);
}

/// Puts the proof behind the rows and the heads before them.
fn finish(id: u64, mut out: Vec<u8>, proof: &[impl AsRef<[u8]>]) -> Bytes {
    let rows = Head::list(out.len() - FRONT);
    rlp::put_items(&mut out, proof, |out, node| rlp::put_string(out, node.as_ref()));
    let mut before = Vec::with_capacity(FRONT);
    rlp::put_u64(&mut before, id);
    before.extend_from_slice(rows.bytes());
    let whole = Head::list(before.len() + out.len() - FRONT);
    let start = FRONT - before.len() - whole.bytes().len();
    out[start..][..whole.bytes().len()].copy_from_slice(whole.bytes());
    out[FRONT - before.len()..FRONT].copy_from_slice(&before);
    Bytes::from(out).slice(start..)
}

#[cfg(test)]
mod tests {
    use super::{super::Message, *};

    #[test]
    fn heads_of_sets_have_every_width() {
        // A slot takes 35 bytes: heads of one to four bytes, and an empty set between them.
        for slots in [1, 2, 8, 1_900, 2_000] {
            let mut writer = StorageRangesWriter::new(u64::MAX);
            let key = |number: u32| B256::left_padding_from(&number.to_be_bytes());
            let sets = [slots, 1, 0, slots];
            for count in sets {
                (0..count).for_each(|number| writer.push(&key(number), &[0x05]));
                assert_eq!(writer.set_bytes(), 35 * count as usize);
                writer.end_set();
            }
            let Ok(Message::StorageRanges(answer)) = writer.finish(&[[0xc0; 40]]).decode() else {
                panic!("not an answer");
            };
            assert_eq!((answer.id, answer.proof), (u64::MAX, vec![Bytes::from([0xc0; 40])]));
            let read: Vec<u32> = answer.sets.iter().map(|set| set.len() as u32).collect();
            assert_eq!(read, sets);
            let keys = |count: u32| (0..count).map(key);
            let expected: Vec<B256> = sets.into_iter().flat_map(keys).collect();
            assert!(answer.sets.rows().iter().eq(expected.iter().map(|key| (key, &[0x05][..]))));
        }
    }

    #[test]
    fn a_set_that_was_not_ended_is_ended_with_the_message() {
        let mut writer = StorageRangesWriter::new(1);
        writer.push(&B256::ZERO, &[0x82, 0x12, 0x34]);
        let Ok(Message::StorageRanges(answer)) = writer.finish(&[] as &[Bytes]).decode() else {
            panic!("not an answer");
        };
        assert_eq!(answer.sets, [[(B256::ZERO, [0x82, 0x12, 0x34])]].into_iter().collect());
    }
}
