//! One environment: its tables, its transactions, its cursors, whatever keeps them.
//!
//! A real one is a file that MDBX maps; one in memory keeps the same promises, so that a simulation runs the real writer and can
//! take the power away at any commit. The size of each key and value is checked here, before MDBX sees it (it ends the process on
//! some of them). It does not know what the bytes mean.

mod mapped;
mod memory;
mod table;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, path::Path, sync::Arc};

pub use self::memory::{Flush, MemoryEnv};
pub(crate) use self::table::{Pair, Row, Table};
use self::{
    mapped::{Mapped, MappedRead, MappedReadCursor, MappedWrite, MappedWriteCursor},
    memory::{MemoryRead, MemoryReadCursor, MemoryWrite, MemoryWriteCursor},
};
use crate::{config::EnvConfig, error::Result};

/// An open environment with all its tables.
#[derive(Clone, Debug)]
pub(crate) enum Env {
    Mapped(Mapped),
    Memory(memory::Opened),
}

impl Env {
    /// Opens `dir` for reading and writing, making it and its tables if needed. `first` is asked, inside the transaction
    /// that makes the tables, to put in what a fresh environment starts with.
    pub(crate) fn open(
        dir: &Path,
        env: &'static str,
        config: &EnvConfig,
        tables: &'static [Table],
        first: impl FnOnce(&WriteTxn<'_>) -> Result<()>,
    ) -> Result<Self> {
        let begin = |raw: MappedWrite<'_>| begin_with(WriteTxn::Mapped(raw), first);
        Mapped::open(dir, env, config, tables, begin).map(Self::Mapped)
    }

    /// Opens one in memory, as [`Env::open`] does one on disk.
    pub(crate) fn open_memory(
        kept: &Arc<MemoryEnv>,
        env: &'static str,
        tables: &'static [Table],
        first: impl FnOnce(&WriteTxn<'_>) -> Result<()>,
    ) -> Result<Self> {
        let opened = memory::Opened::open(kept, env, tables.len());
        begin_with(WriteTxn::Memory(opened.writer()), first)?;
        Ok(Self::Memory(opened))
    }

    /// Opens an existing environment for reading only; changes nothing on disk, not even its geometry.
    pub(crate) fn open_read_only(dir: &Path, env: &'static str, tables: &'static [Table]) -> Result<Self> {
        Mapped::open_read_only(dir, env, tables).map(Self::Mapped)
    }

    /// Its name, for errors and threads.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Mapped(raw) => raw.place.env,
            Self::Memory(raw) => raw.env,
        }
    }

    /// A consistent view of now. Short: the space of what is overwritten meanwhile cannot be used again.
    pub(crate) fn reader(&self) -> Result<ReadTxn> {
        match self {
            Self::Mapped(raw) => raw.reader().map(ReadTxn::Mapped),
            Self::Memory(raw) => Ok(ReadTxn::Memory(raw.reader())),
        }
    }

    /// The one write transaction. BLOCKING: waits while another one is open.
    pub(crate) fn writer(&self) -> Result<WriteTxn<'_>> {
        match self {
            Self::Mapped(raw) => raw.writer().map(WriteTxn::Mapped),
            Self::Memory(raw) => Ok(WriteTxn::Memory(raw.writer())),
        }
    }

    /// The bytes that the file takes; in memory, those of all keys and values.
    pub(crate) fn file_bytes(&self) -> Result<u64> {
        match self {
            Self::Mapped(raw) => raw.file_bytes(),
            Self::Memory(raw) => Ok(raw.bytes()),
        }
    }
}

fn begin_with(txn: WriteTxn<'_>, first: impl FnOnce(&WriteTxn<'_>) -> Result<()>) -> Result<()> {
    first(&txn)?;
    txn.commit()
}

/// A consistent view of one environment.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a real transaction is opened once and stays where it is: a box would cost an allocation each"
)]
pub(crate) enum ReadTxn {
    Mapped(MappedRead),
    Memory(MemoryRead),
}

impl ReadTxn {
    /// The value of `key`.
    pub(crate) fn get(&self, table: &Table, key: &[u8]) -> Result<Option<&[u8]>> {
        match self {
            Self::Mapped(raw) => raw.get(table, key),
            Self::Memory(raw) => Ok(raw.get(table, key)),
        }
    }

    pub(crate) fn cursor(&self, table: &Table) -> Result<ReadCursor<'_>> {
        match self {
            Self::Mapped(raw) => raw.cursor(table).map(ReadCursor::Mapped),
            Self::Memory(raw) => Ok(ReadCursor::Memory(raw.cursor(table))),
        }
    }

    /// Entries of a table: packs, where rows lie in packs.
    pub(crate) fn rows(&self, table: &Table) -> Result<u64> {
        match self {
            Self::Mapped(raw) => raw.rows(table),
            Self::Memory(raw) => Ok(raw.rows(table)),
        }
    }

    /// Pages that hold entries of a table; none in memory.
    #[cfg(test)]
    pub(crate) fn leaf_pages(&self, table: &Table) -> Result<u64> {
        match self {
            Self::Mapped(raw) => raw.leaf_pages(table),
            Self::Memory(_) => Ok(0),
        }
    }
}

