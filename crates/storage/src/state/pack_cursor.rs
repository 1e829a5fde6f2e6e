//! Rows of packs in the order of their keys, from a snapshot: all of a table, or those under one account.
//!
//! Questions usually rise. The next one is answered from the pack at hand, or from the one behind it, before the tree is searched.

use crate::{
    env::{ReadCursor, ReadTxn, Table},
    error::Result,
    state::pack::{PackRow, PackRows},
};

/// A cursor over the rows of one table under one prefix.
#[derive(Debug)]
pub(crate) struct PackCursor<'t> {
    cursor: ReadCursor<'t>,
    table: &'static Table,
    /// The prefix, and behind it the key that was searched for last.
    key: Vec<u8>,
    prefix_len: usize,
    /// The pack that the cursor stands on, behind `at`.
    rows: Option<PackRows<'t>>,
    /// The row that was given last.
    at: Option<PackRow<'t>>,
}

/// What the pack at hand and the next one say to a question.
enum Ahead<'t> {
    Row(PackRow<'t>),
    End,
    Unknown,
}

impl<'t> PackCursor<'t> {
    pub(crate) fn new(txn: &'t ReadTxn, table: &'static Table, prefix: &[u8]) -> Result<Self> {
        let cursor = txn.cursor(table)?;
        Ok(Self { cursor, table, key: prefix.to_vec(), prefix_len: prefix.len(), rows: None, at: None })
    }

    /// The first row at or after `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<PackRow<'t>>> {
        match self.ahead(key)? {
            Ahead::Row(row) => Ok(self.stand(Some(row))),
            Ahead::End => Ok(self.stand(None)),
            Ahead::Unknown => {
                let row = self.search(key)?;
                Ok(self.stand(row))
            }
        }
    }

    /// The row at `key`.
    pub(crate) fn find(&mut self, key: &[u8]) -> Result<Option<&'t [u8]>> {
        Ok(self.seek(key)?.filter(|(found, _)| *found == key).map(|(_, body)| body))
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<PackRow<'t>>> {
        let row = match self.next_in_pack()? {
            None => self.enter_next()?,
            row => row,
        };
        Ok(self.stand(row))
    }

    fn stand(&mut self, row: Option<PackRow<'t>>) -> Option<PackRow<'t>> {
        self.at = row;
        row
    }

    fn ahead(&mut self, key: &[u8]) -> Result<Ahead<'t>> {
        let Some(at) = self.at.filter(|(at, _)| *at <= key) else { return Ok(Ahead::Unknown) };
        if at.0 == key {
            return Ok(Ahead::Row(at));
        }
        while let Some(row) = self.next_in_pack()? {
            if row.0 >= key {
                return Ok(Ahead::Row(row));
            }
        }
        Ok(match self.enter_next()? {
            None => Ahead::End,
            Some(row) if row.0 >= key => Ahead::Row(row),
            Some(_) => Ahead::Unknown,
        })
    }

    fn search(&mut self, key: &[u8]) -> Result<Option<PackRow<'t>>> {
        self.key.truncate(self.prefix_len);
        self.key.extend_from_slice(key);
        let before = match self.cursor.seek(&self.key)? {
            Some((found, value)) if found == self.key => return self.enter(found, value),
            Some(_) => self.cursor.prev()?,
            None => self.cursor.last()?,
        };
        if let Some((found, value)) = before.filter(|(found, _)| self.is_ours(found)) {
            let mut row = self.enter(found, value)?;
            while let Some(found) = row {
                if found.0 >= key {
                    return Ok(row);
                }
                row = self.next_in_pack()?;
            }
            return self.enter_next();
        }
        // Nothing of ours lies before it, so the first pack behind it begins with the row.
        match self.cursor.seek(&self.key)? {
            Some((found, value)) if self.is_ours(found) => self.enter(found, value),
            _ => {
                self.rows = None;
                Ok(None)
            }
        }
    }

    fn is_ours(&self, key: &[u8]) -> bool {
        key.starts_with(&self.key[..self.prefix_len])
    }

    fn next_in_pack(&mut self) -> Result<Option<PackRow<'t>>> {
        match &mut self.rows {
            Some(rows) => rows.next(),
            None => Ok(None),
        }
    }

    fn enter_next(&mut self) -> Result<Option<PackRow<'t>>> {
        if self.rows.take().is_none() {
            return Ok(None);
        }
        match self.cursor.next()? {
            Some((key, value)) if self.is_ours(key) => self.enter(key, value),
            _ => Ok(None),
        }
    }

    fn enter(&mut self, key: &'t [u8], value: &'t [u8]) -> Result<Option<PackRow<'t>>> {
        let rows = self.rows.insert(PackRows::new(self.table, self.prefix_len, key, value)?);
        rows.next()
    }
}

/// How many rows the packs of a whole table hold.
pub(crate) fn count(txn: &ReadTxn, table: &'static Table, prefix_len: usize) -> Result<u64> {
    let mut cursor = txn.cursor(table)?;
    let (mut pack, mut count) = (cursor.seek(&[])?, 0);
    while let Some((key, value)) = pack {
        let mut rows = PackRows::new(table, prefix_len, key, value)?;
        while rows.next()?.is_some() {
            count += 1;
        }
        pack = cursor.next()?;
    }
    Ok(count)
}
