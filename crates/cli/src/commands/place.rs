//! Where a command keeps its data: the folder that was named, or a temporary one that goes with it.

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// A folder, removed at the end if nobody named it.
#[derive(Debug)]
pub(crate) enum Place {
    /// Named by the operator; stays.
    Named(PathBuf),
    /// Ours; goes when this is dropped.
    Temporary(tempfile::TempDir),
}

impl Place {
    /// The named folder, or a new temporary one.
    pub(crate) fn open(named: Option<&Path>) -> Result<Self, Failure> {
        match named {
            Some(path) => Ok(Self::Named(path.to_owned())),
            None => {
                tempfile::Builder::new().prefix("snapsync-").tempdir().map(Self::Temporary).map_err(|error| {
                    Failure::new(Exit::Disk, format!("cannot make a temporary folder: {error}"))
                })
            }
        }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
