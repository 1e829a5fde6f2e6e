//! What a network is started with. A line each: unit, cost, why.

use std::{net::SocketAddr, time::Duration};

use secp256k1::SecretKey;
use snapsync_wire::{BlockRange, ChainHead, EthVersion, ForkFilter, SnapVersion, Status, limits};
use tokio::sync::watch;

use crate::{Allowance, Contact, Origins};

/// What a network is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are.
    pub key: SecretKey,
    /// Where to take connections, if at all; port 0 lets the system choose ([`crate::Network::local_enode`] tells).
    pub listen: Option<SocketAddr>,
    /// Whom to stay connected to: dialled at once, and again after each loss. Names of hosts are looked up for each dial.
    pub static_peers: Vec<Contact>,
    /// Our name in the Hello.
    pub client_name: String,
    /// The versions of eth that are offered.
    pub eth: Vec<EthVersion>,
    /// The one version of snap that is offered, since one sync speaks one version.
    pub snap: Option<SnapVersion>,
    /// Our chain as it is now; read for each Status, so a change is told to whoever connects later.
    pub chain: watch::Receiver<LocalChain>,
    /// Bounds on time and room.
    pub limits: Limits,
    /// Seed of the jitter between attempts to connect.
    pub seed: u64,
}

/// What we tell of our chain, and what a peer's must agree with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalChain {
    /// The network's number.
    pub network_id: u64,
    /// The genesis and the forks.
    pub forks: ForkFilter,
    /// How far we have come, for the fork id.
    pub head: ChainHead,
    /// The blocks that we can serve; before there are any, [`LocalChain::at_genesis`].
    pub range: BlockRange,
}

impl LocalChain {
    /// A chain of which nothing is there but its genesis: the range is `0, 0, genesis hash`, since a zero hash
    /// gets the sender disconnected.
    pub fn at_genesis(network_id: u64, forks: ForkFilter, genesis_timestamp: u64) -> Self {
        let range = BlockRange { earliest: 0, latest: 0, latest_hash: forks.genesis() };
        let head = ChainHead { number: 0, timestamp: genesis_timestamp };
        Self { network_id, forks, head, range }
    }

    /// Our Status as of now.
    pub fn status(&self) -> Status {
        Status {
            network_id: self.network_id,
            genesis: self.forks.genesis(),
            fork_id: self.forks.fork_id(self.head),
            range: self.range,
        }
    }
}

/// Bounds on time and room. All buffers together hold `buffer_bytes` at most, whatever peers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a TCP connection to be made.
    pub connect_time: Duration,
    /// For the first byte of a stranger: whoever dials speaks first, so nothing honest waits here.
    pub first_byte_time: Duration,
    /// For the encrypted handshake, Hello and Status, each; and to take our farewell.
    pub handshake_time: Duration,
    /// Without a byte from the peer, while we are ready to read: the peer is gone. Pings go out every
    /// `ping_interval`, so a living peer always has something to say.
    pub idle_time: Duration,
    /// For a frame to arrive once it has begun: 10 MiB at 1.4 Mbit/s.
    pub frame_time: Duration,
    /// For a frame of ours to be taken by the peer: a slow reader is disconnected.
    pub write_time: Duration,
    /// Between our pings.
    pub ping_interval: Duration,
    /// Peers in all.
    pub peers_max: usize,
    /// Peers that came to us, among them.
    pub inbound_max: usize,
    /// Strangers in their handshake at the same time; more are closed unheard.
    pub handshakes_max: usize,
    /// Strangers by where they come from.
    pub origins: Origins,
    /// What a peer may send unasked: transactions, pings, block ranges. A busy peer of mainnet sends some 100 KiB a second in some ten
    /// messages, and its whole pool at the start, some MiB.
    pub gossip: Allowance,
    /// Requests of a peer that we have not answered.
    pub requests: Allowance,
    /// Between two block ranges of one peer that the owner hears of; of those between, it hears the last.
    pub range_interval: Duration,
    /// Bytes of all buffers: frames being read, messages on their way to the owner, messages to be written. What each session
    /// may always hold and the largest message once are a part of it, so it cannot be less than [`Limits::within`] makes it.
    pub buffer_bytes: usize,
    /// Bytes of a message after inflating; the protocol's hard limit is 10 MiB.
    pub message_bytes_max: usize,
    /// Messages that wait to be written to one peer.
    pub write_queue: usize,
    /// Bytes that wait to be written to one peer; one message above it is taken when nothing waits.
    pub write_queue_bytes: usize,
    /// Events that wait for the owner, over all peers. A full channel stops the reading of sockets.
    pub events: usize,
    /// First wait before dialling again.
    pub redial_first: Duration,
    /// Longest wait before dialling again.
    pub redial_last: Duration,
    /// Longest wait after a failure that [may pass](crate::Error::may_pass), for the first `redial_soon_for` of such failures.
    pub redial_soon: Duration,
    /// How long a node that is there is dialled every `redial_soon`. Twice the time for which geth throttles an address.
    pub redial_soon_for: Duration,
}

impl Limits {
    /// For a node on a public network.
    pub fn mainnet() -> Self {
        Self {
            connect_time: Duration::from_secs(5),
            handshake_time: Duration::from_secs(5),
            idle_time: Duration::from_secs(40),
            frame_time: Duration::from_secs(60),
            write_time: Duration::from_secs(20),
            ping_interval: Duration::from_secs(15),
            peers_max: 50,
            inbound_max: 33,
            handshakes_max: 32,
            first_byte_time: Duration::from_secs(3),
            origins: Origins::mainnet(),
            gossip: Allowance {
                messages: 4 << 10,
                messages_per_s: 200,
                bytes: 8 << 20,
                bytes_per_s: 1 << 20,
            },
            requests: Allowance {
                messages: 1024,
                messages_per_s: 20,
                bytes: 4 << 20,
                bytes_per_s: 512 << 10,
            },
            range_interval: Duration::from_secs(1),
            // The least is 55 MiB; with this the largest message can be sent, too.
            buffer_bytes: 128 << 20,
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
            write_queue: 64,
            // Four answers of the usual soft limit, 2 MiB.
            write_queue_bytes: 8 << 20,
            events: 64,
            redial_first: Duration::from_secs(1),
            redial_last: Duration::from_secs(30),
            redial_soon: Duration::from_secs(3),
            redial_soon_for: Duration::from_secs(60),
        }
    }

    /// Bytes of a frame on the wire that can hold a message within the limit: id, and snappy's worst case.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        const ID_BYTES_MAX: usize = 9;
        const FRAME_BYTES_POSSIBLE: usize = (1 << 24) - 1;
        (ID_BYTES_MAX + snap::raw::max_compress_len(self.message_bytes_max)).min(FRAME_BYTES_POSSIBLE)
    }
}
