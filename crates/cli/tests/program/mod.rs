//! The real program, run by tests: once to its end, or as a server in the background.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Runs it to its end, without a terminal.
pub(crate) fn snapsync<Word: AsRef<OsStr>>(words: impl IntoIterator<Item = Word>) -> Output {
    command().args(words).output().expect("the program starts")
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snapsync"));
    command.stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// What it printed.
pub(crate) fn stdout(run: &Output) -> String {
    String::from_utf8_lossy(&run.stdout).into_owned()
}

/// What it complained of.
pub(crate) fn stderr(run: &Output) -> String {
    String::from_utf8_lossy(&run.stderr).into_owned()
}

/// What it printed, as the one JSON value that it is.
pub(crate) fn json(run: &Output) -> Value {
    serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(run), stderr(run)))
}

/// A demo chain that is served until this is dropped.
pub(crate) struct Served {
    child: Child,
    dir: TempDir,
    /// The root that the chain's head claims.
    pub(crate) state_root: String,
    facts: Value,
    told: String,
}

impl Served {
    /// Makes a chain and serves it.
    pub(crate) fn start(peers: &[&str], chain: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = command()
            .args(["demo", "--serve-only"])
            .args(peers)
            .args(chain)
            .arg("--datadir")
            .arg(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let facts: Value = serde_json::from_str(&line).expect("facts in JSON");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let told =
            stderr.lines().map(|line| line.expect("text")).find(|line| line.starts_with("snapsync sync "));
        let state_root = facts["state_root"].as_str().expect("a root").to_owned();
        Self { child, dir, state_root, facts, told: told.expect("the command is told before the facts") }
    }

    /// Where the chain is.
    pub(crate) fn chain_dir(&self) -> PathBuf {
        self.dir.path().join("chain")
    }

    /// The words of the command that syncs from here.
    pub(crate) fn sync_command(&self, datadir: &Path) -> Vec<String> {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let genesis = self.dir.path().join("genesis.json");
        let mut words = vec!["sync".to_owned(), "--genesis".to_owned(), genesis.display().to_string()];
        for peer in self.facts["peers"].as_array().expect("peers") {
            words.extend(["--peer".to_owned(), text(peer)]);
        }
        words.extend(["--target".to_owned(), text(&self.facts["target"])]);
        words.extend(["--datadir".to_owned(), datadir.display().to_string()]);
        words
    }

    /// The same, as a person is told it.
    pub(crate) fn told_command(&self, datadir: &Path) -> Vec<String> {
        let words = self.told.split_whitespace().skip(1);
        words
            .map(|word| if word == "DIR" { datadir.display().to_string() } else { word.to_owned() })
            .collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
