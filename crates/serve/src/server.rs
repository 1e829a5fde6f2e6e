//! The running server: one task that gives out turns, and threads that answer.
//!
//! Inbox: the network's events. Outbox: the network's write queues. Owns: the network, the lines of requests, the threads. Ends: at
//! [`Server::shutdown`], or when the network ends.
//!
//! ```text
//! network -- events --> task -- jobs (as many as threads) --> threads -- send --> network
//!                         ^------- done (as many as threads) -----'
//! ```
//!
//! Answers come from the disk, so they are made off the network's tasks. The two channels hold as many entries as there are threads,
//! because that many jobs are out at most: neither is ever full.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread::{self, JoinHandle as Thread},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use snapsync_p2p::{Events, Handle, LocalChain, Message, Network, NetworkEvent, PeerId, SendError};
use snapsync_wire::{BlockRange, DisconnectReason, EthVersion, eth};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::MissedTickBehavior,
};

use crate::{
    announced::{Announced, next_range},
    answer::{Answer, answer_bytes, request_bytes, request_kind},
    log::{LogWriter, ServeEntry},
    queues::{Bounds, LineFull, Queues},
    unsent::{Unsent, UnsentAnswer},
};

/// How often an answer is offered again to a peer whose write queue was full.
const OFFER_AGAIN: Duration = Duration::from_millis(20);

/// What serving may cost.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that answer.
    pub threads: usize,
    /// Requests that one peer may have open; a peer with more is disconnected. Honest ones have some ten.
    pub requests_per_peer_max: usize,
    /// Bytes of the requests that one peer may have open; a peer with more is disconnected.
    pub request_bytes_per_peer_max: usize,
    /// Bytes of the requests that all peers may have open; with more, the peer that has most is disconnected.
    pub request_bytes_max: usize,
    /// Bytes of the answers that wait for room in their peers' write queues, one a peer; what is beyond is answered with nothing.
    pub unsent_bytes_max: usize,
    /// Where requests are logged, if anyone wants to know.
    pub log: Option<LogWriter>,
    /// What we tell of our chain, if it moves: peers that are here hear of it.
    pub announced: Option<watch::Receiver<LocalChain>>,
}

