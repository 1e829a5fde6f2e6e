//! A client that is driven: `snapsync node` or a geth, and the line over which it is given payloads.
//!
//! It is killed when it is dropped. What it answers is looked at elsewhere.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    datadir::Datadir,
    devnet::Daemon,
    engine::Engine,
    geth::{Geth, Settings},
    line::{Line, Reply},
    patience,
    payload::PayloadCall,
};

use crate::error::Error;

/// A start takes far less than a second, or as many as a large directory needs.
const START_PATIENCE: Duration = Duration::from_secs(120);

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
    Ours { daemon: Daemon, log: PathBuf },
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
        let (datadir, secret) = (ground.place.join("snapsync"), ground.place.join("secret"));
        let log = ground.place.join("snapsync.log");
        let before = fs::read_to_string(&log).map_or(0, |text| text.len());
        let mut command = Command::new(program);
        command.arg("node").arg("--genesis").arg(&ground.genesis).arg("--datadir").arg(datadir);
        command.args(["--networkid", &ground.network_id.to_string(), "--syncmode", ground.mode.word()]);
        command.arg("--authrpc.jwtsecret").arg(&secret);
        command.args(["--addr", "127.0.0.1", "--port", "0", "--authrpc.port", "0", "--log.format", "json"]);
        command.args(ground.peer.iter().flat_map(|peer| ["--peer", peer]));
        let mut daemon = Daemon::start(&mut command, &log)?;
        let heard = || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let address = door(text.get(before..).unwrap_or_default());
            (address.is_some() || daemon.has_ended()).then_some(address)
        };
        let address = patience::until("our Engine API", START_PATIENCE, heard, String::new)?;
        let address = address
            .ok_or(Error::Program { program: "snapsync node".to_owned(), status: daemon.last_words() })?;
        let digits = fs::read_to_string(&secret).map_err(Error::io("read", &secret))?;
        let digits = digits.trim().trim_start_matches("0x").parse();
        let engine = Engine::new(address, digits.map_err(|_| Error::Output("the secret's file"))?);
        Ok(Self { process: Process::Ours { daemon, log }, line: Line::to(address), engine })
    }

    /// The process.
    pub(super) fn id(&self) -> u32 {
        match &self.process {
            Process::Ours { daemon, .. } => daemon.id(),
            Process::Geth(geth) => geth.process_id(),
        }
    }

    /// Its Engine API.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sends a request of one who has the secret.
    pub(super) fn post(&mut self, request: &str) -> Result<Reply, Error> {
        Ok(self.line.post(Some(&self.engine.authorization()), request)?)
    }

    /// Gives a block and names it: what is said of either.
    pub(super) fn give(&mut self, call: &PayloadCall) -> Result<[Said; 2], Error> {
        let payload = Said::of(&self.post(&call.new_payload())?);
        Ok([payload, Said::of(&self.post(&call.forkchoice())?)])
    }

    /// What it has logged; of ours all since its directory was empty.
    pub(super) fn log(&self) -> String {
        match &self.process {
            Process::Ours { log, .. } => fs::read_to_string(log).unwrap_or_default(),
            Process::Geth(geth) => geth.log(),
        }
    }

    /// Asks ours to end, and waits until it has.
    pub(super) fn stop(self) -> Result<(), Error> {
        match self.process {
            Process::Ours { daemon, .. } => daemon.stop().map(drop)?,
            Process::Geth(geth) => geth.stop().map(drop)?,
        }
        Ok(())
    }
}

/// Where the Engine API is, once the log says so.
fn door(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("the consensus client is heard at http://")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ':')?;
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::door;

    #[test]
    fn door_is_found_once_its_line_is_whole() {
        let line =
            "{\"level\":\"INFO\",\"message\":\"the consensus client is heard at http://127.0.0.1:4321\"}\n";
        assert_eq!(door(line), Some(([127, 0, 0, 1], 4321).into()));
        assert_eq!(door(&line[..line.len() - 4]), None);
        assert_eq!(door("phase: idle"), None);
    }
}
