//! A client that is driven: `snapsync node` or a geth, and the line over which it is given payloads.
//!
//! It is killed when it is dropped. What it answers is looked at elsewhere.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    datadir::Datadir,
    driven::DrivenNode,
    engine::Engine,
    geth::{Geth, Settings},
    line::{Line, Reply},
    payload::PayloadCall,
};

use crate::error::Error;

/// How the state comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Every block is executed.
    Full,
    /// It is fetched.
    Snap,
}

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Snap => "snap",
        }
    }
}

/// What a client is started on.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) genesis: PathBuf,
    pub(super) network_id: u64,
    /// A folder for its data and its log.
    pub(super) place: PathBuf,
    pub(super) mode: Mode,
    /// The one peer, if there is one.
    pub(super) peer: Option<String>,
}

/// A client that runs.
#[derive(Debug)]
pub(super) struct Driven {
    process: Process,
    engine: Engine,
    line: Line,
}

#[derive(Debug)]
enum Process {
    Ours(DrivenNode),
    Geth(Box<Geth>),
}

/// What is said of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Valid,
    /// `SYNCING` or `ACCEPTED`; or an error, which may be passing ("beacon syncer reorging").
    Later,
    /// `INVALID`, and why.
    Bad(String),
}

impl Said {
    /// From the answer to a payload, or to a head.
    pub(super) fn of(reply: &Reply) -> Self {
        let answer: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let status = answer.pointer("/result/status").or(answer.pointer("/result/payloadStatus/status"));
        match status.and_then(Value::as_str) {
            Some("VALID") => Self::Valid,
            None | Some("SYNCING" | "ACCEPTED") => Self::Later,
            Some(_) => Self::Bad(reply.body.clone()),
        }
    }
}

impl Driven {
    /// An empty geth has its block 0 written first. BLOCKING: for as long as that takes.
    pub(super) fn init_geth(tools: &Tools, ground: &Ground) -> Result<Datadir, Error> {
        Ok(Datadir::init(tools, ground.place.join("geth"), &ground.genesis)?)
    }

    /// Starts a geth on its directory, and connects it to its peer.
    pub(super) fn geth(tools: &Tools, datadir: Datadir, ground: &Ground) -> Result<Self, Error> {
        let mut settings = Settings::serving(ground.network_id);
        // The last of two equal flags counts.
        settings.arguments.extend(["--syncmode", ground.mode.word()].map(str::to_owned));
        let geth = Geth::start(tools, datadir, &settings)?;
        if let Some(peer) = &ground.peer {
            geth.rpc().call("admin_addPeer", json!([peer]))?;
        }
        let engine = geth.engine()?;
        Ok(Self { process: Process::Geth(Box::new(geth)), line: Line::to(engine.address()), engine })
    }

    /// Starts `snapsync node`, and returns when it is heard. Its directory stays between starts.
    pub(super) fn ours(program: &Path, ground: &Ground) -> Result<Self, Error> {
        let network_id = ground.network_id.to_string();
        let mut words =
            vec!["--networkid", &network_id, "--syncmode", ground.mode.word(), "--log.format", "json"];
        words.extend(ground.peer.iter().flat_map(|peer| ["--peer", peer]));
        let node =
            DrivenNode::start_program(program, &ground.genesis, &ground.place.join("snapsync"), &words)?;
        let engine = node.engine().clone();
        Ok(Self { process: Process::Ours(node), line: Line::to(engine.address()), engine })
    }

    /// The process.
    pub(super) fn id(&self) -> u32 {
        match &self.process {
            Process::Ours(node) => node.running().process_id(),
            Process::Geth(geth) => geth.process_id(),
        }
    }

    /// Its Engine API.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sends a request of one who has the secret.
    pub(super) fn post(&mut self, request: &str) -> Result<Reply, Error> {
        let token = self.engine.authorization();
        self.line.post(Some(&token), request).map_err(Error::io("call", "the Engine API"))
    }

    /// Gives a block and names it: what is said of either.
    pub(super) fn give(&mut self, call: &PayloadCall) -> Result<[Said; 2], Error> {
        let payload = Said::of(&self.post(&call.new_payload())?);
        Ok([payload, Said::of(&self.post(&call.forkchoice())?)])
    }

    /// What it has logged.
    pub(super) fn log(&self) -> String {
        match &self.process {
            Process::Ours(node) => node.said(),
            Process::Geth(geth) => geth.log(),
        }
    }

    /// Asks ours to end, and waits until it has.
    pub(super) fn stop(self) -> Result<(), Error> {
        match self.process {
            Process::Ours(node) => node.stop().map(drop)?,
            Process::Geth(geth) => geth.stop().map(drop)?,
        }
        Ok(())
    }
}
