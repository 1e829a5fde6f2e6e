//! The data directory's lock: one writer at a time, readers beside it.
//!
//! It trusts the kernel's `flock`: a process that dies leaves no stale lock. It does not keep readers out; MDBX has a
//! reader table of its own.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    path::Path,
};

use crate::{
    error::{Error, Result},
    others::beside_others,
};

/// The name of the lock file inside the data directory.
pub const LOCK_FILE: &str = "LOCK";

/// The writer's lock on a data directory, held until it is dropped.
#[derive(Debug)]
pub struct DatadirLock {
    /// Invariant: locked. Closing the file unlocks it.
    _file: File,
}

impl DatadirLock {
    /// Makes the directory if needed and locks it. [`Error::Locked`] if another process has it and keeps it.
    pub fn acquire(datadir: &Path) -> Result<Self> {
        let io = |what| move |source| Error::Io { what, path: datadir.to_owned(), source };
        fs::create_dir_all(datadir).map_err(io("create"))?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(datadir.join(LOCK_FILE))
            .map_err(io("open the lock of"))?;
        // Whoever looks whether it is held has it for a moment.
        match beside_others(|| file.try_lock(), |error| matches!(error, TryLockError::WouldBlock)) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { path: datadir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        // The process id is for a person who looks; nothing reads it.
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(io("write the lock of"))?;
        Ok(Self { _file: file })
    }

    /// Whether some process holds the lock now.
    pub fn is_held(datadir: &Path) -> bool {
        let Ok(file) = File::open(datadir.join(LOCK_FILE)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_writer_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = DatadirLock::acquire(dir.path()).unwrap();
        assert!(DatadirLock::is_held(dir.path()));
        assert!(matches!(DatadirLock::acquire(dir.path()), Err(Error::Locked { .. })));
        drop(first);
        assert!(!DatadirLock::is_held(dir.path()));
        DatadirLock::acquire(dir.path()).unwrap();
    }
}
