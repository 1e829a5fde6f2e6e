//! The two ends of every stored record: fixed-width fields, read without trust.
//!
//! A [`Reader`] never reads past the end and a record must be used up: truncated and overlong bytes are errors, not
//! panics. It knows no table.

use alloy_primitives::B256;

use crate::error::{Error, Result};

/// Bytes of a [`seal`].
pub(crate) const SEAL_BYTES: usize = 4;

/// The check sum behind each record of the journal: FNV-1a, 32 bits, over key and value.
///
/// Rows, nodes, codes and blocks are checked by the roots above them; nothing stands above the journal, so it carries
/// this. Each step of it is one-to-one, so one changed byte always changes the sum.
pub(crate) fn seal(key: &[u8], value: &[u8]) -> [u8; SEAL_BYTES] {
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    key.iter().chain(value).fold(0x811c_9dc5, step).to_be_bytes()
}

/// Appends the seal of what `value` holds at `key`.
pub(crate) fn push_seal(key: &[u8], value: &mut Vec<u8>) {
    let sum = seal(key, value);
    value.extend_from_slice(&sum);
}

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

    /// Reads a value that ends with its [`seal`].
    pub(crate) fn sealed(table: &'static str, key: &'a [u8], value: &'a [u8]) -> Result<Self> {
        let reader = Self::new(table, key, value);
        let Some((body, found)) = value.split_last_chunk::<SEAL_BYTES>() else {
            return Err(reader.wrong("the record is too short for its seal"));
        };
        if *found != seal(key, body) {
            return Err(reader.wrong("the seal does not fit key and value"));
        }
        Ok(Self { rest: body, ..reader })
    }

    /// Reads a sealed value behind a version byte. The version is looked at first: another one may have no seal.
    pub(crate) fn versioned(
        table: &'static str,
        key: &'a [u8],
        value: &'a [u8],
        (record, known): (&'static str, u8),
    ) -> Result<Self> {
        match Self::new(table, key, value).u8()? {
            found if found == known => {}
            found => return Err(Error::Version { table, record, found, known }),
        }
        let mut reader = Self::sealed(table, key, value)?;
        reader.u8()?;
        Ok(reader)
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

    /// What was not read yet; it counts as read then.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
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
