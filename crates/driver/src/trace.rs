//! A record of every event that the engine sees, one JSON value a line, to be replayed by [`snapsync_sync::replay`].
//!
//! It is written by the planner itself, buffered; it never holds a row.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::B256;

use crate::Error;

/// An open trace file.
#[derive(Debug)]
pub(crate) struct Trace {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Trace {
    /// Makes the file, or empties it.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|source| Error::Trace { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Appends one line.
    pub(crate) fn line(&mut self, line: &impl serde::Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.file, line)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|source| self.error(source))
    }

    /// Writes what is buffered, and beside the trace, with `.effects` at the end of its name, the hash over all effects.
    pub(crate) fn finish(mut self, effects: Option<B256>) -> Result<(), Error> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".effects");
        self.file
            .flush()
            .and_then(|()| match effects {
                Some(hash) => std::fs::write(beside, format!("{hash}\n")),
                None => Ok(()),
            })
            .map_err(|source| self.error(source))
    }

    fn error(&self, source: std::io::Error) -> Error {
        Error::Trace { path: self.path.clone(), source }
    }
}
