//! The geth that all clients take the state from, its own count of what it sent, and what that cost it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
};

use serde_json::Value;
use snapsync_e2e::{
    cache::Tools,
    chain::TestChain,
    cost,
    geth::{Geth, Settings},
};

use crate::{error::Error, versus::figures::Figures};

/// A geth that serves a chain.
pub(crate) struct Server {
    geth: Geth,
    metrics: SocketAddr,
}

impl Server {
    /// Starts it on a copy of the chain's data in `folder`.
    pub(crate) fn start(tools: &Tools, chain: &TestChain, folder: &Path) -> Result<Self, Error> {
        let metrics = free_port()?;
        let mut settings = Settings::serving(chain.expected().network_id);
        let words =
            ["--metrics", "--metrics.addr", "127.0.0.1", "--metrics.port", &metrics.port().to_string()];
        settings.arguments.extend(words.map(str::to_owned));
        let geth = chain.serve_with(tools, folder, &settings)?;
        Ok(Self { geth, metrics })
    }

    /// The address that peers dial.
    pub(crate) fn enode(&self) -> String {
        self.geth.enode()
    }

    /// Lets a client take its turn, and counts what was sent during it and what it cost to serve.
    pub(crate) fn count(&self, turn: impl FnOnce() -> Result<Figures, Error>) -> Result<Figures, Error> {
        let (sent, cpu) = (self.sent()?, cost::cpu_seconds(self.geth.process_id()));
        let mut figures = turn()?;
        figures.server_cpu_seconds = cost::cpu_seconds(self.geth.process_id()) - cpu;
        figures.wire_bytes = self.sent()?.saturating_sub(sent);
        Ok(figures)
    }

    /// Bytes that it has sent to peers so far.
    fn sent(&self) -> Result<u64, Error> {
        let answer = self.read_metrics().map_err(Error::io("read", "geth's metrics"))?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let metrics: Value = serde_json::from_str(body).map_err(|_| Error::Output("geth's metrics"))?;
        metrics.get("p2p/egress.count").and_then(Value::as_u64).ok_or(Error::Output("geth's metrics"))
    }

    fn read_metrics(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.metrics)?;
        write!(stream, "GET /debug/metrics HTTP/1.0\r\nHost: {}\r\n\r\n", self.metrics)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// A port that nobody has now: geth does not choose one for its metrics by itself.
fn free_port() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener.and_then(|listener| listener.local_addr()).map_err(Error::io("find", "a free port"))
}
