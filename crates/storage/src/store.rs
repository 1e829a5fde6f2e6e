//! A data directory: its lock, its state, its history.
//!
//! Opening it for writing takes the lock; readers in other processes open the environments read-only beside it. In memory there is
//! one as well, for simulations.

use std::{fs, path::Path, sync::Arc};

use crate::{
    chain::Chain,
    config::Config,
    env::MemoryEnv,
    error::{Error, Result},
    history::store::HistoryStore,
    lock::DatadirLock,
    state::store::StateStore,
};

/// A data directory in memory: it outlives those who open it, as a disk does.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    /// The state environment.
    pub state: Arc<MemoryEnv>,
    /// The history environment.
    pub history: Arc<MemoryEnv>,
}

impl MemoryDisk {
    /// The power goes: each environment keeps what it has flushed.
    pub fn crash(&self) {
        self.state.crash();
        self.history.crash();
    }
}

/// An open data directory, locked for as long as this lives.
#[derive(Debug)]
pub struct Store {
    /// The state environment.
    pub state: StateStore,
    /// The history environment.
    pub history: HistoryStore,
    /// None in memory: whoever simulates knows who writes.
    _lock: Option<DatadirLock>,
}

impl Store {
    /// Locks and opens the data directory, making it if it is not there.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::OtherChain`] and [`Error::Version`] before anything is changed.
    pub fn open(config: &Config, chain: Chain) -> Result<Self> {
        let lock = DatadirLock::acquire(&config.datadir)?;
        // Both are looked at before either is changed.
        StateStore::check_untouched(config, chain)?;
        HistoryStore::check_untouched(config, chain)?;
        let state = StateStore::open(config, chain)?;
        let history = HistoryStore::open(config, chain)?;
        Ok(Self { state, history, _lock: Some(lock) })
    }

    /// Opens a data directory in memory, making it if it is empty.
    ///
    /// # Errors
    /// [`Error::OtherChain`].
    pub fn open_memory(disk: &MemoryDisk, chain: Chain) -> Result<Self> {
        let state = StateStore::open_memory(&disk.state, chain)?;
        let history = HistoryStore::open_memory(&disk.history, chain)?;
        Ok(Self { state, history, _lock: None })
    }

    /// Deletes both environments. [`Error::Locked`] while a writer has the directory.
    pub fn wipe(datadir: &Path) -> Result<()> {
        let _lock = DatadirLock::acquire(datadir)?;
        for env in ["state", "history"] {
            let path = datadir.join(env);
            match fs::remove_dir_all(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::Io { what: "delete", path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
