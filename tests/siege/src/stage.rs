//! One honest peer with a chain, and syncs of it that are watched from outside.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;
use snapsync_e2e::{
    patience,
    program::{self, Running},
    relay::Relay,
};
use snapsync_p2p::Enode;
use tempfile::TempDir;

use crate::{Error, Place, watch::Watch};

/// The program's budget where `--memory` is not given.
pub const BUDGET_BYTES: u64 = 192 << 20;

/// For a chain to be made, and for whatever else must come.
const PATIENCE: Duration = Duration::from_secs(600);

/// How large the chain's state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Accounts, contracts among them.
    pub accounts: u64,
    /// Contracts.
    pub contracts: u64,
    /// Slots of all contracts.
    pub slots: u64,
    /// Blocks above the genesis.
    pub blocks: u64,
}

/// The honest peer, and what a client must know of its chain.
#[derive(Debug)]
pub struct Stage {
    _honest: Running,
    folder: TempDir,
    facts: Value,
    relay: Relay,
}

/// A sync that goes on.
#[derive(Debug)]
pub struct Syncing {
    running: Running,
    watch: Watch,
    begun: Instant,
    place: Place,
    root: String,
    datadir: PathBuf,
}

/// A sync that ended with the verified root.
#[derive(Clone, Debug)]
pub struct Synced {
    /// From the start of the program to its end.
    pub wall: Duration,
    /// Its processor time.
    pub cpu_seconds: f64,
    /// Its RssAnon at the highest.
    pub anonymous_peak_bytes: u64,
    /// All that it wrote.
    pub text: String,
}

impl Stage {
    /// Makes a chain and serves it.
    ///
    /// # Errors
    /// When the program is not there, or does not serve.
    pub fn open(size: Size) -> Result<Self, Error> {
        let folder =
            tempfile::tempdir().map_err(snapsync_e2e::Error::io("make a folder in", std::env::temp_dir()))?;
        let Size { accounts, contracts, slots, blocks } = size;
        let numbers = [
            ("--accounts", accounts),
            ("--contracts", contracts),
            ("--slots", slots),
            ("--blocks", blocks),
            ("--peers", 1),
        ];
        let mut words: Vec<String> =
            vec!["demo".into(), "--serve-only".into(), "--bad-peers".into(), "0".into()];
        words.extend(numbers.iter().flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]));
        words.extend(["--datadir".to_owned(), folder.path().join("honest").display().to_string()]);
        let honest = program::start(words)?;
        let told = || honest.stdout().lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let facts = patience::until("a served chain", PATIENCE, told, || honest.stderr())?;
        let honest_at: Enode = text(&facts["peers"][0])?
            .parse()
            .map_err(|_| Error::unreadable("the honest peer", facts.to_string()))?;
        let relay = Relay::start(honest_at.address)?;
        Ok(Self { _honest: honest, folder, facts, relay })
    }

    /// The line to the honest peer.
    pub const fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Starts a sync into a new folder, and comes back when it listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn sync(&self, name: &str, line: Line) -> Result<Syncing, Error> {
        let datadir = self.folder.path().join(name);
        let begun = Instant::now();
        let running = program::start(self.words(&datadir, line)?)?;
        let watch = Watch::start(running.process_id());
        let listens = || {
            let told = running.stderr();
            told.lines().find_map(|line| line.strip_prefix("listening on ")?.parse::<Enode>().ok())
        };
        let enode = patience::until("a listening node", PATIENCE, listens, || running.stderr())?;
        let place = Place {
            enode,
            network_id: number(&self.facts["network_id"])?,
            genesis: text(&self.facts["genesis_hash"])?
                .parse()
                .map_err(|_| Error::unreadable("the genesis", self.facts.to_string()))?,
            genesis_time: number(&self.facts["genesis_time"])?,
        };
        let root = text(&self.facts["state_root"])?.to_owned();
        Ok(Syncing { running, watch, begun, place, root, datadir })
    }

    fn words(&self, datadir: &Path, line: Line) -> Result<Vec<String>, Error> {
        let peer = text(&self.facts["peers"][0])?;
        let peer = match line {
            Line::Free => peer.to_owned(),
            Line::Relayed => at(peer, self.relay.address()),
        };
        let genesis = self.folder.path().join("honest").join("genesis.json");
        let target = text(&self.facts["target"])?;
        let words = [
            ("--genesis", genesis.display().to_string()),
            ("--peer", peer),
            ("--target", target.to_owned()),
            ("--datadir", datadir.display().to_string()),
            ("--listen", "127.0.0.1:0".to_owned()),
        ];
        let words = words.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        Ok(std::iter::once("sync".to_owned()).chain(words).collect())
    }
}

/// How the honest peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// As fast as can be.
    Free,
    /// Through the stage's relay.
    Relayed,
}

impl Syncing {
    /// Where it listens.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether all that it does can be seen to go on: what it has written so far.
    pub fn stderr(&self) -> String {
        self.running.stderr()
    }

    /// Waits for its end, and removes what it kept.
    ///
    /// # Errors
    /// When it ends without the verified root, or not in time.
    pub fn wait(self, patience: Duration) -> Result<Synced, Error> {
        let Self { running, watch, begun, root, datadir, .. } = self;
        let finished = running.wait(patience)?;
        let (wall, cost) = (begun.elapsed(), watch.end());
        let text = format!("{}{}", finished.stdout, finished.stderr);
        if finished.code() != Some(0) || !finished.stdout.contains(&root) {
            return Err(Error::NotSynced { code: finished.code(), root, text });
        }
        fs::remove_dir_all(&datadir).map_err(snapsync_e2e::Error::io("remove", &datadir))?;
        Ok(Synced {
            wall,
            cpu_seconds: cost.cpu_seconds,
            anonymous_peak_bytes: cost.anonymous_peak_bytes,
            text,
        })
    }
}

/// An enode at another address.
fn at(enode: &str, address: SocketAddr) -> String {
    let id = enode.split('@').next().unwrap_or(enode);
    format!("{id}@{address}")
}

fn text(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| Error::unreadable("a text", value.to_string()))
}

fn number(value: &Value) -> Result<u64, Error> {
    value.as_u64().ok_or_else(|| Error::unreadable("a number", value.to_string()))
}
