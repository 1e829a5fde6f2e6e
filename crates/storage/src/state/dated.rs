//! Rows of one table in the order of their keys, as they are, as they were after an older block, or as they will be after blocks that are
//! not on the disk yet: the packs under what was undone since, or under what those blocks change.
//!
//! It trusts that what blocks have changed is kept back to that block: whoever opens it has looked. It says nothing of what a row means.

use crate::{
    env::{ReadCursor, ReadTxn},
    error::Result,
    state::{
        ahead::BlocksAhead,
        pack_cursor::PackCursor,
        undo::{self, Kind, Undone},
    },
};

/// At which block's state rows are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When<'t> {
    /// That of the snapshot.
    Newest,
    /// An older one.
    Block(u64),
    /// The newest of some that the snapshot does not have yet.
    Ahead(&'t BlocksAhead),
}

/// A row that differs from that of the snapshot, behind its account's key, if it has one: its body, if it is there.
type Differing<'a> = (&'a [u8], Option<&'a [u8]>);

/// A cursor over the rows of one kind under one prefix.
#[derive(Debug)]
pub(crate) struct DatedCursor<'t> {
    packs: Packed<'t>,
    over: Option<Over<'t>>,
    /// Where something lies over the packs: the row that was given last.
    last: Vec<u8>,
    /// And what is sought.
    at: Vec<u8>,
}

/// What the packs say.
#[derive(Debug)]
struct Packed<'t> {
    cursor: PackCursor<'t>,
    /// Whether none of their rows counts.
    are_wiped: bool,
}

/// What lies over the packs.
#[derive(Debug)]
enum Over<'t> {
    Past(Past<'t>),
    Ahead(Ahead<'t>),
}

/// What has changed since a block.
#[derive(Debug)]
struct Past<'t> {
    undo: ReadCursor<'t>,
    kind: Kind,
    prefix: Vec<u8>,
    /// The block after which rows are looked at.
    number: u64,
    /// The last question and its answer: every question between the two has the same answer.
    found: Option<(Vec<u8>, Option<Undone>)>,
}

/// What blocks change that are not on the disk yet.
#[derive(Debug)]
struct Ahead<'t> {
    blocks: &'t BlocksAhead,
    kind: Kind,
    /// The account's key, where there is one, and behind it what was searched for last.
    key: Vec<u8>,
    prefix_len: usize,
    /// The first row there or behind it that differs: that of every question between the two. `None` before the first search.
    found: Option<Option<Differing<'t>>>,
}

/// Where a row is read.
enum Source {
    Packs,
    Over,
}

impl<'t> DatedCursor<'t> {
    pub(crate) fn new(txn: &'t ReadTxn, kind: Kind, prefix: &[u8], when: When<'t>) -> Result<Self> {
        let over = match when {
            When::Newest => None,
            When::Block(number) => {
                let (undo, prefix) = (txn.cursor(undo::TABLE)?, prefix.to_vec());
                Some(Over::Past(Past { undo, kind, prefix, number, found: None }))
            }
            When::Ahead(blocks) => {
                let (key, prefix_len) = (prefix.to_vec(), prefix.len());
                Some(Over::Ahead(Ahead { blocks, kind, key, prefix_len, found: None }))
            }
        };
        let are_wiped = matches!(when, When::Ahead(blocks) if blocks.is_wiped(prefix));
        let packs = Packed { cursor: PackCursor::new(txn, kind.table(), prefix)?, are_wiped };
        Ok(Self { packs, over, last: Vec::new(), at: Vec::new() })
    }

    /// The first row at or after `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>> {
        if self.over.is_none() {
            return self.packs.seek(key);
        }
        self.at.clear();
        self.at.extend_from_slice(key);
        self.seek_under()
    }

    /// The first row at or after what is sought, where something lies over the packs.
    fn seek_under(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let Self { packs, over: Some(over), last, at } = self else { return Ok(None) };
        let source = loop {
            let packed = packs.seek(at)?.map(|(found, _)| found);
            let differing = over.seek(at)?.filter(|(found, _)| packed.is_none_or(|packed| *found <= packed));
            let (found, source) = match (differing, packed) {
                (Some((found, Some(_))), _) => (found, Source::Over),
                (Some((found, None)), _) => {
                    // There is no such row: the next one is sought.
                    at.clear();
                    at.extend_from_slice(found);
                    at.push(0);
                    continue;
                }
                (None, Some(packed)) => (packed, Source::Packs),
                (None, None) => return Ok(None),
            };
            last.clear();
            last.extend_from_slice(found);
            break source;
        };
        match source {
            // It stands on that row.
            Source::Packs => packs.seek(at),
            Source::Over => Ok(over.found().and_then(|(key, body)| Some((key, body?)))),
        }
    }

    /// The row at `key`.
    pub(crate) fn find(&mut self, key: &[u8]) -> Result<Option<&[u8]>> {
        Ok(self.seek(key)?.filter(|(found, _)| *found == key).map(|(_, body)| body))
    }

    /// The row behind the one that was given last.
    pub(crate) fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.over.is_none() {
            return self.packs.cursor.next();
        }
        self.at.clear();
        self.at.extend_from_slice(&self.last);
        self.at.push(0);
        self.seek_under()
    }
}

impl Packed<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>> {
        if self.are_wiped { Ok(None) } else { self.cursor.seek(key) }
    }
}

impl Over<'_> {
    /// The first row at or behind `key` that differs.
    fn seek(&mut self, key: &[u8]) -> Result<Option<Differing<'_>>> {
        match self {
            Self::Past(past) => past.search(key)?,
            Self::Ahead(ahead) => ahead.search(key),
        }
        Ok(self.found())
    }

    /// The row that was found last.
    fn found(&self) -> Option<Differing<'_>> {
        match self {
            Self::Past(past) => {
                let undone = past.found.as_ref()?.1.as_ref()?;
                Some((&undone.key, undone.old.as_deref()))
            }
            Self::Ahead(ahead) => ahead.found.flatten(),
        }
    }
}

impl Past<'_> {
    fn search(&mut self, key: &[u8]) -> Result<()> {
        let is_known = self.found.as_ref().is_some_and(|(asked, answer)| {
            asked.as_slice() <= key && answer.as_ref().is_none_or(|undone| key <= undone.key.as_slice())
        });
        if !is_known {
            let answer = undo::first_behind(&mut self.undo, self.kind, &self.prefix, key, self.number)?;
            self.found = Some((key.to_vec(), answer));
        }
        Ok(())
    }
}

impl Ahead<'_> {
    fn search(&mut self, key: &[u8]) {
        let asked = &self.key[self.prefix_len..];
        let is_known =
            self.found.is_some_and(|answer| asked <= key && answer.is_none_or(|(found, _)| key <= found));
        if is_known {
            return;
        }
        self.key.truncate(self.prefix_len);
        self.key.extend_from_slice(key);
        let found = self.blocks.first_at(self.kind, &self.key);
        let prefix = &self.key[..self.prefix_len];
        self.found = Some(found.and_then(|(found, body)| Some((found.strip_prefix(prefix)?, body))));
    }
}
