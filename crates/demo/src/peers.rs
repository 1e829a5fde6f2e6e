//! The demo's peers: networks of their own on loopback, all serving one chain, some of them badly.
//!
//! Each has its own key, socket, server and thread, as if it ran elsewhere. They share the chain's stores and nothing else.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use secp256k1::SecretKey;
use snapsync_p2p::{Config as NetworkConfig, Enode, Limits as NetworkLimits, LocalChain, Network};
use snapsync_serve::{Answer, Config as ServeConfig, DiskAnswers, Limits, LogWriter, Server, local_chain};
use snapsync_storage::{HistoryStore, Store};
use snapsync_wire::{EthVersion, ForkFilter, SnapVersion};
use tokio::sync::watch;

use crate::{
    DemoChain, Error, PeerKind,
    delay::{DelayedLine, LineKind},
    dice::Dice,
    tamper::TamperedAnswers,
};

/// How many peers of which sort.
#[derive(Clone, Debug)]
pub struct PeerParams {
    /// Peers that serve what they have.
    pub honest: usize,
    /// Peers that lie, one kind after the other (see [`PeerKind::BAD`]).
    pub bad: usize,
    /// Where their keys come from.
    pub seed: u64,
    /// How much they answer at once.
    pub limits: Limits,
    /// What a round trip to any of them takes more than it would.
    pub latency: Duration,
    /// Bytes a second that the line to each of them carries, each way; `None`: as many as it can.
    pub line_bytes_per_second: Option<u64>,
    /// The version of snap that they speak.
    pub snap: SnapVersion,
    /// Where the honest ones log what they are asked.
    pub log: Option<LogWriter>,
}

/// Peers that run.
#[derive(Debug)]
pub struct DemoPeers {
    enodes: Vec<(Enode, PeerKind)>,
    servers: Vec<Server>,
    /// The lines to them, if they are slow ones.
    lines: Vec<DelayedLine>,
    announcer: Announcer,
}

/// What the peers say of their chain: to whoever comes, and to whoever is there once it has moved.
#[derive(Clone, Debug)]
pub struct Announcer {
    network_id: u64,
    forks: ForkFilter,
    genesis_timestamp: u64,
    chain: watch::Sender<LocalChain>,
}

impl Announcer {
    fn of(chain: &DemoChain, store: &Store) -> Result<Self, Error> {
        let (network_id, genesis_timestamp) = (chain.network_id, chain.genesis_timestamp);
        let local =
            local_chain(&store.history.snapshot()?, network_id, chain.forks.clone(), genesis_timestamp)?;
        let (forks, (chain, _)) = (chain.forks.clone(), watch::channel(local));
        Ok(Self { network_id, forks, genesis_timestamp, chain })
    }

    /// Looks at the chain, and says what there is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn look(&self, history: &HistoryStore) -> Result<(), Error> {
        let forks = self.forks.clone();
        let local = local_chain(&history.snapshot()?, self.network_id, forks, self.genesis_timestamp)?;
        self.chain.send_replace(local);
        Ok(())
    }
}

impl DemoPeers {
    /// Starts all peers; each listens when this returns.
    ///
    /// # Errors
    /// When a socket or a thread is refused, or the chain cannot be read.
    pub async fn start(chain: &DemoChain, store: &Store, params: &PeerParams) -> Result<Self, Error> {
        let announcer = Announcer::of(chain, store)?;
        let chain = announcer.chain.subscribe();
        let mut peers = Self { enodes: Vec::new(), servers: Vec::new(), lines: Vec::new(), announcer };
        // The bad ones listen first: whoever dials in this order meets them at once.
        let bad = PeerKind::BAD.into_iter().cycle().take(params.bad);
        for kind in bad.chain(std::iter::repeat_n(PeerKind::Honest, params.honest)) {
            let index = peers.servers.len() as u64;
            let config = NetworkConfig {
                snap: Some(params.snap),
                ..network_config(secret_key(params.seed, index), chain.clone(), index)
            };
            let (network, events) = Network::start(config).await?;
            peers.announce(network.local_enode(), kind, params).await?;
            let log = params.log.clone().filter(|_| kind == PeerKind::Honest);
            // One thread: a peer serves one request at a time, as those do that we shall meet.
            let announced = Some(chain.clone());
            let config = ServeConfig { threads: 1, log, announced, ..ServeConfig::mainnet() };
            peers.servers.push(Server::start(network, events, answers(store, kind, params.limits), config)?);
        }
        Ok(peers)
    }

