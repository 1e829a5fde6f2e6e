//! Everything that can go wrong with our own disk, sorted by what the caller does about it.
//!
//! It trusts nothing that was read. It does not judge peers: what a peer got wrong never reaches the disk, and has
//! its own types ([`crate::history::LinkFault`], `snapsync_trie::Fault`).

use std::path::PathBuf;

use signet_libmdbx::{MdbxError, ReadError};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong with the data directory. None of these is a peer's doing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the writer's lock.
    #[error("data directory {} is locked by another process", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// There is no database where one was expected.
    #[error("no database at {}", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file operation outside of MDBX failed.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A record was written by another version of this program.
    #[error("{record} has version {found}, this program reads version {known}")]
    Version {
        /// The table that it stands in.
        table: &'static str,
        /// Which record.
        record: &'static str,
        /// The version on disk.
        found: u8,
        /// The version that this program writes.
        known: u8,
    },
    /// The directory belongs to another chain.
    #[error("data directory belongs to chain {found}, this run is for chain {expected}")]
    OtherChain {
        /// The chain on disk.
        found: crate::Chain,
        /// The chain of this run.
        expected: crate::Chain,
    },
    /// Bytes on disk are not what their table promises.
    #[error("corrupt {table} at {key}: {why}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The key, in hex.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A key or a value is larger than its table takes. Nothing was handed to MDBX.
    #[error("{part} of {len} bytes is too large for {table}, which takes {max}")]
    TooLarge {
        /// The table.
        table: &'static str,
        /// "key" or "value".
        part: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The most that the table takes, in bytes.
        max: usize,
    },
    /// The map reached the maximum size of its geometry.
    #[error("database {env} is full: its limit is {size_max} bytes")]
    MapFull {
        /// Which environment.
        env: &'static str,
        /// The geometry's upper limit in bytes.
        size_max: u64,
    },
    /// The file system has no space left, or a quota or file size limit was met.
    #[error("disk full: no space left for database {env}")]
    DiskFull {
        /// Which environment.
        env: &'static str,
    },
    /// The process may not map the file: its address space is limited, or the machine's.
    #[error("address space is too small for database {env}: {} (see ulimit -v)", map(*wanted_bytes))]
    AddressSpace {
        /// Which environment.
        env: &'static str,
        /// The smallest map that would do, in bytes; 0: one of the file's own size.
        wanted_bytes: u64,
    },
    /// The files cannot be written.
    #[error("database {env} is read-only or not permitted")]
    ReadOnly {
        /// Which environment.
        env: &'static str,
    },
    /// MDBX cannot make sense of its file: truncated, overwritten, or no database at all.
    #[error("database {env} is damaged: {source}")]
    Damaged {
        /// Which environment.
        env: &'static str,
        /// What MDBX said.
        source: MdbxError,
    },
    /// Any other failure of MDBX.
    #[error("database {env}: {}", failure(source))]
    Mdbx {
        /// Which environment.
        env: &'static str,
        /// What MDBX said.
        source: MdbxError,
    },
    /// A write needs something that is not there; a mistake of the caller, not of the disk.
    #[error("write refused: {why}")]
    Refused {
        /// Why.
        why: &'static str,
    },
    /// The writer thread has ended; the store handle is gone.
    #[error("the writer of database {env} has stopped")]
    WriterGone {
        /// Which environment.
        env: &'static str,
    },
    /// A commit gate said no. Only tests have such gates.
    #[error("commit {number} was aborted by its gate")]
    Aborted {
        /// The number of the commit, from 1.
        number: u64,
    },
    /// The child process that checks the database could not read it.
    #[error("{message}")]
    CheckFailed {
        /// The kind of the child's error, see [`Error::kind`].
        kind: String,
        /// What it said.
        message: String,
    },
    /// The child process that checks the database died before it could report.
    #[error("the checking process died ({status}): the database has pages that cannot be read")]
    CheckerDied {
        /// How it ended.
        status: String,
    },
}

