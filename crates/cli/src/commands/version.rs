//! `version`: which program this is, and what it speaks.

use crate::{exit::Failure, say::outln};

/// Prints the version, the protocols and the layout of the database.
pub(crate) fn run() -> Result<(), Failure> {
    outln!("snapsync {}", env!("CARGO_PKG_VERSION"));
    outln!("protocols: eth/69 eth/70 eth/71 snap/1");
    outln!("database layout: {}", snapsync_storage::SCHEMA_VERSION);
    Ok(())
}
