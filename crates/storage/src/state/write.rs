//! What the state's writer takes, and what it tells after a commit.
//!
//! Every row comes in a type that proves it. A write of what is already held is dropped without harm: late duplicates
//! are normal.

use alloy_primitives::B256;
use snapsync_trie::{HashRange, PendingStorage, Standing, StorageClaim, TargetId, VerifiedCodes};

use crate::{
    state::{
        block::DerivedBlock,
        claim::BlockClaim,
        healed::{HealedAccounts, HealedSlots},
        list::CheckedList,
        nodes::NodeChanges,
        packed::{PackedAccounts, PackedStorages},
        progress::{CommitNumber, StateProgress},
        retreat::Retreat,
        targets::Joined,
    },
    writer::Ticket,
};

/// A storage that is to stand under other accounts too.
#[derive(Clone, Debug)]
pub struct StorageCopy {
    /// A settled storage.
    pub donor: StorageClaim,
    /// Who gets its rows and nodes. They claim the same root.
    pub accounts: Vec<B256>,
}

/// One write to the state.
#[derive(Debug)]
pub enum Write {
    /// A proved account range.
    Accounts {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The target that they were proved at.
        target: TargetId,
        /// The rows.
        accounts: PackedAccounts,
        /// Bytes of the response that they came in, for the counters.
        response_bytes: u64,
    },
    /// A proved account range that was held already, as of an older target: its rows take the place of those. Other rows stay.
    Renewal {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The target that they were proved at.
        target: TargetId,
        /// The rows.
        accounts: PackedAccounts,
        /// Bytes of the response that they came in, for the counters.
        response_bytes: u64,
    },
    /// Accounts in which ours differ from a target's. What was sent before is written before, what comes after, after them.
    HealedAccounts {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The target, whose root they were compared with.
        target: TargetId,
        /// The rows.
        healed: HealedAccounts,
        /// Bytes of the responses that they came in, for the counters.
        response_bytes: u64,
    },
    /// Slots in which storages differ from those that their accounts claim. In its place, too.
    HealedSlots {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The rows, by storage.
        healed: Vec<HealedSlots>,
        /// Bytes of the responses that they came in, for the counters.
        response_bytes: u64,
    },
    /// Proved storages, the last of which may be a part.
    Storages {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The target that they were asked of.
        target: TargetId,
        /// The rows.
        storages: PackedStorages,
        /// Bytes of the response that they came in, for the counters.
        response_bytes: u64,
    },
    /// Codes that are what their hashes say.
    Codes {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The codes.
        codes: VerifiedCodes,
        /// Bytes of the response that they came in, for the counters.
        response_bytes: u64,
    },
    /// Settled storages stand under other accounts too, which claim the same roots.
    CopyStorages {
        /// Names the write in its notice.
        ticket: Ticket,
        /// Who gets whose.
        copies: Vec<StorageCopy>,
    },
    /// Nodes of one storage trie, derived from its rows.
    StorageNodes {
        /// Names the write in its notice.
        ticket: Ticket,
        /// Whose storage.
        account: B256,
        /// What changes among its nodes.
        nodes: NodeChanges,
        /// Whether the trie is complete with this.
        derived: Derived,
        /// What the snapshot had seen that it was derived from: the same for all nodes of a derivation.
        seen: CommitNumber,
    },
    /// Nodes of the account trie, derived from its rows.
    AccountNodes {
        /// Names the write in its notice.
        ticket: Ticket,
        /// What changes among the nodes.
        nodes: NodeChanges,
        /// Whether the trie is complete with this.
        derived: Derived,
        /// What the snapshot had seen that it was derived from: the same for all nodes of a derivation.
        seen: CommitNumber,
    },
    /// What a block changes, rows and branches at once. What was sent before it is written before it, what comes after, after it.
    Block {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The block.
        block: Box<DerivedBlock>,
    },
    /// What blocks left, by their access lists: each brought to those rows of a state that is not whole which are of its block's parent,
    /// in this order. What was sent before is written before, what comes after, after them.
    Lists {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The lists.
        lists: Vec<CheckedList>,
        /// Bytes of the response that they came in, for the counters.
        response_bytes: u64,
    },
    /// The chain has left a block: rows of it become those of its parent, but for what it changed. In its place, too.
    Retreat {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The block, with what it changed.
        retreat: Box<Retreat>,
        /// Bytes of the response that its list came in, for the counters.
        response_bytes: u64,
    },
    /// The block that the state is of is taken back; its parent's state is left. As many can be as were kept, 128 at most.
    TakeBack {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The block's hash.
        hash: B256,
    },
    /// What the engine wants recorded. A target is named before any row of it comes.
    Progress {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The record.
        progress: StateProgress,
    },
    /// Codes that no row names, by a snapshot: they are waited for no longer, unless rows that name a missing code came after it. In its place.
    DropCodes {
        /// Names the write in its notice.
        ticket: Ticket,
        /// Their hashes.
        hashes: Vec<B256>,
        /// What the snapshot had seen, the oldest if there were several.
        seen: CommitNumber,
    },
    /// The version of snap that peers are asked in from now on.
    Speaks {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The version.
        snap: u8,
    },
    /// The writer commits what it has and ends.
    Stop,
}

