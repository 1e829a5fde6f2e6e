//! Requests to one peer each, and what became of their answers.

use alloy_primitives::B256;
use snapsync_peers::{Fault, Noun, Outcome, PeerId};
use snapsync_sync::{
    BlockRange, HashRange, Head, HeaderSegment, JobId, PartialStorage, StorageClaim, TargetId, Ticket,
};
use snapsync_trie::NodeClaim;

/// Names a request on the wire and everything that follows from it; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

impl From<RequestId> for Ticket {
    /// The ticket under which the answer's rows are written: the same number.
    fn from(request: RequestId) -> Self {
        Self(request.0)
    }
}

impl From<Ticket> for RequestId {
    fn from(ticket: Ticket) -> Self {
        Self(ticket.0)
    }
}

/// Where a header request begins; it descends from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderStart {
    /// The target, of which only the hash is known.
    Hash(B256),
    /// A height, whose hash is known only once the headers above are judged.
    Number(u64),
    /// A height whose hash is known by now. It is asked for by the hash: a peer that is on another fork, or has come to be, has what it
    /// knows of this one or says nothing, and sends no headers of its own chain that are of no use.
    Linked {
        /// The height.
        number: u64,
        /// The hash.
        hash: B256,
    },
}

impl HeaderStart {
    /// The height, if it is known.
    pub fn number(&self) -> Option<u64> {
        match *self {
            Self::Hash(_) => None,
            Self::Number(number) | Self::Linked { number, .. } => Some(number),
        }
    }

    /// The hash, if it is known.
    pub fn hash(&self) -> Option<B256> {
        match *self {
            Self::Hash(hash) | Self::Linked { hash, .. } => Some(hash),
            Self::Number(_) => None,
        }
    }
}

/// A node of another's trie that is to be compared with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedNode {
    /// Whose storage it is of; the account trie, if it is nobody's.
    pub account: Option<B256>,
    /// Where it stands, and its digest.
    pub claim: NodeClaim,
}

impl WantedNode {
    /// The rows to ask for that its place be shown: all below it. Servers send no proof with a part of a storage that begins at zero and
    /// ends by its limit, so that one begins at 1: no slot is at zero, which would be the digest of a position.
    pub fn range(&self) -> HashRange {
        let range = self.claim.path().range();
        let is_part = self.account.is_some() && range != HashRange::FULL;
        let first = if is_part { B256::with_last_byte(1) } else { B256::ZERO };
        HashRange::new(range.start().max(first), range.last()).unwrap_or(range)
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Accounts from `range.start`, up to `range.last`.
    Accounts {
        /// The target.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// Origin and limit.
        range: HashRange,
    },
    /// An account that is held already, asked again: a range of its key alone.
    Renewal {
        /// The target.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// The account.
        account: B256,
    },
    /// Whole storages: origin zero, no limit.
    Storages {
        /// The target.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// Accounts, rising, with their claims.
        claims: Vec<StorageClaim>,
    },
    /// A part of one storage; `range.start` >= 1.
    StorageRange {
        /// The target.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// The account with its claim.
        claim: StorageClaim,
        /// Origin and limit.
        range: HashRange,
    },
    /// Codes.
    Codes {
        /// Their hashes.
        hashes: Vec<B256>,
    },
    /// Trie nodes, by their paths.
    Nodes {
        /// The target.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// The nodes; those of one storage stand together.
        nodes: Vec<WantedNode>,
    },
    /// The rows below a trie node, up to all there are, with a proof that shows the node: a range, for peers that have no nodes to give.
    Repair {
        /// The target.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// The node.
        node: WantedNode,
    },
    /// Access lists.
    Lists {
        /// The blocks.
        blocks: BlockRange,
    },
    /// Access lists that are kept until their blocks are taken.
    ListsAbove {
        /// The blocks.
        blocks: BlockRange,
    },
    /// The access list of a block that the canonical chain has left.
    LeftList {
        /// The block.
        block: Head,
    },
    /// Headers, descending.
    Headers {
        /// The highest.
        start: HeaderStart,
        /// How many.
        count: u64,
    },
    /// Bodies.
    Bodies {
        /// The blocks.
        blocks: BlockRange,
    },
    /// Receipts.
    Receipts {
        /// The blocks.
        blocks: BlockRange,
        /// How many receipts of the first block are here already (eth/70 may cut inside a block).
        first_receipt: u64,
    },
}

impl What {
    /// The noun.
    pub fn noun(&self) -> Noun {
        match self {
            Self::Accounts { .. } | Self::Renewal { .. } => Noun::Accounts,
            Self::Storages { .. } | Self::StorageRange { .. } => Noun::Storages,
            Self::Codes { .. } => Noun::Codes,
            Self::Nodes { .. } => Noun::Nodes,
            Self::Repair { node, .. } if node.account.is_none() => Noun::Accounts,
            Self::Repair { .. } => Noun::Storages,
            Self::Lists { .. } | Self::ListsAbove { .. } | Self::LeftList { .. } => Noun::Lists,
            Self::Headers { .. } => Noun::Headers,
            Self::Bodies { .. } => Noun::Bodies,
            Self::Receipts { .. } => Noun::Receipts,
        }
    }
}

/// A request to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id; goes on the wire.
    pub id: RequestId,
    /// The job that it serves.
    pub job: JobId,
    /// What it asks for.
    pub what: What,
    /// Soft limit of the answer, in bytes.
    pub response_bytes: u64,
}

