//! Rows of packs in the order of their keys, from a snapshot: all of a table, or those under one account.
//!
//! Questions usually rise. The next one is answered from the pack at hand, or from the one behind it, before the tree is searched. One that lies
//! between the last question and its answer has the same answer, and nothing is read for it.
//!
//! It trusts no pack: where the next one begins is known before a row is given, so rows rise over all packs, and a damaged
//! key is an error of its own pack instead of a wrong order that its reader would stumble over.

use crate::{
    env::{ReadCursor, ReadTxn, Row, Table},
    error::{Error, Result},
    state::pack::{PackRow, PackRows, RowKey},
};

/// A cursor over the rows of one table under one prefix.
#[derive(Debug)]
pub(crate) struct PackCursor<'t> {
    cursor: ReadCursor<'t>,
    /// Which pack it stands on.
    stands: Stands,
    table: &'static Table,
    /// The prefix, and behind it the key that was searched for last.
    key: Vec<u8>,
    prefix_len: usize,
    /// The pack at hand.
    rows: Option<PackRows<'t>>,
    /// The pack after that.
    behind: Option<Row<'t>>,
    at: At,
    /// The last question, if its answer holds for all that lies in between.
    asked: Option<RowKey>,
}

/// Where a cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// On the row that `rows` has read last, which was given.
    Row,
    /// Behind all rows.
    End,
    /// Nowhere, or there was an error: the next question is searched for.
    Nowhere,
}

/// Where MDBX's cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// On the pack at hand.
    Here,
    /// On the one after it, or behind all.
    Behind,
}

/// What the pack at hand and the next one say to a question.
enum Ahead {
    /// The answer is the one that was given last.
    Same,
    /// The answer is the row that `rows` has read last.
    Row,
    End,
    Unknown,
}

impl<'t> PackCursor<'t> {
    pub(crate) fn new(txn: &'t ReadTxn, table: &'static Table, prefix: &[u8]) -> Result<Self> {
        let cursor = txn.cursor(table)?;
        let (key, prefix_len) = (prefix.to_vec(), prefix.len());
        let stands = Stands::Behind;
        let (rows, behind, at, asked) = (None, None, At::Nowhere, None);
        Ok(Self { cursor, stands, table, key, prefix_len, rows, behind, at, asked })
    }

    /// Goes on under another prefix.
    pub(crate) fn turn_to(&mut self, prefix: &[u8]) {
        if self.key[..self.prefix_len] != *prefix {
            self.key.clear();
            self.key.extend_from_slice(prefix);
            self.prefix_len = prefix.len();
            (self.rows, self.behind, self.at, self.asked) = (None, None, At::Nowhere, None);
        }
    }

