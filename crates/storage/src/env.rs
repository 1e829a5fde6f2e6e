//! One MDBX environment: opened with a named geometry, its tables, its transactions, its errors in our words.
//!
//! It trusts MDBX to keep transactions whole, and checks the size of each key and value before MDBX sees it (MDBX ends
//! the process on some of them). It does not know what the bytes mean.

use std::{borrow::Cow, fs, path::Path, sync::Arc};

use signet_libmdbx::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, Geometry, MdbxError, MdbxResult, Mode,
    ReadResult, Rw, SyncMode, WriteFlags,
    sys::PageSize,
    tx::aliases::{RoCursorUnsync, RoTxUnsync, RwTxUnsync},
};

use crate::{
    config::{EnvConfig, PAGE_BYTES},
    error::{Error, Result, from_mdbx, from_read},
};

/// Readers at once, over all processes: 16 rebuild jobs, serving workers, `status`, `verify`.
const READERS_MAX: u64 = 256;

/// What MDBX must know of a table, and what it may hold.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its place in the environment's list of tables.
    pub(crate) index: usize,
    pub(crate) name: &'static str,
    pub(crate) order: Order,
    pub(crate) key_max: usize,
    pub(crate) value_max: usize,
}

/// How the values under one key lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// One value a key.
    Single,
    /// Many values a key, sorted by their bytes.
    Dups,
}

impl Table {
    /// A table with one value a key.
    pub(crate) const fn single(index: usize, name: &'static str, key_max: usize, value_max: usize) -> Self {
        Self { index, name, order: Order::Single, key_max, value_max }
    }

    /// A table with sorted values under each key.
    pub(crate) const fn dups(index: usize, name: &'static str, key_max: usize, value_max: usize) -> Self {
        Self { index, name, order: Order::Dups, key_max, value_max }
    }

    const fn flags(&self) -> DatabaseFlags {
        match self.order {
            Order::Single => DatabaseFlags::empty(),
            Order::Dups => DatabaseFlags::DUP_SORT,
        }
    }

    pub(crate) const fn check(&self, key: &[u8], value: &[u8]) -> Result<()> {
        if key.len() > self.key_max {
            return Err(self.too_large("key", key.len(), self.key_max));
        }
        if value.len() > self.value_max {
            return Err(self.too_large("value", value.len(), self.value_max));
        }
        Ok(())
    }

    const fn too_large(&self, part: &'static str, len: usize, max: usize) -> Error {
        Error::TooLarge { table: self.name, part, len, max }
    }
}

/// The name and the limit of an environment, for errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) env: &'static str,
    pub(crate) size_max_bytes: u64,
}

impl Place {
    pub(crate) fn wrote<T>(&self, result: MdbxResult<T>) -> Result<T> {
        result.map_err(|error| from_mdbx(self.env, self.size_max_bytes, error))
    }

    pub(crate) fn read<T>(&self, result: ReadResult<T>) -> Result<T> {
        result.map_err(|error| from_mdbx(self.env, self.size_max_bytes, from_read(error)))
    }
}

/// An open environment with all its tables.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    raw: Environment,
    pub(crate) place: Place,
    databases: Arc<[Database]>,
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
        fs::create_dir_all(dir).map_err(|source| Error::Io {
            what: "create",
            path: dir.to_owned(),
            source,
        })?;
        let place = Place { env, size_max_bytes: config.size_max_bytes };
        let raw = place.wrote(writing(config, tables.len()).open(dir))?;
        let txn = place.wrote(raw.begin_rw_unsync())?;
        let databases: Arc<[Database]> = tables
            .iter()
            .map(|table| place.wrote(txn.create_db(Some(table.name), table.flags())))
            .collect::<Result<_>>()?;
        let txn = WriteTxn { raw: txn, place, databases: &databases };
        first(&txn)?;
        txn.commit()?;
        Ok(Self { raw, place, databases })
    }

    /// Opens an existing environment for reading only; changes nothing on disk, not even its geometry.
    pub(crate) fn open_read_only(dir: &Path, env: &'static str, tables: &'static [Table]) -> Result<Self> {
        if !dir.join("mdbx.dat").exists() {
            return Err(Error::Absent { path: dir.to_owned() });
        }
        let place = Place { env, size_max_bytes: 0 };
        let mut builder = Environment::builder();
        builder.set_max_dbs(tables.len()).set_flags(EnvironmentFlags {
            mode: Mode::ReadOnly,
            no_rdahead: true,
            ..Default::default()
        });
        let raw = place.wrote(builder.open(dir))?;
        let txn = place.wrote(raw.begin_ro_unsync())?;
        let databases = tables
            .iter()
            .map(|table| match txn.open_db_no_cache(Some(table.name)) {
                Err(MdbxError::NotFound) => Err(Error::corrupt(table.name, &[], "the table does not exist")),
                other => place.wrote(other),
            })
            .collect::<Result<_>>()?;
        // Committing a reader keeps the handles that it opened.
        place.wrote(txn.commit())?;
        Ok(Self { raw, place, databases })
    }

    /// A consistent view of now. Short: the space of what is overwritten meanwhile cannot be used again.
    pub(crate) fn reader(&self) -> Result<ReadTxn> {
        let raw = self.place.wrote(self.raw.begin_ro_unsync())?;
        Ok(ReadTxn { raw, place: self.place, databases: self.databases.clone() })
    }

    /// The one write transaction. BLOCKING: waits while another one is open.
    pub(crate) fn writer(&self) -> Result<WriteTxn<'_>> {
        let raw = self.place.wrote(self.raw.begin_rw_unsync())?;
        Ok(WriteTxn { raw, place: self.place, databases: &self.databases })
    }

    /// The bytes that the file takes.
    pub(crate) fn file_bytes(&self) -> Result<u64> {
        let info = self.place.wrote(self.raw.info())?;
        Ok((info.last_pgno() as u64 + 1) * PAGE_BYTES)
    }
}

