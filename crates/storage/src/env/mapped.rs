//! An environment in a mapped file, kept by MDBX: opened with a named geometry, its errors in our words.
//!
//! It trusts MDBX to keep transactions whole. MDBX ends the process on some keys and values; their sizes are checked before they
//! come here.

use std::{borrow::Cow, fs, path::Path, sync::Arc};

use signet_libmdbx::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, Geometry, MdbxError, MdbxResult, Mode, ReadError,
    ReadResult, Rw, SyncMode, WriteFlags,
    sys::PageSize,
    tx::aliases::{RoCursorUnsync, RoTxUnsync, RwTxUnsync},
};

use super::table::{Pair, Row, Table};
use crate::{
    config::{EnvConfig, PAGE_BYTES},
    error::{Error, Result, from_mdbx, from_read},
    others::beside_others,
};

/// Readers at once, over all processes: 16 rebuild jobs, serving workers, `status`, `verify`.
const READERS_MAX: u64 = 256;

/// The name and the limit of an environment, for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) env: &'static str,
    pub(super) size_max_bytes: u64,
}

impl Place {
    fn wrote<T>(&self, result: MdbxResult<T>) -> Result<T> {
        result.map_err(|error| from_mdbx(self.env, self.size_max_bytes, error))
    }

    fn read<T>(&self, result: ReadResult<T>) -> Result<T> {
        result.map_err(|error| from_mdbx(self.env, self.size_max_bytes, from_read(error)))
    }
}

/// An open environment with all its tables.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    raw: Environment,
    pub(super) place: Place,
    databases: Arc<[Database]>,
}

impl Mapped {
    /// Opens `dir` for reading and writing, making it and its tables if needed. `first` is asked, inside the transaction
    /// that makes the tables, to put in what a fresh environment starts with, and to commit it.
    pub(super) fn open(
        dir: &Path,
        env: &'static str,
        config: &EnvConfig,
        tables: &'static [Table],
        first: impl FnOnce(MappedWrite<'_>) -> Result<()>,
    ) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|source| Error::Io {
            what: "create",
            path: dir.to_owned(),
            source,
        })?;
        let (raw, place) = open_mapped(dir, env, config, tables.len())?;
        let txn = place.wrote(raw.begin_rw_unsync())?;
        let databases: Arc<[Database]> = tables
            .iter()
            .map(|table| place.wrote(txn.create_db(Some(table.name), DatabaseFlags::empty())))
            .collect::<Result<_>>()?;
        first(MappedWrite { raw: txn, place, databases: &databases })?;
        Ok(Self { raw, place, databases })
    }

    /// Opens an existing environment for reading only; changes nothing on disk, not even its geometry.
    pub(super) fn open_read_only(dir: &Path, env: &'static str, tables: &'static [Table]) -> Result<Self> {
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
        let raw = place.wrote(beside_others(|| builder.open(dir), is_passing))?;
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
    pub(super) fn reader(&self) -> Result<MappedRead> {
        let raw = self.place.wrote(self.raw.begin_ro_unsync())?;
        Ok(MappedRead { raw, place: self.place, databases: self.databases.clone() })
    }

    /// The one write transaction. BLOCKING: waits while another one is open.
    pub(super) fn writer(&self) -> Result<MappedWrite<'_>> {
        let raw = self.place.wrote(self.raw.begin_rw_unsync())?;
        Ok(MappedWrite { raw, place: self.place, databases: &self.databases })
    }

    /// The bytes that the file takes.
    pub(super) fn file_bytes(&self) -> Result<u64> {
        let info = self.place.wrote(self.raw.info())?;
        Ok((info.last_pgno() as u64 + 1) * PAGE_BYTES)
    }
}

/// MDBX asks for its locks without waiting: another process that is opening or closing the environment has them for a moment.
fn is_passing(error: &MdbxError) -> bool {
    matches!(error, MdbxError::Busy | MdbxError::Other(libc::EAGAIN))
}

/// A map below this is of no use: a fresh environment with its first commits.
const MAP_MIN_BYTES: u64 = 64 << 20;