    /// The first row at or after `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<PackRow<'_, 't>>> {
        let is_there = match self.ahead(key)? {
            Ahead::Same => return Ok(self.given()),
            Ahead::Row => true,
            Ahead::End => false,
            Ahead::Unknown => self.search(key)?,
        };
        self.asked = RowKey::new(key);
        Ok(self.stand(is_there))
    }

    /// The row at `key`.
    pub(crate) fn find(&mut self, key: &[u8]) -> Result<Option<&'t [u8]>> {
        Ok(self.seek(key)?.filter(|(found, _)| *found == key).map(|(_, body)| body))
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<PackRow<'_, 't>>> {
        (self.at, self.asked) = (At::Nowhere, None);
        let is_there = self.advance()? || self.enter_next()?;
        Ok(self.stand(is_there))
    }

    fn stand(&mut self, is_there: bool) -> Option<PackRow<'_, 't>> {
        self.at = if is_there { At::Row } else { At::End };
        self.given()
    }

    /// The row that it stands on.
    fn given(&self) -> Option<PackRow<'_, 't>> {
        self.rows.as_ref().filter(|_| self.at == At::Row).map(PackRows::row)
    }

    /// Whether a question lies between the last one and its answer.
    fn is_answered(&self, key: &[u8]) -> bool {
        let is_behind = self.asked.as_ref().is_some_and(|asked| asked.as_slice() <= key);
        is_behind
            && match self.at {
                At::Row => self.given().is_some_and(|(given, _)| key <= given),
                At::End => true,
                At::Nowhere => false,
            }
    }

    fn ahead(&mut self, key: &[u8]) -> Result<Ahead> {
        if self.is_answered(key) {
            return Ok(Ahead::Same);
        }
        let at = std::mem::replace(&mut self.at, At::Nowhere);
        let Some(rows) = self.rows.as_mut().filter(|rows| at == At::Row && rows.row().0 <= key) else {
            return Ok(Ahead::Unknown);
        };
        // Beyond the first row of the pack behind this one, no row of this one is looked at.
        if self.behind.is_some_and(|(behind, _)| &behind[self.prefix_len..] < key) {
            return Ok(Ahead::Unknown);
        }
        let is_there = rows.advance_to(key)? || self.enter_next()?;
        Ok(if is_there { Ahead::Row } else { Ahead::End })
    }

    /// Reads the first row at or after `key`, if there is one.
    fn search(&mut self, key: &[u8]) -> Result<bool> {
        self.key.truncate(self.prefix_len);
        self.key.extend_from_slice(key);
        let found = self.cursor.seek(&self.key)?;
        let before = match found {
            Some(found) if found.0 == self.key => return self.enter(found),
            Some(_) => self.cursor.prev()?,
            None => self.cursor.last()?,
        };
        if let Some(before) = before.filter(|(before, _)| self.is_ours(before)) {
            self.take_up(before, found, Stands::Here)?;
            let is_there = self.rows.as_mut().map_or(Ok(false), |rows| rows.advance_to(key))?;
            return Ok(is_there || self.enter_next()?);
        }
        // Nothing of ours lies before it, so the first pack behind it begins with the row.
        match self.cursor.seek(&self.key)? {
            Some(found) if self.is_ours(found.0) => self.enter(found),
            _ => {
                (self.rows, self.behind) = (None, None);
                Ok(false)
            }
        }
    }

    fn is_ours(&self, key: &[u8]) -> bool {
        key.starts_with(&self.key[..self.prefix_len])
    }

    /// Reads the next row of the pack at hand, if there is one.
    fn advance(&mut self) -> Result<bool> {
        self.rows.as_mut().map_or(Ok(false), PackRows::advance)
    }

    fn enter_next(&mut self) -> Result<bool> {
        self.rows = None;
        let Some(pack) = self.behind.take() else { return Ok(false) };
        if self.stands == Stands::Here {
            self.cursor.next()?;
        }
        self.enter(pack)
    }

    /// Takes up the pack that the cursor stands on, and moves the cursor behind it.
    fn enter(&mut self, pack: Row<'t>) -> Result<bool> {
        let behind = self.cursor.next()?;
        self.take_up(pack, behind, Stands::Behind)
    }

    /// Takes up a pack, knowing the one behind it, and reads its first row.
    fn take_up(&mut self, (key, value): Row<'t>, behind: Option<Row<'t>>, stands: Stands) -> Result<bool> {
        (self.rows, self.behind, self.stands) = (None, None, stands);
        let behind = behind.filter(|(behind, _)| self.is_ours(behind));
        if behind.is_some_and(|(behind, _)| behind <= key) {
            return Err(Error::corrupt(self.table.name, key, "the next pack begins before this one"));
        }
        self.behind = behind;
        let end = behind.map(|(behind, _)| &behind[self.prefix_len..]);
        let rows = PackRows::new(self.table, self.prefix_len, key, value)?.ending_before(end)?;
        self.rows.insert(rows).advance()
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, ops::Bound, sync::Arc};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        MemoryEnv,
        env::Env,
        state::{
            fences::Fences,
            pack_writer::{self, Change},
            tables::{ACCOUNTS, ENV, TABLES},
        },
    };

    fn key(n: u16) -> [u8; 32] {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&n.to_be_bytes());
        key
    }

    /// A question, and how many rows are read behind its answer.
    fn questions() -> impl Strategy<Value = Vec<(u16, u8)>> {
        prop::collection::vec((0..700u16, prop_oneof![3 => Just(0u8), 1 => 1..9u8]), 1..60)
    }

    proptest! {
        // ROW: F30
        #[test]
        fn questions_to_and_fro_have_the_answers_of_a_plain_map(
            rows in prop::collection::btree_map(0..600u16, 1..60usize, 0..300),
            questions in questions(),
        ) {
            let env = Env::open_memory(&Arc::new(MemoryEnv::default()), ENV, &TABLES, |_| Ok(())).unwrap();
            let plain: BTreeMap<[u8; 32], Vec<u8>> =
                rows.iter().map(|(n, length)| (key(*n), vec![*n as u8; *length])).collect();
            let txn = env.writer().unwrap();
            let changes: Vec<Change<'_>> =
                plain.iter().map(|(key, body)| Change { key, body: Some(body) }).collect();
            pack_writer::merge(&txn, ACCOUNTS, &[], &Fences::none(), &changes).unwrap();
            txn.commit().unwrap();
            let txn = env.reader().unwrap();
            let mut cursor = PackCursor::new(&txn, ACCOUNTS, &[]).unwrap();
            for (question, more) in questions {
                let at = key(question);
                // Twice, and once right behind: the answer is at hand.
                let next = key(question.saturating_add(1));
                for at in [&at, &at, &next] {
                    let found = cursor.seek(at).unwrap();
                    let wanted = plain.range(*at..).next().map(|(key, body)| (key.as_slice(), body.as_slice()));
                    prop_assert_eq!(found, wanted);
                }
                let mut behind = plain.range(next..).next().map(|(key, _)| *key);
                for _ in 0..more {
                    let Some(last) = behind else { break };
                    let found = cursor.next().unwrap();
                    let wanted = plain.range((Bound::Excluded(last), Bound::Unbounded)).next();
                    prop_assert_eq!(found, wanted.map(|(key, body)| (key.as_slice(), body.as_slice())));
                    behind = wanted.map(|(key, _)| *key);
                }
            }
        }
    }
}