fn writing(config: &EnvConfig, tables: usize) -> signet_libmdbx::EnvironmentBuilder {
    let mut builder = Environment::builder();
    builder
        .set_max_dbs(tables)
        .set_max_readers(READERS_MAX)
        .set_txn_dp_limit(config.dirty_max_bytes / PAGE_BYTES)
        .set_geometry(Geometry {
            size: Some(0..config.size_max_bytes as usize),
            growth_step: Some(config.growth_step_bytes as isize),
            // Never give space back: the sync only grows, and truncating a mapped file costs a remap.
            shrink_threshold: Some(0),
            page_size: Some(PageSize::Set(PAGE_BYTES as usize)),
        })
        .set_flags(EnvironmentFlags {
            mode: Mode::ReadWrite { sync_mode: SyncMode::Durable },
            // Lookups by hash are random: reading ahead would only push useful pages out.
            no_rdahead: true,
            ..Default::default()
        });
    builder
}

/// A consistent view of one environment.
#[derive(Debug)]
pub(crate) struct ReadTxn {
    raw: RoTxUnsync,
    pub(crate) place: Place,
    databases: Arc<[Database]>,
}

impl ReadTxn {
    /// The value of `key`, the first one in a table of many.
    pub(crate) fn get(&self, table: &Table, key: &[u8]) -> Result<Option<&[u8]>> {
        let found = self.raw.get::<Cow<'_, [u8]>>(self.databases[table.index].dbi(), key);
        Ok(self.place.read(found)?.map(borrowed))
    }

    pub(crate) fn cursor(&self, table: &Table) -> Result<ReadCursor<'_>> {
        let raw = self.place.wrote(self.raw.cursor(self.databases[table.index]))?;
        Ok(ReadCursor { raw, place: self.place })
    }

    /// Rows in a table; the values, in a table of many.
    pub(crate) fn rows(&self, table: &Table) -> Result<u64> {
        Ok(self.place.wrote(self.raw.db_stat(&self.databases[table.index]))?.entries() as u64)
    }
}

/// A cursor over one table.
#[derive(Debug)]
pub(crate) struct ReadCursor<'t> {
    raw: RoCursorUnsync<'t>,
    place: Place,
}

/// A key and its value, borrowed from the map.
pub(crate) type Row<'t> = (&'t [u8], &'t [u8]);

type Pair<'t> = (Cow<'t, [u8]>, Cow<'t, [u8]>);

impl<'t> ReadCursor<'t> {
    /// The first row at or after `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<Row<'t>>> {
        let found = self.raw.set_range::<Cow<'t, [u8]>, Cow<'t, [u8]>>(key);
        Ok(self.place.read(found)?.map(row))
    }

    /// In a table of many: the first value at or after `from` under `key`.
    pub(crate) fn seek_dup(&mut self, key: &[u8], from: &[u8]) -> Result<Option<&'t [u8]>> {
        let found = self.raw.get_both_range::<Cow<'t, [u8]>>(key, from);
        Ok(self.place.read(found)?.map(borrowed))
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'t>>> {
        let found: ReadResult<Option<Pair<'t>>> = self.raw.next();
        Ok(self.place.read(found)?.map(row))
    }

    /// The next value under the same key.
    pub(crate) fn next_dup(&mut self) -> Result<Option<&'t [u8]>> {
        let found: ReadResult<Option<Pair<'t>>> = self.raw.next_dup();
        Ok(self.place.read(found)?.map(|(_, value)| borrowed(value)))
    }

    /// The last row of the table.
    pub(crate) fn last(&mut self) -> Result<Option<Row<'t>>> {
        let found: ReadResult<Option<Pair<'t>>> = self.raw.last();
        Ok(self.place.read(found)?.map(row))
    }
}

