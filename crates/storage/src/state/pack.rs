//! Packs: neighbouring rows of one table in one value of MDBX, up to a third of a page of them.
//!
//! A B-tree entry a row costs a search of the tree, ten bytes of page, and the page's slack, some hundred million times. A
//! pack costs that once for some twenty rows, and it is laid out before the writer's thread sees it.
//!
//! ```text
//! key      prefix ++ key of the first row              the prefix is an account's key in tables of storages, else nothing
//! value    first frame: body length 1 or 2 ++ body     its key is the table's
//!          later frames, keys rising:
//!            shared 1 ++ key length 0 or 1 ++ body length 1 or 2 ++ rest of the key ++ body
//! shared   bytes that the key has in common with the one before, as many as there are; the top bit says that a key length
//!          follows, else it is that of the key before
//! lengths  of a body: below 128 a byte, else two, of which the first has the top bit set
//! ```
//!
//! Invariant: packs of one table and prefix do not overlap: all keys of one come before all keys of the next. It does not
//! know what a body means.

use crate::{
    config::PAGE_BYTES,
    env::Table,
    error::{Error, Result},
    state::inline_key::InlineKey,
};

/// Key and value of a pack: three of them fill a page, whose header takes 20 bytes, and each entry 10 more. Two would be a
/// little faster to put, but leave more of the page unused where small storages lie between large ones.
pub(crate) const PACK_MAX: usize = ((PAGE_BYTES as usize - 20) / 3 - 10) & !1;

/// The longest key: a path.
const KEY_MAX: usize = 64;

/// Any other key.
const HASH_BYTES: usize = 32;

/// In `shared`: a key length follows.
const OTHER_LENGTH: u8 = 0x80;

/// In a body's length: it has a second byte.
const LONG_BODY: u8 = 0x80;

/// What a row takes in a pack, behind one with the key `before`; as the first row, behind nothing.
pub(crate) fn frame_bytes(before: Option<&[u8]>, key: &[u8], body: &[u8]) -> usize {
    let body = 1 + usize::from(body.len() >= usize::from(LONG_BODY)) + body.len();
    before.map_or(0, |before| {
        1 + usize::from(before.len() != key.len()) + key.len() - shared_bytes(before, key)
    }) + body
}

fn shared_bytes(before: &[u8], key: &[u8]) -> usize {
    before.iter().zip(key).take_while(|(one, other)| one == other).count()
}

/// The key of a row of a pack, without the prefix.
pub(crate) type RowKey = InlineKey<KEY_MAX>;

/// Packs that are ready to be put, in one buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packs {
    /// Keys and values in turn.
    bytes: Vec<u8>,
    packs: Vec<Pack>,
    /// In a box, as packs are moved about more than they are made.
    last: Box<LastRow>,
}

/// What the next row comes behind.
#[derive(Clone, Debug, Default)]
struct LastRow {
    end: PackEnd,
    key: RowKey,
}

#[derive(Clone, Copy, Debug)]
struct Pack {
    start: usize,
    key_len: usize,
    end: usize,
}

/// Whether the last pack takes more rows.
#[derive(Clone, Copy, Debug, Default)]
enum PackEnd {
    #[default]
    Cut,
    Open,
}

impl Packs {
    /// Room for so many rows of about `row_bytes` each, in `runs` that each begin with a pack of their own and a
    /// prefix of `prefix_len`. Growing would leave up to half of the bytes unused, and they wait in the writer's queue.
    pub(crate) fn with_capacity(rows: usize, row_bytes: usize, runs: usize, prefix_len: usize) -> Self {
        let bytes = rows * row_bytes + runs * prefix_len;
        Self {
            bytes: Vec::with_capacity(bytes + bytes / 32 + 64),
            packs: Vec::with_capacity(bytes / PACK_MAX + runs),
            last: Box::default(),
        }
    }

