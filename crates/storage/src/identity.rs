//! Which chain a data directory belongs to: the first record of each environment.
//!
//! It is written once, with the tables, and never again. It says nothing of how far a sync has come.

use std::path::Path;

use crate::{
    chain::Chain,
    env::{Env, ReadTxn, Table, WriteTxn},
    error::{Error, Result},
    record::{Reader, push_seal},
};

/// The layout of all tables of both environments. It rises whenever a byte of any of them changes its meaning.
pub const SCHEMA_VERSION: u8 = 4;

/// The key of the identity record in the `Progress` table of each environment.
pub(crate) const IDENTITY_KEY: [u8; 1] = [0];

/// The one table that directories of all versions have.
static IDENTITY: [Table; 1] = [Table::new(0, "Progress", 1, 256)];

impl Chain {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![SCHEMA_VERSION];
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(self.genesis.as_slice());
        push_seal(&IDENTITY_KEY, &mut out);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::versioned("Progress", &IDENTITY_KEY, bytes, ("identity", SCHEMA_VERSION))?;
        let chain = Self { id: reader.u64()?, genesis: reader.hash()? };
        reader.end()?;
        Ok(chain)
    }

    /// The chain that an environment belongs to.
    pub(crate) fn load(txn: &ReadTxn, progress: &Table) -> Result<Self> {
        match txn.get(progress, &IDENTITY_KEY)? {
            Some(bytes) => Self::decode(bytes),
            None => Err(Error::corrupt(progress.name, &IDENTITY_KEY, "the identity record is missing")),
        }
    }

    /// The chain of an environment that was just opened for writing; a fresh one takes this one.
    pub(crate) fn load_or_store(&self, txn: &WriteTxn<'_>, progress: &Table) -> Result<()> {
        match txn.get(progress, &IDENTITY_KEY)? {
            None => txn.put(progress, &IDENTITY_KEY, &self.encode()),
            Some(bytes) => self.expect(Self::decode(&bytes)?),
        }
    }

    fn expect(&self, found: Self) -> Result<()> {
        if found == *self { Ok(()) } else { Err(Error::OtherChain { found, expected: *self }) }
    }

    /// Looks at an existing environment without changing a byte of it: its version and chain must be ours.
    pub(crate) fn check_untouched(&self, dir: &Path, env: &'static str) -> Result<()> {
        match Self::of(dir, env) {
            Ok(found) => self.expect(found),
            // Nothing there yet, or an unclean end that only a writer may recover: opening for writing tells.
            Err(Error::Absent { .. } | Error::Damaged { .. }) => Ok(()),
            // Killed while the tables were made: MDBX kept none of them, and writing starts over.
            Err(Error::Corrupt { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The chain of an existing environment, whatever tables it has; another version is an error. Changes nothing.
    pub(crate) fn of(dir: &Path, env: &'static str) -> Result<Self> {
        Self::load(&Env::open_read_only(dir, env, &IDENTITY)?.reader()?, &IDENTITY[0])
    }
}