/// An answer to be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The request that it answers: the caller has the bytes under this id.
    pub request: RequestId,
    /// Who gave it.
    pub peer: PeerId,
    /// The job; its chunk is written under it.
    pub job: JobId,
    /// What was asked for, with a range that may be clipped since: only this much is of use.
    pub what: What,
    /// For headers: the hash that the highest must have.
    pub expected: Option<B256>,
}

/// What an answer gave, once proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Nothing: unavailable or invalid. No chunk is written and no durable event comes.
    Nothing,
    /// Accounts.
    Accounts {
        /// The proved range, clipped to the judgement's.
        covered: HashRange,
    },
    /// The account that was asked again, or a proof that there is none any more.
    Renewed,
    /// Storages, or a part of one.
    Storages {
        /// Accounts whose whole storage this answer proves, in the claims' order.
        settled: Vec<B256>,
        /// The cut storage at the end, or the sub-range that was asked for.
        partial: Option<PartialStorage>,
    },
    /// Codes.
    Codes {
        /// Their hashes.
        found: Vec<B256>,
    },
    /// Trie nodes, each compared with ours.
    Nodes {
        /// How many there were.
        found: u64,
        /// Those that were asked for and did not come, in order.
        left: Vec<WantedNode>,
        /// Those right below in which ours differs, in order.
        below: Vec<WantedNode>,
        /// Whether rows differ, which go to the disk.
        differ: bool,
    },
    /// A node that a range's proof shows, and the rows of that range, compared with ours.
    Shown {
        /// Nodes further down in which ours differs and that are not shown, in order.
        below: Vec<WantedNode>,
        /// Whether rows differ, which go to the disk.
        differ: bool,
    },
    /// Access lists.
    Lists {
        /// Of these blocks, the first ones that were asked for: what comes behind a list that the peer does not have is of no use yet.
        found: BlockRange,
    },
    /// Access lists that are kept until their blocks are taken; [`Input::Used`](crate::Input::Used) follows.
    Kept {
        /// Of these blocks, likewise.
        found: BlockRange,
    },
    /// Headers that hang together, the top as expected.
    Headers {
        /// Their ends.
        segment: HeaderSegment,
    },
    /// Bodies.
    Bodies {
        /// Of these blocks: rising and apart. What lies between them the peer does not have.
        found: Vec<BlockRange>,
    },
    /// Receipts.
    Receipts {
        /// Of these blocks, whole: rising and apart. What lies between them the peer does not have.
        found: Vec<BlockRange>,
        /// What is here of a block after those (eth/70 may cut inside a block).
        part: Option<ReceiptPart>,
    },
}

impl Answered {
    /// Whether something of it goes to the disk, so that a durable event will come.
    pub fn is_written(&self) -> bool {
        match self {
            Self::Nothing | Self::Kept { .. } => false,
            Self::Receipts { found, .. } => !found.is_empty(),
            Self::Nodes { differ, .. } | Self::Shown { differ, .. } => *differ,
            _ => true,
        }
    }
}

/// The first receipts of a block. They are proved when the last one is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptPart {
    /// The block's number.
    pub block: u64,
    /// How many of its receipts are here, those of earlier answers among them.
    pub receipts: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The one judgement of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the answer turned out to be.
    pub outcome: Outcome,
    /// What it gave.
    pub answered: Answered,
}

impl Verdict {
    /// The peer does not have it.
    pub fn unavailable() -> Self {
        Self { outcome: Outcome::Unavailable, answered: Answered::Nothing }
    }

    /// The peer lied.
    pub fn invalid(fault: Fault) -> Self {
        Self { outcome: Outcome::Invalid(fault), answered: Answered::Nothing }
    }
}
