//! Our programs, as a user builds them.
//!
//! It builds them and does not run them.

use std::path::{Path, PathBuf};

use crate::{error::Error, house, process};

/// Our programs, as a user builds them.
pub(crate) struct Programs {
    pub(crate) snapsync: PathBuf,
    pub(crate) drain: PathBuf,
}

impl Programs {
    /// Builds them, or finds that they are built.
    pub(crate) fn build() -> Result<Self, Error> {
        let packages = ["--package", "snapsync", "--package", "snapsync-drain"];
        process::run(house::cargo().args(["build", "--release", "--locked"]).args(packages))?;
        let metadata = house::metadata(&["--no-deps"])?;
        let folder = Path::new(house::text(&metadata, "target_directory")).join("release");
        Ok(Self { snapsync: folder.join("snapsync"), drain: folder.join("snapsync-drain") })
    }
}