fn row<'t>((key, value): Pair<'t>) -> Row<'t> {
    (borrowed(key), borrowed(value))
}

fn borrowed(bytes: Cow<'_, [u8]>) -> &[u8] {
    match bytes {
        Cow::Borrowed(bytes) => bytes,
        Cow::Owned(_) => unreachable!("only a write transaction has dirty pages, which alone are copied"),
    }
}

/// The write transaction. Dropped without [`WriteTxn::commit`], it leaves no trace.
#[derive(Debug)]
pub(crate) struct WriteTxn<'e> {
    raw: RwTxUnsync,
    pub(crate) place: Place,
    databases: &'e Arc<[Database]>,
}

impl WriteTxn<'_> {
    pub(crate) fn get(&self, table: &Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        self.place.read(self.raw.get(self.databases[table.index].dbi(), key))
    }

    pub(crate) fn put(&self, table: &Table, key: &[u8], value: &[u8]) -> Result<()> {
        table.check(key, value)?;
        self.place.wrote(self.raw.put(self.databases[table.index], key, value, WriteFlags::UPSERT))
    }

    /// Takes `key` with all its values away; true if it was there.
    pub(crate) fn delete(&self, table: &Table, key: &[u8]) -> Result<bool> {
        self.place.wrote(self.raw.del(self.databases[table.index], key, None))
    }

    /// A cursor that writes rows in rising order.
    pub(crate) fn sorted(&self, table: &'static Table) -> Result<SortedCursor<'_>> {
        let raw = self.place.wrote(self.raw.cursor(self.databases[table.index]))?;
        Ok(SortedCursor { raw, place: self.place, table, mode: PutMode::Insert })
    }

    /// Makes everything durable. BLOCKING: flushes data and meta page to the disk.
    pub(crate) fn commit(self) -> Result<()> {
        self.place.wrote(self.raw.commit())
    }
}

#[derive(Clone, Copy, Debug)]
enum PutMode {
    /// Rows of the run go between others.
    Insert,
    /// Nothing lies behind the run: pages are filled to the end and never split.
    Append,
}

/// Writes runs of rising rows, appending where nothing follows.
#[derive(Debug)]
pub(crate) struct SortedCursor<'t> {
    raw: signet_libmdbx::Cursor<'t, Rw>,
    place: Place,
    table: &'static Table,
    mode: PutMode,
}

impl<'t> SortedCursor<'t> {
    /// Starts a run of rows whose first key is `key`; only rising keys may follow until the next run.
    pub(crate) fn start_run(&mut self, key: &[u8]) -> Result<()> {
        let behind = self.place.read(self.raw.set_range::<(), ()>(key))?;
        self.mode = if behind.is_none() { PutMode::Append } else { PutMode::Insert };
        Ok(())
    }

    /// Writes one row of the run.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.table.check(key, value)?;
        self.place.wrote(match self.mode {
            PutMode::Insert => self.raw.put(key, value, WriteFlags::UPSERT),
            PutMode::Append => self.raw.append(key, value),
        })
    }

    /// Starts a run of values under `key`, the first of which is `value`.
    pub(crate) fn start_dups(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let behind = self.place.read(self.raw.get_both_range::<()>(key, value))?;
        self.mode = if behind.is_none() { PutMode::Append } else { PutMode::Insert };
        Ok(())
    }

    /// Writes one value of the run under `key`.
    pub(crate) fn put_dup(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.table.check(key, value)?;
        self.place.wrote(match self.mode {
            PutMode::Insert => self.raw.put(key, value, WriteFlags::UPSERT),
            PutMode::Append => self.raw.append_dup(key, value),
        })
    }

    /// The first row at or after `key`, from where [`SortedCursor::next`] and [`SortedCursor::delete`] go on.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'t>>> {
        self.place.read(self.raw.set_range(key))
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Pair<'t>>> {
        self.place.read(self.raw.next())
    }

    /// In a table of many: the first value at or after `from` under `key`.
    pub(crate) fn seek_dup(&mut self, key: &[u8], from: &[u8]) -> Result<Option<Cow<'t, [u8]>>> {
        self.place.read(self.raw.get_both_range(key, from))
    }

    /// The next value under the same key.
    pub(crate) fn next_dup(&mut self) -> Result<Option<Cow<'t, [u8]>>> {
        let found: ReadResult<Option<Pair<'t>>> = self.raw.next_dup();
        Ok(self.place.read(found)?.map(|(_, value)| value))
    }

    /// Takes away the row that the cursor stands on.
    pub(crate) fn delete(&mut self) -> Result<()> {
        self.place.wrote(self.raw.del())
    }
}