    /// Notes where a peer is to be dialled.
    async fn announce(&mut self, listens: Enode, kind: PeerKind, params: &PeerParams) -> Result<(), Error> {
        let mut enode = listens;
        let (round_trip, bytes_per_second) = (params.latency, params.line_bytes_per_second);
        if !round_trip.is_zero() || bytes_per_second.is_some() {
            let kind = LineKind { round_trip, bytes_per_second };
            let line = DelayedLine::open(listens.address, kind).await.map_err(Error::Line)?;
            enode.address = line.address;
            self.lines.push(line);
        }
        self.enodes.push((enode, kind));
        Ok(())
    }

    /// Where each peer is dialled, and what it is.
    pub fn enodes(&self) -> &[(Enode, PeerKind)] {
        &self.enodes
    }

    /// Who tells them that their chain has moved.
    pub fn announcer(&self) -> Announcer {
        self.announcer.clone()
    }

    /// Stops all peers and comes back when their threads have ended.
    pub async fn shutdown(self) {
        for server in self.servers {
            server.shutdown().await;
        }
    }
}

fn answers(store: &Store, kind: PeerKind, limits: Limits) -> Arc<dyn Answer> {
    let honest = DiskAnswers::new(store.state.clone(), store.history.clone(), limits);
    match kind {
        PeerKind::Honest => Arc::new(honest),
        bad => Arc::new(TamperedAnswers::new(honest, bad)),
    }
}

fn network_config(key: SecretKey, chain: watch::Receiver<LocalChain>, seed: u64) -> NetworkConfig {
    NetworkConfig {
        key,
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        static_peers: Vec::new(),
        client_name: format!("snapsync-demo/{}", env!("CARGO_PKG_VERSION")),
        eth: vec![EthVersion::Eth69, EthVersion::Eth70, EthVersion::Eth71],
        snap: Some(SnapVersion::Snap1),
        chain,
        limits: NetworkLimits::mainnet(),
        seed,
    }
}

