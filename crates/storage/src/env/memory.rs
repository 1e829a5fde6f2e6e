//! An environment in memory, with what MDBX promises and nothing more: transactions are whole, readers see one moment, and what
//! was flushed survives.
//!
//! It stands for a disk in simulations: a crash takes away each commit that was not flushed, and everybody who had it open. A commit
//! copies the directories of the tables that it touches, not their rows: it is for thousands of rows, not for millions. Trust: none
//! needed; it fails where MDBX fails.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use signet_libmdbx::MdbxError;

use super::table::{Pair, Row, Table};
use crate::error::{Error, Result, from_mdbx};

type Bytes = Arc<[u8]>;
type Rows = BTreeMap<Bytes, Bytes>;
/// All tables at one moment, by their index.
type Tables = Vec<Arc<Rows>>;

/// When commits become durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// Each before it returns.
    #[default]
    EachCommit,
    /// All together, when [`MemoryEnv::flush`] is called.
    WhenTold,
}

/// What is kept of one environment, whoever has it open.
#[derive(Debug, Default)]
pub struct MemoryEnv {
    kept: Mutex<Kept>,
    /// Held by the one write transaction.
    writing: Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    flush: Flush,
    durable: Tables,
    newest: Tables,
    commits: u64,
    /// How often the power went; who opened it before has no part in it any more.
    crashes: u64,
}

impl MemoryEnv {
    /// An empty one that flushes each commit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says when commits become durable from now on.
    pub fn set_flush(&self, flush: Flush) {
        self.kept().flush = flush;
    }

    /// Makes all commits durable.
    pub fn flush(&self) {
        let mut kept = self.kept();
        kept.durable = kept.newest.clone();
    }

    /// The power goes: only what is durable is left, and only for those who open it from now on.
    pub fn crash(&self) {
        let mut kept = self.kept();
        kept.newest = kept.durable.clone();
        kept.crashes += 1;
    }

    /// Commits so far, lost ones among them.
    pub fn commits(&self) -> u64 {
        self.kept().commits
    }

    /// A poisoned lock guards tables that are replaced as a whole: it is taken all the same.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A kept environment that somebody has open.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(super) env: &'static str,
    kept: Arc<MemoryEnv>,
    /// The crashes that were before.
    crashes: u64,
}

impl Opened {
    pub(super) fn open(kept: &Arc<MemoryEnv>, env: &'static str, tables: usize) -> Self {
        let mut now = kept.kept();
        if now.newest.len() < tables {
            now.newest.resize_with(tables, Arc::default);
        }
        let crashes = now.crashes;
        drop(now);
        Self { env, kept: Arc::clone(kept), crashes }
    }

    pub(super) fn reader(&self) -> MemoryRead {
        MemoryRead { tables: self.kept.kept().newest.clone() }
    }

    pub(super) fn writer(&self) -> MemoryWrite<'_> {
        let turn = self.kept.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = RefCell::new(self.kept.kept().newest.clone());
        MemoryWrite { opened: self, _turn: turn, tables }
    }

    pub(super) fn bytes(&self) -> u64 {
        let rows = self.reader().tables;
        let row_bytes = |(key, value): (&Bytes, &Bytes)| (key.len() + value.len()) as u64;
        rows.iter().flat_map(|rows| rows.iter()).map(row_bytes).sum()
    }
}

/// One moment of it.
#[derive(Debug)]
pub(crate) struct MemoryRead {
    tables: Tables,
}

impl MemoryRead {
    pub(super) fn get(&self, table: &Table, key: &[u8]) -> Option<&[u8]> {
        self.tables[table.index].get(key).map(AsRef::as_ref)
    }

    pub(super) fn cursor(&self, table: &Table) -> MemoryReadCursor<'_> {
        MemoryReadCursor { rows: &self.tables[table.index], at: At::Nowhere }
    }

    pub(super) fn rows(&self, table: &Table) -> u64 {
        self.tables[table.index].len() as u64
    }
}

/// Where a cursor stands.
#[derive(Clone, Copy, Debug)]
enum At<Key> {
    /// It was not told yet.
    Nowhere,
    /// At this row, or where it was.
    Row(Key),
    /// Behind the last row.
    End,
}

impl<Key: AsRef<[u8]>> At<Key> {
    /// The row behind.
    fn next<'r>(&self, rows: &'r Rows) -> Option<(&'r Bytes, &'r Bytes)> {
        match self {
            Self::Nowhere => rows.first_key_value(),
            Self::Row(key) => rows.range::<[u8], _>((Bound::Excluded(key.as_ref()), Bound::Unbounded)).next(),
            Self::End => None,
        }
    }

    /// The row before.
    fn prev<'r>(&self, rows: &'r Rows) -> Option<(&'r Bytes, &'r Bytes)> {
        match self {
            Self::Nowhere | Self::End => rows.last_key_value(),
            Self::Row(key) => {
                rows.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key.as_ref()))).next_back()
            }
        }
    }
}

fn first_at<'r>(rows: &'r Rows, key: &[u8]) -> Option<(&'r Bytes, &'r Bytes)> {
    rows.range::<[u8], _>((Bound::Included(key), Bound::Unbounded)).next()
}

/// A cursor over one table of a snapshot.
#[derive(Debug)]
pub(crate) struct MemoryReadCursor<'t> {
    rows: &'t Rows,
    at: At<&'t [u8]>,
}

