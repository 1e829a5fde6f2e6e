//! One order to the program: `sync` this chain, from these peers, to this target, into this folder.
//!
//! It puts the words together and starts the program. It judges nothing: what came of an order is the test's matter.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::{
    Error,
    chain::TestChain,
    mover::Made,
    program::{self, Finished, Running},
};

/// What `sync` is told. The fields are open, so that a test can tell it something else.
#[derive(Clone, Debug)]
pub struct Order {
    /// The genesis file.
    pub genesis: PathBuf,
    /// The network's id.
    pub network_id: u64,
    /// The peers' addresses.
    pub peers: Vec<String>,
    /// A hash, a number or `latest`.
    pub target: String,
    /// Where the program keeps its data.
    pub datadir: PathBuf,
    /// Further words.
    pub words: Vec<OsString>,
}

impl Order {
    /// To the head of `chain`, by its hash.
    pub fn to_head_of(chain: &TestChain, peer: String, datadir: impl Into<PathBuf>) -> Self {
        Self {
            genesis: chain.genesis(),
            network_id: chain.expected().network_id,
            peers: vec![peer],
            target: chain.expected().head_hash.to_string(),
            datadir: datadir.into(),
            words: Vec::new(),
        }
    }

    /// The same with another target.
    #[must_use]
    pub fn to(&self, target: impl ToString) -> Self {
        Self { target: target.to_string(), ..self.clone() }
    }

    /// The same with words added.
    #[must_use]
    pub fn with<W: Into<OsString>>(&self, words: impl IntoIterator<Item = W>) -> Self {
        let mut order = self.clone();
        order.words.extend(words.into_iter().map(Into::into));
        order
    }

    /// Starts `sync`.
    pub fn start(&self) -> Result<Running, Error> {
        program::start(self.words_of("sync"))
    }

    /// Runs `sync` to its end.
    pub fn run(&self, patience: Duration) -> Result<Finished, Error> {
        program::run(self.words_of("sync"), patience)
    }

    /// Runs `bench` to its end: the same order, with figures.
    pub fn bench(&self, patience: Duration) -> Result<Finished, Error> {
        let mut words = self.words_of("bench");
        words.push("--json".into());
        program::run(words, patience)
    }

    /// The command line behind the program's name.
    pub fn words_of(&self, command: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![command.into(), "--genesis".into(), self.genesis.clone().into()];
        words.extend(["--networkid".into(), self.network_id.to_string().into()]);
        words.extend(["--target".into(), self.target.clone().into()]);
        words.extend(["--datadir".into(), self.datadir.clone().into()]);
        for peer in &self.peers {
            words.extend(["--peer".into(), peer.into()]);
        }
        words.extend(self.words.iter().cloned());
        words
    }
}

/// `status --json` of a data directory, as the program tells it; `None` while there is no database yet.
pub fn status(datadir: &Path, patience: Duration) -> Result<Option<Value>, Error> {
    let words = [OsString::from("status"), "--json".into(), "--datadir".into(), datadir.into()];
    let finished = program::run(words, patience)?;
    Ok(serde_json::from_str(&finished.stdout).ok())
}

/// The block whose state `datadir` has, or is to have; `None` while none is recorded.
pub fn target(datadir: &Path, patience: Duration) -> Result<Option<Made>, Error> {
    Ok(status(datadir, patience)?.and_then(|status| target_in(&status)))
}

/// The block whose state `datadir` has, once it was verified.
pub fn verified(datadir: &Path, patience: Duration) -> Result<Option<Made>, Error> {
    let status = status(datadir, patience)?;
    Ok(status.filter(|status| status["target"]["verified"] == true).and_then(|status| target_in(&status)))
}

fn target_in(status: &Value) -> Option<Made> {
    let target = &status["target"];
    Some(Made { number: target["number"].as_u64()?, hash: target["hash"].as_str()?.parse().ok()? })
}

/// `verify --json` of a data directory: how it ended, and its report.
pub fn verify(datadir: &Path, patience: Duration) -> Result<(Finished, Value), Error> {
    let words = [OsString::from("verify"), "--json".into(), "--datadir".into(), datadir.into()];
    let finished = program::run(words, patience)?;
    let report = serde_json::from_str(&finished.stdout).unwrap_or_default();
    Ok((finished, report))
}