/// Opens the environment with a map of the wanted size, or of a part of what the address space has room for. The rest of that is
/// for the other environment, for stacks and for the heap.
fn open_mapped(
    dir: &Path,
    env: &'static str,
    config: &EnvConfig,
    tables: usize,
) -> Result<(Environment, Place)> {
    let wanted_bytes = config.size_max_bytes;
    let open = |size_max_bytes: u64| {
        let place = Place { env, size_max_bytes };
        let raw =
            place.wrote(beside_others(|| writing(config, size_max_bytes, tables).open(dir), is_passing));
        raw.map(|raw| (raw, place))
    };
    let is_too_large = |opened: &Result<_>| matches!(opened, Err(Error::AddressSpace { .. }));
    let opened = open(wanted_bytes);
    if !is_too_large(&opened) {
        return opened;
    }
    // What is there already, twice over: a file that cannot grow is of no use.
    let file_bytes = fs::metadata(dir.join("mdbx.dat")).map_or(0, |file| file.len());
    let least_bytes = (2 * file_bytes).max(MAP_MIN_BYTES);
    let mut room_bytes = wanted_bytes;
    while is_too_large(&open(room_bytes)) && room_bytes >= least_bytes {
        room_bytes /= 2;
    }
    let part = [room_bytes / 4, room_bytes / 2].into_iter().find(|part| *part >= least_bytes);
    let Some(size_max_bytes) = part else {
        return Err(Error::AddressSpace { env, wanted_bytes: least_bytes });
    };
    tracing::warn!(
        env,
        wanted_gib = wanted_bytes >> 30,
        mib = size_max_bytes >> 20,
        "the address space is limited (ulimit -v): the database can grow to this size only"
    );
    open(size_max_bytes)
}

fn writing(config: &EnvConfig, size_max_bytes: u64, tables: usize) -> signet_libmdbx::EnvironmentBuilder {
    let mut builder = Environment::builder();
    builder
        .set_max_dbs(tables)
        .set_max_readers(READERS_MAX)
        .set_txn_dp_limit(config.dirty_max_bytes / PAGE_BYTES)
        // Pages that a commit has written serve the next one: giving them back to the kernel costs a fault each.
        .set_dp_reserve_limit(config.dirty_max_bytes / PAGE_BYTES)
        .set_geometry(Geometry {
            size: Some(0..size_max_bytes as usize),
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
pub(crate) struct MappedRead {
    raw: RoTxUnsync,
    place: Place,
    databases: Arc<[Database]>,
}

impl MappedRead {
    /// The value of `key`.
    pub(super) fn get(&self, table: &Table, key: &[u8]) -> Result<Option<&[u8]>> {
        let found = self.raw.get::<Cow<'_, [u8]>>(self.databases[table.index].dbi(), key);
        Ok(self.place.read(found)?.map(borrowed))
    }

    pub(super) fn cursor(&self, table: &Table) -> Result<MappedReadCursor<'_>> {
        let raw = self.place.wrote(self.raw.cursor(self.databases[table.index]))?;
        Ok(MappedReadCursor { raw, place: self.place })
    }

    /// Entries of a table: packs, where rows lie in packs.
    pub(super) fn rows(&self, table: &Table) -> Result<u64> {
        Ok(self.place.wrote(self.raw.db_stat(&self.databases[table.index]))?.entries() as u64)
    }
}

#[cfg(test)]
impl MappedRead {
    /// Pages that hold entries of a table.
    pub(super) fn leaf_pages(&self, table: &Table) -> Result<u64> {
        Ok(self.place.wrote(self.raw.db_stat(&self.databases[table.index]))?.leaf_pages() as u64)
    }
}

/// A cursor over one table.
#[derive(Debug)]
pub(crate) struct MappedReadCursor<'t> {
    raw: RoCursorUnsync<'t>,
    place: Place,
}

impl<'t> MappedReadCursor<'t> {
    /// The first row at or after `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<Option<Row<'t>>> {
        let found = self.raw.set_range::<Cow<'t, [u8]>, Cow<'t, [u8]>>(key);
        Ok(self.place.read(found)?.map(row))
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Row<'t>>> {
        let found: ReadResult<Option<Pair<'t>>> = self.raw.next();
        Ok(self.place.read(found)?.map(row))
    }

    /// The row before.
    pub(super) fn prev(&mut self) -> Result<Option<Row<'t>>> {
        let found: ReadResult<Option<Pair<'t>>> = self.raw.prev();
        Ok(self.place.read(found)?.map(row))
    }

    /// The last row of the table.
    pub(super) fn last(&mut self) -> Result<Option<Row<'t>>> {
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

