//! A beacon node of Prysm, and the validators of the first one.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::Value;

use super::{
    ground::{Ground, VALIDATORS},
    process::{Daemon, free_port},
};
use crate::{Error, patience};

/// Starting opens a database and reads a state.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Longer than any answer of the beacon API takes.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// Where the fees go.
const FEES_TO: &str = "0x1563915e194D8CfBA1943570603F7606A3115508";

/// How a beacon node comes to know the chain.
#[derive(Clone, Copy, Debug)]
pub enum Begins<'a> {
    /// It makes it: the first one.
    First,
    /// From the genesis on, out of the blocks of another one.
    Genesis(&'a Beacon),
    /// From the last finalized state of another one.
    Checkpoint(&'a Beacon),
}

/// Where the parts of a beacon node are heard: the same after a restart.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    p2p: u16,
    rpc: u16,
    http: u16,
    monitoring: u16,
}

impl Place {
    /// Ports that nobody has now.
    pub fn free() -> Result<Self, Error> {
        Ok(Self { p2p: free_port()?, rpc: free_port()?, http: free_port()?, monitoring: free_port()? })
    }

    fn api(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.http))
    }
}

/// What a beacon node says of its own sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syncing {
    /// Its newest slot.
    pub head_slot: u64,
    /// Whether the execution client has not said yet that the head is valid.
    pub is_optimistic: bool,
    /// Whether it does not reach its execution client.
    pub is_alone: bool,
}

/// A running beacon node.
#[derive(Debug)]
pub struct Beacon {
    daemon: Daemon,
    place: Place,
}

impl Beacon {
    /// Starts one named `name` in front of the execution client at `engine`, and returns when it answers.
    pub fn start(
        ground: &Ground,
        name: &str,
        place: Place,
        engine: SocketAddr,
        begins: Begins<'_>,
    ) -> Result<Self, Error> {
        let mut command = Command::new(ground.prysm.program("beacon-chain"));
        shared(&mut command, ground, name, place, engine);
        match begins {
            Begins::First => {
                // It waits for nobody, and has the data of all subnets.
                command.args(["--bootstrap-node=", "--min-sync-peers=0"]);
                command.args(["--subscribe-all-subnets", "--subscribe-all-data-subnets"]);
            }
            Begins::Genesis(other) => {
                beside(&mut command, other)?;
            }
            Begins::Checkpoint(other) => {
                beside(&mut command, other)?;
                command.arg(format!("--checkpoint-sync-url=http://{}", other.place.api()));
            }
        }
        let daemon = Daemon::start(&mut command, &ground.file(&format!("{name}.log")))?;
        let beacon = Self { daemon, place };
        let answer = || beacon.syncing().ok();
        patience::until("the start of a beacon node", START_PATIENCE, answer, || beacon.daemon.last_words())?;
        Ok(beacon)
    }

    /// The validators of the chain, all of them, at this node.
    pub fn validators(&self, ground: &Ground) -> Result<Daemon, Error> {
        let mut command = Command::new(ground.prysm.program("validator"));
        command.arg(format!("--datadir={}", ground.file("validators").display()));
        command.args(["--accept-terms-of-use", "--interop-start-index=0", "--monitoring-port=0"]);
        command.arg(format!("--interop-num-validators={VALIDATORS}"));
        command.arg(format!("--chain-config-file={}", ground.file("config.yml").display()));
        command.arg(format!("--beacon-rpc-provider=127.0.0.1:{}", self.place.rpc));
        command.arg(format!("--beacon-rest-api-provider=http://{}", self.place.api()));
        command
            .args([format!("--suggested-fee-recipient={FEES_TO}"), format!("--http-port={}", free_port()?)]);
        Daemon::start(&mut command, &ground.file("validators.log"))
    }

