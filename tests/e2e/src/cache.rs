//! Where expensive things are kept between runs: geth's programs and the test chains.
//!
//! The folder is `SNAPSYNC_CACHE`, else `snapsync` under the user's cache folder. Whatever is in it can be deleted at any
//! time; it is made again. It holds nothing that a test changes: tests work on copies.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A release of go-ethereum that tests meet. The versions are pinned, so that a failure is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// What nearly all tests run against.
    Newest,
    /// What peers may still run: an older peer in a test of its own.
    Older,
}

impl Release {
    /// All of them, the one that most tests need first.
    pub const ALL: [Self; 2] = [Self::Newest, Self::Older];

    /// Its version, as Go's module client writes it without the `v`.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Newest => "1.17.10",
            Self::Older => "1.17.5",
        }
    }

    /// The programs of it that are used.
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Newest => &["geth", "devp2p", "evm"],
            Self::Older => &["geth"],
        }
    }

    /// Where its programs are installed.
    pub fn folder(self) -> PathBuf {
        root().join(format!("geth-{}", self.version()))
    }

    /// Whether each of its programs is where it is installed to.
    pub fn is_installed(self) -> bool {
        self.programs().iter().all(|program| self.folder().join(program).is_file())
    }

    /// The environment's variable that names another node instead.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Newest => "SNAPSYNC_GETH",
            Self::Older => "SNAPSYNC_OLDER_GETH",
        }
    }
}

/// The environment's variable that names another virtual machine's command line instead.
pub const EVM_VARIABLE: &str = "SNAPSYNC_EVM";

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

/// Where the test chains are kept.
pub fn chains_folder() -> PathBuf {
    root().join("chains")
}

/// The programs of one release of go-ethereum. A node is there; the other two may be missing.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The version that the node tells.
    pub version: String,
    /// The node.
    pub geth: PathBuf,
    /// The protocol tester.
    pub devp2p: PathBuf,
    /// The virtual machine's command line.
    pub evm: PathBuf,
}

impl Tools {
    /// The programs of `release`, if its node is there. [`Release::variable`] overrides the place of the node, [`EVM_VARIABLE`] that of
    /// the virtual machine.
    pub fn locate(release: Release) -> Option<Self> {
        let folder = release.folder();
        let geth = folder_from(release.variable()).unwrap_or_else(|| folder.join("geth"));
        let version = version_of(&geth)?;
        let evm = folder_from(EVM_VARIABLE).unwrap_or_else(|| folder.join("evm"));
        Some(Self { version, geth, devp2p: folder.join("devp2p"), evm })
    }
}

/// What a node says of itself: a chain is named by it, so that no two versions' data are mixed, whatever the variable names.
fn version_of(geth: &Path) -> Option<String> {
    let output = Command::new(geth).arg("version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Version: "))?;
    Some(line.trim().trim_end_matches("-stable").to_owned())
}

/// A path from the environment; an empty variable is an absent one.
fn folder_from(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
