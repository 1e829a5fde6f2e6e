//! What the writers' notices and journals mean to the engine.
//!
//! Pure: the driver says it to the engine of a real sync, and the simulation to its own, with the same words.

use alloy_primitives::B256;
use snapsync_storage::{
    AccountTrieOutcome, BlockClaim, BlockOutcome, BlockRef, BlockSpan, HeaderPiece, HistorySummary, Join,
    Reach, Settlement, StorageSet, StorageState, Summary, TargetRecord, Unsettled,
};
use snapsync_sync::{
    BlockRange, Event, Finality, Head, HeaderFloor, HeaderReach, HeaderSegment, JobId, ListOutcome,
    ListedBlock, PartialStorage, Pin, RetreatOutcome, RetreatedBlock, Target, Ticket,
};
use snapsync_trie::HashRange;

/// A commit of the state's writer. `job`: which one the write answers; `expected`: what a storage was to derive to. Nothing, if the
/// engine need not know.
pub fn state_event(
    job: Option<JobId>,
    ticket: Ticket,
    summary: Summary,
    expected: impl FnOnce(&B256) -> Option<B256>,
) -> Option<Event> {
    Some(match summary {
        Summary::Accounts { covered, target, storages, codes, .. } => {
            Event::AccountsDurable { job: job?, ticket, covered, target, storages, codes }
        }
        // Nothing of it was older: as with rows that were dropped, its job owes them still.
        Summary::Renewed { pieces, .. } if pieces.is_empty() => Event::Outdated { job: job?, ticket },
        Summary::Renewed { pieces, target, storages, codes } => {
            Event::AccountsRenewed { job: job?, ticket, pieces, target, storages, codes }
        }
        Summary::Storages { sets, .. } => {
            let settled = sets.iter().filter(|set| is_settled(set)).map(|set| set.account).collect();
            let partial = sets.iter().find(|set| is_partial(set)).map(|set| PartialStorage {
                account: set.account,
                covered: set.covered,
                slots: set.slots,
            });
            Event::StoragesDurable { job: job?, ticket, settled, partial }
        }
        Summary::Codes { found } => Event::CodesDurable { job: job?, ticket, found },
        Summary::HealedAccounts { target, storages, freed, codes, .. } => {
            Event::AccountsHealed { job: job?, ticket, target, storages, freed, codes }
        }
        Summary::HealedSlots { .. } => Event::SlotsHealed { job: job?, ticket },
        Summary::Copied { settled, refused } => Event::StoragesCopied { settled, refused },
        Summary::StorageNodes { account, settlement } => {
            let root = match settlement {
                Settlement::Settled => expected(&account)?,
                Settlement::Unequal { derived, .. } => derived,
                Settlement::Taken { standing, .. } => return Some(Event::StorageTaken { account, standing }),
                Settlement::Outdated => return Some(Event::Rederive { account: Some(account) }),
                Settlement::Unfinished | Settlement::Dropped => return None,
            };
            Event::StorageRebuilt { account, root }
        }
        Summary::AccountNodes { outcome: AccountTrieOutcome::Derived(root) } => Event::Rebuilt { root },
        Summary::Progress { pin } => Event::Recorded { pin },
        Summary::Outdated => Event::Outdated { job: job?, ticket },
        Summary::AccountNodes { outcome: AccountTrieOutcome::Outdated } => Event::Rederive { account: None },
        Summary::Lists { blocks, codes } => {
            let blocks = blocks.into_iter().map(listed).collect();
            Event::ListsApplied { job: job?, ticket, blocks, codes }
        }
        Summary::CodesDropped { hashes } => Event::CodesUnnamed { hashes },
        Summary::Retreated(told) => Event::Retreated { job: job?, ticket, retreated: retreated(told) },
        // Of blocks the engine has heard before they were written, and it knows no versions.
        Summary::AccountNodes { outcome: AccountTrieOutcome::Unfinished }
        | Summary::Block { .. }
        | Summary::Speaks
        | Summary::TakenBack { .. } => return None,
    })
}

fn listed(listed: snapsync_storage::ListedBlock) -> ListedBlock {
    let BlockClaim { number, hash, parent, .. } = listed.claim;
    let outcome = match listed.outcome {
        BlockOutcome::Applied => ListOutcome::Applied,
        BlockOutcome::Left => ListOutcome::Left,
    };
    let (newest, older) = listed.joined.map(|joined| (joined.newest, joined.older)).unzip();
    let Unsettled { owed, cut, freed } = listed.unsettled;
    ListedBlock {
        block: Head { number, hash },
        parent,
        outcome,
        newest,
        older: older.unwrap_or_default().into_iter().collect(),
        owed,
        cut,
        freed,
    }
}

