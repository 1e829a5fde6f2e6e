//! A chain that both clients execute, in a file.
//!
//! `tests/load` makes it under a load, or geth made it as a test chain.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use snapsync_e2e::chain::TestChain;

use crate::{error::Error, process};

/// A chain in a file.
pub(in crate::versus) struct MadeChain {
    pub(in crate::versus) genesis: PathBuf,
    pub(in crate::versus) file: PathBuf,
    pub(in crate::versus) blocks: u64,
    /// All that its maker says of it.
    pub(in crate::versus) told: Value,
}

impl MadeChain {
    /// Lets a maker make it in a folder.
    pub(in crate::versus) fn make(
        maker: &Path,
        load: &str,
        blocks: u64,
        folder: &Path,
    ) -> Result<Self, Error> {
        let mut command = Command::new(maker);
        command.args(["make", load, &blocks.to_string()]).arg(folder);
        let text = process::capture(&mut command)?;
        let told: Value = serde_json::from_slice(&text).map_err(|_| Error::Output("load make"))?;
        Ok(Self { genesis: folder.join("genesis.json"), file: folder.join("chain.rlp"), blocks, told })
    }

    /// One of the test chains.
    pub(super) fn test(chain: &TestChain, name: &str) -> Result<Self, Error> {
        let blocks = chain.expected().head_number;
        let told = json!({ "load": name, "blocks": blocks, "gas": chain.gas_used()? });
        Ok(Self { genesis: chain.genesis(), file: chain.blocks(), blocks, told })
    }

    /// Its load's name.
    pub(in crate::versus) fn load(&self) -> &str {
        self.told["load"].as_str().unwrap_or_default()
    }
}
