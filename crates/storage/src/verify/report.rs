//! What a check found, in a form that goes through a pipe.

use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::{B256, hex};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The table.
    pub table: String,
    /// Key or path in it, in hex.
    pub key: String,
    /// What is wrong there.
    pub what: String,
}

/// What a check counted and found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether the engine has recorded that the state is whole.
    pub complete: bool,
    /// The root that the account rows give. Only a whole state has the target's.
    pub root: Option<B256>,
    /// The target's root, from the journal.
    pub expected_root: Option<B256>,
    /// Accounts read.
    pub accounts: u64,
    /// Slots read.
    pub slots: u64,
    /// Codes hashed.
    pub codes: u64,
    /// Stored branches that were derived again.
    pub nodes: u64,
    /// Headers hashed.
    pub headers: u64,
    /// Bodies whose roots were derived.
    pub bodies: u64,
    /// Blocks whose receipts roots were derived.
    pub receipts: u64,
    /// The first faults; empty when all is well.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// The faults found so far, by all threads.
#[derive(Debug)]
pub(crate) struct Findings {
    list: Mutex<Vec<Finding>>,
    max: usize,
}

impl Findings {
    pub(crate) const fn new(max: usize) -> Self {
        Self { list: Mutex::new(Vec::new()), max }
    }

    pub(crate) fn add(&self, table: &str, key: &[u8], what: impl Into<String>) {
        let mut list = self.lock();
        if list.len() < self.max {
            list.push(Finding { table: table.to_owned(), key: hex::encode(key), what: what.into() });
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lock().len() >= self.max
    }

    /// Keeps what is wrong with the data as a fault, and passes on what is wrong with reading it.
    pub(crate) fn note<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(Error::Corrupt { table, key, why }) => {
                let mut list = self.lock();
                if list.len() < self.max {
                    list.push(Finding { table: table.to_owned(), key, what: why.to_owned() });
                }
                Ok(None)
            }
            Err(error @ Error::Version { table, .. }) => {
                self.add(table, &[], error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn into_list(self) -> Vec<Finding> {
        let mut list = self.list.into_inner().unwrap_or_else(PoisonError::into_inner);
        list.sort_unstable();
        list.dedup();
        list
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Finding>> {
        // A thread that panicked has its panic raised again by the one that joins it; the list is whole.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