fn retreated(told: snapsync_storage::RetreatedBlock) -> RetreatedBlock {
    let BlockClaim { number, hash, parent, .. } = told.claim;
    let outcome = match told.outcome {
        snapsync_storage::RetreatOutcome::Applied => RetreatOutcome::Applied,
        snapsync_storage::RetreatOutcome::Left => RetreatOutcome::Left,
        snapsync_storage::RetreatOutcome::Crowded => RetreatOutcome::Crowded,
    };
    let (newest, older) = told.joined.map(|joined| (joined.newest, joined.older)).unzip();
    RetreatedBlock {
        block: Head { number, hash },
        parent: Head { number: told.parent_number, hash: parent },
        outcome,
        newest,
        older: older.unwrap_or_default().into_iter().collect(),
        doubtful: told.doubtful,
        cut: told.unsettled.cut,
        freed: told.unsettled.freed,
    }
}

/// A commit of the history's writer.
pub fn history_event(job: Option<JobId>, ticket: Ticket, summary: HistorySummary) -> Option<Event> {
    Some(match summary {
        HistorySummary::Headers { top, root, lowest, parent, reach } => {
            let segment = HeaderSegment { top: top.number, hash: top.hash, root, lowest, parent };
            Event::HeadersDurable { job: job?, ticket, segment, reach: header_reach(reach) }
        }
        HistorySummary::Bodies { blocks } => {
            Event::BodiesDurable { job: job?, ticket, blocks: block_ranges(&blocks) }
        }
        HistorySummary::Receipts { blocks } => {
            let blocks = block_ranges(&blocks);
            // Nobody was asked for what came of execution.
            match job {
                Some(job) => Event::ReceiptsDurable { job, ticket, blocks },
                None => Event::ReceiptsMade { blocks },
            }
        }
        HistorySummary::Finalized { hash, finality } => {
            Event::Pruned { hash, finality: self::finality(finality) }
        }
        HistorySummary::Want => return None,
    })
}

fn finality(finality: snapsync_storage::Finality) -> Finality {
    use snapsync_storage::Finality::{Ahead, Beside, Reached};
    match finality {
        Beside => Finality::Beside,
        Ahead { number } => Finality::Ahead { number },
        Reached { number, pruned, more } => Finality::Reached { number, pruned, more },
    }
}

fn header_reach(reach: Reach) -> HeaderReach {
    match reach {
        Reach::Down { floor, parent } => HeaderReach::Down(HeaderFloor { number: floor, parent }),
        Reach::Joined(Join { fork, top, bodies, receipts }) => {
            let (bodies, receipts) = (block_ranges(&bodies), block_ranges(&receipts));
            HeaderReach::Joined(Box::new(snapsync_sync::Join { fork, top: head(top), bodies, receipts }))
        }
        Reach::Loose => HeaderReach::Loose,
    }
}

/// A block of the disk, as the top of a chain.
pub fn head(block: BlockRef) -> Head {
    Head { number: block.number, hash: block.hash }
}

/// A piece of headers of the disk.
pub fn header_piece(piece: HeaderPiece) -> snapsync_sync::HeaderPiece {
    let floor = HeaderFloor { number: piece.floor, parent: piece.floor_parent };
    snapsync_sync::HeaderPiece { head: head(piece.top), floor }
}

/// The engine's record, as the disk keeps it.
pub fn state_progress(progress: &snapsync_sync::Progress) -> snapsync_storage::StateProgress {
    let pin = progress.pin.map(|Pin { id, target }| TargetRecord {
        id,
        number: target.number,
        hash: target.hash,
        root: target.root,
    });
    snapsync_storage::StateProgress { pin, phase: progress.phase.number(), rebuilt: progress.rebuilt }
}

/// A target of the disk.
pub fn pin(record: TargetRecord) -> Pin {
    let target = Target { number: record.number, hash: record.hash, root: record.root };
    Pin { id: record.id, target }
}

/// Spans of blocks, in the engine's words.
pub fn block_ranges(spans: &[BlockSpan]) -> Vec<BlockRange> {
    spans.iter().filter_map(|span| BlockRange::new(span.first, span.last)).collect()
}

/// Whole and proved; one that was dropped whole had settled before.
fn is_settled(set: &StorageSet) -> bool {
    match set.state {
        StorageState::Settled => true,
        StorageState::Dropped => set.covered == HashRange::FULL,
        StorageState::Partial | StorageState::Filled | StorageState::Unclaimed => false,
    }
}

fn is_partial(set: &StorageSet) -> bool {
    matches!(set.state, StorageState::Partial | StorageState::Filled)
}
