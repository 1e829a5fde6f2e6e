//! Where expensive things are kept between runs: geth's programs and the test chains.
//!
//! The folder is `SNAPSYNC_CACHE`, else `snapsync` under the user's cache folder. Whatever is in it can be deleted at any
//! time; it is made again. It holds nothing that a test changes: tests work on copies.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The version of go-ethereum that the tests run against. One version, so that a failure is ours.
pub const GETH_VERSION: &str = "1.17.5";

/// The cache folder. It need not exist yet.
pub fn root() -> PathBuf {
    if let Some(folder) = folder_from("SNAPSYNC_CACHE") {
        return folder;
    }
    let base = folder_from("XDG_CACHE_HOME")
        .or_else(|| folder_from("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir);
    base.join("snapsync")
}

/// Where [`GETH_VERSION`]'s programs are installed.
pub fn tools_folder() -> PathBuf {
    root().join(format!("geth-{GETH_VERSION}"))
}

/// Where the test chains are kept.
pub fn chains_folder() -> PathBuf {
    root().join("chains")
}

/// The programs of go-ethereum that are installed.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The node.
    pub geth: PathBuf,
    /// The protocol tester.
    pub devp2p: PathBuf,
    /// The virtual machine's command line.
    pub evm: PathBuf,
}

impl Tools {
    /// The installed programs, if all of them are there. `SNAPSYNC_GETH` overrides the place of the node.
    pub fn locate() -> Option<Self> {
        let tools = Self::under(&tools_folder());
        let tools = match folder_from("SNAPSYNC_GETH") {
            Some(geth) => Self { geth, ..tools },
            None => tools,
        };
        tools.geth.is_file().then_some(tools)
    }

    /// The places of the programs in `folder`, whether they are there or not.
    pub fn under(folder: &Path) -> Self {
        Self { geth: folder.join("geth"), devp2p: folder.join("devp2p"), evm: folder.join("evm") }
    }

    /// Whether each program is a file.
    pub fn are_complete(&self) -> bool {
        [&self.geth, &self.devp2p, &self.evm].into_iter().all(|program| program.is_file())
    }
}

/// A path from the environment; an empty variable is an absent one.
fn folder_from(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
