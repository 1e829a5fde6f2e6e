//! A data directory: its lock, its state, its history.
//!
//! Opening it for writing takes the lock; readers in other processes open the environments read-only beside it.

use std::{fs, path::Path};

use crate::{
    chain::Chain,
    config::Config,
    error::{Error, Result},
    history::store::HistoryStore,
    lock::DatadirLock,
    state::store::StateStore,
};

/// An open data directory, locked for as long as this lives.
#[derive(Debug)]
pub struct Store {
    /// The state environment.
    pub state: StateStore,
    /// The history environment.
    pub history: HistoryStore,
    _lock: DatadirLock,
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
        Ok(Self { state, history, _lock: lock })
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