impl Write {
    /// Bytes in memory, about.
    pub(crate) fn weight(&self) -> u64 {
        let bytes = match self {
            Self::Accounts { accounts, .. } | Self::Renewal { accounts, .. } => accounts.bytes_held(),
            Self::HealedAccounts { healed, .. } => healed.bytes_held(),
            Self::HealedSlots { healed, .. } => healed.iter().map(HealedSlots::bytes_held).sum(),
            Self::Storages { storages, .. } => storages.bytes_held(),
            Self::Codes { codes, .. } => codes.iter().map(|(_, code)| code.len() + 64).sum(),
            Self::CopyStorages { copies, .. } => copies.iter().map(|copy| copy.accounts.len() * 4096).sum(),
            Self::StorageNodes { nodes, .. } | Self::AccountNodes { nodes, .. } => nodes.put.bytes_held(),
            Self::Block { block, .. } => block.bytes_held(),
            Self::Lists { lists, .. } => lists.iter().map(CheckedList::bytes_held).sum(),
            Self::DropCodes { hashes, .. } => hashes.len() * 64,
            Self::Retreat { retreat, .. } => retreat.bytes_held(),
            Self::TakeBack { .. } | Self::Progress { .. } | Self::Speaks { .. } | Self::Stop => 256,
        };
        bytes as u64
    }
}

/// Summaries with the places of their writes.
pub(crate) type Done = Vec<(usize, Ticket, Summary)>;

/// Whether a derived trie is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// More nodes of the same trie follow.
    Part,
    /// These were the last nodes; this is the root.
    Whole(B256),
}

/// What became durable, by ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summary {
    /// Account rows are durable.
    Accounts {
        /// The range that has no unknown account any more.
        covered: HashRange,
        /// The target that they were proved at, and what they claim with them.
        target: TargetId,
        /// Rows written; those of parts that were held before are not counted.
        rows: u64,
        /// Storages that are newly pending.
        storages: Vec<StorageClaim>,
        /// Codes that are newly pending: neither held nor known to be missing before.
        codes: Vec<B256>,
    },
    /// Older account rows made way for others.
    Renewed {
        /// Where rows are of this target now, rising.
        pieces: Vec<HashRange>,
        /// The target.
        target: TargetId,
        /// Storages of these accounts that are pending now, and what is held of them. No other storage of theirs is.
        storages: Vec<PendingStorage>,
        /// Codes that are newly pending.
        codes: Vec<B256>,
    },
    /// Accounts that differed are the target's.
    HealedAccounts {
        /// The target.
        target: TargetId,
        /// Rows that changed, those that are gone among them.
        rows: u64,
        /// Storages that wait for another root than before, or of another target, and what is held of them.
        storages: Vec<PendingStorage>,
        /// Accounts whose storages wait no more: they have none now.
        freed: Vec<B256>,
        /// Codes that are newly pending.
        codes: Vec<B256>,
    },
    /// Slots that differed are those of their claims.
    HealedSlots {
        /// Rows that changed, those that are gone among them.
        rows: u64,
        /// The claims.
        healed: Vec<StorageClaim>,
        /// Claims whose slots were dropped: their accounts claim other roots by now.
        dropped: Vec<StorageClaim>,
    },
    /// An answer was dropped: lists have been applied to what its target names, and it may not know them.
    Outdated,
    /// Slots are durable.
    Storages {
        /// What became of each set, in the order of the answer.
        sets: Vec<StorageSet>,
        /// Rows written.
        rows: u64,
    },
    /// Codes are durable.
    Codes {
        /// Their hashes, those that were held before among them.
        found: Vec<B256>,
    },
    /// Storages were copied.
    Copied {
        /// Accounts that have it now.
        settled: Vec<B256>,
        /// Accounts whose expectation their donor does not meet, or all of a donor's if it is not settled.
        refused: Vec<B256>,
    },
    /// Derived nodes of a storage are durable.
    StorageNodes {
        /// Whose storage.
        account: B256,
        /// What came of it.
        settlement: Settlement,
    },
    /// Derived nodes of the account trie are durable.
    AccountNodes {
        /// What came of it.
        outcome: AccountTrieOutcome,
    },
    /// A block was brought to the state, or found another parent than its own and was left.
    Block {
        /// Which block.
        claim: BlockClaim,
        /// What came of it.
        outcome: BlockOutcome,
    },
    /// Lists were brought to rows.
    Lists {
        /// What became of each, in their order.
        blocks: Vec<ListedBlock>,
        /// Codes that were waited for and came with them.
        codes: Vec<B256>,
    },
    /// A block that the chain has left was taken off rows, or not.
    Retreated(RetreatedBlock),
    /// A block was taken back, or not.
    TakenBack {
        /// Its hash.
        hash: B256,
        /// What came of it: left, if the state is not this block's, or what it changed is not kept.
        outcome: BlockOutcome,
    },
    /// Codes are waited for no longer.
    CodesDropped {
        /// Their hashes; none, if rows came meanwhile.
        hashes: Vec<B256>,
    },
    /// The version of snap is on record.
    Speaks,
    /// The record is durable.
    Progress {
        /// The target that it names.
        pin: Option<TargetId>,
    },
}

