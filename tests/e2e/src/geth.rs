//! A running geth: started on a data directory, asked until it answers, killed when it is dropped.
//!
//! It listens on ports that the system chose, on loopback as far as geth can be told, and finds nobody by itself. What it
//! logs goes into a file beside its data, and an error repeats the end of it.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy_primitives::B256;
use serde_json::{Value, json};

use crate::{
    Error,
    cache::Tools,
    datadir::{CACHE_MIB, Datadir, field_in, last_lines},
    engine::Engine,
    patience,
    rpc::Rpc,
};

/// Starting takes a second; a shared machine can make much more of it.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Stopping writes out what is in memory.
const STOP_PATIENCE: Duration = Duration::from_secs(120);

/// How geth is to be started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The network's id. Peers of another one are turned away.
    pub network_id: u64,
    /// The gas limit that blocks made by it aim at.
    pub gas_limit: u64,
    /// 32 bytes of hex: the node's key, where the test must know the node's id beforehand.
    pub node_key: Option<String>,
    /// Further arguments, as on the command line.
    pub arguments: Vec<String>,
}

impl Settings {
    /// To serve the chain of `network_id` to whoever connects.
    pub fn serving(network_id: u64) -> Self {
        Self { network_id, gas_limit: crate::genesis::GAS_LIMIT, node_key: None, arguments: Vec::new() }
    }
}

/// A geth that answers.
#[derive(Debug)]
pub struct Geth {
    child: Child,
    datadir: Datadir,
    rpc: Rpc,
    /// The node's id, 128 hex digits.
    node_id: String,
    peer_address: SocketAddr,
}

