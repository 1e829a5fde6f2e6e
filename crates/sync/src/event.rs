//! What the engine is told and what it asks for. Both can be written down and replayed.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{
    BlockRange, Finality, HashRange, Head, HeaderFloor, Job, JobId, LeftBlock, ListedBlock, Missing,
    PendingStorage, Progress, ReceiptsFrom, Report, RetreatedBlock, Standing, StorageClaim, Target, TargetId,
};

/// Names the answer whose rows went to the disk; opaque here, whoever gave it out frees what it reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// Consecutive headers, described by their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderSegment {
    /// Number of the highest header.
    pub top: u64,
    /// Hash of the highest header.
    pub hash: B256,
    /// State root in the highest header.
    pub root: B256,
    /// Number of the lowest header.
    pub lowest: u64,
    /// Parent hash in the lowest header.
    pub parent: B256,
}

impl HeaderSegment {
    /// How many headers.
    pub fn count(&self) -> u64 {
        self.top - self.lowest + 1
    }

    /// Its lower end.
    pub fn floor(&self) -> HeaderFloor {
        HeaderFloor { number: self.lowest, parent: self.parent }
    }
}

/// Where a descent met the chain that is held: other blocks are canonical above it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The highest number that both have in common.
    pub fork: u64,
    /// The highest canonical block from now on.
    pub top: Head,
    /// Canonical blocks above the fork whose bodies are held.
    pub bodies: Vec<BlockRange>,
    /// Canonical blocks above the fork whose receipts are held.
    pub receipts: Vec<BlockRange>,
}

/// What became of headers on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeaderReach {
    /// The piece that they are of is held down to here: at their lowest, or lower where headers of a fork that was left go on.
    Down(HeaderFloor),
    /// They are canonical now, or were.
    Joined(Box<Join>),
    /// They hang from nothing that is wanted.
    Loose,
}

/// A storage of which an answer gave a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialStorage {
    /// The account.
    pub account: B256,
    /// The part of its storage that is now held.
    pub covered: HashRange,
    /// How many slots lie in that part; the density that the rest is split by.
    pub slots: u64,
}

