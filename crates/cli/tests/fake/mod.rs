//! A peer of the test's own: it greets as it is told to, answers for headers, and notes what else it is asked.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use secp256k1::SecretKey;
use snapsync_p2p::{Config, Limits, LocalChain, Message, Network, NetworkEvent};
use snapsync_wire::{ChainHead, EthVersion, ForkFilter, SnapVersion, eth};
use tokio::{runtime::Runtime, sync::watch};

/// A chain that has a genesis without accounts and no other block.
pub(crate) const GENESIS: &str = r#"{"config":{"chainId":7},"difficulty":"0x1","gasLimit":"0x1","alloc":{}}"#;

/// Its genesis file, in a folder.
pub(crate) fn genesis_file(folder: &Path) -> PathBuf {
    let path = folder.join("genesis.json");
    std::fs::write(&path, GENESIS).expect("written");
    path
}

fn genesis() -> Header {
    Header { difficulty: alloy_primitives::U256::from(1), gas_limit: 1, ..Header::default() }
}

/// The hash of its genesis.
pub(crate) fn genesis_hash() -> B256 {
    genesis().hash_slow()
}

/// A peer that runs until this is dropped.
pub(crate) struct Fake {
    /// Where it listens.
    pub(crate) enode: String,
    /// Requests for state that came.
    pub(crate) state_asked: Arc<AtomicUsize>,
    /// Ends its tasks with it.
    _runtime: Runtime,
    _chain: watch::Sender<LocalChain>,
}

impl Fake {
    /// Starts it; it claims to have the genesis and nothing above.
    pub(crate) fn start(snap: Option<SnapVersion>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let forks = ForkFilter::new(genesis_hash(), 0, &[], &[]);
        let local =
            LocalChain { head: ChainHead { number: 0, timestamp: 0 }, ..LocalChain::at_genesis(7, forks, 0) };
        let (keep, chain) = watch::channel(local);
        let config = Config {
            key: SecretKey::from_byte_array([9; 32]).expect("below the curve's order"),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            static_peers: Vec::new(),
            client_name: "fake".into(),
            eth: vec![EthVersion::Eth69],
            snap,
            chain,
            limits: Limits::mainnet(),
            seed: 1,
        };
        let (network, mut events) = runtime.block_on(Network::start(config)).expect("it listens");
        let state_asked = Arc::new(AtomicUsize::new(0));
        let (enode, asked) = (network.local_enode().to_string(), state_asked.clone());
        runtime.spawn(async move {
            while let Some(event) = events.recv().await {
                let NetworkEvent::Message { peer, message, .. } = event else { continue };
                match message {
                    Message::Eth(eth::Message::GetBlockHeaders(request)) => {
                        let is_genesis = match request.start {
                            eth::BlockStart::Hash(hash) => hash == genesis_hash(),
                            eth::BlockStart::Number(number) => number == 0,
                        };
                        let raw: Bytes = alloy_rlp::encode(genesis()).into();
                        let header = snapsync_wire::Header::decode(&raw).expect("a header");
                        let headers = if is_genesis { vec![header] } else { Vec::new() };
                        let answer = eth::BlockHeaders { id: request.id, headers };
                        let _gone = network.send(peer, &Message::Eth(eth::Message::BlockHeaders(answer)));
                    }
                    Message::Snap(_) => drop(asked.fetch_add(1, Ordering::Relaxed)),
                    Message::Eth(_) => {}
                }
            }
        });
        Self { enode, state_asked, _runtime: runtime, _chain: keep }
    }

    /// How often it was asked for state.
    pub(crate) fn state_asked(&self) -> usize {
        self.state_asked.load(Ordering::Relaxed)
    }
}
