//! What a host says once, before a sync starts.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use snapsync_p2p::{Contact, Enode};
pub use snapsync_sync::{Checkpoint, History};
pub use snapsync_wire::SnapVersion;

use crate::Chain;

/// What a sync does when no peer is left that can help, and none is to be expected any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAlone {
    /// It ends with [`crate::Error::NobodyLeft`]. Not while it listens: somebody may still come then.
    End,
    /// It goes on dialling and waits.
    Wait,
}

/// When the other version of snap is spoken instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapFallback {
    /// Connected peers of the version that is spoken which are enough.
    pub peers_min: usize,
    /// How long there must have been fewer, while peers were connected that speak the other version alone. Milliseconds. Longer than a peer
    /// takes to come back.
    pub after_ms: u64,
}

/// The settings of a sync. Start from [`Config::standing`] and change fields.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which chain.
    pub chain: Chain,
    /// Where the database is; made if it does not exist, never wiped.
    pub datadir: PathBuf,
    /// Peers to stay connected to. Names of hosts are looked up whenever they are dialled.
    pub peers: Vec<Contact>,
    /// Where to accept connections; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// What to do when nobody is left to wait for.
    pub when_alone: WhenAlone,
    /// Bytes for queues, frames in flight, batches and dirty pages together (anonymous memory).
    pub memory_bytes: u64,
    /// The version of snap that is offered to peers. snap/1 has trie nodes, by which rows of several blocks are healed; snap/2 (EIP-8189) has
    /// access lists instead, and what they do not bring on is repaired by ranges. A directory is bound to neither: with a fallback, a run
    /// begins with the version that the last one spoke.
    pub snap: SnapVersion,
    /// When the other version is spoken instead, once in a run and never beside the first; `None`: never.
    pub snap_fallback: Option<SnapFallback>,
    /// Which bodies and receipts are kept.
    pub history: History,
    /// Blocks above the verified state that are taken one after the other, at most, where there is somebody to take them
    /// ([`crate::SnapSync::start_following`]): when the head is farther, the state is brought to a later block by what differs.
    pub follow_blocks_max: u64,
    /// A block that must lie on the header chain before any state is asked for.
    pub checkpoint: Option<Checkpoint>,
    /// Threads that prove answers of accounts, and as many for storages; tries are derived on as many as both.
    pub provers: usize,
    /// How long a peer may take for its first answer of a kind; later deadlines follow what was measured. Milliseconds.
    pub first_answer_ms: u64,
    /// Requests in a row that a peer may leave unanswered before it is hung up on as silent; one that was of use, twice as many, and then only when
    /// nothing came of it for twenty seconds.
    pub silent_timeouts: u32,
    /// After how long without anything that comes on a sync is called stalled, and its reason named. Milliseconds. Longer than the slowest
    /// honest answer and than the longest commit.
    pub stalled_after_ms: u64,
    /// How long one stall of peers may last before a fresh cycle begins, once: what peers lacked is forgotten, all known addresses are dialled, the
    /// newest head is asked for, and all that is wanted is asked of everybody anew. Half of `stalled_max_ms` at most. Milliseconds.
    pub fresh_cycle_after_ms: u64,
    /// How long one stall may last before the sync ends with [`crate::Error::Stalled`]; `None`: as long as it likes. Milliseconds.
    pub stalled_max_ms: Option<u64>,
    /// How long a listener of [`crate::SnapSync::notifications`] may leave a notice unacknowledged before it is dropped. Milliseconds.
    pub ack_timeout_ms: u64,
    /// Draws among peers follow from it.
    pub seed: u64,
    /// Where every event that the engine sees is written, one JSON value a line; `None`: nowhere.
    pub trace: Option<PathBuf>,
}

impl Config {
    /// For one run to a standing target: all history, 192 MiB, no listening.
    pub fn standing(chain: Chain, datadir: PathBuf, peers: Vec<Enode>) -> Self {
        let patience = snapsync_peers::Config::standing();
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            chain,
            datadir,
            peers: peers.into_iter().map(Contact::from).collect(),
            listen: None,
            when_alone: WhenAlone::End,
            memory_bytes: 192 << 20,
            snap: SnapVersion::Snap1,
            snap_fallback: Some(SnapFallback { peers_min: 1, after_ms: 60_000 }),
            history: History::All,
            follow_blocks_max: 1024,
            checkpoint: None,
            provers: cores.div_ceil(2),
            first_answer_ms: patience.deadline_first_ms,
            silent_timeouts: patience.silent_timeouts,
            stalled_after_ms: 30_000,
            fresh_cycle_after_ms: 60_000,
            stalled_max_ms: None,
            ack_timeout_ms: 10_000,
            seed: seed(),
            trace: None,
        }
    }

    /// When all is asked anew, as long as the sync does not end before.
    pub(crate) fn fresh_cycle_after(&self) -> Duration {
        let most = self.stalled_max_ms.map_or(u64::MAX, |max| max / 2);
        Duration::from_millis(self.fresh_cycle_after_ms.min(most))
    }

    /// What answers may hold: asked for, arrived, or not durable yet. Half of the budget: with a third, thirty fast peers
    /// wait for it. The rest belongs to the writers' batches and dirty pages, and to the copies that proving makes (an
    /// answer is held raw and as rows).
    pub(crate) fn answers_bytes(&self) -> u64 {
        (self.memory_bytes / 2).max(4 << 20)
    }

    /// What blocks may hold that were taken and are not on the disk yet: an eighth. No state is fetched while blocks are taken, so it is of the
    /// share of answers.
    pub(crate) fn blocks_bytes(&self) -> usize {
        usize::try_from(self.memory_bytes / 8).unwrap_or(usize::MAX)
    }

    /// What blocks may hold that are brought by their lists together, until they are on the disk: a quarter, of the same share. The more of them there
    /// are, the less each costs.
    pub(crate) fn stretch_bytes(&self) -> usize {
        2 * self.blocks_bytes()
    }

    /// What the network's buffers may hold: frames being read, messages on their way to us, messages to be written. Five
    /// sixteenths: the largest message once, as it is read and as it is inflated, takes a third of it, what each of fifty sessions
    /// may always hold another. What was asked for is in the books of answers too, so the two shares overlap. The network raises a
    /// budget that is too small for these (55 MiB).
    pub(crate) fn buffers_bytes(&self) -> usize {
        usize::try_from(self.memory_bytes / 16 * 5).unwrap_or(usize::MAX)
    }
}

/// A seed that differs between runs: which peer is drawn should not be foreseeable by peers.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0u8)
}