    /// Adds a row. Keys rise until the next [`Packs::cut`].
    pub(crate) fn push(&mut self, prefix: &[u8], key: &[u8], body: &[u8]) {
        let before = self.last.key.as_slice();
        if let (PackEnd::Open, Some(pack)) = (self.last.end, self.packs.last_mut())
            && pack.end - pack.start + frame_bytes(Some(before), key, body) <= PACK_MAX
        {
            push_key(&mut self.bytes, before, key, body.len());
            self.bytes.extend_from_slice(body);
            pack.end = self.bytes.len();
        } else {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(prefix);
            self.bytes.extend_from_slice(key);
            push_body_len(&mut self.bytes, body.len());
            self.bytes.extend_from_slice(body);
            self.packs.push(Pack { start, key_len: prefix.len() + key.len(), end: self.bytes.len() });
        }
        self.last.end = if self.last.key.set(key).is_some() { PackEnd::Open } else { PackEnd::Cut };
    }

    /// What comes next belongs to another run, or to another prefix.
    pub(crate) fn cut(&mut self) {
        self.last.end = PackEnd::Cut;
    }

    /// How many packs there are.
    pub(crate) fn len(&self) -> usize {
        self.packs.len()
    }

    /// Keys and values of some packs.
    pub(crate) fn slice(
        &self,
        packs: std::ops::Range<usize>,
    ) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + '_ {
        self.packs[packs].iter().map(|pack| self.bytes[pack.start..pack.end].split_at(pack.key_len))
    }

    /// Keys and values of all packs.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + '_ {
        self.slice(0..self.len())
    }

    /// Heap bytes in use.
    pub(crate) fn bytes_held(&self) -> usize {
        self.bytes.capacity() + self.packs.capacity() * size_of::<Pack>()
    }
}

/// Appends all of a later frame but the body.
fn push_key(out: &mut Vec<u8>, before: &[u8], key: &[u8], body_len: usize) {
    let shared = shared_bytes(before, key);
    // Keys are at most 64 bytes, bodies at most 518: see the tables.
    if key.len() == before.len() {
        out.push(shared as u8);
    } else {
        out.extend_from_slice(&[shared as u8 | OTHER_LENGTH, key.len() as u8]);
    }
    push_body_len(out, body_len);
    out.extend_from_slice(&key[shared..]);
}

/// Appends the first frame of a pack, or a later one, with a body in the place of its own, which has `body_len` bytes. It was read before.
pub(crate) fn push_frame_with(
    out: &mut Vec<u8>,
    (frame, is_first): (&[u8], bool),
    body_len: usize,
    body: &[u8],
) {
    let head = if is_first { 0 } else { 1 + usize::from(frame[0] & OTHER_LENGTH != 0) };
    let length = 1 + usize::from(frame[head] & LONG_BODY != 0);
    out.extend_from_slice(&frame[..head]);
    push_body_len(out, body.len());
    out.extend_from_slice(&frame[head + length..frame.len() - body_len]);
    out.extend_from_slice(body);
}

fn push_body_len(out: &mut Vec<u8>, len: usize) {
    if len >= usize::from(LONG_BODY) {
        out.push((len >> 8) as u8 | LONG_BODY);
    }
    out.push(len as u8);
}

/// A row of a pack: its key without the prefix, which is gone with the next one, and its body.
pub(crate) type PackRow<'k, 'a> = (&'k [u8], &'a [u8]);

/// The rows of one pack, read without trust.
#[derive(Clone, Debug)]
pub(crate) struct PackRows<'a> {
    table: &'static Table,
    table_key: &'a [u8],
    /// The row that was read last; before the first, that one's key and nothing.
    key: RowKey,
    body: &'a [u8],
    /// Whether the next row is the first.
    is_first: bool,
    /// Where the next pack begins, if that is known.
    end: Option<Bound<'a>>,
    rest: &'a [u8],
}

