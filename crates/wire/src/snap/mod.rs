//! The snap protocol, versions 1 and 2: accounts, storages, codes, trie nodes and access lists.
//!
//! A version has either trie nodes (snap/1) or access lists (snap/2). Answers are taken apart, not proved:
//! that is `snapsync-trie`'s.

mod accounts;
mod codes;
mod encoded;
mod lists;
mod message;
mod nodes;
mod rows;
mod sets;
mod storages;

pub use accounts::{AccountRange, GetAccountRange};
pub use codes::{ByteCodes, GetByteCodes};
pub use encoded::{AccountRangeWriter, Encoded, StorageRangesWriter};
pub use lists::GetBlockAccessLists;
pub use message::Message;
pub use nodes::{GetTrieNodes, TrieNodes, TriePaths};
pub use rows::{Rows, RowsIter};
pub use sets::{RowSets, RowSetsIter};
pub use storages::{GetStorageRanges, StorageRanges};

pub use crate::eth::BlockAccessLists;
