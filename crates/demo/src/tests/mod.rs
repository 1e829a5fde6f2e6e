//! The demo in one process: what its peers were asked, what it answers itself, what was hashed, how the handle behaves.

mod above;
mod answers;
mod asked;
mod events;
mod executed;
mod finality;
mod handle;
mod hashed;
mod heads;
mod moving;
mod payloads;
mod receipts;
mod share;
mod turns;
mod versions;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use futures::StreamExt;
use snapsync_driver::{Chain, Config, Event, Forkchoice, Progress, SnapSync};
use snapsync_p2p::Enode;
use snapsync_serve::{Limits, ServeLog};
use snapsync_storage::Store;
use snapsync_wire::SnapVersion;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{DemoChain, DemoParams, DemoPeers, PeerParams, open_or_make};

/// Nothing here takes a tenth of it, on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(120);

/// A chain that is served on loopback, with a log of what is asked.
struct Demo {
    chain: DemoChain,
    store: Store,
    enodes: Vec<Enode>,
    log: ServeLog,
    runtime: Runtime,
    peers: Option<DemoPeers>,
    dir: TempDir,
}

impl Demo {
    fn serve(params: DemoParams, honest: usize) -> Self {
        Self::serve_within(params, honest, Limits::mainnet())
    }

    fn serve_within(params: DemoParams, honest: usize, limits: Limits) -> Self {
        Self::serve_over(params, honest, limits, None)
    }

    fn serve_over(
        params: DemoParams,
        honest: usize,
        limits: Limits,
        line_bytes_per_second: Option<u64>,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (chain, store) = open_or_make(params, &dir.path().join("chain")).expect("made");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let (writer, log) = ServeLog::bounded(1 << 16);
        let params = PeerParams {
            honest,
            bad: 0,
            seed: 1,
            limits,
            latency: Duration::ZERO,
            line_bytes_per_second,
            snap: SnapVersion::Snap1,
            log: Some(writer),
        };
        let peers = runtime.block_on(DemoPeers::start(&chain, &store, &params)).expect("started");
        let enodes = peers.enodes().iter().map(|(enode, _)| *enode).collect();
        Self { chain, store, enodes, log, runtime, peers: Some(peers), dir }
    }

    fn datadir(&self) -> PathBuf {
        self.dir.path().join("sync")
    }

    fn config(&self) -> Config {
        let chain = Chain {
            chain_id: self.chain.network_id,
            network_id: self.chain.network_id,
            genesis_hash: self.chain.genesis,
            genesis_time: self.chain.genesis_timestamp,
            fork_blocks: Vec::new(),
            fork_times: Vec::new(),
        };
        Config { seed: 1, ..Config::standing(chain, self.datadir(), self.enodes.clone()) }
    }

    /// Syncs to the end; the last figures.
    fn sync(&self, config: Config) -> Progress {
        let sync = SnapSync::start(config).expect("started");
        let mut events = sync.events();
        sync.forkchoice_updated(Forkchoice::head(self.chain.target.hash)).expect("it runs");
        let until = Instant::now() + PATIENCE;
        let progress = self.runtime.block_on(async {
            loop {
                assert!(Instant::now() < until, "{:?}", sync.progress());
                match events.next().await {
                    Some(Event::Complete(_)) => break sync.progress(),
                    Some(Event::PeerFault { peer, fault }) => panic!("{peer} is honest: {fault}"),
                    Some(_) => {}
                    None => panic!("the sync ended early"),
                }
            }
        });
        sync.shutdown_blocking().expect("a clean end");
        progress
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some(peers) = self.peers.take() {
            self.runtime.block_on(peers.shutdown());
        }
    }
}