/// A key that rows are compared with while they rise towards it: only bytes that decide are looked at.
#[derive(Clone, Copy, Debug)]
struct Bound<'b> {
    key: &'b [u8],
    /// Bytes that it has in common with the row read last.
    common: usize,
}

impl<'b> Bound<'b> {
    /// Nothing, if a row at `from` is at or behind `key`.
    fn above(from: &[u8], key: &'b [u8]) -> Option<Self> {
        (from < key).then(|| Self { key, common: shared_bytes(from, key) })
    }

    /// Whether the next row is below, which has `shared` bytes of the one before and then its own.
    #[inline]
    fn is_above(&mut self, shared: usize, own: &[u8]) -> bool {
        if shared != self.common {
            // Where the row differs from the one before, that one was below; or it was the same as this.
            return shared > self.common;
        }
        for byte in own {
            match self.key.get(self.common) {
                Some(other) if other == byte => self.common += 1,
                other => return other.is_some_and(|other| byte < other),
            }
        }
        self.common < self.key.len()
    }
}

/// What is wrong with a row that would not rise into the next pack.
const BEHIND: &str = "a row of the pack belongs behind the next pack's first";

/// What came of reading on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is no other row.
    End,
    /// A row that lies below what is sought.
    Below,
    /// A row.
    Row,
}

impl<'a> PackRows<'a> {
    /// The rows of the pack at `key`, whose first `prefix_len` bytes are the prefix.
    pub(crate) fn new(
        table: &'static Table,
        prefix_len: usize,
        key: &'a [u8],
        value: &'a [u8],
    ) -> Result<Self> {
        let wrong = |why| Err(Error::corrupt(table.name, key, why));
        let Some(first) = key.get(prefix_len..) else { return wrong("the key is shorter than its prefix") };
        let Some(first) = RowKey::new(first) else { return wrong("the key is longer than any") };
        if value.is_empty() {
            return wrong("the pack has no row");
        }
        Ok(Self { table, table_key: key, key: first, body: &[], is_first: true, end: None, rest: value })
    }

    /// The same; a row at or behind `end`, where the next pack begins, is an error.
    pub(crate) fn ending_before(self, end: Option<&'a [u8]>) -> Result<Self> {
        let Some(end) = end else { return Ok(self) };
        match Bound::above(self.key.as_slice(), end) {
            Some(end) => Ok(Self { end: Some(end), ..self }),
            None => Err(Error::corrupt(self.table.name, self.table_key, BEHIND)),
        }
    }

    /// The next row. After an error there is none.
    pub(crate) fn next(&mut self) -> Result<Option<PackRow<'_, 'a>>> {
        Ok(self.advance()?.then(|| self.row()))
    }

