//! What a host may watch: events in order, and figures at any time.

use std::{fmt, time::Duration};

use alloy_primitives::B256;
use serde::Serialize;
use snapsync_peers::Fault;
pub use snapsync_stream::Stall;
pub use snapsync_sync::{Gain, Head, HeadRefusal, MoveReason, Phase, Target};
use snapsync_sync::{Lack, NoLists};
pub use snapsync_trie::Hashed;

use snapsync_wire::SnapVersion;

pub use crate::{applied::Applied, window::Place};

/// Something that happened. Events of one sync come in order. A listener that lags by thousands loses the oldest, and is told how many
/// ([`Event::Missed`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A phase began.
    Phase(Phase),
    /// A head was named, and its headers are asked for. [`Event::Head`] follows once they are held, or [`Event::HeadRejected`]. The same head
    /// again is told once.
    HeadAccepted {
        /// Its hash.
        hash: B256,
        /// Who named it.
        by: HeadSource,
    },
    /// A head that was named is not, or not yet, the top of the chain. It ends nothing.
    HeadRejected {
        /// Its hash.
        hash: B256,
        /// Why.
        why: HeadRefusal,
    },
    /// The finalized block is canonical, and blocks beside the chain are gone up to it, but for those that a head which is on its way may need.
    Finalized {
        /// The block.
        block: Head,
        /// Blocks beside the chain of which everything went.
        pruned: u64,
    },
    /// A block that was named as final is not canonical. Nothing went for it. It is looked at again when the chain moves.
    FinalRejected {
        /// Its hash.
        hash: B256,
    },
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
    /// The first target's header is known.
    Pinned(Target),
    /// The state of another block is fetched from now on; all rows stay.
    PivotMoved {
        /// The target until now.
        from: Target,
        /// The target from now on.
        to: Target,
        /// Why.
        why: MoveReason,
    },
    /// Rows became durable. Told once a second at most, and before whatever step of the sync follows from them: what came meanwhile goes
    /// together.
    Applied(Applied),
    /// Rows of several blocks are being brought to one, in this way.
    ReconcileBegan(Reconciler),
    /// It is over for now: the tries are derived next. A state that differs still, or a pivot that moved meanwhile, may have it begin again.
    ReconcileEnded {
        /// How it was done.
        by: Reconciler,
        /// What was done in this time.
        did: Reconciled,
        /// How long it took.
        took: Duration,
    },
    /// Too few peers speak the version of snap that was spoken, and others speak another one: it is that one from now on. All rows stay.
    SnapChanged {
        /// The version until now.
        from: SnapVersion,
        /// The version from now on.
        to: SnapVersion,
    },
    /// A peer's newest block, as it says, has left the window of blocks whose peers have the pivot's state, or is back in it: looked at when it
    /// comes, when it says which blocks it has, and when the pivot moves. It is asked all the same: only its answers count.
    PeerWindow {
        /// Its enode or node id.
        peer: String,
        /// Where it is now.
        place: Place,
    },
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
    /// The stall lasts: all that is wanted is asked of everybody anew, once. No row is lost.
    FreshCycle {
        /// Which stall.
        stall: Stall,
        /// How many there were in this run, this one among them.
        cycles: u64,
    },
    /// This stall is over: things come on again, or another one begins.
    Resumed(Stall),
    /// A block above the verified state was taken, and is durable: the state is of it now.
    BlockTaken {
        /// The block.
        block: Head,
        /// How many transactions it has.
        transactions: usize,
        /// The gas that these used.
        gas: u64,
        /// How it was taken.
        by: TakenBy,
        /// How long that took, from the body's bytes to the state's root.
        took: Duration,
    },
    /// The chain has left the block that the state was of: it was taken back, and the state is of its parent now.
    BlockTakenBack {
        /// Its hash.
        hash: B256,
    },
    /// A block above the state is bad. The state stays where it is until the chain leaves that block, or has grown so far above it that the pivot moves;
    /// no peer is charged.
    BlockRefused {
        /// The block.
        block: Head,
        /// Why, for a person.
        reason: String,
    },
    /// A block above the state was not taken, for a reason that says nothing of it. It is tried again every few seconds.
    BlockFailed {
        /// The block.
        block: Head,
        /// Why, for a person.
        reason: String,
    },
    /// All that was asked for is durable and verified.
    Complete(Target),
    /// The sync ended early; [`crate::SnapSync::shutdown`] returns the error itself.
    Failed {
        /// The error's word ([`crate::Ending::label`]).
        label: &'static str,
        /// What happened, for a person.
        reason: String,
    },
    /// The newest figures, where no event waits: one that lags skips to the newest.
    Progress(Box<Progress>),
    /// So many events were lost here, the oldest first: this listener did not keep up.
    Missed {
        /// How many.
        events: u64,
    },
}

impl Event {
    /// Whether the sync takes a step by it. What became durable before is told before.
    pub(crate) fn is_step(&self) -> bool {
        matches!(
            self,
            Self::Phase(_)
                | Self::Pinned(_)
                | Self::PivotMoved { .. }
                | Self::StateVerified(_)
                | Self::ReconcileBegan(_)
                | Self::ReconcileEnded { .. }
                | Self::Complete(_)
                | Self::Failed { .. }
        )
    }
}

/// How a block was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBy {
    /// It was executed.
    Execution,
    /// Its access list was applied.
    List,
    /// Its list was applied together with those of its neighbours, and the last one's root was derived: it lies too deep to be taken back.
    Lists,
}

impl TakenBy {
    pub(crate) const fn of(by: &snapsync_execute::TakenBy) -> Self {
        match by {
            snapsync_execute::TakenBy::Execution { .. } => Self::Execution,
            snapsync_execute::TakenBy::List { .. } => Self::List,
        }
    }
}

/// Who named a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadSource {
    /// The host, which is trusted.
    Host,
    /// Most of the peers.
    Peers,
}

/// A way to bring rows of several blocks to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconciler {
    /// Access lists, block by block.
    Lists,
    /// A walk down the tries of the pivot: by nodes, or by ranges where nobody gives nodes.
    Walk,
}

impl Reconciler {
    /// What is at work in this phase, if anything is.
    pub(crate) fn of(phase: Phase) -> Option<Self> {
        match phase {
            Phase::CatchUp => Some(Self::Lists),
            Phase::Heal => Some(Self::Walk),
            _ => None,
        }
    }
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
    /// The version of snap that is spoken, once it is known.
    pub snap: Option<u64>,
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
    /// Fresh cycles that stalls have led to in this run.
    pub fresh_cycles: u64,
    /// The newest block whose headers are held.
    pub head_number: Option<u64>,
    /// The block that the oldest rows are of, once none is missing.
    pub rows_at: Option<u64>,
    /// The block that the state is of, once it was verified; blocks above it bring it on where they are taken.
    pub state_at: Option<u64>,
    /// Blocks that were taken in this run.
    pub blocks_taken: u64,
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
    /// Blocks whose access lists were brought to rows, or that were taken off rows by theirs, since the chain had left them.
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

impl Reconciled {
    /// What was done since an earlier count.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            moves: self.moves - before.moves,
            lists: self.lists - before.lists,
            renewed: self.renewed - before.renewed,
            nodes: self.nodes - before.nodes,
            ranges: self.ranges - before.ranges,
            accounts: self.accounts - before.accounts,
            slots: self.slots - before.slots,
        }
    }
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