impl<'t> MemoryReadCursor<'t> {
    pub(super) fn seek(&mut self, key: &[u8]) -> Option<Row<'t>> {
        self.stand(first_at(self.rows, key))
    }

    pub(super) fn next(&mut self) -> Option<Row<'t>> {
        self.stand(self.at.next(self.rows))
    }

    pub(super) fn prev(&mut self) -> Option<Row<'t>> {
        let found = self.at.prev(self.rows)?;
        self.stand(Some(found))
    }

    pub(super) fn last(&mut self) -> Option<Row<'t>> {
        self.stand(self.rows.last_key_value())
    }

    fn stand(&mut self, found: Option<(&'t Bytes, &'t Bytes)>) -> Option<Row<'t>> {
        let row = found.map(|(key, value)| (key.as_ref(), value.as_ref()));
        self.at = row.map_or(At::End, |(key, _)| At::Row(key));
        row
    }
}

/// The write transaction.
#[derive(Debug)]
pub(crate) struct MemoryWrite<'e> {
    opened: &'e Opened,
    _turn: MutexGuard<'e, ()>,
    tables: RefCell<Tables>,
}

impl MemoryWrite<'_> {
    pub(super) fn get(&self, table: &Table, key: &[u8]) -> Option<Vec<u8>> {
        self.tables.borrow()[table.index].get(key).map(|value| value.to_vec())
    }

    pub(super) fn put(&self, table: &Table, key: &[u8], value: &[u8]) {
        let mut tables = self.tables.borrow_mut();
        Arc::make_mut(&mut tables[table.index]).insert(key.into(), value.into());
    }

    pub(super) fn delete(&self, table: &Table, key: &[u8]) -> bool {
        let mut tables = self.tables.borrow_mut();
        Arc::make_mut(&mut tables[table.index]).remove(key).is_some()
    }

    pub(super) fn cursor(&self, table: &Table) -> MemoryWriteCursor<'_> {
        let env = self.opened.env;
        MemoryWriteCursor { env, tables: &self.tables, table: table.index, at: At::Nowhere, is_taken: false }
    }

    pub(super) fn commit(self) -> Result<()> {
        let Opened { env, kept, crashes } = self.opened;
        let mut kept = kept.kept();
        if kept.crashes != *crashes {
            return Err(Error::WriterGone { env });
        }
        kept.newest = self.tables.into_inner();
        kept.commits += 1;
        if kept.flush == Flush::EachCommit {
            kept.durable = kept.newest.clone();
        }
        Ok(())
    }
}

/// Reads and writes one table inside the write transaction.
#[derive(Debug)]
pub(crate) struct MemoryWriteCursor<'t> {
    env: &'static str,
    tables: &'t RefCell<Tables>,
    table: usize,
    at: At<Bytes>,
    /// Whether the row that it stood on was taken away.
    is_taken: bool,
}

impl<'t> MemoryWriteCursor<'t> {
    pub(super) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.tables.borrow()[self.table].contains_key(key) {
            return Err(from_mdbx(self.env, 0, MdbxError::KeyExist));
        }
        self.put(key, value);
        Ok(())
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        let mut tables = self.tables.borrow_mut();
        Arc::make_mut(&mut tables[self.table]).insert(key.into(), value.into());
        (self.at, self.is_taken) = (At::Row(key.into()), false);
    }

    pub(super) fn seek(&mut self, key: &[u8]) -> Option<Pair<'t>> {
        self.stand(|rows, _| first_at(rows, key))
    }

    pub(super) fn find(&mut self, key: &[u8]) -> Option<Cow<'t, [u8]>> {
        let found = self.stand(|rows, _| rows.get_key_value(key));
        found.map(|(_, value)| value)
    }

    pub(super) fn next(&mut self) -> Option<Pair<'t>> {
        self.stand(|rows, at| at.next(rows))
    }

    pub(super) fn prev(&mut self) -> Option<Pair<'t>> {
        let tables = self.tables.borrow();
        self.at.prev(&tables[self.table])?;
        drop(tables);
        self.stand(|rows, at| at.prev(rows))
    }

    pub(super) fn last(&mut self) -> Option<Pair<'t>> {
        self.stand(|rows, _| rows.last_key_value())
    }

    pub(super) fn delete(&mut self) -> Result<()> {
        let mut tables = self.tables.borrow_mut();
        match &self.at {
            At::Row(key) if !self.is_taken => drop(Arc::make_mut(&mut tables[self.table]).remove(key)),
            _ => return Err(from_mdbx(self.env, 0, MdbxError::NoData)),
        }
        self.is_taken = true;
        Ok(())
    }

    fn stand(
        &mut self,
        find: impl for<'r> FnOnce(&'r Rows, &At<Bytes>) -> Option<(&'r Bytes, &'r Bytes)>,
    ) -> Option<Pair<'t>> {
        let tables = self.tables.borrow();
        let found = find(&tables[self.table], &self.at);
        let pair = found.map(|(key, value)| (Cow::Owned(key.to_vec()), Cow::Owned(value.to_vec())));
        (self.at, self.is_taken) = (found.map_or(At::End, |(key, _)| At::Row(Arc::clone(key))), false);
        pair
    }
}
