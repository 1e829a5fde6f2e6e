//! Rows of one table in the order of their keys, as they are or as they were after an older block: the packs under what was undone since.
//!
//! It trusts that what blocks have changed is kept back to that block: whoever opens it has looked. It says nothing of what a row means.

use crate::{
    env::{ReadCursor, ReadTxn},
    error::Result,
    state::{
        pack_cursor::PackCursor,
        reads::AsOf,
        undo::{self, Kind, Undone},
    },
};

/// A cursor over the rows of one kind under one prefix.
#[derive(Debug)]
pub(crate) struct DatedCursor<'t> {
    now: PackCursor<'t>,
    past: Option<Past<'t>>,
}

/// What has changed since.
#[derive(Debug)]
struct Past<'t> {
    undo: ReadCursor<'t>,
    kind: Kind,
    prefix: Vec<u8>,
    /// The block after which rows are looked at.
    number: u64,
    /// The last question and its answer: every question between the two has the same answer.
    found: Option<(Vec<u8>, Option<Undone>)>,
    /// The row that was given last.
    last: Vec<u8>,
}

/// Where a row is read.
enum Source {
    Now,
    Past,
}

impl<'t> DatedCursor<'t> {
    pub(crate) fn new(txn: &'t ReadTxn, kind: Kind, prefix: &[u8], as_of: AsOf) -> Result<Self> {
        let past = match as_of {
            AsOf::Newest => None,
            AsOf::Block(number) => Some(Past {
                undo: txn.cursor(undo::TABLE)?,
                kind,
                prefix: prefix.to_vec(),
                number,
                found: None,
                last: Vec::new(),
            }),
        };
        Ok(Self { now: PackCursor::new(txn, kind.table(), prefix)?, past })
    }

    /// The first row at or after `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>> {
        let Some(past) = &mut self.past else { return self.now.seek(key) };
        let mut at = key.to_vec();
        let source = loop {
            let now = self.now.seek(&at)?.map(|(found, _)| found);
            let undone = past.seek(&at)?.filter(|undone| now.is_none_or(|now| undone.key[..] <= *now));
            let Some(undone) = undone else { break now.map(|now| (Source::Now, now.to_vec())) };
            if undone.old.is_some() {
                break Some((Source::Past, undone.key.clone()));
            }
            // There was no such row then: the next one is sought.
            at.clone_from(&undone.key);
            at.push(0);
        };
        let Some((source, key)) = source else { return Ok(None) };
        past.last = key;
        match source {
            // It stands on that row.
            Source::Now => self.now.seek(&at),
            Source::Past => Ok(past.row()),
        }
    }

    /// The row behind the one that was given last.
    pub(crate) fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let Some(past) = &self.past else { return self.now.next() };
        let mut behind = past.last.clone();
        behind.push(0);
        self.seek(&behind)
    }
}

impl Past<'_> {
    /// The first row at or behind `key` that has changed since.
    fn seek(&mut self, key: &[u8]) -> Result<Option<&Undone>> {
        let is_known = self.found.as_ref().is_some_and(|(asked, answer)| {
            asked.as_slice() <= key && answer.as_ref().is_none_or(|undone| key <= undone.key.as_slice())
        });
        if !is_known {
            let answer = undo::first_behind(&mut self.undo, self.kind, &self.prefix, key, self.number)?;
            self.found = Some((key.to_vec(), answer));
        }
        Ok(self.found.as_ref().and_then(|(_, answer)| answer.as_ref()))
    }

    /// The row that was found last, as it was.
    fn row(&self) -> Option<(&[u8], &[u8])> {
        let (_, Some(undone)) = self.found.as_ref()? else { return None };
        Some((&undone.key, undone.old.as_deref()?))
    }
}
