//! Packs: neighbouring rows of one table in one value of MDBX, up to a third of a page of them.
//!
//! A B-tree entry a row costs a search of the tree, ten bytes of page, and the page's slack, some hundred million times. A
//! pack costs that once for some twenty rows, and it is laid out before the writer's thread sees it.
//!
//! ```text
//! key      prefix ++ key of the first row              the prefix is an account's key in tables of storages, else nothing
//! value    a frame for each row, keys rising:
//!            key length 1 ++ body length 2 ++ key ++ body
//!          the first frame's key is in the table's key; its length here is 0
//! ```
//!
//! Invariant: packs of one table and prefix do not overlap: all keys of one come before all keys of the next. It does not
//! know what a body means.

use crate::{
    config::PAGE_BYTES,
    env::Table,
    error::{Error, Result},
};

/// Key and value of a pack: three of them fill a page, whose header takes 20 bytes, and each entry 10 more. Two would be a
/// little faster to put, but leave more of the page unused where small storages lie between large ones.
pub(crate) const PACK_MAX: usize = ((PAGE_BYTES as usize - 20) / 3 - 10) & !1;

/// Lengths of key and body.
const FRAME_BYTES: usize = 3;

/// What a row takes in a pack.
pub(crate) const fn frame_bytes(key: &[u8], body: &[u8]) -> usize {
    FRAME_BYTES + key.len() + body.len()
}

/// Packs that are ready to be put, in one buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packs {
    /// Keys and values in turn.
    bytes: Vec<u8>,
    packs: Vec<Pack>,
    end: PackEnd,
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
    /// Room for so many rows of about `row_bytes`, keys and bodies, in `runs` that each begin with a pack of their own and a
    /// prefix of `prefix_len`. Growing would leave up to half of the bytes unused, and they wait in the writer's queue.
    pub(crate) fn with_capacity(rows: usize, row_bytes: usize, runs: usize, prefix_len: usize) -> Self {
        let bytes = rows * (row_bytes + FRAME_BYTES) + runs * prefix_len;
        Self {
            bytes: Vec::with_capacity(bytes + bytes / 32 + 64),
            packs: Vec::with_capacity(bytes / PACK_MAX + runs),
            end: PackEnd::Cut,
        }
    }

    /// Adds a row. Keys rise until the next [`Packs::cut`].
    pub(crate) fn push(&mut self, prefix: &[u8], key: &[u8], body: &[u8]) {
        let frame = frame_bytes(key, body);
        match (self.end, self.packs.last_mut()) {
            (PackEnd::Open, Some(pack)) if pack.end - pack.start + frame <= PACK_MAX => {
                push_frame(&mut self.bytes, key, body);
                pack.end = self.bytes.len();
            }
            _ => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(prefix);
                self.bytes.extend_from_slice(key);
                push_frame(&mut self.bytes, &[], body);
                self.packs.push(Pack { start, key_len: prefix.len() + key.len(), end: self.bytes.len() });
                self.end = PackEnd::Open;
            }
        }
    }

    /// What comes next belongs to another run, or to another prefix.
    pub(crate) fn cut(&mut self) {
        self.end = PackEnd::Cut;
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

fn push_frame(out: &mut Vec<u8>, key: &[u8], body: &[u8]) {
    // Keys are at most 64 bytes, bodies at most 518: see the tables.
    let len = (body.len() as u16).to_be_bytes();
    out.extend_from_slice(&[key.len() as u8, len[0], len[1]]);
    out.extend_from_slice(key);
    out.extend_from_slice(body);
}

/// A row of a pack: its key without the prefix, and its body.
pub(crate) type PackRow<'a> = (&'a [u8], &'a [u8]);

/// The rows of one pack, read without trust.
#[derive(Clone, Debug)]
pub(crate) struct PackRows<'a> {
    table: &'static Table,
    table_key: &'a [u8],
    /// The key of the row before; of the first row, before that was read.
    key: &'a [u8],
    place: Place,
    /// Where the next pack begins, if that is known.
    end: Option<&'a [u8]>,
    rest: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Place {
    First,
    Later,
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
        if value.is_empty() {
            return wrong("the pack has no row");
        }
        Ok(Self { table, table_key: key, key: first, place: Place::First, end: None, rest: value })
    }

    /// The same; a row at or behind `end`, where the next pack begins, is an error.
    pub(crate) fn ending_before(self, end: Option<&'a [u8]>) -> Self {
        Self { end, ..self }
    }

    /// The next row. After an error there is none.
    pub(crate) fn next(&mut self) -> Result<Option<PackRow<'a>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match self.read() {
            Ok(row) => Ok(Some(row)),
            Err(why) => {
                self.rest = &[];
                Err(Error::corrupt(self.table.name, self.table_key, why))
            }
        }
    }

    fn read(&mut self) -> std::result::Result<PackRow<'a>, &'static str> {
        let Some(([key_len, high, low], rest)) = self.rest.split_first_chunk() else {
            return Err("a row of the pack is too short");
        };
        let (key_len, body_len) = (usize::from(*key_len), usize::from(u16::from_be_bytes([*high, *low])));
        let (Some(key), Some(body), Some(rest)) =
            (rest.get(..key_len), rest.get(key_len..key_len + body_len), rest.get(key_len + body_len..))
        else {
            return Err("a row of the pack is longer than the pack");
        };
        self.rest = rest;
        match self.place {
            Place::First if key.is_empty() => self.place = Place::Later,
            Place::First => return Err("the first row of the pack has a key of its own"),
            Place::Later if key > self.key => self.key = key,
            Place::Later => return Err("the rows of the pack do not rise"),
        }
        if self.end.is_some_and(|end| self.key >= end) {
            return Err("a row of the pack belongs behind the next pack's first");
        }
        Ok((self.key, body))
    }
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
        fn no_bytes_panic(value in prop::collection::vec(0..40u8, 0..200)) {
            if let Ok(mut rows) = PackRows::new(STORAGE_NODES, 2, &[1, 2, 3], &value) {
                while let Ok(Some(_)) = rows.next() {}
                prop_assert!(matches!(rows.next(), Ok(None)));
            }
        }
    }

    #[test]
    fn the_pack_is_pinned() {
        let mut packs = Packs::default();
        packs.push(&[9], &[1, 2], &[5]);
        packs.push(&[9], &[1, 3], &[6, 7]);
        let pinned: Vec<(&[u8], &[u8])> = vec![(&[9, 1, 2], &[0, 0, 1, 5, 2, 0, 2, 1, 3, 6, 7])];
        assert_eq!(packs.iter().collect::<Vec<_>>(), pinned);
    }
}
