//! The state: accounts, storages, codes, the nodes above them, and what of all that is still missing.
//!
//! Rows come in only as `snapsync_trie`'s verified types. The journal is rows too, changed in the transaction of the
//! data that it describes. This module decides nothing: which range is fetched next is `sync`'s business.

pub(crate) mod accounts;
pub(crate) mod ahead;
pub(crate) mod apply;
pub(crate) mod apply_healed;
pub(crate) mod apply_list;
pub(crate) mod apply_renewal;
pub(crate) mod apply_retreat;
pub(crate) mod apply_runs;
pub(crate) mod apply_storages;
pub(crate) mod block;
pub(crate) mod claim;
pub(crate) mod coverage;
pub(crate) mod dated;
pub(crate) mod derivations;
pub(crate) mod dirty;
pub(crate) mod estimate;
pub(crate) mod fences;
pub(crate) mod healed;
pub(crate) mod inline_key;
pub(crate) mod journal;
pub(crate) mod kept;
pub(crate) mod list;
pub(crate) mod marked;
pub(crate) mod nodes;
pub(crate) mod pack;
pub(crate) mod pack_cursor;
pub(crate) mod pack_inserter;
pub(crate) mod pack_splice;
pub(crate) mod pack_writer;
pub(crate) mod packed;
pub(crate) mod pending;
pub(crate) mod progress;
pub(crate) mod reads;
pub(crate) mod retreat;
pub(crate) mod rewound;
pub(crate) mod segment;
pub(crate) mod settle;
pub(crate) mod snapshot;
pub(crate) mod source;
#[cfg(feature = "fuzzing")]
pub(crate) mod spoil;
pub(crate) mod storages;
pub(crate) mod store;
pub(crate) mod tables;
pub(crate) mod targets;
pub(crate) mod undo;
pub(crate) mod write;
