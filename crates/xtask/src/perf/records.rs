//! What was recorded, and where it is kept.
//!
//! It only reads; `record.rs` writes.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{error::Error, house};

/// Where records and charts are kept.
pub(crate) const FOLDER: &str = "docs/perf";

/// How the command is called.
pub(crate) const USAGE: &str = "\
usage: cargo xtask perf [render]
       cargo xtask perf measure [--runs N]
       cargo xtask perf record [--criterion] [--versus-geth FILE] [--bench NAME=FILE]..";

/// What was recorded; `None` where nothing was.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Records {
    /// Tries beside others doing the same: by `cargo bench`.
    pub(crate) comparisons: Option<Value>,
    /// geth's snap sync beside ours: by `cargo xtask versus-geth --json`.
    pub(crate) versus_geth: Option<Value>,
    /// Whole syncs, of different sizes: by `snapsync bench --json`.
    pub(crate) bench: Option<Value>,
    /// Whole syncs over different numbers of peers and latencies: likewise.
    pub(crate) lines: Option<Value>,
}

impl Records {
    /// All that there are.
    pub(crate) fn read() -> Result<Self, Error> {
        Ok(Self {
            comparisons: read("comparisons")?,
            versus_geth: read("versus-geth")?,
            bench: read("bench")?,
            lines: read("lines")?,
        })
    }
}

/// Where the record of that name is.
pub(crate) fn place_of(name: &str) -> PathBuf {
    house::root().join(FOLDER).join(format!("{name}.json"))
}

fn read(name: &str) -> Result<Option<Value>, Error> {
    let place = place_of(name);
    if !place.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&place).map_err(Error::io("read", &place))?;
    serde_json::from_str(&text).map(Some).map_err(|_| Error::Output("docs/perf: a record is no JSON"))
}
