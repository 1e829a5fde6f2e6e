//! Test only: a disk that says anything of what takes blocks back, for the fuzz target.

use crate::{
    env::Table,
    error::Result,
    record::push_seal,
    state::{
        store::StateStore,
        tables::{UNDO, UNDO_BLOCKS},
    },
};

/// Which rows are spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoTable {
    /// Rows as they were before blocks.
    Rows,
    /// Blocks, and which rows they changed.
    Blocks,
}

impl StateStore {
    /// Puts `value` in the place of the `nth` row, sealed as if it had been written; counts from the first again behind the last. No writer may be
    /// open. Whether there was any row.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn spoil_undo(&self, table: UndoTable, nth: usize, value: &[u8]) -> Result<bool> {
        let table: &Table = match table {
            UndoTable::Rows => UNDO,
            UndoTable::Blocks => UNDO_BLOCKS,
        };
        let mut keys = Vec::new();
        let reader = self.env.reader()?;
        let mut cursor = reader.cursor(table)?;
        let mut row = cursor.seek(&[])?;
        while let Some((key, _)) = row {
            keys.push(key.to_vec());
            row = cursor.next()?;
        }
        let Some(key) = nth.checked_rem(keys.len()).and_then(|nth| keys.get(nth)) else { return Ok(false) };
        let mut value = value.to_vec();
        push_seal(key, &mut value);
        let txn = self.env.writer()?;
        txn.put(table, key, &value)?;
        txn.commit()?;
        Ok(true)
    }
}
