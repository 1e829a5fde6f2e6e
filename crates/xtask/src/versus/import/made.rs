//! A chain that both clients execute, in a file.
//!
//! `tests/load` makes it; it is not looked into here.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{error::Error, process};

/// A chain in a file.
pub(super) struct MadeChain {
    pub(super) genesis: PathBuf,
    pub(super) file: PathBuf,
    pub(super) blocks: u64,
    /// All that its maker says of it.
    pub(super) told: Value,
}

impl MadeChain {
    /// Lets a maker make it in a folder.
    pub(super) fn make(maker: &Path, load: &str, blocks: u64, folder: &Path) -> Result<Self, Error> {
        let mut command = Command::new(maker);
        command.args(["make", load, &blocks.to_string()]).arg(folder);
        let text = process::capture(&mut command)?;
        let told: Value = serde_json::from_slice(&text).map_err(|_| Error::Output("load make"))?;
        Ok(Self { genesis: folder.join("genesis.json"), file: folder.join("chain.rlp"), blocks, told })
    }

    /// Its load's name.
    pub(super) fn load(&self) -> &str {
        self.told["load"].as_str().unwrap_or_default()
    }
}
