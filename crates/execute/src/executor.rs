//! The seam: what executes a block, and the parent's state as it sees it. Hosts bring their own, or none.
//!
//! A host that has an EVM implements [`BlockExecutor`] over it and gives it to [`crate::execute`], which checks what it says against the
//! header whoever it is, and derives the root: an executor that is wrong is found out, and nothing of it reaches the disk. A host that has
//! none takes ours (feature `evm`), or applies access lists ([`crate::apply_list`]), which takes no EVM at all. No type of any EVM stands
//! in these signatures.
//!
//! ```
//! use alloy_primitives::Address;
//! use snapsync_execute::{Block, BlockExecutor, Error, Executed, ParentState, Rules};
//! use snapsync_wire::Header;
//!
//! /// Executes blocks that hold nothing.
//! struct Idle;
//!
//! impl BlockExecutor for Idle {
//!     fn execute(
//!         &mut self,
//!         _rules: &Rules,
//!         block: &Block,
//!         _parent: &Header,
//!         state: &mut dyn ParentState,
//!     ) -> Result<Executed, Error> {
//!         // This is how an executor reads: by addresses and slots as the EVM knows them.
//!         state.account(&block.header().beneficiary)?;
//!         Ok(Executed::default())
//!     }
//! }
//! ```

use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use snapsync_storage::StateChanges;
use snapsync_trie::Account;
use snapsync_wire::{Header, Receipt};

use crate::{block::Block, error::Result, forks::Rules};

/// The state after a block's parent, read by whoever executes the block.
pub trait ParentState {
    /// An account; `None`: there is none.
    ///
    /// # Errors
    /// When the disk fails.
    fn account(&mut self, address: &Address) -> Result<Option<Account>>;

    /// A slot's value; zero, if it has none.
    ///
    /// # Errors
    /// When the disk fails.
    fn slot(&mut self, address: &Address, slot: &U256) -> Result<U256>;

    /// The code of this hash, which an account names.
    ///
    /// # Errors
    /// [`Error::NoCode`](crate::Error::NoCode) when it is not held, or when the disk fails.
    fn code(&mut self, hash: &B256) -> Result<Bytes>;

    /// The hash of an ancestor, one of the 256 that the EVM may ask for.
    ///
    /// # Errors
    /// [`Error::NoBlockHash`](crate::Error::NoBlockHash) when it is not known, or when the disk fails.
    fn block_hash(&mut self, number: u64) -> Result<B256>;

    /// The root that these changes would give. Asked for after each transaction of a block before Byzantium, whose receipts hold it, and
    /// by nobody else.
    ///
    /// # Errors
    /// [`Error::NoRoots`](crate::Error::NoRoots) when it cannot tell, or when the disk fails.
    fn root_with(&mut self, changes: &StateChanges) -> Result<B256>;
}

/// What came of executing a block. What the header says of it is not believed: it is compared with this.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Executed {
    /// What it changed, under the Keccak hashes of addresses and slots.
    pub changes: StateChanges,
    /// What came of each transaction.
    pub receipts: Vec<Receipt>,
    /// The gas of the block, as its header counts it: from Amsterdam on that need not be the last receipt's.
    pub gas_used: u64,
    /// The gas of its blobs.
    pub blob_gas_used: u64,
    /// The hash over its requests (EIP-7685), from Prague on.
    pub requests_hash: Option<B256>,
    /// Its access list (EIP-7928), from Amsterdam on.
    pub access_list: Option<Bytes>,
}

impl Executed {
    /// The receipts as the receipts root commits to them.
    pub fn consensus_receipts(&self) -> Vec<Vec<u8>> {
        let encoded = |receipt: &Receipt| {
            let mut bytes = Vec::new();
            receipt.encode_consensus(&mut bytes);
            bytes
        };
        self.receipts.iter().map(encoded).collect()
    }

    /// The filter over the logs of all receipts.
    pub fn logs_bloom(&self) -> Bloom {
        self.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.bloom())
    }
}

/// Executes blocks.
///
/// Header and body were checked before ([`crate::check_header`], [`crate::check_body`]); what it says is checked afterwards
/// ([`crate::check_executed`]), and the state's root is derived. An executor says why a block is bad where it finds that itself: a
/// transaction that is not valid, above all.
pub trait BlockExecutor {
    /// Executes a block on its parent's state, by the rules that its header was checked against.
    ///
    /// # Errors
    /// [`Error::Bad`](crate::Error::Bad) when the block is bad. Any other error says nothing of the block: it is tried again, or its list is
    /// applied instead.
    fn execute(
        &mut self,
        rules: &Rules,
        block: &Block,
        parent: &Header,
        state: &mut dyn ParentState,
    ) -> Result<Executed>;
}