/// Why a job ended without being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// All of it is durable.
    Done,
    /// The stream gave up; what is left is planned anew.
    GivenUp,
    /// All was asked for, and the writer dropped some of it ([`Event::Outdated`]); what is left is planned anew.
    Dropped,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Somebody who is trusted named a block to sync to.
    TargetNamed {
        /// Hash of its header.
        hash: B256,
    },
    /// The pivot moved: this is where to from now on. Whoever says so vouches for the header.
    PivotMoved {
        /// The block.
        target: Target,
    },
    /// A block was taken, or several together, or one is to be taken back: the state, which was verified, is of this one from now on. Answered by [`Effect::Follow`].
    Followed {
        /// The block.
        target: Target,
        /// Whether its receipts go to the disk with it, or are to be asked for.
        receipts: ReceiptsFrom,
    },
    /// The chain has left the block that the state is of, and it cannot be taken back.
    Stranded,
    /// The blocks above the verified state are taken by their access lists from now on.
    ListsWanted,
    /// They are not any more.
    ListsUnwanted,
    /// What [`Effect::Record`] handed out is on the disk.
    Recorded {
        /// Its target.
        pin: Option<TargetId>,
    },
    /// Somebody who is trusted named the newest block of the chain: the first one is the target, later ones move the head of the
    /// history.
    HeadNamed {
        /// Hash of its header.
        hash: B256,
    },
    /// The same one named a block that the chain never leaves any more, by its hash.
    FinalNamed {
        /// Hash of its header.
        hash: B256,
    },
    /// What [`Effect::Prune`] asked for.
    Pruned {
        /// Hash of the final block.
        hash: B256,
        /// What the disk says of it.
        finality: Finality,
    },
    /// Headers are on the disk. They hang together and their top has the hash that the job expected.
    HeadersDurable {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// The headers.
        segment: HeaderSegment,
        /// What became of them.
        reach: HeaderReach,
    },
    /// Account rows are on the disk, with the gap that shrank and the pendings that they imply.
    AccountsDurable {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// The range that has no unknown account any more.
        covered: HashRange,
        /// The target that its rows were proved at, and what they claim with them.
        target: TargetId,
        /// Storages that the new rows claim and that are not empty.
        storages: Vec<StorageClaim>,
        /// Codes that the new rows name and that are really missing on the disk.
        codes: Vec<B256>,
    },
    /// Older account rows have made way on the disk for those of a newer target.
    AccountsRenewed {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// Where rows are of the target now, rising.
        pieces: Vec<HashRange>,
        /// The target that they were proved at.
        target: TargetId,
        /// Storages of these accounts that are pending now, and what is held of them. No other storage of theirs is.
        storages: Vec<PendingStorage>,
        /// Codes that the rows name and that are newly missing.
        codes: Vec<B256>,
    },
    /// Accounts in which ours differed from a target's are the target's on the disk.
    AccountsHealed {
        /// The walk.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// The target.
        target: TargetId,
        /// Storages whose accounts claim another root than before, or at another target, and what is held of them.
        storages: Vec<PendingStorage>,
        /// Accounts whose storages are pending no more: they have none now.
        freed: Vec<B256>,
        /// Codes that the new rows name and that are really missing on the disk.
        codes: Vec<B256>,
    },
    /// Slots in which storages differed from what is claimed are those of the claims on the disk, or were dropped because the claims have
    /// changed.
    SlotsHealed {
        /// The walk.
        job: JobId,
        /// The answer.
        ticket: Ticket,
    },
    /// What [`Effect::FindList`] asked for.
    ListFound {
        /// The block's number.
        number: u64,
        /// Its parent's hash.
        parent: B256,
        /// Whether it has an access list.
        has_list: bool,
    },
    /// What [`Effect::FindLeft`] asked for.
    LeftFound {
        /// Blocks that the canonical chain has left, each down to where it forks off.
        left: Vec<LeftBlock>,
        /// The number of one of them whose header is not held, or which are more than can be: nothing leads back then.
        unheld: Option<u64>,
    },
    /// Rows of a block that the canonical chain has left became its parent's, but for what the block changed; or did not.
    Retreated {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// What became of them.
        retreated: RetreatedBlock,
    },
    /// Access lists were brought to the rows that were of their blocks' parents.
    ListsApplied {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// What became of each, in their order.
        blocks: Vec<ListedBlock>,
        /// Codes that were waited for and came with them.
        codes: Vec<B256>,
    },
    /// Slots are on the disk.
    StoragesDurable {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// Accounts whose whole storage was proved in this one answer.
        settled: Vec<B256>,
        /// The storage that the answer gave a part of: the cut one at its end, or a sub-range.
        partial: Option<PartialStorage>,
    },
    /// Codes are on the disk.
    CodesDurable {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// Their hashes.
        found: Vec<B256>,
    },
    /// Of codes that [`Effect::FindCodes`] named: accounts whose rows name some of them, and not all such accounts. [`Event::CodesUnnamed`] follows.
    CodesNamed {
        /// The accounts.
        accounts: Vec<B256>,
    },
    /// No row names these codes any more: the disk waits for them no longer. Answers [`Effect::FindCodes`], with nothing if rows have come
    /// meanwhile that name a code which is missing.
    CodesUnnamed {
        /// Their hashes.
        hashes: Vec<B256>,
    },
    /// The writer dropped an answer's rows: newer changes were applied to what its target named. No range became held, the answer's
    /// reservation is free, and its job goes on; what it still owes when it ends is planned anew.
    Outdated {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
    },
    /// Bodies are on the disk.
    BodiesDurable {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// The blocks; an answer may have left some out in between.
        blocks: Vec<BlockRange>,
    },
    /// Receipts are on the disk, all of each block named.
    ReceiptsDurable {
        /// The job.
        job: JobId,
        /// The answer.
        ticket: Ticket,
        /// The blocks; an answer may have left some out in between.
        blocks: Vec<BlockRange>,
    },
    /// Receipts that came of execution are on the disk.
    ReceiptsMade {
        /// The canonical ones of their blocks.
        blocks: Vec<BlockRange>,
    },
    /// A hint from the stream: what lies before `next` is asked for, if not here already. It moves no gap; it keeps a split
    /// from giving away what is on its way.
    Fetched {
        /// The job.
        job: JobId,
        /// The first hash that is still to be asked for.
        next: B256,
    },
    /// A job ended by itself.
    JobEnded {
        /// The job.
        job: JobId,
        /// Why.
        why: Ended,
    },
    /// The donor's rows stand under the accounts now, where its derived root was still the expected one.
    StoragesCopied {
        /// The accounts that settled.
        settled: Vec<B256>,
        /// The accounts that must be fetched after all.
        refused: Vec<B256>,
    },
    /// The trie of one storage was derived from its rows.
    StorageRebuilt {
        /// The account.
        account: B256,
        /// The derived root.
        root: B256,
    },
    /// The rows of a storage are of several blocks, and its account's row has the root now that they give: nothing is claimed of it any more.
    StorageTaken {
        /// The account.
        account: B256,
        /// How the account stands now.
        standing: Standing,
    },
    /// Rows have changed since a trie was derived from them: what came of it counts for nothing.
    Rederive {
        /// Whose storage; the account trie, if it is nobody's.
        account: Option<B256>,
    },
    /// The account trie was derived from its rows.
    Rebuilt {
        /// The derived root.
        root: B256,
    },
    /// Every connected peer refused something, and that for long.
    NoPeerHas {
        /// What.
        missing: Missing,
    },
    /// A peer came, or has more blocks than before: what nobody had may be had now.
    PeerHas {
        /// The blocks that it has by its own word; all, if it did not say.
        blocks: BlockRange,
    },
}