impl Error {
    /// A short word for counters and exit codes, one per variant.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "locked",
            Self::Absent { .. } => "absent",
            Self::Io { .. } => "io",
            Self::Version { .. } => "version",
            Self::OtherChain { .. } => "other_chain",
            Self::Corrupt { .. } => "corrupt",
            Self::TooLarge { .. } => "too_large",
            Self::MapFull { .. } => "map_full",
            Self::DiskFull { .. } => "disk_full",
            Self::AddressSpace { .. } => "address_space",
            Self::ReadOnly { .. } => "read_only",
            Self::Damaged { .. } => "damaged",
            Self::Mdbx { .. } => "mdbx",
            Self::Refused { .. } => "refused",
            Self::WriterGone { .. } => "writer_gone",
            Self::Aborted { .. } => "aborted",
            Self::CheckFailed { .. } => "check_failed",
            Self::CheckerDied { .. } => "checker_died",
        }
    }

    /// Whether the world, and not the data, is at fault: the same directory may work after space was made.
    pub const fn is_space(&self) -> bool {
        matches!(self, Self::MapFull { .. } | Self::DiskFull { .. })
    }

    pub(crate) fn corrupt(table: &'static str, key: &[u8], why: &'static str) -> Self {
        Self::Corrupt { table, key: alloy_primitives::hex::encode(key), why }
    }
}

fn map(wanted_bytes: u64) -> String {
    match wanted_bytes {
        0 => "the limit of its file cannot be mapped".into(),
        bytes => format!("a map of {} MiB is needed", bytes >> 20),
    }
}

/// libmdbx has this one code for a disk that fails and for a write that found room for a part of it only.
fn failure(source: &MdbxError) -> String {
    match source {
        MdbxError::Other(libc::EIO) => "input/output error: is the disk full, or does it fail?".into(),
        other => other.to_string(),
    }
}

/// Sorts an error of MDBX into ours. `size_max` is the geometry's limit of the environment `env`.
pub(crate) fn from_mdbx(env: &'static str, size_max: u64, source: MdbxError) -> Error {
    match source {
        MdbxError::MapFull | MdbxError::TooLarge | MdbxError::UnableExtendMapSize => {
            Error::MapFull { env, size_max }
        }
        MdbxError::Other(code) if [libc::ENOSPC, libc::EDQUOT, libc::EFBIG].contains(&code) => {
            Error::DiskFull { env }
        }
        MdbxError::Other(libc::ENOMEM) => Error::AddressSpace { env, wanted_bytes: size_max },
        MdbxError::Other(libc::EROFS) => Error::ReadOnly { env },
        MdbxError::Access | MdbxError::Permission | MdbxError::WriteTransactionUnsupportedInReadOnlyMode => {
            Error::ReadOnly { env }
        }
        MdbxError::Corrupted
        | MdbxError::PageNotFound
        | MdbxError::Invalid
        | MdbxError::VersionMismatch
        | MdbxError::Panic
        | MdbxError::CursorFull
        | MdbxError::PageFull
        | MdbxError::Incompatible
        | MdbxError::WannaRecovery
        // A read that ran out of rows is no error here: this is a file that ends too early.
        | MdbxError::NoData
        | MdbxError::Other(libc::ENODATA) => Error::Damaged { env, source },
        other => Error::Mdbx { env, source: other },
    }
}

/// The MDBX part of a read error. Every value is read as raw bytes, whose decoding cannot fail.
pub(crate) fn from_read(source: ReadError) -> MdbxError {
    match source {
        ReadError::Mdbx(error) => error,
        ReadError::Decoding(_) => MdbxError::DecodeError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ROW: F32
    #[test]
    fn what_a_disk_does_has_its_kind_whatever_libmdbx_calls_it() {
        let kind = |source| from_mdbx("state", 1 << 20, source).kind();
        for code in [libc::ENOSPC, libc::EDQUOT, libc::EFBIG] {
            assert_eq!(kind(MdbxError::Other(code)), "disk_full");
            assert!(from_mdbx("state", 0, MdbxError::Other(code)).is_space());
        }
        for source in [MdbxError::MapFull, MdbxError::UnableExtendMapSize] {
            assert_eq!(kind(source), "map_full");
        }
        let not_ours = [MdbxError::Other(libc::EROFS), MdbxError::Access, MdbxError::Permission];
        for source in not_ours {
            assert_eq!(kind(source), "read_only");
        }
        for source in [MdbxError::Corrupted, MdbxError::PageNotFound, MdbxError::Other(libc::ENODATA)] {
            assert_eq!(kind(source), "damaged");
        }
        assert_eq!(kind(MdbxError::Other(libc::EIO)), "mdbx");
        let told = from_mdbx("state", 0, MdbxError::Other(libc::EIO)).to_string();
        assert!(told.contains("is the disk full"), "{told}");
    }
}