/// The write transaction. Dropped without [`MappedWrite::commit`], it leaves no trace.
#[derive(Debug)]
pub(crate) struct MappedWrite<'e> {
    raw: RwTxUnsync,
    place: Place,
    databases: &'e Arc<[Database]>,
}

impl MappedWrite<'_> {
    pub(super) fn get(&self, table: &Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        let dbi = self.databases[table.index].dbi();
        let found: ReadResult<Option<Cow<'_, [u8]>>> = self.raw.get(dbi, key);
        if !is_unsure(&found) {
            return self.place.read(found);
        }
        let copied: ReadResult<Option<Vec<u8>>> = self.raw.get(dbi, key);
        Ok(self.place.read(copied)?.map(Cow::Owned))
    }

    pub(super) fn put(&self, table: &Table, key: &[u8], value: &[u8]) -> Result<()> {
        self.place.wrote(self.raw.put(self.databases[table.index], key, value, WriteFlags::UPSERT))
    }

    /// Takes `key` with all its values away; true if it was there.
    pub(super) fn delete(&self, table: &Table, key: &[u8]) -> Result<bool> {
        self.place.wrote(self.raw.del(self.databases[table.index], key, None))
    }

    /// A cursor that finds and writes. Rising keys are cheap: the cursor need not search from the root.
    pub(super) fn cursor(&self, table: &Table) -> Result<MappedWriteCursor<'_>> {
        let raw = self.place.wrote(self.raw.cursor(self.databases[table.index]))?;
        Ok(MappedWriteCursor { raw, place: self.place })
    }

    /// Makes everything durable. BLOCKING: flushes data and meta page to the disk.
    pub(super) fn commit(self) -> Result<()> {
        self.place.wrote(self.raw.commit())
    }
}

/// Reads and writes one table inside the write transaction.
#[derive(Debug)]
pub(crate) struct MappedWriteCursor<'t> {
    raw: signet_libmdbx::Cursor<'t, Rw>,
    place: Place,
}

impl<'t> MappedWriteCursor<'t> {
    /// Puts a row where none is. One that is there is an error, and stays.
    pub(super) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.place.wrote(self.raw.put(key, value, WriteFlags::NO_OVERWRITE))
    }

    /// Puts a row, in place of one that is there.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.place.wrote(self.raw.put(key, value, WriteFlags::UPSERT))
    }

    /// The first row at or after `key`, from where the other verbs go on.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'t>>> {
        let found = self.raw.set_range(key);
        self.sure(found)
    }

    /// The row at `key`.
    pub(super) fn find(&mut self, key: &[u8]) -> Result<Option<Cow<'t, [u8]>>> {
        let found: ReadResult<Option<Cow<'t, [u8]>>> = self.raw.set(key);
        if !is_unsure(&found) {
            return self.place.read(found);
        }
        Ok(self.copied()?.map(|(_, value)| value))
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Pair<'t>>> {
        let found = self.raw.next();
        self.sure(found)
    }

    /// The row before.
    pub(super) fn prev(&mut self) -> Result<Option<Pair<'t>>> {
        let found = self.raw.prev();
        self.sure(found)
    }

    /// The last row of the table.
    pub(super) fn last(&mut self) -> Result<Option<Pair<'t>>> {
        let found = self.raw.last();
        self.sure(found)
    }

    /// What was found, copied where that is in doubt: the cursor stands on it.
    fn sure(&mut self, found: ReadResult<Option<Pair<'t>>>) -> Result<Option<Pair<'t>>> {
        if is_unsure(&found) { self.copied() } else { self.place.read(found) }
    }

    fn copied(&mut self) -> Result<Option<Pair<'t>>> {
        let row: ReadResult<Option<(Vec<u8>, Vec<u8>)>> = self.raw.get_current();
        Ok(self.place.read(row)?.map(|(key, value)| (Cow::Owned(key), Cow::Owned(value))))
    }

    /// Takes away the row that the cursor stands on.
    pub(super) fn delete(&mut self) -> Result<()> {
        self.place.wrote(self.raw.del())
    }
}

/// Whether a row was found in a write transaction, and libmdbx cannot tell whether its page was written to (`mdbx_is_dirty`), so that nobody knows
/// for how long it may be borrowed. It looks at the page that holds the value's first byte: an empty value at the end of a page has none there, and
/// what lies behind may be the middle of a large value. Such a row is copied.
fn is_unsure<T>(found: &ReadResult<T>) -> bool {
    matches!(found, Err(ReadError::Mdbx(MdbxError::DecodeError)))
}