impl Config {
    /// For a node that serves beside its other work: two threads, 64 requests a peer.
    pub const fn mainnet() -> Self {
        Self {
            threads: 2,
            requests_per_peer_max: 64,
            // A request that names all that is looked up takes 33 KiB: fifteen of them.
            request_bytes_per_peer_max: 512 << 10,
            // Sixteen peers with full lines.
            request_bytes_max: 8 << 20,
            // Eight answers of the usual soft limit, 2 MiB.
            unsent_bytes_max: 16 << 20,
            log: None,
            announced: None,
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    network: Network,
    task: JoinHandle<()>,
    threads: Vec<Thread<()>>,
}

impl Server {
    /// Answers all requests of this network's peers from now on.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        network: Network,
        events: Events,
        answers: Arc<dyn Answer>,
        config: Config,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = bounded(config.threads);
        let (done, finished) = mpsc::channel(config.threads.max(1));
        let threads: Vec<Thread<()>> = (0..config.threads)
            .map(|index| {
                let worker = Worker {
                    jobs: inbox.clone(),
                    done: done.clone(),
                    answers: Arc::clone(&answers),
                    network: network.handle(),
                };
                thread::Builder::new().name(format!("serve-{index}")).spawn(move || worker.run())
            })
            .collect::<Result<_, _>>()?;
        let turns = Turns {
            network: network.handle(),
            idle: config.threads,
            queues: Queues::new(Bounds {
                per_peer_max: config.requests_per_peer_max,
                per_peer_bytes_max: config.request_bytes_per_peer_max,
                bytes_max: config.request_bytes_max,
            }),
            versions: BTreeMap::new(),
            unsent: Unsent::new(config.unsent_bytes_max),
            jobs,
            log: config.log,
            announced: config.announced.map(Announced::new),
            start: Instant::now(),
        };
        let task = tokio::spawn(turns.run(events, finished));
        Ok(Self { network, task, threads })
    }

    /// The network that is served.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Says farewell to all peers and comes back when every thread has ended.
    ///
    /// # Panics
    /// Re-raises a panic of the task or of a thread.
    pub async fn shutdown(self) {
        self.network.shutdown().await;
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
        for thread in self.threads {
            // BLOCKING: for the answer in work at most, since the task has dropped the inbox.
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// A request on its way to a thread.
#[derive(Debug)]
struct Job {
    peer: PeerId,
    version: EthVersion,
    request: Message,
}

/// What a thread has done.
#[derive(Debug)]
struct Done {
    peer: PeerId,
    /// The answer, if the peer's write queue had no room for it.
    unsent: Option<UnsentAnswer<Message>>,
}

/// The task that gives out turns.
struct Turns {
    network: Handle,
    queues: Queues<Message>,
    /// The peers that are here.
    versions: BTreeMap<PeerId, EthVersion>,
    /// Answers that wait for room in their peers' write queues; these peers get no other turn until then.
    unsent: Unsent<Message>,
    /// Threads without a job.
    idle: usize,
    jobs: Sender<Job>,
    log: Option<LogWriter>,
    announced: Option<Announced>,
    start: Instant,
}

impl Turns {
    async fn run(mut self, mut events: Events, mut finished: mpsc::Receiver<Done>) {
        let mut again = tokio::time::interval(OFFER_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Finished work first: it frees a thread, and then events find a shorter line.
                biased;
                Some(done) = finished.recv() => self.on_done(done),
                _ = again.tick(), if !self.unsent.is_empty() => self.offer_again(),
                range = next_range(&mut self.announced) => self.announce(range),
                event = events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return,
                },
            }
            self.give_turns();
        }
    }

    /// Tells all peers which blocks we have by now. One whose write queue is full hears of it the next time.
    fn announce(&mut self, range: BlockRange) {
        let update = Message::Eth(eth::Message::BlockRangeUpdate(range));
        let hear = self.versions.iter().filter(|(_, version)| **version >= EthVersion::Eth69);
        for (peer, _) in hear {
            let _next_time = self.network.send(*peer, &update);
        }
    }

    fn on_event(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::Up(up) => {
                self.versions.insert(up.peer, up.eth);
                self.queues.join(up.peer);
            }
            NetworkEvent::Down { peer, .. } => {
                self.versions.remove(&peer);
                self.unsent.leave(peer);
                self.queues.leave(peer);
            }
            NetworkEvent::Message { peer, message, .. } => self.on_message(peer, message),
            NetworkEvent::DialFailed { .. } => {}
        }
    }

    fn on_message(&mut self, peer: PeerId, message: Message) {
        let Some((kind, origin)) = request_kind(&message) else { return };
        let bytes = request_bytes(&message);
        match self.queues.push(peer, message, bytes) {
            Ok(in_flight) => {
                if let Some(log) = &self.log {
                    log.write(ServeEntry { peer, kind, origin, in_flight, at: self.start.elapsed() });
                }
            }
            Err(LineFull) => {
                tracing::debug!(%peer, "too many open requests");
                self.network.disconnect(peer, DisconnectReason::BreachOfProtocol);
            }
        }
        while let Some(peer) = self.queues.relieve() {
            tracing::debug!(%peer, "the longest line of requests");
            self.network.disconnect(peer, DisconnectReason::TooManyPeers);
        }
    }

    fn on_done(&mut self, done: Done) {
        self.idle += 1;
        match done.unsent {
            Some(held) if self.versions.contains_key(&done.peer) => self.unsent.hold(done.peer, held),
            _ => self.queues.done(done.peer),
        }
    }

    /// A peer that never makes room is disconnected by the network, after its time to write.
    fn offer_again(&mut self) {
        let (network, queues) = (&self.network, &mut self.queues);
        self.unsent.offer(|peer, answer| {
            let is_taken = !matches!(network.send(peer, answer), Err(SendError::Full(_)));
            if is_taken {
                queues.done(peer);
            }
            is_taken
        });
    }

    fn give_turns(&mut self) {
        while self.idle > 0
            && let Some((peer, request)) = self.queues.next()
        {
            let Some(version) = self.versions.get(&peer).copied() else { continue };
            let sent = self.jobs.try_send(Job { peer, version, request });
            sent.expect("an idle thread has room for its job, and threads outlive this task");
            self.idle -= 1;
        }
    }
}

/// A thread that answers.
struct Worker {
    jobs: Receiver<Job>,
    done: mpsc::Sender<Done>,
    answers: Arc<dyn Answer>,
    network: Handle,
}

impl Worker {
    fn run(self) {
        // BLOCKING: until there is a job; ends when the task is gone.
        while let Ok(job) = self.jobs.recv() {
            let unsent = self.answer(&job);
            // A task that is gone needs no notice.
            if self.done.try_send(Done { peer: job.peer, unsent }).is_err() {
                return;
            }
        }
    }

