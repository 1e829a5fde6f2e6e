//! The two ends of every stored record: fixed-width fields, read without trust.
//!
//! A [`Reader`] never reads past the end and a record must be used up: truncated and overlong bytes are errors, not
//! panics. It knows no table.

use alloy_primitives::B256;

use crate::error::{Error, Result};

/// Reads the fields of one record.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    table: &'static str,
    key: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `value`, which stands at `key` in `table`.
    pub(crate) const fn new(table: &'static str, key: &'a [u8], value: &'a [u8]) -> Self {
        Self { table, key, rest: value }
    }

    /// The version byte in front of a record.
    pub(crate) fn version(&mut self, record: &'static str, known: u8) -> Result<()> {
        match self.u8()? {
            found if found == known => Ok(()),
            found => Err(Error::Version { record, found, known }),
        }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let Some((field, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.wrong("the record is too short"));
        };
        self.rest = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let field = self.bytes(N)?;
        Ok(field.try_into().expect("as many bytes as were asked for"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn hash(&mut self) -> Result<B256> {
        self.array::<32>().map(B256::new)
    }

    /// A byte of presence and, if it is 1, what `read` reads.
    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.wrong("a presence byte is neither 0 nor 1")),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The end of the record: nothing may follow.
    pub(crate) fn end(self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong("bytes follow the record")) }
    }

    pub(crate) fn wrong(&self, why: &'static str) -> Error {
        Error::corrupt(self.table, self.key, why)
    }
}

/// Appends an optional hash as [`Reader::option`] reads it.
pub(crate) fn put_option_hash(out: &mut Vec<u8>, hash: Option<B256>) {
    match hash {
        None => out.push(0),
        Some(hash) => {
            out.push(1);
            out.extend_from_slice(hash.as_slice());
        }
    }
}