/// A cursor over one table.
#[derive(Debug)]
pub(crate) enum ReadCursor<'t> {
    Mapped(MappedReadCursor<'t>),
    Memory(MemoryReadCursor<'t>),
}

impl<'t> ReadCursor<'t> {
    /// The first row at or after `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<Row<'t>>> {
        match self {
            Self::Mapped(raw) => raw.seek(key),
            Self::Memory(raw) => Ok(raw.seek(key)),
        }
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'t>>> {
        match self {
            Self::Mapped(raw) => raw.next(),
            Self::Memory(raw) => Ok(raw.next()),
        }
    }

    /// The row before.
    pub(crate) fn prev(&mut self) -> Result<Option<Row<'t>>> {
        match self {
            Self::Mapped(raw) => raw.prev(),
            Self::Memory(raw) => Ok(raw.prev()),
        }
    }

    /// The last row of the table.
    pub(crate) fn last(&mut self) -> Result<Option<Row<'t>>> {
        match self {
            Self::Mapped(raw) => raw.last(),
            Self::Memory(raw) => Ok(raw.last()),
        }
    }
}

/// The write transaction. Dropped without [`WriteTxn::commit`], it leaves no trace.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a real transaction is opened once and stays where it is: a box would cost an allocation each"
)]
pub(crate) enum WriteTxn<'e> {
    Mapped(MappedWrite<'e>),
    Memory(MemoryWrite<'e>),
}

impl WriteTxn<'_> {
    pub(crate) fn get(&self, table: &Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        match self {
            Self::Mapped(raw) => raw.get(table, key),
            Self::Memory(raw) => Ok(raw.get(table, key).map(Cow::Owned)),
        }
    }

    pub(crate) fn put(&self, table: &Table, key: &[u8], value: &[u8]) -> Result<()> {
        table.check(key, value)?;
        match self {
            Self::Mapped(raw) => raw.put(table, key, value),
            Self::Memory(raw) => {
                raw.put(table, key, value);
                Ok(())
            }
        }
    }

    /// Takes `key` with all its values away; true if it was there.
    pub(crate) fn delete(&self, table: &Table, key: &[u8]) -> Result<bool> {
        match self {
            Self::Mapped(raw) => raw.delete(table, key),
            Self::Memory(raw) => Ok(raw.delete(table, key)),
        }
    }

    /// A cursor that finds and writes. Rising keys are cheap: the cursor need not search from the root.
    pub(crate) fn cursor(&self, table: &'static Table) -> Result<WriteCursor<'_>> {
        let raw = match self {
            Self::Mapped(raw) => RawWriteCursor::Mapped(raw.cursor(table)?),
            Self::Memory(raw) => RawWriteCursor::Memory(raw.cursor(table)),
        };
        Ok(WriteCursor { raw, table })
    }

    /// Makes everything durable. BLOCKING: flushes data and meta page to the disk.
    pub(crate) fn commit(self) -> Result<()> {
        match self {
            Self::Mapped(raw) => raw.commit(),
            Self::Memory(raw) => raw.commit(),
        }
    }
}

/// Reads and writes one table inside the write transaction.
#[derive(Debug)]
pub(crate) struct WriteCursor<'t> {
    raw: RawWriteCursor<'t>,
    table: &'static Table,
}

#[derive(Debug)]
enum RawWriteCursor<'t> {
    Mapped(MappedWriteCursor<'t>),
    Memory(MemoryWriteCursor<'t>),
}

impl<'t> WriteCursor<'t> {
    /// Puts a row where none is. One that is there is an error, and stays.
    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.table.check(key, value)?;
        match &mut self.raw {
            RawWriteCursor::Mapped(raw) => raw.insert(key, value),
            RawWriteCursor::Memory(raw) => raw.insert(key, value),
        }
    }

    /// Puts a row, in place of one that is there.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.table.check(key, value)?;
        match &mut self.raw {
            RawWriteCursor::Mapped(raw) => raw.put(key, value),
            RawWriteCursor::Memory(raw) => {
                raw.put(key, value);
                Ok(())
            }
        }
    }

    /// The first row at or after `key`, from where the other verbs go on.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'t>>> {
        match &mut self.raw {
            RawWriteCursor::Mapped(raw) => raw.seek(key),
            RawWriteCursor::Memory(raw) => Ok(raw.seek(key)),
        }
    }

    /// The row at `key`.
    pub(crate) fn find(&mut self, key: &[u8]) -> Result<Option<Cow<'t, [u8]>>> {
        match &mut self.raw {
            RawWriteCursor::Mapped(raw) => raw.find(key),
            RawWriteCursor::Memory(raw) => Ok(raw.find(key)),
        }
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Pair<'t>>> {
        match &mut self.raw {
            RawWriteCursor::Mapped(raw) => raw.next(),
            RawWriteCursor::Memory(raw) => Ok(raw.next()),
        }
    }

    /// The row before.
    pub(crate) fn prev(&mut self) -> Result<Option<Pair<'t>>> {
        match &mut self.raw {
            RawWriteCursor::Mapped(raw) => raw.prev(),
            RawWriteCursor::Memory(raw) => Ok(raw.prev()),
        }
    }

    /// The last row of the table.
    pub(crate) fn last(&mut self) -> Result<Option<Pair<'t>>> {
        match &mut self.raw {
            RawWriteCursor::Mapped(raw) => raw.last(),
            RawWriteCursor::Memory(raw) => Ok(raw.last()),
        }
    }

    /// Takes away the row that the cursor stands on; the next row is then the one behind it.
    pub(crate) fn delete(&mut self) -> Result<()> {
        match &mut self.raw {
            RawWriteCursor::Mapped(raw) => raw.delete(),
            RawWriteCursor::Memory(raw) => raw.delete(),
        }
    }
}
