//! A geth data directory while no geth runs on it: made, filled from a chain file, copied, counted.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use alloy_primitives::B256;
use serde_json::Value;

use crate::{Error, cache::Tools};

/// Lines of a program's output that an error repeats.
const TAIL_LINES: usize = 12;

/// geth's own default would reserve gigabytes for a chain of megabytes.
pub(crate) const CACHE_MIB: &str = "256";

/// A folder that geth keeps a chain in.
#[derive(Clone, Debug)]
pub struct Datadir {
    path: PathBuf,
}

/// What walks over the whole state of a head find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// The root that was walked.
    pub root: B256,
    /// Leaves of the account trie.
    pub accounts: u64,
    /// Accounts with code.
    pub contracts: u64,
    /// Accounts with storage.
    pub storages: u64,
    /// Leaves of all storage tries.
    pub slots: u64,
    /// Branches of the account trie.
    pub account_branches: u64,
    /// Branches of all storage tries.
    pub storage_branches: u64,
}

impl Datadir {
    /// The one at `path`, as it is.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes an empty one at `path` for the chain of the genesis file.
    pub fn init(tools: &Tools, path: impl Into<PathBuf>, genesis: &Path) -> Result<Self, Error> {
        Ok(Self::init_for_hash(tools, path, genesis)?.0)
    }

    /// The same, and the hash of its block 0, as geth tells it.
    pub fn init_for_hash(
        tools: &Tools,
        path: impl Into<PathBuf>,
        genesis: &Path,
    ) -> Result<(Self, B256), Error> {
        let datadir = Self::at(path);
        let log = datadir.run(
            tools,
            &[OsStr::new("--state.scheme"), OsStr::new("path"), OsStr::new("init"), genesis.as_os_str()],
        )?;
        let line = log.lines().find(|line| line.contains("Successfully wrote genesis state"));
        let hash = line.and_then(|line| field_in(line, "hash")?.parse().ok());
        let hash = hash.ok_or_else(|| Error::Chain(format!("no hash of block 0 in {log}")))?;
        Ok((datadir, hash))
    }

    /// The genesis file of a public network that geth knows by name.
    pub fn genesis_of(tools: &Tools, network: &str) -> Result<String, Error> {
        let output = Command::new(&tools.geth)
            .args([&format!("--{network}"), "dumpgenesis"])
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("start", &tools.geth))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Executes the blocks of a chain file.
    pub fn import(&self, tools: &Tools, chain: &Path) -> Result<(), Error> {
        self.run(tools, &[OsStr::new("import"), OsStr::new("--nocompaction"), chain.as_os_str()]).map(drop)
    }

    /// Writes all blocks to a chain file.
    pub fn export(&self, tools: &Tools, chain: &Path) -> Result<(), Error> {
        self.run(tools, &[OsStr::new("export"), chain.as_os_str()]).map(drop)
    }

    /// Walks the state of the head block, as geth holds it, and counts. geth writes beside its data while it does: on a
    /// directory that must stay as it is, ask a copy.
    pub fn census(&self, tools: &Tools) -> Result<Census, Error> {
        let log = self.run(tools, &[OsStr::new("snapshot"), OsStr::new("traverse-state")])?;
        let field = |message: &str, name: &str| {
            log.lines()
                .find(|line| line.contains(message))
                .and_then(|line| field_in(line, name))
                .ok_or_else(|| Error::Chain(format!("no {name} in geth's walk over the state")))
        };
        let (root, contracts) = (field("Start traversing", "root")?, field("State is complete", "codes")?);

        let (table, dump) = (self.path.join("tries.json"), self.path.join("tries.dump"));
        let words = ["db", "inspect-trie", "--output"].map(OsStr::new);
        let places = [table.as_os_str(), OsStr::new("--dump-path"), dump.as_os_str()];
        self.run(tools, &[words, places].concat())?;
        let text = fs::read_to_string(&table).map_err(Error::io("read", &table))?;
        let tries: Value = serde_json::from_str(&text).map_err(|error| Error::Chain(error.to_string()))?;
        let count = |pointer: &str| {
            let number = tries.pointer(pointer).and_then(Value::as_u64);
            number.ok_or_else(|| Error::Chain(format!("no {pointer} in geth's count of nodes")))
        };
        Ok(Census {
            root: root.parse().map_err(|_| Error::Chain(format!("geth walked {root}")))?,
            accounts: count("/AccountTrie/Summary/Value")?,
            contracts: contracts
                .parse()
                .map_err(|_| Error::Chain(format!("geth counted {contracts} codes")))?,
            storages: count("/StorageSummary/TotalStorageTries")?,
            slots: count("/StorageSummary/Totals/Value")?,
            account_branches: count("/AccountTrie/Summary/Full")?,
            storage_branches: count("/StorageSummary/Totals/Full")?,
        })
    }

    /// Copies all of it to `path`, which must not exist yet, but for the node's key: two nodes with one key would take each
    /// other for themselves.
    pub fn copy_to(&self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        let copy = Self::at(path);
        copy_folder(&self.path, &copy.path)?;
        let key = copy.path.join("geth/nodekey");
        if key.exists() {
            fs::remove_file(&key).map_err(Error::io("remove", &key))?;
        }
        Ok(copy)
    }

    /// Runs a subcommand of geth on it and returns the log.
    fn run(&self, tools: &Tools, words: &[&OsStr]) -> Result<String, Error> {
        let output = self.output(tools, words)?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs a subcommand of geth on it and returns what it answers.
    pub(crate) fn ask(&self, tools: &Tools, words: &[&OsStr]) -> Result<String, Error> {
        let output = self.output(tools, words)?;
        String::from_utf8(output.stdout).map_err(|error| Error::Chain(format!("geth answers in {error}")))
    }

    fn output(&self, tools: &Tools, words: &[&OsStr]) -> Result<Output, Error> {
        let output = Command::new(&tools.geth)
            .args([OsStr::new("--datadir"), self.path.as_os_str()])
            // This form of the log abbreviates no hash.
            .args(["--log.format", "logfmt"])
            .args(words)
            .env("GETH_CACHE", CACHE_MIB)
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("start", &tools.geth))?;
        if output.status.success() {
            return Ok(output);
        }
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        Err(Error::Program {
            program: format!("geth {}", words.join(" ")),
            status: output.status.to_string(),
            tail: last_lines(&log),
        })
    }
}

/// The last lines of `log`.
pub(crate) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// The value of ` name=value` in a line of geth's log.
pub(crate) fn field_in<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("make", to))?;
    for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
        let entry = entry.map_err(Error::io("list", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else if source.is_file() {
            fs::copy(&source, &target).map_err(Error::io("copy", &source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_log_line_are_found_by_their_whole_name() {
        let line =
            "INFO [11-21|07:00:00.000] HTTP server started   endpoint=127.0.0.1:4321 auth=false prefix=";
        assert_eq!(field_in(line, "endpoint"), Some("127.0.0.1:4321"));
        assert_eq!(field_in(line, "auth"), Some("false"));
        assert_eq!(field_in(line, "end"), None);
    }

    #[test]
    fn copy_holds_what_the_original_holds() {
        let folder = tempfile::tempdir().unwrap();
        let original = Datadir::at(folder.path().join("a"));
        fs::create_dir_all(original.path().join("deep/er")).unwrap();
        fs::write(original.path().join("deep/er/file"), b"x").unwrap();
        let copy = original.copy_to(folder.path().join("b")).unwrap();
        assert_eq!(fs::read(copy.path().join("deep/er/file")).unwrap(), b"x");
    }
}
