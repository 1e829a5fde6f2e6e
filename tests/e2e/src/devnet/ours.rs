//! A node of ours in a devnet: `snapsync node`, with its doors where they are told to be.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
};

use serde_json::json;

use super::{
    ground::Ground,
    process::{Daemon, free_port},
};
use crate::{Error, program, rpc::Rpc};

/// Where a node is heard: the same after a restart.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// By its consensus client.
    pub engine: SocketAddr,
    /// By everybody else.
    pub http: SocketAddr,
    p2p: u16,
}

impl Door {
    /// Ports that nobody has now.
    pub fn free() -> Result<Self, Error> {
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self { engine: at(free_port()?), http: at(free_port()?), p2p: free_port()? })
    }
}

/// A running node.
#[derive(Debug)]
pub struct Ours {
    daemon: Daemon,
    door: Door,
}

impl Ours {
    /// Starts the one named `name`, which fetches from `peer`. Its directory stays between starts.
    pub fn start(ground: &Ground, name: &str, door: Door, peer: &str) -> Result<Self, Error> {
        let mut command = Command::new(program::locate()?);
        command.arg("node").arg("--genesis").arg(ground.genesis());
        command.arg("--datadir").arg(Self::datadir(ground, name));
        command.arg("--authrpc.jwtsecret").arg(ground.secret());
        command.args(["--authrpc.port", &door.engine.port().to_string()]);
        command.args(["--http", "--http.port", &door.http.port().to_string()]);
        command.args(["--addr", "127.0.0.1", "--port", &door.p2p.to_string(), "--peer", peer]);
        let daemon = Daemon::start(&mut command, &ground.file(&format!("{name}.log")))?;
        Ok(Self { daemon, door })
    }

    /// Where it keeps its data.
    pub fn datadir(ground: &Ground, name: &str) -> PathBuf {
        ground.file(name)
    }

    /// The newest block that it follows: number and hash.
    pub fn head(&self) -> Result<(u64, String), Error> {
        let block = Rpc::new(self.door.http).call("eth_getBlockByNumber", json!(["latest", false]))?;
        let number = crate::rpc::number_in(&block, "number")?;
        Ok((number, block["hash"].as_str().unwrap_or_default().to_owned()))
    }

    /// Accounts that it has fetched; `None` once it follows the head.
    pub fn fetched(&self) -> Result<Option<u64>, Error> {
        let told = Rpc::new(self.door.http).call("eth_syncing", json!([]))?;
        if told == json!(false) { Ok(None) } else { crate::rpc::number_in(&told, "syncedAccounts").map(Some) }
    }

    /// The type of each transaction of a block (EIP-2718; 0 of a legacy one), as the node tells them.
    pub fn transaction_types(&self, number: u64) -> Result<Vec<String>, Error> {
        let block =
            Rpc::new(self.door.http).call("eth_getBlockByNumber", json!([format!("{number:#x}"), true]))?;
        let transactions = block["transactions"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(transactions.iter().filter_map(|each| each["type"].as_str()).map(str::to_owned).collect())
    }

    /// The process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Ends it as a power cut would.
    pub fn kill(self) {
        self.daemon.kill();
    }

    /// Asks it to end; its exit code.
    pub fn stop(self) -> Result<Option<i32>, Error> {
        self.daemon.stop()
    }
}