/// What became of a block's access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBlock {
    /// Which block.
    pub claim: BlockClaim,
    /// Whether rows were its parent's.
    pub outcome: BlockOutcome,
    /// Targets whose rows have met at this block, if any have.
    pub joined: Option<Joined>,
    /// What it made of storages.
    pub unsettled: Unsettled,
}

impl ListedBlock {
    /// No row is its parent's.
    pub(crate) fn left(claim: BlockClaim) -> Self {
        Self { claim, outcome: BlockOutcome::Left, joined: None, unsettled: Unsettled::default() }
    }
}

/// What became of rows of a block that the chain has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetreatedBlock {
    /// The block.
    pub claim: BlockClaim,
    /// Its parent's number.
    pub parent_number: u64,
    /// Whether rows of it are its parent's now.
    pub outcome: RetreatOutcome,
    /// Targets whose rows have met at the parent, if any have.
    pub joined: Option<Joined>,
    /// Accounts of which nothing is known any more, rising.
    pub doubtful: Vec<B256>,
    /// What it made of their storages. None of them is to be derived before its account was asked again: they stand among those that are cut.
    pub unsettled: Unsettled,
}

/// Whether rows of a block became its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetreatOutcome {
    /// They did.
    Applied,
    /// No row is of it, or an older target is of a block above its parent: nothing has changed.
    Left,
    /// It changed more accounts than can be told apart from those that it did not: nothing has changed.
    Crowded,
}

/// Storages that a list has changed: nobody claims any more what their slots give. Each account stands once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// They owe their root from now on, and all of their slots are held.
    pub owed: Vec<B256>,
    /// They owe it, and slots are missing: their accounts are to be asked again.
    pub cut: Vec<B256>,
    /// They were pending, claimed or owed, and their accounts are gone.
    pub freed: Vec<B256>,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockOutcome {
    /// It is done.
    Applied,
    /// The state is not the one that it begins at: nothing has changed.
    Left,
}

/// What became of one storage set of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageSet {
    /// Whose storage.
    pub account: B256,
    /// The slots that the answer covered.
    pub covered: HashRange,
    /// Slots in the answer.
    pub slots: u64,
    /// Where the storage stands now.
    pub state: StorageState,
}

/// Where a storage stands after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageState {
    /// All rows and nodes are held and give the expected root.
    Settled,
    /// Some sub-ranges are still missing.
    Partial,
    /// All rows are held; the trie over them is not derived yet.
    Filled,
    /// It was not pending: the write changed nothing.
    Dropped,
    /// Its account claims another root by now: the write changed nothing, and it is pending still.
    Unclaimed,
}

/// What came of deriving a storage trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// More nodes follow.
    Unfinished,
    /// The derived root is the expected one: the account left Pending.
    Settled,
    /// Another root was derived than the row claims. The account stays pending.
    Unequal {
        /// What the row claims; `None` if it was owed.
        expected: Option<B256>,
        /// What the rows give.
        derived: B256,
    },
    /// The rows are of several blocks, or changed by a list: the account's row has this root now, its path is marked, and it left Pending.
    Taken {
        /// What the rows give.
        root: B256,
        /// How the account stands now: as old as the oldest of its slots, if it is not older.
        standing: Standing,
    },
    /// Slots have changed since the snapshot that it was derived from: it is to be derived again.
    Outdated,
    /// The storage was not waiting for its trie, or became pending after the snapshot.
    Dropped,
}

/// What came of deriving the account trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountTrieOutcome {
    /// More nodes follow.
    Unfinished,
    /// The root of the rows as they are.
    Derived(B256),
    /// Rows have changed since the snapshot that it was derived from: the root counts for nothing, and it is to be derived again.
    Outdated,
}