    /// How its sync goes.
    pub fn syncing(&self) -> Result<Syncing, Error> {
        let data = self.get("/eth/v1/node/syncing")?;
        let is = |name: &str| data[name].as_bool().unwrap_or_default();
        let head_slot = data["head_slot"].as_str().and_then(|slot| slot.parse().ok());
        Ok(Syncing {
            head_slot: head_slot.unwrap_or_default(),
            is_optimistic: is("is_optimistic"),
            is_alone: is("el_offline"),
        })
    }

    /// The epochs that are justified and finalized.
    pub fn checkpoints(&self) -> Result<(u64, u64), Error> {
        let data = self.get("/eth/v1/beacon/states/head/finality_checkpoints")?;
        let epoch =
            |name: &str| data[name]["epoch"].as_str().and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        Ok((epoch("current_justified"), epoch("finalized")))
    }

    /// Ends it as a power cut would.
    pub fn kill(self) {
        self.daemon.kill();
    }

    /// Lets it end, and gives its place back.
    pub fn stop(self) -> Result<Place, Error> {
        self.daemon.stop()?;
        Ok(self.place)
    }

    /// What it said last.
    pub fn last_words(&self) -> String {
        self.daemon.last_words()
    }

    fn get(&self, path: &str) -> Result<Value, Error> {
        let failed = |why: String| Error::Rpc { method: path.to_owned(), why };
        let body = get(self.place.api(), path).map_err(|error| failed(error.to_string()))?;
        let mut answer: Value =
            serde_json::from_str(&body).map_err(|error| failed(format!("{error} in {body}")))?;
        Ok(answer["data"].take())
    }
}

/// What all beacon nodes are told.
fn shared(command: &mut Command, ground: &Ground, name: &str, place: Place, engine: SocketAddr) {
    let Place { p2p, rpc, http, monitoring } = place;
    let at = |path: &Path| path.display().to_string();
    command.args([
        format!("--datadir={}", at(&ground.file(name))),
        format!("--genesis-state={}", at(&ground.file("genesis.ssz"))),
        format!("--chain-config-file={}", at(&ground.file("config.yml"))),
        format!("--jwt-secret={}", at(&ground.secret())),
        format!("--execution-endpoint=http://{engine}"),
        format!("--suggested-fee-recipient={FEES_TO}"),
        format!("--p2p-tcp-port={p2p}"),
        format!("--p2p-udp-port={p2p}"),
        format!("--rpc-port={rpc}"),
        format!("--http-port={http}"),
        format!("--monitoring-port={monitoring}"),
    ]);
    command.args([
        "--accept-terms-of-use",
        "--chain-id=32382",
        "--network-id=32382",
        "--deposit-contract=0x4242424242424242424242424242424242424242",
        "--contract-deployment-block=0",
        "--interop-eth1data-votes",
        "--minimum-peers-per-subnet=0",
        "--p2p-local-ip=127.0.0.1",
        "--p2p-host-ip=127.0.0.1",
        "--p2p-static-id",
        "--rpc-host=127.0.0.1",
        "--http-host=127.0.0.1",
        "--monitoring-host=127.0.0.1",
        // Its QUIC panics with newer compilers of Go.
        "--disable-quic",
        // With fewer, the first head that is named is block 63: too low for geth's pivot, which then ends with a bad block.
        "--block-batch-limit=128",
        "--block-batch-limit-burst-factor=10",
    ]);
}

/// Joins the network of another one. Its record is needed beside its address: without it nobody is asked for the data of blobs.
fn beside(command: &mut Command, other: &Beacon) -> Result<(), Error> {
    let identity = other.get("/eth/v1/node/identity")?;
    let told = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    command.arg("--min-sync-peers=1");
    command.arg(format!("--peer={}", told(&identity["p2p_addresses"][0])));
    command.arg(format!("--bootstrap-node={}", told(&identity["enr"])));
    Ok(())
}

fn get(server: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", server.ip())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| io::Error::other("no end of the HTTP header"))
}