/// The key of a peer: nobody's secret, since the chain is nobody's money.
fn secret_key(seed: u64, index: u64) -> SecretKey {
    let mut dice = Dice::new(seed, 0x6b65_7900 + index);
    loop {
        // One word in 2^128 is no key.
        if let Ok(key) = SecretKey::from_byte_array(dice.word().0) {
            return key;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy_primitives::B256;
    use snapsync_p2p::{Events, Message, NetworkEvent};
    use snapsync_serve::{RequestKind, ServeLog};
    use snapsync_trie::{HashRange, verify_accounts};
    use snapsync_wire::{eth, snap};

    use super::*;
    use crate::{MovingChain, chain::open_or_make, plan::DemoParams};

    /// What each peer makes of a question for accounts: verified rows, or the fault's name.
    async fn ask_all(
        network: &Network,
        events: &mut Events,
        chain: &DemoChain,
        peers: &DemoPeers,
        answers: usize,
    ) -> BTreeMap<PeerKind, &'static str> {
        let root = chain.target.root;
        let mut kinds = BTreeMap::new();
        let mut found = BTreeMap::new();
        while found.len() < answers {
            let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await;
            match event.expect("in time").expect("the network runs") {
                NetworkEvent::Up(up) => {
                    let (_, kind) =
                        peers.enodes().iter().find(|(enode, _)| enode.id == up.node_id).expect("ours");
                    kinds.insert(up.peer, *kind);
                    let request = snap::GetAccountRange {
                        id: 1,
                        root,
                        origin: B256::ZERO,
                        limit: HashRange::FULL.last(),
                        response_bytes: 9_000,
                    };
                    let request = Message::Snap(snap::Message::GetAccountRange(request));
                    network.send(up.peer, &request).expect("room");
                }
                NetworkEvent::Message {
                    peer,
                    message: Message::Snap(snap::Message::AccountRange(answer)),
                    ..
                } => {
                    let verified = verify_accounts(root, HashRange::FULL, &answer.accounts, &answer.proof);
                    found.insert(kinds[&peer], verified.map_or_else(|fault| fault.kind(), |_| "verified"));
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        found
    }

    // ROW: F60
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn honest_and_bad_peers_answer_over_real_sockets() {
        let dir = tempfile::tempdir().expect("a directory");
        let params = DemoParams::tiny();
        let (chain, store) = open_or_make(params, dir.path()).expect("made");
        let (log, read) = ServeLog::bounded(16);
        let params = PeerParams {
            honest: 1,
            bad: 6,
            seed: 3,
            limits: Limits::mainnet(),
            latency: Duration::from_millis(1),
            line_bytes_per_second: None,
            snap: SnapVersion::Snap1,
            log: Some(log),
        };
        let peers = DemoPeers::start(&chain, &store, &params).await.expect("started");
        let mut kinds: Vec<PeerKind> = peers.enodes().iter().map(|(_, kind)| *kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 7);
        let config = NetworkConfig {
            listen: None,
            static_peers: peers.enodes().iter().map(|(enode, _)| (*enode).into()).collect(),
            ..network_config(secret_key(9, 9), watch::channel(chain.at_genesis()).1, 1)
        };
        let (network, mut events) = Network::start(config).await.expect("a network");
        // All but the silent one.
        let found = ask_all(&network, &mut events, &chain, &peers, 6).await;
        assert_eq!(
            found,
            BTreeMap::from([
                (PeerKind::Honest, "verified"),
                (PeerKind::TruncatedTail, "missing_node"),
                (PeerKind::OmittedStorageSet, "verified"),
                (PeerKind::ForgedValue, "root_mismatch"),
                (PeerKind::WrongReceipts, "verified"),
                (PeerKind::WrongCode, "verified"),
            ])
        );
        let logged = read.drain();
        assert_eq!(logged.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [RequestKind::Accounts]);
        network.shutdown().await;
        peers.shutdown().await;
    }
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn peers_hear_how_far_a_moving_chain_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let (chain, store) = open_or_make(DemoParams::tiny(), dir.path()).expect("made");
        let params = PeerParams {
            honest: 1,
            bad: 0,
            seed: 3,
            limits: Limits::mainnet(),
            latency: Duration::ZERO,
            line_bytes_per_second: None,
            snap: SnapVersion::Snap1,
            log: None,
        };
        let peers = DemoPeers::start(&chain, &store, &params).await.expect("started");
        let config = NetworkConfig {
            listen: None,
            static_peers: peers.enodes().iter().map(|(enode, _)| (*enode).into()).collect(),
            ..network_config(secret_key(9, 9), watch::channel(chain.at_genesis()).1, 1)
        };
        let (network, mut events) = Network::start(config).await.expect("a network");
        let mut next = async || {
            let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await;
            event.expect("in time").expect("the network runs")
        };
        assert!(matches!(next().await, NetworkEvent::Up(_)));
        let mut moving = MovingChain::open(&store, dir.path(), 1).expect("it goes on");
        let head = (0..32).map(|_| moving.grow().expect("a block")).last().expect("32 of them");
        peers.announcer().look(&store.history).expect("our own disk");
        match next().await {
            NetworkEvent::Message {
                message: Message::Eth(eth::Message::BlockRangeUpdate(range)), ..
            } => {
                assert_eq!((range.earliest, range.latest, range.latest_hash), (0, 52, head.hash));
            }
            other => panic!("no range: {other:?}"),
        }
        moving.close().expect("durable");
        network.shutdown().await;
        peers.shutdown().await;
    }
}