impl Geth {
    /// Starts geth on `datadir`, and returns when it answers. The directory is changed by it: give it a copy.
    pub fn start(tools: &Tools, datadir: Datadir, settings: &Settings) -> Result<Self, Error> {
        let log = log_of(&datadir);
        let file = File::create(&log).map_err(Error::io("make", &log))?;
        let mut child = command(tools, &datadir, settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(Error::io("start", &tools.geth))?;
        match greet(&mut child, &log) {
            Ok((rpc, node_id, peer_address)) => Ok(Self { child, datadir, rpc, node_id, peer_address }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// Its JSON-RPC server, with the namespaces admin, debug, eth, net and testing.
    pub fn rpc(&self) -> Rpc {
        self.rpc
    }

    /// Its engine API, with the secret that it made for itself.
    pub fn engine(&self) -> Result<Engine, Error> {
        let address = self.engine_address()?;
        let path = self.datadir.path().join("geth/jwtsecret");
        let digits = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let secret: B256 = digits
            .trim()
            .parse()
            .map_err(|_| Error::Chain(format!("no secret of 32 bytes in {}", path.display())))?;
        Ok(Engine::new(address, secret))
    }

    /// Where its engine API is heard.
    pub fn engine_address(&self) -> Result<SocketAddr, Error> {
        let address = endpoint(&self.log(), Server::Engine);
        address.ok_or_else(|| Error::Chain("geth does not say where its engine API is".to_owned()))
    }

    /// Makes it stand still, with all its connections open, until [`Geth::resume`].
    pub fn pause(&self) -> Result<(), Error> {
        self.signal("STOP")
    }

    /// Goes on.
    pub fn resume(&self) -> Result<(), Error> {
        self.signal("CONT")
    }

    /// Children have no portable way to be sent a signal; the program `kill` has.
    fn signal(&self, name: &str) -> Result<(), Error> {
        let kill = Path::new("kill");
        let words = ["-s", name, &self.child.id().to_string()];
        Command::new(kill).args(words).status().map_err(Error::io("start", kill)).map(drop)
    }

    /// Where peers connect to it.
    pub fn peer_address(&self) -> SocketAddr {
        self.peer_address
    }

    /// The address that peers dial.
    pub fn enode(&self) -> String {
        self.enode_at(self.peer_address)
    }

    /// The same node behind another address: that of a relay.
    pub fn enode_at(&self, address: SocketAddr) -> String {
        format!("enode://{}@{address}", self.node_id)
    }

    /// The node's own record, `enr:…`.
    pub fn record(&self) -> Result<String, Error> {
        let node = self.rpc.call("admin_nodeInfo", json!([]))?;
        let record = node.get("enr").and_then(Value::as_str);
        record.map(str::to_owned).ok_or_else(|| Error::Chain(format!("no record in {node}")))
    }

    /// The operating system's id of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// What geth has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(log_of(&self.datadir)).unwrap_or_default()
    }

    /// What it logged last: what may explain why something has not happened.
    pub fn last_words(&self) -> String {
        tail_of(&log_of(&self.datadir))
    }

    /// How many peers it has now.
    pub fn peer_count(&self) -> Result<usize, Error> {
        let peers = self.rpc.call("admin_peers", json!([]))?;
        Ok(peers.as_array().map_or(0, Vec::len))
    }

    /// Ends it as a power cut would, and gives its directory back: of its newest blocks it knows no state any more.
    pub fn kill(mut self) -> Datadir {
        end(&mut self.child);
        self.datadir.clone()
    }

    /// Lets geth end in order, so that all it knows is on the disk, and gives its directory back.
    pub fn stop(mut self) -> Result<Datadir, Error> {
        self.signal("INT")?;
        let log = log_of(&self.datadir);
        patience::until(
            "the end of geth",
            STOP_PATIENCE,
            || self.child.try_wait().ok().flatten(),
            || tail_of(&log),
        )?;
        Ok(self.datadir.clone())
    }
}

impl Drop for Geth {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Kills and reaps. A process that has ended already is no fault.
fn end(child: &mut Child) {
    child.kill().ok();
    child.wait().ok();
}

fn command(tools: &Tools, datadir: &Datadir, settings: &Settings) -> Command {
    let mut command = Command::new(&tools.geth);
    command.arg("--datadir").arg(datadir.path());
    command.args(["--networkid", &settings.network_id.to_string()]);
    command.args(["--miner.gaslimit", &settings.gas_limit.to_string()]);
    // Full: a geth in snap mode would serve no state. Nothing is dialled and nothing is announced.
    command.args(["--syncmode", "full", "--nodiscover", "--nat", "none", "--netrestrict", "127.0.0.0/8"]);
    command.args(["--port", "0", "--maxpeers", "50"]);
    command.args(["--authrpc.addr", "127.0.0.1", "--authrpc.port", "0"]);
    command.args(["--http", "--http.addr", "127.0.0.1", "--http.port", "0"]);
    command.args(["--http.api", "admin,debug,eth,net,testing"]);
    command.args([
        "--ipcdisable",
        "--datadir.minfreedisk",
        "0",
        "--cache",
        CACHE_MIB,
        "--log.format",
        "logfmt",
    ]);
    // Nobody here searches for logs or by a transaction's hash.
    command.args(["--history.logs.disable", "--history.transactions", "1"]);
    if let Some(key) = &settings.node_key {
        command.args(["--nodekeyhex", key]);
    }
    command.args(&settings.arguments);
    command
}

/// Waits until geth answers, and asks who it is.
fn greet(child: &mut Child, log: &Path) -> Result<(Rpc, String, SocketAddr), Error> {
    let address =
        patience::until("geth's start", START_PATIENCE, || http_address(child, log), || tail_of(log))?;
    let Some(address) = address else {
        return Err(Error::Program {
            program: "geth".to_owned(),
            status: "an end before it served".to_owned(),
            tail: tail_of(log),
        });
    };
    let rpc = Rpc::new(address);
    let ask = || rpc.call("admin_nodeInfo", json!([])).ok();
    let who = patience::until("geth's first answer", START_PATIENCE, ask, || tail_of(log))?;
    let (node_id, port) = identity(&who)?;
    Ok((rpc, node_id, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

/// Where the HTTP server listens, once the log says so; the inner `None` when geth has ended.
fn http_address(child: &mut Child, log: &Path) -> Option<Option<SocketAddr>> {
    let text = fs::read_to_string(log).unwrap_or_default();
    if let Some(address) = endpoint(&text, Server::Rpc) {
        return Some(Some(address));
    }
    child.try_wait().ok().flatten().map(|_| None)
}

/// The HTTP servers of a geth.
#[derive(Clone, Copy, Debug)]
enum Server {
    /// JSON-RPC for whoever asks.
    Rpc,
    /// The engine API, for whoever signs.
    Engine,
}

/// Where a server listens, once the log says so.
fn endpoint(log: &str, server: Server) -> Option<SocketAddr> {
    let mark = match server {
        Server::Rpc => "auth=false",
        Server::Engine => "auth=true",
    };
    let line = log.lines().find(|line| line.contains("HTTP server started") && line.contains(mark));
    field_in(line?, "endpoint")?.parse().ok()
}

/// The node's id and its port, from `enode://ID@HOST:PORT?…` and the port that it listens on.
fn identity(node: &Value) -> Result<(String, u16), Error> {
    let enode = node.get("enode").and_then(Value::as_str).unwrap_or_default();
    let id = enode.strip_prefix("enode://").and_then(|rest| rest.split('@').next());
    let port =
        node.pointer("/ports/listener").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    match (id, port) {
        (Some(id), Some(port)) if port != 0 => Ok((id.to_owned(), port)),
        _ => Err(Error::Rpc { method: "admin_nodeInfo".to_owned(), why: format!("no place in {node}") }),
    }
}

fn log_of(datadir: &Datadir) -> PathBuf {
    datadir.path().join("geth.log")
}

fn tail_of(log: &Path) -> String {
    format!("its log ends:\n{}", last_lines(&fs::read_to_string(log).unwrap_or_default()))
}
