//! Tables and their rows, as every kind of environment knows them.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// What must be known of a table, and what it may hold.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its place in the environment's list of tables.
    pub(crate) index: usize,
    pub(crate) name: &'static str,
    pub(crate) key_max: usize,
    pub(crate) value_max: usize,
}

impl Table {
    pub(crate) const fn new(index: usize, name: &'static str, key_max: usize, value_max: usize) -> Self {
        Self { index, name, key_max, value_max }
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

/// A key and its value, borrowed from a snapshot.
pub(crate) type Row<'t> = (&'t [u8], &'t [u8]);

/// A key and its value, inside the write transaction.
pub(crate) type Pair<'t> = (Cow<'t, [u8]>, Cow<'t, [u8]>);
