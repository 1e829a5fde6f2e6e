//! What a host may watch: events in order, and figures at any time.

use std::{fmt, time::Duration};

use alloy_primitives::B256;
use serde::Serialize;
use snapsync_peers::Fault;
pub use snapsync_stream::Stall;
pub use snapsync_sync::{Gain, Head, Phase, Target};
use snapsync_sync::{Lack, NoLists};
pub use snapsync_trie::Hashed;

/// Something that happened. Events of one sync come in order; a listener that lags loses the oldest.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A phase began.
    Phase(Phase),
    /// Most of the peers say which block a number, or `latest`, is. They are trusted for it; only a hash is trustless.
    Agreed {
        /// The height.
        number: u64,
        /// The block.
        hash: B256,
        /// How many say so.
        peers: usize,
        /// Those who say otherwise, and what, for a person.
        dissenters: Vec<String>,
    },
    /// The peers do not agree which block is the newest. What is on record is gone on with, and what they come to agree on is followed.
    NotAgreed {
        /// What each says, for a person.
        reason: String,
    },
    /// The target's header is known and authenticated.
    Pinned(Target),
    /// A peer is connected.
    PeerUp {
        /// Its enode or node id, for a person.
        peer: String,
        /// What it calls itself.
        client: String,
    },
    /// A peer is gone.
    PeerDown {
        /// Its enode or node id.
        peer: String,
        /// Why, for a person.
        reason: String,
    },
    /// A peer could not be reached; it will be tried again.
    DialFailed {
        /// Its enode.
        peer: String,
        /// Why, for a person.
        reason: String,
        /// Attempts in a row that failed.
        attempts: u32,
    },
    /// A peer lied or broke the protocol; it was charged for that.
    PeerFault {
        /// Its enode or node id.
        peer: String,
        /// What it did.
        fault: Fault,
    },
    /// A range that a peer sent did not prove. It may have imported a block while it read: it is not charged, and left alone with
    /// state for a while.
    PeerSetAside {
        /// Its enode or node id.
        peer: String,
        /// What is wrong with the range.
        fault: Fault,
    },
    /// The derived state root equals the header's; bodies and receipts may still be open.
    StateVerified(Target),
    /// A later head is the top of the chain now: its headers are here, and those of all blocks below.
    Head(Head),
    /// No connected peer has these headers, bodies or receipts. The sync goes on with all else.
    HistoryLacking(Lack),
    /// The rows are of several blocks, and access lists do not bring them to the newest; what differs is asked for.
    NoLists(NoLists),
    /// Nothing has come on for long, or the chain grows faster than the rows are brought on; a stall begins once and ends once.
    Stalled(Stall),
    /// This stall is over: things come on again, or another one begins.
    Resumed(Stall),
    /// All that was asked for is durable and verified.
    Complete(Target),
    /// The sync ended early; [`crate::SnapSync::shutdown`] returns the error itself.
    Failed {
        /// The error's word ([`crate::Ending::label`]).
        label: &'static str,
        /// What happened, for a person.
        reason: String,
    },
}

/// What a peer says about a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its name, for a person.
    pub peer: String,
    /// The height.
    pub number: u64,
    /// The block that it has there; `None`: it was not asked, the height is that of its newest block.
    pub hash: Option<B256>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hash {
            Some(hash) => write!(f, "{} has {hash} at block {}", self.peer, self.number),
            None => write!(f, "{} is at block {}", self.peer, self.number),
        }
    }
}

/// Figures, read at any time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// The phase's name.
    pub phase: String,
    /// Number of the target, once it is known.
    pub target_number: Option<u64>,
    /// Hash of the target, once it is named.
    pub target_hash: Option<B256>,
    /// Share of the state's leaves that is durable, 0 to 1: of the account key space, less what is missing of the storages that lie
    /// in it, by what is known of their sizes. Never falls in a run, and is 1 only when the derived root was compared.
    pub share: f64,
    /// The same when this run began.
    pub share_before: f64,
    /// Connected peers.
    pub peers: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// Bytes reserved for answers: asked for, arrived, or not durable yet.
    pub reserved_bytes: u64,
    /// What became durable in this run.
    pub durable: Leaves,
    /// What brought rows of several blocks to one in this run.
    pub reconciled: Reconciled,
    /// Bytes of answers that came in this run, as they were on the wire after inflating.
    pub answer_bytes: u64,
    /// Answers that came in this run.
    pub answers: u64,
    /// What was hashed for tries in this run: each node once, to prove the answer that it came in or above it, and again only at
    /// edges of ranges.
    pub hashed: Hashed,
    /// How often the planner woke in this run; five times a second while nothing happens, to publish these figures.
    pub wakes: u64,
    /// Storages whose slots are not all held.
    pub storages_pending: usize,
    /// Codes that are not held.
    pub codes_pending: usize,
    /// Headers still to be fetched.
    pub headers_missing: u64,
    /// Bodies still to be fetched.
    pub bodies_missing: u64,
    /// Receipts (of whole blocks) still to be fetched.
    pub receipts_missing: u64,
    /// Time since the start of this run.
    pub elapsed: Duration,
    /// Time since something last became durable.
    pub idle: Duration,
    /// The label of the stall that lasts ([`Stall::label`]), if one does.
    pub stalled: Option<&'static str>,
    /// How long it has lasted.
    pub stalled_for: Duration,
    /// The newest block whose headers are held.
    pub head_number: Option<u64>,
    /// The block that the oldest rows are of, once none is missing.
    pub rows_at: Option<u64>,
    /// Blocks by which rows were brought on since then, against blocks that were produced meanwhile.
    pub gain: Option<Gain>,
    /// The same of the last minutes.
    pub gain_lately: Option<Gain>,
    /// What the next thing that becomes durable waits for, for a person; nothing when all is done, or no target is named.
    pub waiting_for: Option<String>,
}

/// Counts of what brings rows of several blocks to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// How often the pivot moved.
    pub moves: u64,
    /// Blocks whose access lists were brought to rows.
    pub lists: u64,
    /// Accounts that were asked again, since nobody could answer any more what they had claimed.
    pub renewed: u64,
    /// Trie nodes that were asked for by their paths and compared with ours.
    pub nodes: u64,
    /// Ranges that were compared with ours, with the nodes that their proofs show.
    pub ranges: u64,
    /// Account rows that differed and were healed.
    pub accounts: u64,
    /// Slots likewise.
    pub slots: u64,
}

/// Counts of what a sync fetches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Leaves {
    /// Account rows.
    pub accounts: u64,
    /// Storage slots.
    pub slots: u64,
    /// Codes.
    pub codes: u64,
    /// Headers.
    pub headers: u64,
    /// Bodies.
    pub bodies: u64,
    /// Receipts, counted by block.
    pub receipts: u64,
}