    /// Reads the next row, if there is one. After an error there is none.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        Ok(self.step(None)? != Step::End)
    }

    /// Reads on from the row that was read last to the first one at or after `key`, if there is one: maybe it is that one.
    pub(crate) fn advance_to(&mut self, key: &[u8]) -> Result<bool> {
        let Some(mut sought) = Bound::above(self.key.as_slice(), key) else { return Ok(true) };
        loop {
            match self.step(Some(&mut sought))? {
                Step::Below => {}
                reached => return Ok(reached == Step::Row),
            }
        }
    }

    fn step(&mut self, sought: Option<&mut Bound<'_>>) -> Result<Step> {
        if self.rest.is_empty() {
            return Ok(Step::End);
        }
        self.read(sought).map_err(|why| {
            self.rest = &[];
            Error::corrupt(self.table.name, self.table_key, why)
        })
    }

    /// The row that was read last.
    pub(crate) fn row(&self) -> PackRow<'_, 'a> {
        (self.key.as_slice(), self.body)
    }

    /// How many bytes of the pack's value lie behind that row.
    pub(crate) fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn read(&mut self, sought: Option<&mut Bound<'_>>) -> std::result::Result<Step, &'static str> {
        let short = "a row of the pack is too short";
        let mut rest = self.rest;
        let (mut shared, mut key_len, is_first) = (usize::from(self.key.len), self.key.len, self.is_first);
        if !is_first {
            let head = take_byte(&mut rest).ok_or(short)?;
            shared = usize::from(head & !OTHER_LENGTH);
            if head & OTHER_LENGTH != 0 {
                key_len = take_byte(&mut rest).ok_or(short)?;
            }
        }
        self.is_first = false;
        let high = take_byte(&mut rest).ok_or(short)?;
        let body_len = match high & LONG_BODY {
            0 => usize::from(high),
            _ => usize::from(high & !LONG_BODY) << 8 | usize::from(take_byte(&mut rest).ok_or(short)?),
        };
        let long = "a row of the pack is longer than the pack";
        let own = usize::from(key_len).checked_sub(shared).ok_or(long)?;
        let (own, behind) = rest.split_at_checked(own).ok_or(long)?;
        (self.body, self.rest) = behind.split_at_checked(body_len).ok_or(long)?;
        if !is_first {
            self.set_key(shared, own, rest)?;
        }
        if self.end.as_mut().is_some_and(|end| !end.is_above(shared, own)) {
            return Err(BEHIND);
        }
        Ok(if sought.is_some_and(|sought| sought.is_above(shared, own)) { Step::Below } else { Step::Row })
    }

    /// The row's key: `shared` bytes of the one before, and its own, with which `from` begins.
    #[inline]
    fn set_key(&mut self, shared: usize, own: &[u8], from: &[u8]) -> std::result::Result<(), &'static str> {
        let before = self.key.as_slice();
        // What is shared is all that can be: the next byte decides.
        let rises = match (before.get(shared), own.first()) {
            (Some(before), Some(own)) => own > before,
            (None, Some(_)) => before.len() == shared,
            (_, None) => false,
        };
        let place = self.key.bytes.get_mut(shared..).filter(|place| rises && own.len() <= place.len());
        let place = place.ok_or("the rows of the pack do not rise")?;
        // Nearly always there are 32 bytes to copy and room for them, whatever they are: that takes no call.
        match (place.first_chunk_mut::<HASH_BYTES>(), from.first_chunk::<HASH_BYTES>()) {
            (Some(place), Some(from)) if own.len() <= HASH_BYTES => *place = *from,
            _ => place[..own.len()].copy_from_slice(own),
        }
        self.key.len = (shared + own.len()) as u8;
        Ok(())
    }
}

fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(*byte)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::state::tables::STORAGE_NODES;

    fn read(packs: &Packs, prefix_len: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        for (key, value) in packs.iter() {
            assert!(key.len() + value.len() <= PACK_MAX);
            let mut rows = PackRows::new(STORAGE_NODES, prefix_len, key, value).unwrap();
            while let Some((key, body)) = rows.next().unwrap() {
                all.push((key.to_vec(), body.to_vec()));
            }
        }
        all
    }

    proptest! {
        #[test]
        fn rows_read_back(
            rows in prop::collection::btree_map(
                prop::collection::vec(any::<u8>(), 0..=64),
                prop::collection::vec(any::<u8>(), 0..=518),
                0..40,
            ),
            cut in 0..40usize,
        ) {
            let rows: BTreeMap<Vec<u8>, Vec<u8>> = rows;
            let mut packs = Packs::default();
            for (at, (key, body)) in rows.iter().enumerate() {
                if at == cut {
                    packs.cut();
                }
                packs.push(&[7; 32], key, body);
            }
            prop_assert_eq!(read(&packs, 32), rows.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn neighbours_take_what_their_frames_do(
            rows in prop::collection::btree_map(
                prop::collection::vec(0..3u8, 0..=9),
                prop::collection::vec(any::<u8>(), 0..=200),
                1..20,
            ),
            from in prop::collection::vec(0..3u8, 0..=9),
        ) {
            let mut packs = Packs::default();
            let (mut before, mut bytes) = (None, 0);
            for (key, body) in &rows {
                packs.push(&[], key, body);
                bytes += frame_bytes(before, key, body) + if before.is_none() { key.len() } else { 0 };
                before = Some(key.as_slice());
            }
            if packs.len() == 1 {
                let (key, value) = packs.iter().next().unwrap();
                prop_assert_eq!(key.len() + value.len(), bytes);
                let mut read = PackRows::new(STORAGE_NODES, 0, key, value).unwrap();
                prop_assert!(read.advance().unwrap());
                let found = read.advance_to(&from).unwrap().then(|| read.row());
                let sought = rows.range(from..).next().map(|(key, body)| (key.as_slice(), body.as_slice()));
                prop_assert_eq!(found, sought);
            }
        }

        #[test]
        fn no_bytes_panic(value in prop::collection::vec(prop_oneof![0..40u8, 126..135u8], 0..200)) {
            if let Ok(mut rows) = PackRows::new(STORAGE_NODES, 2, &[1, 2, 3], &value) {
                let mut last: Option<Vec<u8>> = None;
                while let Ok(Some((key, _))) = rows.next() {
                    prop_assert!(last.is_none_or(|last| last.as_slice() < key));
                    last = Some(key.to_vec());
                }
                prop_assert!(matches!(rows.next(), Ok(None)));
            }
        }

        #[test]
        fn a_changed_byte_panics_nowhere_and_rows_still_rise(
            rows in prop::collection::btree_map(
                prop::collection::vec(0..16u8, 0..=12),
                prop::collection::vec(any::<u8>(), 0..=150),
                2..12,
            ),
            place in any::<prop::sample::Index>(),
            flip in 1..=255u8,
        ) {
            let mut packs = Packs::default();
            rows.iter().for_each(|(key, body)| packs.push(&[7; 32], key, body));
            let (key, value) = packs.iter().next().unwrap();
            let mut value = value.to_vec();
            let at = place.index(value.len());
            value[at] ^= flip;
            let mut read = PackRows::new(STORAGE_NODES, 32, key, &value).unwrap();
            let mut last: Option<Vec<u8>> = None;
            while let Ok(Some((key, _))) = read.next() {
                prop_assert!(last.is_none_or(|last| last.as_slice() < key));
                last = Some(key.to_vec());
            }
        }
    }

    #[test]
    fn the_pack_is_pinned() {
        let mut packs = Packs::default();
        packs.push(&[9], &[1, 2], &[5]);
        packs.push(&[9], &[1, 3], &[6, 7]);
        packs.push(&[9], &[1, 3, 4], &[8; 300]);
        let mut value = vec![1, 5, 1, 2, 3, 6, 7, 0x82, 3, 0x81, 44, 4];
        value.extend([8; 300]);
        assert_eq!(packs.iter().collect::<Vec<_>>(), [(&[9, 1, 2][..], value.as_slice())]);
    }

    #[test]
    fn keys_that_do_not_rise_or_are_too_long_are_errors() {
        let wrong: [&[u8]; 6] = [
            // The same key; a smaller one; one that shares more than it says; more than there is; a part of it; a long one.
            &[0, 2, 0],
            &[1, 0, 1],
            &[0, 0, 1, 1],
            &[3, 0],
            &[0x81, 1, 0],
            &[0x82, 66, 0],
        ];
        for frame in wrong {
            let value = [&[0], frame, &[9; 64]].concat();
            let mut rows = PackRows::new(STORAGE_NODES, 0, &[1, 2], &value).unwrap();
            assert!(rows.advance().unwrap());
            let error = rows.advance().unwrap_err();
            assert!(error.to_string().contains("StorageNodes"), "{error}");
            assert!(!rows.advance().unwrap());
        }
    }
}
