//! Why a genesis file was refused, with the key of what is wrong in it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Why a genesis file was refused.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The file could not be read.
    #[error("genesis file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a genesis in geth's JSON format.
    #[error("genesis file {path} is not a genesis in JSON: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },
    /// A field is missing, or its value is not what geth takes there.
    #[error("genesis file {path}: {fault}")]
    Field {
        /// The file.
        path: PathBuf,
        /// Which field, and what is wrong with it.
        fault: Fault,
    },
}

impl GenesisError {
    /// A fault in a file.
    pub fn field(path: &Path, fault: Fault) -> Self {
        Self::Field { path: path.to_owned(), fault }
    }

    /// For `map_err`: names the file.
    pub(super) fn of(path: &Path) -> impl FnOnce(Unread) -> Self {
        let path = path.to_owned();
        |unread| match unread {
            Unread::Text(source) => Self::Malformed { path, source },
            Unread::Field(fault) => Self::Field { path, fault },
        }
    }
}

/// Why a text was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It is not an object in JSON.
    #[error(transparent)]
    Text(#[from] serde_json::Error),
    /// A field is missing or wrong.
    #[error("{0}")]
    Field(Fault),
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Self::Field(fault)
    }
}

/// Characters of a value that a message repeats: a contract's code would fill the terminal.
const SHOWN_CHARS: usize = 40;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From the outermost key to the innermost.
    keys: Vec<String>,
    why: String,
}

impl Fault {
    /// The value, as it is written, is not what its field wants.
    pub(super) fn not(wanted: &str, value: &str) -> Self {
        let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self { keys: Vec::new(), why: format!("is not {wanted}: {shown}") }
    }

    /// The field is not there, and geth gives it no default.
    pub fn missing(key: &str) -> Self {
        Self { keys: vec![key.to_owned()], why: "is missing".to_owned() }
    }

    /// The same fault, seen from the object around it.
    #[must_use]
    pub fn within(mut self, key: &str) -> Self {
        self.keys.insert(0, key.to_owned());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keys.is_empty() {
            f.write_str("it ")?
        } else {
            write!(f, "`{}` ", self.keys.join("."))?
        }
        f.write_str(&self.why)
    }
}