    fn answer(&self, job: &Job) -> Option<UnsentAnswer<Message>> {
        let empty = job.request.empty_answer()?;
        let answer = match self.answers.answer(job.version, &job.request) {
            Ok(answer) => answer?,
            Err(error) => {
                // What we cannot read we do not have: the peer shall ask another one, and not wait for us.
                tracing::error!(%error, "cannot serve");
                empty.clone()
            }
        };
        match self.network.send(job.peer, &answer) {
            Ok(()) | Err(SendError::Gone(_)) => None,
            Err(SendError::Full(_)) => {
                let bytes = answer_bytes(&answer);
                Some(UnsentAnswer { answer, bytes, empty })
            }
            Err(error @ SendError::NotSendable(_)) => {
                tracing::warn!(%error, peer = %job.peer, "answer dropped");
                // A farewell or a full queue meanwhile makes no difference: the peer was told, or asks another one.
                let _told = self.network.send(job.peer, &empty);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use alloy_primitives::B256;
    use secp256k1::SecretKey;
    use snapsync_p2p::{Config as NetworkConfig, Enode, Limits as NetworkLimits};
    use snapsync_trie::{HashRange, verify_accounts};
    use snapsync_wire::{ForkFilter, SnapVersion, eth, snap};
    use tokio::sync::watch;

    use super::*;
    use crate::{
        DiskAnswers, Limits, RequestKind, ServeLog, local_chain,
        sample::{Sample, SampleBlocks},
    };

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A network on loopback that dials these peers, and listens if there are none.
    async fn network(key: u8, static_peers: Vec<Enode>) -> (Network, Events) {
        let blocks = SampleBlocks::shared();
        let forks = ForkFilter::new(blocks.hashes[0], 0, &[], &[]);
        let chain = local_chain(&blocks.snapshot(), 5, forks, 0).expect("our own disk");
        let listen = static_peers.is_empty().then(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let config = NetworkConfig {
            key: SecretKey::from_byte_array([key; 32]).expect("a key"),
            listen,
            static_peers: static_peers.into_iter().map(Into::into).collect(),
            client_name: "test".to_owned(),
            eth: vec![EthVersion::Eth70],
            snap: Some(SnapVersion::Snap1),
            chain: watch::channel(chain).1,
            limits: NetworkLimits::mainnet(),
            seed: 1,
        };
        Network::start(config).await.expect("a network")
    }

    async fn server(sample: &Sample, config: Config) -> (Server, Enode) {
        let (network, events) = network(1, Vec::new()).await;
        let enode = network.local_enode();
        let history = SampleBlocks::shared().store.history.clone();
        let answers = DiskAnswers::new(sample.store.state.clone(), history, Limits::mainnet());
        (Server::start(network, events, Arc::new(answers), config).expect("threads"), enode)
    }

    async fn next(events: &mut Events) -> NetworkEvent {
        tokio::time::timeout(PATIENCE, events.recv()).await.expect("in time").expect("the network runs")
    }

    async fn up(events: &mut Events) -> PeerId {
        match next(events).await {
            NetworkEvent::Up(up) => up.peer,
            other => panic!("not up: {other:?}"),
        }
    }

    fn get_accounts(id: u64, root: B256) -> Message {
        Message::Snap(snap::Message::GetAccountRange(snap::GetAccountRange {
            id,
            root,
            origin: B256::ZERO,
            limit: HashRange::FULL.last(),
            response_bytes: 5_000,
        }))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn requests_are_answered_in_order_and_logged() {
        let sample = Sample::new();
        let (writer, log) = ServeLog::bounded(64);
        let (server, enode) = server(&sample, Config { log: Some(writer), ..Config::mainnet() }).await;
        let (client, mut events) = network(2, vec![enode]).await;
        let peer = up(&mut events).await;
        let hashes = SampleBlocks::shared().hashes.clone();
        let bodies = Message::Eth(eth::Message::GetBlockBodies(eth::GetBlockBodies { id: 2, hashes }));
        for request in [get_accounts(1, sample.root), bodies, get_accounts(3, sample.root)] {
            client.send(peer, &request).expect("room");
        }
        let mut ids = Vec::new();
        for _ in 0..3 {
            match next(&mut events).await {
                NetworkEvent::Message {
                    message: Message::Snap(snap::Message::AccountRange(answer)), ..
                } => {
                    ids.push(answer.id);
                    verify_accounts(sample.root, HashRange::FULL, &answer.accounts, &answer.proof)
                        .expect("it is true");
                }
                NetworkEvent::Message {
                    message: Message::Eth(eth::Message::BlockBodies(answer)), ..
                } => {
                    ids.push(answer.id);
                    assert_eq!(answer.bodies.len(), 16);
                }
                other => panic!("no answer: {other:?}"),
            }
        }
        assert_eq!(ids, [1, 2, 3]);
        let kinds: Vec<RequestKind> = log.drain().iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [RequestKind::Accounts, RequestKind::Bodies, RequestKind::Accounts]);
        client.shutdown().await;
        server.shutdown().await;
    }

    /// Floods a server with requests until it hangs up, and asks it for something by another connection.
    async fn flood(config: Config, request: impl Fn(u64, B256) -> Message) {
        let sample = Sample::new();
        let (server, enode) = server(&sample, config).await;
        let (flooder, mut flooded) = network(2, vec![enode]).await;
        let (modest, mut events) = network(3, vec![enode]).await;
        let (rude, polite) = (up(&mut flooded).await, up(&mut events).await);
        // For each answer two more, so that however fast the threads are, more wait than may.
        let mut ids = 0..;
        let mut flood = |count| {
            for id in ids.by_ref().take(count) {
                // The connection may be over before the last one.
                let _ = flooder.send(rude, &request(id, sample.root));
            }
        };
        flood(60);
        while !matches!(next(&mut flooded).await, NetworkEvent::Down { .. }) {
            flood(2);
        }
        modest.send(polite, &get_accounts(7, sample.root)).expect("room");
        let answer = next(&mut events).await;
        assert!(matches!(answer, NetworkEvent::Message { .. }), "{answer:?}");
        flooder.shutdown().await;
        modest.shutdown().await;
        server.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_flood_costs_its_sender_and_nobody_else() {
        flood(Config { requests_per_peer_max: 2, ..Config::mainnet() }, get_accounts).await;
    }

    /// A request for more codes than are looked up.
    fn get_codes(id: u64, root: B256) -> Message {
        let request = snap::GetByteCodes { id, hashes: vec![root; 5_000], response_bytes: 5_000 };
        Message::Snap(snap::Message::GetByteCodes(request))
    }

    // ROW: F38
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_flood_of_long_requests_costs_its_sender_though_they_are_few() {
        // Of 5,000 hashes 1,024 are read: one such request fits, and two do not.
        let config = Config { requests_per_peer_max: 1_000, ..Config::mainnet() };
        flood(Config { request_bytes_per_peer_max: 60 << 10, ..config.clone() }, get_codes).await;
        flood(Config { request_bytes_max: 60 << 10, ..config }, get_codes).await;
    }
}
