//! One block further: checked, executed or its list applied, and derived, so that it can be written.
//!
//! Both ways end in a [`DerivedBlock`], which has the root that the header claims, and both trust nobody. This decides nothing: which way
//! to take, and what becomes of a block that is bad, is the caller's business.

use alloy_primitives::{B256, Bytes};
use snapsync_storage::{
    BlockClaim, BlockError, CheckedList, DerivedBlock, ListFault, StateChanges, StateSnapshot,
};
use snapsync_wire::{Header, Receipt};

use crate::{
    bad::{BadBlock, Commitment},
    block::Block,
    body::check_body,
    claims::check_executed,
    error::{Error, Result},
    executor::{BlockExecutor, Executed},
    forks::Forks,
    header::check_header,
    reader::{BlockHashes, StateReader},
};

/// A block that was executed, and is to be written.
#[derive(Debug)]
pub struct Advanced {
    /// Its rows and branches, for [`Write::Block`](snapsync_storage::Write::Block).
    pub derived: DerivedBlock,
    /// What came of each transaction.
    pub receipts: Vec<Receipt>,
}

/// Executes a block on the state of its parent, and checks everything that it claims.
///
/// # Errors
/// [`Error::Bad`] when the block is bad; [`Error::NotTheParent`] when the snapshot is of another block.
pub fn execute(
    executor: &mut dyn BlockExecutor,
    forks: &Forks,
    block: &Block,
    parent: &Header,
    snapshot: &StateSnapshot,
    hashes: &dyn BlockHashes,
) -> Result<Advanced> {
    let rules = check_header(forks, block, parent)?;
    check_body(&rules, block)?;
    let whole = snapshot.progress()?.unwrap_or_default().whole();
    whole
        .filter(|whole| whole.hash == block.header().parent_hash)
        .ok_or(Error::NotTheParent { parent: block.header().parent_hash })?;
    let mut state = StateReader::new(snapshot, hashes)?;
    let executed = executor.execute(&rules, block, parent, &mut state)?;
    check_executed(block, &executed)?;
    let Executed { changes, receipts, .. } = executed;
    let derived = derive(block, snapshot, &changes)?;
    Ok(Advanced { derived, receipts })
}

/// Applies a block's access list to the state of its parent: header, body, the list's hash and the root are checked, what the transactions
/// did is not. So it takes no EVM, and believes the chain that the header is of where it says what they came to.
///
/// # Errors
/// [`Error::List`] when the list is not the block's; [`Error::Bad`] when the block is bad; [`Error::NotTheParent`] when the snapshot is of
/// another block.
pub fn apply_list(
    forks: &Forks,
    block: &Block,
    parent: &Header,
    list: &Bytes,
    snapshot: &StateSnapshot,
) -> Result<DerivedBlock> {
    let changes = checked_list(forks, block, parent, list)?.changes(|key| snapshot.account(key))?;
    derive(block, snapshot, &changes)
}

/// A block's list, once header, body and the list's hash are checked.
pub(crate) fn checked_list(
    forks: &Forks,
    block: &Block,
    parent: &Header,
    list: &Bytes,
) -> Result<CheckedList> {
    let rules = check_header(forks, block, parent)?;
    check_body(&rules, block)?;
    CheckedList::check(block.header(), list).map_err(|fault| match fault {
        // The header commits to these bytes: nobody can send better ones.
        ListFault::Malformed { why, .. } => BadBlock::Malformed { part: "access list", why }.into(),
        other => Error::List(other),
    })
}

fn derive(block: &Block, snapshot: &StateSnapshot, changes: &StateChanges) -> Result<DerivedBlock> {
    let header = block.header();
    let claim = BlockClaim {
        number: header.number,
        hash: block.hash(),
        parent: header.parent_hash,
        root: header.state_root,
    };
    DerivedBlock::derive(snapshot, claim, changes).map_err(|error| refused(error, header.parent_hash))
}

/// Why changes were not laid over the state of a block.
pub(crate) fn refused(error: BlockError, parent: B256) -> Error {
    match error {
        BlockError::Root { derived, claimed } => {
            BadBlock::Claim { what: Commitment::State, claimed, found: derived }.into()
        }
        BlockError::NotTheParent => Error::NotTheParent { parent },
        BlockError::Disk(error) => error.into(),
        other => Error::Misfit(other),
    }
}