impl Event {
    /// The answer of which this event says what became of its rows.
    pub fn ticket(&self) -> Option<Ticket> {
        self.answer().map(|(_, ticket)| ticket)
    }

    /// The same with the job that it belongs to.
    pub fn answer(&self) -> Option<(JobId, Ticket)> {
        match *self {
            Self::HeadersDurable { job, ticket, .. }
            | Self::AccountsDurable { job, ticket, .. }
            | Self::AccountsRenewed { job, ticket, .. }
            | Self::AccountsHealed { job, ticket, .. }
            | Self::SlotsHealed { job, ticket }
            | Self::ListsApplied { job, ticket, .. }
            | Self::Retreated { job, ticket, .. }
            | Self::StoragesDurable { job, ticket, .. }
            | Self::CodesDurable { job, ticket, .. }
            | Self::Outdated { job, ticket }
            | Self::BodiesDurable { job, ticket, .. }
            | Self::ReceiptsDurable { job, ticket, .. } => Some((job, ticket)),
            _ => None,
        }
    }
}

/// What the engine wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Fetch something.
    Start {
        /// The new job's name.
        id: JobId,
        /// What to fetch.
        job: Job,
    },
    /// Stop fetching; answers still under way are dropped by id.
    Stop {
        /// The job.
        id: JobId,
    },
    /// An account job ends earlier: its rest was given to another job. An answer in flight is clipped to this.
    Shorten {
        /// The job.
        id: JobId,
        /// The last hash that it still has to fetch.
        last: B256,
    },
    /// Account jobs and renewals ask under this root from now on, also for what they put back. Requests that were sent keep the root of theirs, are
    /// judged by it, and their rows are written with its target.
    Retarget {
        /// The target. Its record is durable.
        target: TargetId,
        /// Its state root.
        root: B256,
    },
    /// Too much is pending: account jobs send nothing more until released.
    HoldAccounts,
    /// Account jobs go on.
    ReleaseAccounts,
    /// Copy the donor's slots to accounts that claim the same root. Answered by [`Event::StoragesCopied`].
    CopyStorage {
        /// A settled storage.
        donor: StorageClaim,
        /// Accounts with the same claimed root.
        accounts: Vec<B256>,
    },
    /// Derive the trie of a storage that came in pieces. Answered by [`Event::StorageRebuilt`].
    RebuildStorage {
        /// The account.
        account: B256,
        /// The root that its row claims.
        expected: B256,
    },
    /// Derive the tries of all storages that owe their root and of which every slot is held, by rising account. Of each
    /// [`Event::StorageTaken`] tells, or [`Event::Rederive`].
    RebuildOwed,
    /// Derive the account trie. Answered by [`Event::Rebuilt`]. Of a state without accounts nothing was fetched: its gap is to be
    /// closed on the disk, too.
    Rebuild {
        /// The target.
        target: TargetId,
        /// The root that its header names.
        root: B256,
    },
    /// Write what makes the verified state that of another block: after whatever was to be recorded before, and ahead of what is recorded next.
    Follow {
        /// The block.
        target: Target,
    },
    /// The pivot is to be another: the canonical block at this height, whose header is held. Answered by [`Event::PivotMoved`].
    FindPivot {
        /// Its number.
        number: u64,
    },
    /// Whether the canonical block at this height, whose header is held, has an access list, and whose child it is. Answered by
    /// [`Event::ListFound`].
    FindList {
        /// Its number.
        number: u64,
    },
    /// Look whether rows name these codes, which nobody has. Answered by [`Event::CodesNamed`] and [`Event::CodesUnnamed`].
    FindCodes {
        /// Their hashes, rising.
        hashes: Vec<B256>,
    },
    /// Which of these blocks the canonical chain has left, with all between them and where it forks off. Answered by [`Event::LeftFound`].
    FindLeft {
        /// The blocks.
        blocks: Vec<Head>,
    },
    /// Blocks beside the chain are to go, up to this final block, if it is canonical and not above the state. Answered by [`Event::Pruned`].
    Prune {
        /// Its hash.
        hash: B256,
        /// The number of the block whose state is verified.
        state: u64,
    },
    /// Write this down, before anything that follows.
    Record(Progress),
    /// Tell whoever watches.
    Report(Report),
}
