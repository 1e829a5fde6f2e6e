//! How a block comes to its header: its transactions are executed, as whoever builds a block does, and what came of them is claimed.
//!
//! It chooses no transactions and writes nothing.

use alloy_primitives::B256;
use snapsync_execute::{
    Block, BlockExecutor, BlockHashes, Forks, StateReader,
    evm::{Config, EvmExecutor},
    genesis::Genesis,
};
use snapsync_keccak::keccak256;
use snapsync_storage::{BlockClaim, DerivedBlock, StateSnapshot};
use snapsync_trie::ordered_root;
use snapsync_wire::{Body, Header};

use crate::{
    Error,
    blocks::{Contents, MadeBlock, Place},
    chain::network_form,
    rlp::List,
};

/// Executes blocks of one chain and writes their headers.
#[derive(Debug)]
pub(crate) struct Sealer {
    executor: EvmExecutor,
    forks: Forks,
}

/// A block that was made, and what it does to the state.
pub(crate) struct ExecutedBlock {
    pub(crate) made: MadeBlock,
    pub(crate) derived: DerivedBlock,
}

impl Sealer {
    /// For the chain of this genesis.
    pub(crate) fn new(genesis: &Genesis, chain_id: u64) -> Self {
        Self { executor: EvmExecutor::new(Config::node()), forks: genesis.forks(chain_id) }
    }

    /// The rules of the chain's blocks.
    pub(crate) fn forks(&self) -> &Forks {
        &self.forks
    }

    /// The block of these transactions and withdrawals at a place above `parent`, whose state the snapshot is of.
    ///
    /// # Errors
    /// When the disk fails, or the block cannot be executed: a bug of whoever chose them.
    pub(crate) fn seal(
        &mut self,
        (state, hashes): (&StateSnapshot, &dyn BlockHashes),
        (parent, place): (&Header, &Place),
        transactions: Vec<Vec<u8>>,
        withdrawals: Vec<Vec<u8>>,
    ) -> Result<ExecutedBlock, Error> {
        let mut contents = Contents {
            transactions_root: ordered_root(&transactions),
            withdrawals_root: ordered_root(&withdrawals),
            ..Contents::nothing()
        };
        let draft = block(place.header(B256::ZERO, &contents), &transactions, &withdrawals)?;
        let header = draft.header();
        let rules = self.forks.rules(header.number, header.timestamp, header.difficulty);
        let mut reader = StateReader::new(state, hashes).map_err(failed)?;
        let executed = self.executor.execute(&rules, &draft, parent, &mut reader).map_err(failed)?;
        let receipts = executed.consensus_receipts();
        contents.receipts_root = ordered_root(&receipts);
        contents.bloom = executed.logs_bloom().0.0;
        contents.gas_used = executed.gas_used;
        let root = executed.changes.root_above(state)?;
        let header = place.header(root, &contents);
        let (number, hash) = (place.number, keccak256(&header));
        let claim = BlockClaim { number, hash, parent: place.parent, root };
        let derived = DerivedBlock::derive(state, claim, &executed.changes)?;
        Ok(ExecutedBlock {
            made: MadeBlock { number, hash, header, transactions, withdrawals, receipts },
            derived,
        })
    }
}

fn block(header: Vec<u8>, transactions: &[Vec<u8>], withdrawals: &[Vec<u8>]) -> Result<Block, Error> {
    let transactions: Vec<Vec<u8>> = transactions.iter().map(|raw| network_form(raw)).collect();
    let withdrawals: Vec<&[u8]> = withdrawals.iter().map(Vec::as_slice).collect();
    let no_ommers = List::new().encode();
    let body = Body::from_parts(transactions.iter().map(Vec::as_slice), &no_ommers, Some(&withdrawals))?;
    Block::new(Header::decode(&header.into())?, body).map_err(failed)
}

/// For `map_err`.
pub(crate) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Executed(Box::new(error))
}
